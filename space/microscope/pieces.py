"""The pieces of a montage, and how each was taken according to the mdoc beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.geometry import Matrix
from space.microscope import mdoc

_SHIFTED_UM = 1.0
"""Pieces lie several um apart; in a montage by stage moves image shift hardly differs."""

_INNER = 0.7  # along a side: what surely shows this piece and not its neighbours


@dataclass(frozen=True)
class Piece:
    """One picture of a montage.

    Attributes
    ----------
    corner_px : tuple of float
        Its lower left corner in the montage, X right and Y up, as in the file.
    frame_px : tuple of float
        Width and height, (0, 0) if the file does not say.
    stage_um, image_shift_um : tuple of float
        Where stage and image shift stood; empty if the file does not say.
    """

    corner_px: tuple[float, float]
    frame_px: tuple[float, float]
    stage_um: tuple[float, ...]
    image_shift_um: tuple[float, ...]


def read(path: Path) -> tuple[Piece, ...]:
    """Return the pieces of an image file in the order in which they were taken.

    None without an mdoc (SerialEM can be set to write none), or with one that cannot be read.
    """
    try:
        document = mdoc.read(mdoc.path_of(path))
    except (OSError, SpaceError):
        return ()
    size = document.header.numbers("ImageSize")
    frame = (size[0], size[1]) if len(size) == 2 else (0.0, 0.0)
    found = []
    for section in mdoc.images(document):
        corner = section.numbers("PieceCoordinates")
        stage_um = section.numbers("StagePosition")[:2]
        shift_um = section.numbers("ImageShift")[:2]
        if len(corner) >= 2:
            found.append(Piece((corner[0], corner[1]), frame, stage_um, shift_um))
    return tuple(found)


def displaced_um(pieces: Sequence[Piece], stage_to_px: Matrix) -> float:
    """Return how far at most a piece was taken from its place, by the stage's readout.

    Parameters
    ----------
    pieces : sequence of Piece
        Without any, or where image shift took them there, nothing is known.
    stage_to_px : Matrix
        Stage µm → (column, row) of the pieces.
    """
    known = [piece for piece in pieces if len(piece.stage_um) == 2]
    if not known or by_image_shift(known):
        return 0.0
    corners_px = [(piece.corner_px[0], -piece.corner_px[1]) for piece in known]  # Y is up there
    nominal_um = np.linalg.solve(np.array(stage_to_px), np.transpose(corners_px)).T
    away_um = np.array([piece.stage_um for piece in known]) - nominal_um
    return float(np.hypot(*(away_um - np.median(away_um, axis=0)).T).max())


def by_image_shift(pieces: Sequence[Piece]) -> bool:
    """Tell whether image shift led from piece to piece, all over or in blocks."""
    shifts_um = [piece.image_shift_um for piece in pieces if len(piece.image_shift_um) == 2]
    return len(shifts_um) > 1 and bool(np.ptp(shifts_um, axis=0).max() > _SHIFTED_UM)


def cut_out(pieces: Sequence[Piece], overview: np.ndarray) -> list[np.ndarray]:
    """Return the inner part of each piece in the overview of a montage.

    Parameters
    ----------
    pieces : sequence of Piece
        All that were taken.
    overview : ndarray, shape (rows, columns)
        First row on top; the whole montage, binned.
    """
    if not pieces or min(pieces[0].frame_px) <= 0:
        return []
    width, height = pieces[0].frame_px
    left = min(piece.corner_px[0] for piece in pieces)
    bottom = min(piece.corner_px[1] for piece in pieces)
    right = max(piece.corner_px[0] for piece in pieces) + width
    top = max(piece.corner_px[1] for piece in pieces) + height
    across = overview.shape[1] / (right - left)
    down = overview.shape[0] / (top - bottom)
    margin_x, margin_y = width * (1 - _INNER) / 2, height * (1 - _INNER) / 2
    parts = []
    for piece in pieces:
        x, y = piece.corner_px
        columns = slice(
            round((x + margin_x - left) * across), round((x + width - margin_x - left) * across)
        )
        rows = slice(
            round((top - y - height + margin_y) * down), round((top - y - margin_y) * down)
        )
        parts.append(overview[rows, columns])
    return [part for part in parts if part.size]
