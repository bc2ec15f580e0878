"""A lamella's map with what is on the page drawn on it, as a map of its own for SerialEM.

Two files: the picture, and a Navigator file with one item, to be merged with the session's. Points
that a person adds on this map have the stage positions that they have on the original.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space import plots, steps
from space.errors import SpaceError
from space.files import write_text_atomic
from space.geometry import MapFrame
from space.images import read_png
from space.labelling import labels_that_count
from space.microscope import SavedItem, picking_map
from space.overview import GridFacts, LamellaFacts
from space.page.choosing import areas_sent
from space.page.lamella_facts import classes_of, navigator_items, optics_of
from space.page.refusal import wrong
from space.page.session import Session
from space.steps import GridSession
from space.targeting import ExposureOptics, TargetArea

if TYPE_CHECKING:
    from PIL import ImageDraw

LARGEST_PX = 8192
"""Sides of the picture: a larger map is made smaller by a whole number."""

_WHITE, _BLACK = 255, 0
_CORNERS = 90


def saved(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Write both files into the session's directory; return their names.

    Raises
    ------
    SpaceError
        If there is no map, or the Navigator does not say where it lies.
    """
    try:
        names = _write(session, grid, lamella, values, session.directory)
    except OSError as error:
        raise SpaceError(f"The map cannot be written: {error}.", lamella.label) from None
    return {"files": list(names), "directory": str(session.directory)}


def packed(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> bytes:
    """Return both files in a ZIP file; nothing is written into the session's directory.

    Raises
    ------
    SpaceError
        As `saved`.
    """
    out = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="spacetomo_page_") as name:
        folder = Path(name)
        names = _write(session, grid, lamella, values, folder)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in names:
                archive.write(folder / file, file)
    return out.getvalue()


def _write(
    session: Session,
    grid: GridFacts,
    lamella: LamellaFacts,
    values: Mapping[str, Any],
    folder: Path,
) -> tuple[str, str]:
    files, names = session.files_of(grid), values.get("classes", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("classes is no list of names.")
    with session.segmentations.one_at_a_time:
        facts = steps.read_map_facts(files.map_png(lamella.number))
        items = _items(grid, lamella)
        original = _map_item(files, lamella, items)
        frame = picking_map.frame_of(original, facts.frame.shape)
        factor = max(1, -(-max(frame.shape) // LARGEST_PX))
        areas = areas_sent(values, frame.shape)
        optics = optics_of(session, files, lamella, facts) if areas else None
        picture = _drawn(session, files, lamella, names, factor)
        _draw_targets(picture, areas, optics, factor)
    small = picking_map.shrunk(frame, factor)
    stem = files.map_stem(lamella.number)
    made = (f"{stem}_picking.mrc", f"{stem}_picking.nav")
    picking_map.write_picture(folder / made[0], picture, facts.pixel_nm * factor)
    text = _item_text(lamella, stem, made[0], small, original, items)
    write_text_atomic(folder / made[1], text)
    return made


def _item_text(
    lamella: LamellaFacts,
    stem: str,
    picture: str,
    frame: MapFrame,
    original: SavedItem,
    items: Sequence[SavedItem],
) -> str:
    ids = [int(number) for item in items for number in item.numbers("MapID")[:1]]
    label, note = f"{lamella.label}-pick", f"{stem} with targets, to pick on"
    return picking_map.item_text(label, note, picture, frame, original, ids)


def _items(grid: GridFacts, lamella: LamellaFacts) -> tuple[SavedItem, ...]:
    try:
        return navigator_items(grid)
    except (OSError, ValueError) as error:
        raise SpaceError(f"The Navigator file cannot be read: {error}.", lamella.label) from None


def _map_item(files: GridSession, lamella: LamellaFacts, items: Iterable[SavedItem]) -> SavedItem:
    note = files.map_note(lamella.number)
    found = next((item for item in items if item.is_map and item.note == note), None)
    if found is None:
        raise SpaceError(
            "The Navigator file has no map of this lamella.", lamella.label, "Save the Navigator."
        )
    return found


def _drawn(
    session: Session, files: GridSession, lamella: LamellaFacts, names: list[str], factor: int
) -> np.ndarray:
    """Return the map's picture with the rims of classes drawn on it."""
    picture, _ = read_png(files.map_png(lamella.number))
    picture = picking_map.smaller(picture, factor)
    if lamella.labels is None or not names:
        return picture
    path = labels_that_count(lamella.labels).path
    labels = session.segmentations.read(path)[0].labels[::factor, ::factor]
    known = classes_of(files, path).labels
    for name in names:
        if name in known and labels.shape == picture.shape:
            inside = labels == known[name]
            picture[_rim(inside)] = _WHITE
    return picture


def _rim(inside: np.ndarray) -> np.ndarray:
    """Return which pixels of a class have a neighbour that is none."""
    padded = np.pad(inside, 1, mode="edge")
    middle = padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return inside & ~middle


def _draw_targets(
    picture: np.ndarray,
    areas: Sequence[TargetArea],
    optics: ExposureOptics | None,
    factor: int,
) -> None:
    """Draw fields, beams and numbers of targets into a picture."""
    if optics is None:
        return
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    radius = optics.beam_diameter_um / optics.pixel_um / 2
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    beam = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    field = np.array(plots.field_corners_px(optics))  # (column, row)
    width = max(1, round(max(picture.shape) / 2000))
    font = ImageFont.load_default(max(12, round(radius / factor / 2)))
    for number, area in enumerate(areas, 1):
        for index, (row, column) in enumerate(area.targets_map_px, 1):
            for shape in (field, beam):
                _line(pen, (shape + (column, row)) / factor, width)
            name = f"{number}.{index}" if len(areas) > 1 else f"{index}"
            # Beside the middle, which a person wants to see.
            place = (column / factor + 4 * width, row / factor + 4 * width)
            pen.text(place, name, _WHITE, font, stroke_width=2 * width, stroke_fill=_BLACK)
    picture[:] = np.asarray(image)


def _line(pen: ImageDraw.ImageDraw, corners: np.ndarray, width: int) -> None:
    closed = [(float(column), float(row)) for column, row in [*corners, corners[0]]]
    pen.line(closed, _BLACK, 3 * width)
    pen.line(closed, _WHITE, width)
