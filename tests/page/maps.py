"""Lamella maps as a session leaves them, drawn in a moment: a cell with mitochondria in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.microscope import RecordOptics, ViewConditions
from space.simulator.specimen import LABEL
from space.targeting import Choice, TargetArea, write_choice

SHAPE = (500, 700)
PIXEL_NM = 16.0
RECORD = RecordOptics((0.8, 0.6), 0.0, 1.2)
FRAME = MapFrame(SHAPE, ((62.5, 0.0), (0.0, -62.5)), (10.0, 5.0))
MITOS = ((120, 150), (120, 420), (300, 250), (320, 520), (200, 600))
"""Their middles, (row, column)."""


def draw(
    directory: Path, number: int = 1, others: Mapping[tuple[int, int], str] | None = None
) -> None:
    """Put a lamella's picture, notes and segmentation where a session has them.

    Places among `MITOS` that `others` names are of another class.
    """
    stem = f"G1_L{number:02d}"
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.full(SHAPE, LABEL["white"], np.uint8)
    labels[40:420, 40:660] = LABEL["lamella"]
    for row, column in MITOS:
        name = (others or {}).get((row, column), "mitos")
        labels[(rows - row) ** 2 + (columns - column) ** 2 < 30**2] = LABEL[name]
    view = ViewConditions(18, 1, 1, PIXEL_NM, 0.0)
    picture = directory / f"{stem}.png"
    facts = {"pixel_nm": PIXEL_NM, "frame": FRAME.to_dict(), "view": asdict(view)}
    write_json_beside(picture, {**facts, "view_shape_px": [400, 400]})
    write_png(picture, 100 + 5 * (labels % 30), PIXEL_NM, f"{stem}.mrc")
    table = json.dumps(LABEL)
    write_png(directory / f"{stem}_seg.png", labels, PIXEL_NM, "model", labels=table)


def choose(directory: Path, number: int, *areas: list[tuple[float, float]]) -> Path:
    """Write the choice of a lamella's targets as a session does."""
    chosen = [TargetArea(np.array(one, float), np.full(len(one), 0.5)) for one in areas]
    path = directory / f"G1_L{number:02d}_choice.json"
    write_choice(path, Choice(tuple(chosen)), f"G1_L{number:02d}.png", SHAPE, record=asdict(RECORD))
    return path


def glow(picture: Path, shape: tuple[int, int], **colors: tuple[int, int, int]) -> None:
    """Put channels of fluorescence beside a map: each a spot, of half the map's pixels."""
    from space.fluorescence import Look, keep, register

    fm_shape = (shape[0] // 2, shape[1] // 2)
    rows, columns = np.mgrid[: fm_shape[0], : fm_shape[1]]
    flats = {
        name: 900.0 * (np.hypot(rows - fm_shape[0] / 2, columns - (k + 1) * 50) < 20)
        for k, name in enumerate(colors)
    }
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * 0.8 * fm_shape
    found = register(corners, 2 * corners, 0.1, fm_shape, shape, usual_um=0.05)
    looks = {name: Look(color, 0, 900, 450) for name, color in colors.items()}
    keep(picture, "fm.tif", flats, looks, found)
