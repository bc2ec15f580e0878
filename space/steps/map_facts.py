"""The notes beside a lamella map, compared with the map itself.

The JSON beside a map's picture can be copied from elsewhere, edited, or be left from before the
Navigator's items were shifted. Where it differs from the map that the Navigator has, no targets are
set up from it: they would lie somewhere else.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame, rotation_of
from space.images import json_path, read_json_beside, read_png, write_json_beside
from space.microscope import (
    MapImage,
    SavedItem,
    ViewConditions,
    mdoc,
    moved_items,
    mrc,
    scope,
    view_conditions,
)
from space.settings import STITCHINGS
from space.steps.session import GridSession

SAME_PLACE_UM, SAME_PLACE_PX = 0.02, 1.0
"""Places in a map that lie no farther apart (the larger of both counts) are the same: the Navigator
file rounds to six digits."""

SAME_SCALE = 0.005
"""Pixel sizes that differ by no larger fraction are the same."""

SAME_ROTATION_DEG = 0.2

TURNED = "turned_deg"
STITCHED = "stitched"
"""Key of a map's notes, see `MapFacts`."""


@dataclass(frozen=True)
class MapFacts:
    """What was noted beside a lamella map.

    Attributes
    ----------
    frame : MapFrame
        Frame of the picture that was segmented.
    pixel_nm : float
        Its pixel size.
    view : ViewConditions
        How View pictures were taken.
    view_shape_px : tuple of int
        Their rows and columns.
    turned_deg : float
        By how much the map's rotation, in `frame` and `view`, is that of a View picture taken now
        and more: the grid was loaded again since.
    """

    frame: MapFrame
    pixel_nm: float
    view: ViewConditions
    view_shape_px: tuple[int, int]
    turned_deg: float = 0.0


def view_of(session: GridSession, number: int, image: MapImage) -> ViewConditions | None:
    """Return how the View pictures of a map were taken; None if its item could not be read."""
    if image.saved is None:
        return None
    pieces = mdoc.images(mdoc.read(mdoc.path_of(session.directory / session.map_note(number))))
    return view_conditions(
        image.saved,
        image.picture.pixel_nm,
        # From the map's own matrix, so that no magnification need be set.
        rotation_of(image.frame.stage_to_px, scope.stage_to_specimen()),
        image.picture.pixel_nm / max(1.0, image.picture.binning),
        pieces[0] if pieces else None,
    )


def view_shape_px(session: GridSession, number: int) -> tuple[int, int]:
    """Return rows and columns of View pictures: those of the montage's pieces."""
    return mrc.read_header(session.directory / session.map_note(number)).shape


def read_facts(picture: Path) -> MapFacts:
    """Read what was noted beside a lamella map.

    Raises
    ------
    SpaceError
        When it is missing or incomplete.
    """
    values = read_json_beside(picture)
    try:
        rows, columns = values["view_shape_px"]
        view: dict[str, Any] = {key: float(value) for key, value in values["view"].items()}
        for key in ("mag_index", "camera", "binning", "spot_size"):
            view[key] = int(view[key])
        facts = MapFacts(
            MapFrame.from_dict(values["frame"]),
            float(values["pixel_nm"]),
            ViewConditions(**view),
            (int(rows), int(columns)),
            float(values.get(TURNED, 0.0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SpaceError(
            f"The facts noted about a map cannot be read: {error!r}.",
            str(json_path(picture)),
            _REMEDY,
        ) from None
    return facts


def note_place(picture: Path, saved: SavedItem) -> bool:
    """Note beside a map's picture where its Navigator item says that it lies now.

    The segmentation of the picture stays what it is. Returns whether anything had changed.
    """
    values = read_json_beside(picture)
    facts = read_facts(picture)
    matrix = saved.stage_to_px(facts.frame.shape)
    x_um, y_um = saved.numbers("StageXYZ")[:2]
    if matrix is None:
        raise SpaceError("The Navigator does not give the scale of a map.", saved.label)
    frame = MapFrame(facts.frame.shape, matrix, (x_um, y_um))
    if frame == facts.frame:
        return False
    rotation = rotation_of(matrix, scope.stage_to_specimen())
    as_taken = facts.view.rotation_deg - facts.turned_deg
    values["frame"] = frame.to_dict()
    values["view"] = {**asdict(facts.view), "rotation_deg": rotation}
    values[TURNED] = (rotation - as_taken + 180.0) % 360.0 - 180.0
    write_json_beside(picture, values)
    return True


def stitching_of(picture: Path) -> str:
    """Return how the pieces of a lamella map were put together: "" as when it was collected."""
    way = read_json_beside(picture).get(STITCHED, "")
    return way if way in STITCHINGS else ""


def turned_since(session: GridSession, number: int) -> float:
    """Return by how much a lamella's map is turned since it was collected, in degrees.

    Raises
    ------
    SpaceError
        When the grid was loaded again since and the notes beside its picture are lost: View maps
        would be cut out of it turned.
    """
    picture = session.map_png(number)
    values = read_json_beside(picture)
    if "frame" in values:
        turned = values.get(TURNED, 0.0)
        return float(turned) if isinstance(turned, (int, float)) else 0.0
    note = session.map_note(number)
    if not moved_items.was_moved(session.navigator_file, note):
        return 0.0
    raise SpaceError(
        f"What was noted beside {picture.name} is lost, and the grid was loaded again since: by "
        "how much the map is turned is not known.",
        note,
        "Delete the map's file and its Navigator item and run the script again: it is collected "
        "again.",
    )


_REMEDY = (
    "Delete the map's PNG and JSON files and run SPACEtomo.py again: it saves them again from the "
    "map, which is then segmented again."
)


def checked_facts(session: GridSession, number: int, image: MapImage) -> MapFacts:
    """Read what was noted beside a lamella map and compare it with the loaded map.

    Raises
    ------
    SpaceError
        When it cannot be read, or with everything in which it differs from the map.
    """
    picture = session.map_png(number)
    facts = read_facts(picture)
    pixels, stored = read_png(picture)
    problems = [
        *_picture_problems(facts, pixels.shape, stored.get("pixel_nm", facts.pixel_nm)),
        *_map_problems(facts, image),
        *_view_problems(facts, view_of(session, number, image), view_shape_px(session, number)),
    ]
    if problems:
        raise SpaceError(
            f"What is noted beside {picture.name} does not agree with the map "
            f"{session.map_note(number)} in the Navigator: {'; '.join(problems)}. "
            "No targets are set up from it.",
            str(json_path(picture)),
            _REMEDY,
        )
    return facts


def _picture_problems(facts: MapFacts, shape: tuple[int, ...], pixel_nm: float) -> list[str]:
    problems = []
    if tuple(shape) != facts.frame.shape:
        problems.append(
            f"it says {facts.frame.shape[1]} x {facts.frame.shape[0]} pixels, the picture has "
            f"{shape[1]} x {shape[0]}"
        )
    if not _same_scale(pixel_nm, facts.pixel_nm):
        problems.append(
            f"it says a pixel of {facts.pixel_nm:.4g} nm, the picture itself {pixel_nm:.4g} nm"
        )
    return problems


def _map_problems(facts: MapFacts, image: MapImage) -> list[str]:
    """Return in what a noted frame and pixel size differ from those of the loaded map."""
    problems = []
    rows, columns = facts.frame.shape
    full_rows, full_columns = image.frame.shape
    enlarged = math.sqrt(full_rows * full_columns / max(1, rows * columns))
    pixel_nm = image.picture.pixel_nm * enlarged
    if not _same_scale(pixel_nm, facts.pixel_nm):
        problems.append(
            f"it says a pixel of {facts.pixel_nm:.4g} nm, by the map it is {pixel_nm:.4g} nm"
        )
    true = image.frame.resized(facts.frame.shape)
    allowed_um = max(SAME_PLACE_UM, SAME_PLACE_PX * pixel_nm / 1000)
    moved_um = _distance_um(facts.frame.center_stage_um, true.center_stage_um)
    if not moved_um <= allowed_um:
        problems.append(
            f"it says a centre {_place(facts.frame.center_stage_um)}, {moved_um:.4g} um away from "
            f"the map's {_place(true.center_stage_um)}"
        )
    corners_px = np.array([(0, 0), (0, columns), (rows, 0), (rows, columns)], float)
    try:
        away_um = (
            facts.frame.to_stage(corners_px)
            - true.to_stage(corners_px)
            - np.subtract(facts.frame.center_stage_um, true.center_stage_um)
        )
        largest_um = float(np.hypot(*away_um.T).max())
    except np.linalg.LinAlgError:
        largest_um = math.inf
    if not largest_um <= allowed_um:
        problems.append(
            f"its scale or rotation is another: a corner lies {largest_um:.4g} um from the map's"
        )
    return problems


def _view_problems(
    facts: MapFacts, view: ViewConditions | None, shape: tuple[int, int]
) -> list[str]:
    problems = []
    if facts.view_shape_px != shape:
        problems.append(
            f"it says View pictures of {facts.view_shape_px[1]} x {facts.view_shape_px[0]} "
            f"pixels, the map's pieces have {shape[1]} x {shape[0]}"
        )
    if view is None:
        return problems
    noted, true = asdict(facts.view), asdict(view)
    if not _same_scale(noted["pixel_nm"], true["pixel_nm"]):
        problems.append(
            f"it says a View pixel of {noted['pixel_nm']:.4g} nm, by the map it is "
            f"{true['pixel_nm']:.4g} nm"
        )
    turned_deg = (noted["rotation_deg"] - true["rotation_deg"] + 180.0) % 360.0 - 180.0
    if not abs(turned_deg) <= SAME_ROTATION_DEG:
        problems.append(f"it says a View that is rotated by {turned_deg:.4g} degrees")
    problems += [
        f"it says {key.replace('_', ' ')} {noted[key]} of View, the map has {true[key]}"
        for key in ("mag_index", "camera", "binning")
        if noted[key] != true[key]
    ]
    return problems


def _same_scale(pixel_nm: float, other_nm: float) -> bool:
    # Written so that NaN is not the same as anything.
    return other_nm > 0 and abs(pixel_nm / other_nm - 1.0) <= SAME_SCALE


def _distance_um(place_um: tuple[float, float], other_um: tuple[float, float]) -> float:
    return math.hypot(place_um[0] - other_um[0], place_um[1] - other_um[1])


def _place(stage_um: tuple[float, float]) -> str:
    return f"({stage_um[0]:.2f}, {stage_um[1]:.2f})"
