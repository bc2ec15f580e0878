"""Squares of the grid: finding them, and montages fitted to outlines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.image_places import placed_image
from space.simulator.commands.montage import open_fitted_montage
from space.simulator.commands.navigator import item_index, opened, stage_target_um
from space.simulator.formats.navfile import POINT
from space.simulator.measuring import square_finder
from space.simulator.montage.layout import pieces_outside
from space.simulator.program.nav_items import image_to_stage_um, polygon_item
from space.simulator.program.workbench import FoundSquares

if TYPE_CHECKING:
    from space.simulator.montage.layout import Piece
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

DEFAULT_SIZES_UM = (20.0, 200.0)
LEAST_CORNERS = 3


def auto_contour_grid_squares(
    session: Session,
    letter: str,
    reduction: float | None = None,
    least_um: float | None = None,
    largest_um: float | None = None,
    relative: float | None = None,
    absolute: float | None = None,
    polygon: int | None = None,
    spacing: float | None = None,
) -> None:
    """Find the open squares of the grid in an image; MakePolygonsAtSquares makes items of them.

    Sizes (square root of the area) in µm, by default 20 to 200. The threshold between bars and
    squares is found from the image, or lies at a fraction of the way from its dark to its bright
    parts (`relative`), or at a number of counts (`absolute`); values below 0, or 0 for the
    thresholds, leave the default. `reduction`, `polygon` and `spacing` have no effect.
    """
    image = placed_image(session, letter)
    sizes = [
        default if given is None or given < 0 else float(given)
        for given, default in zip((least_um, largest_um), DEFAULT_SIZES_UM)
    ]
    squares = square_finder.find_squares(
        image.data,
        image.pixel_um,
        (sizes[0], sizes[1]),
        relative if relative and relative > 0 else None,
        absolute if absolute and absolute > 0 else None,
    )
    session.workbench.squares = FoundSquares(image, squares)
    session.write_log(f"Found {len(squares)} squares")


def make_polygons_at_squares(
    session: Session,
    lower_mean: float | None = None,
    upper_mean: float | None = None,
    least_um: float | None = None,
    irregularity: float | None = None,
    border_um: float | None = None,
    edge: float | None = None,
    unused: int | None = None,
) -> float:
    """Make a polygon of each square found last; their number.

    Limits that are left out or below 0 do not count: mean counts relative to the median square,
    least size in µm, largest irregularity, least distance of the centre from the edge of the
    image in µm. The polygons form a group.
    """
    found = session.workbench.squares
    if found is None:
        raise SEMerror("No squares have been found: use AutoContourGridSquares first")
    navigator = opened(session)
    group = navigator.unique_id()
    count = 0
    for square in found.squares:
        if _below(square.mean, lower_mean) or _above(square.mean, upper_mean):
            continue
        if _below(square.size_um, least_um) or _above(square.irregularity, irregularity):
            continue
        if _below(square.border_um, border_um):
            continue
        corners = image_to_stage_um(found.image, np.array(square.corners_px))
        points = [tuple(p) for p in corners] + [tuple(corners[0])]
        item = polygon_item(points, found.image.stage_z_um, navigator.registration)
        values = {"GroupID": str(group)}
        if found.image.map_id:
            values["DrawnID"] = str(found.image.map_id)
        navigator.add(item.updated(values))
        count += 1
    return float(count)


def _below(value: float, limit: float | None) -> bool:
    return limit is not None and limit >= 0 and value < limit


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and limit >= 0 and value > limit


def _outline_um(session: Session, index: int) -> np.ndarray:
    """Convex outline of a polygon or map item, in stage coordinates to drive to."""
    from scipy.spatial import ConvexHull

    item = opened(session).item(item_index(session, index, from_end=True))
    if item.kind == POINT or len(set(item.points_um)) < LEAST_CORNERS:
        raise SEMerror(f"Item {item.label} is not a polygon")
    points = np.array([stage_target_um(session, p) for p in item.points_um])
    return points[ConvexHull(points).vertices]


def setup_polygon_montage(session: Session, index: int, fraction: float, name: str) -> None:
    """Open a stage montage that covers a polygon (0 = current item), and go to its centre."""
    outline_um = _outline_um(session, index)
    item = opened(session).item(item_index(session, index, from_end=True))
    open_fitted_montage(session, outline_um, fraction, name, item.map_id)


def skip_pieces_outside_item(session: Session, index: int) -> None:
    """Leave out the pieces of the current montage outside a polygon; -1 takes all again."""
    file = session.files.current
    if file is None or file.montage is None:
        raise SEMerror("The current file must be a montage file")
    if not file.empty:
        raise SEMerror("The montage file is not empty: its pieces cannot be changed")
    params = file.montage
    skipped: frozenset[Piece] = frozenset()
    if index >= 0:
        scope = session.scope
        center = params.center_um or scope.stage.position_um[:2]
        away = _outline_um(session, index) - center
        matrix = np.asarray(scope.stage_to_camera(scope.mag_index)) / params.binning
        skipped = pieces_outside(params.layout, away @ matrix.T)
        if len(skipped) == params.layout.counts[0] * params.layout.counts[1]:
            raise SEMerror("All pieces of the montage are outside the item")
    file.montage = replace(params, layout=replace(params.layout, skipped=skipped))


COMMANDS: Commands = {
    "AutoContourGridSquares": auto_contour_grid_squares,
    "MakePolygonsAtSquares": make_polygons_at_squares,
    "SetupPolygonMontage": setup_polygon_montage,
    "SkipPiecesOutsideItem": skip_pieces_outside_item,
}
