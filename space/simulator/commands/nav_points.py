"""Commands for points and polygons of the Navigator: new ones, and those of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.navigator import current_index, opened
from space.simulator.formats.navfile import POINT, NavItem
from space.simulator.program.nav_items import (
    image_to_stage_um,
    point_item,
    polygon_item,
    stage_to_image_px,
)

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

NO_Z_UM = -900.0


def add_image_pos_as_nav_point(
    session: Session,
    buffer: str,
    x: float,
    y: float,
    z: float | None = None,
    group: int | None = None,
    no_draw: int | None = None,
) -> float:
    """Add the point at column x and row y of an image."""
    navigator = opened(session)
    image = session.buffers.require(buffer)
    rows, columns = image.data.shape
    if image.stage_um is None or image.mag_index <= 0 or image.binning <= 0:
        raise SEMerror("The image has no stage position, magnification or binning")
    if image.off_center:
        raise SEMerror("Positions on a part of an image that is not its middle are not known")
    if not (0 <= x <= columns and 0 <= y <= rows):
        raise SEMerror(f"Position {x:g}, {y:g} is outside the image of {columns} x {rows}")
    column, row, piece = float(x), float(y), None
    if image.pieces is not None:
        piece = image.pieces.locate(column, row)
        if piece is not None:
            # The stage position holds for the piece's nominal place, not where it was aligned.
            dx, dy = image.pieces.shift_of(piece[0])
            column, row = column - dx, row - dy
    stage = image_to_stage_um(image, np.array([[column, row]]))[0]
    height = image.stage_z_um if z is None or z < NO_Z_UM else z
    item = point_item(
        (*stage, height),
        navigator.registration,
        int(group or 0),
        not no_draw,
        image.map_id,
        piece,
    )
    return float(navigator.add(item))


def add_stage_pos_as_nav_point(
    session: Session,
    x: float,
    y: float,
    z: float,
    group: int | None = None,
    no_draw: int | None = None,
) -> float:
    """Add a point at a Navigator position."""
    navigator = opened(session)
    item = point_item((x, y, z), navigator.registration, int(group or 0), not no_draw)
    return float(navigator.add(item))


def add_stage_points_as_polygon(
    session: Session, x_name: str, y_name: str, z: float, no_draw: int | None = None
) -> float:
    """Add a polygon whose corners are in two variables."""
    navigator = opened(session)
    xs, ys = (variable_numbers(session, name) for name in (x_name, y_name))
    if len(xs) != len(ys) or not xs:
        raise SEMerror("The two variables of a polygon must have as many values as each other")
    points = list(zip(xs, ys))
    return float(navigator.add(polygon_item(points, z, navigator.registration, not no_draw)))


def variable_numbers(session: Session, name: str) -> list[float]:
    """Numbers in a variable."""
    try:
        return [float(word) for word in str(session.variables.get(name)).split()]
    except ValueError as problem:
        raise SEMerror(f"Variable {name} does not hold numbers") from problem


def get_nav_group_stage_coords(
    session: Session, group: int, x_name: str, y_name: str, z_name: str | None = None
) -> float:
    """Put positions of a group's points into variables; their number."""
    points = [item.stage_um for item in _group(session, group)]
    for axis, name in enumerate((x_name, y_name, z_name)):
        if points and name:
            session.variables.set(name, "\n".join(f"{point[axis]:.7g}" for point in points))
    return float(len(points))


def get_nav_group_image_coords(
    session: Session, group: int, buffer: str, x_name: str, y_name: str
) -> float:
    """Put image positions of a group's points into variables; their number."""
    points = [item.stage_um[:2] for item in _group(session, group)]
    image = session.buffers.require(buffer)
    if image.stage_um is None or image.mag_index <= 0 or image.binning <= 0:
        return -1.0
    rows, columns = image.data.shape
    pixels = stage_to_image_px(image, np.array(points or np.zeros((0, 2))))
    seen = [p for p in pixels if 0 <= p[0] <= columns and 0 <= p[1] <= rows]
    for axis, name in enumerate((x_name, y_name)):
        if seen:
            session.variables.set(name, "\n".join(f"{point[axis]:.7g}" for point in seen))
    return float(len(seen))


def _group(session: Session, group: int) -> list[NavItem]:
    items = [i for i in opened(session).items if i.integer("GroupID") == int(group)]
    if not items or int(group) == 0:
        raise SEMerror(f"No items have group ID {group}")
    return [item for item in items if item.kind == POINT]


def report_group_status(session: Session) -> tuple[float, float, float, float]:
    """Status, ID of the current item's group, its items, and those of them to acquire.

    The status is -1 when nothing is being acquired, 0 for an item without a group, 1 for the
    first item of its group that is acquired and 2 for later ones.
    """
    items, index = opened(session).items, current_index(session)
    group = items[index - 1].integer("GroupID") if index else 0
    members = [item for item in items if group and item.integer("GroupID") == group]
    to_acquire = sum(item.acquire for item in members)
    if not session.acquire.acquiring:
        status = -1.0
    elif not group:
        status = 0.0
    else:
        done = session.acquire.acquired
        others = [item for item in members if item is not items[index - 1]]
        status = 2.0 if any(item.map_id in done for item in others) else 1.0
    return (status, float(group), float(len(members)), float(to_acquire))


COMMANDS: Commands = {
    "AddImagePosAsNavPoint": add_image_pos_as_nav_point,
    "AddStagePosAsNavPoint": add_stage_pos_as_nav_point,
    "AddStagePointsAsPolygon": add_stage_points_as_polygon,
    "GetNavGroupStageCoords": get_nav_group_stage_coords,
    "GetNavGroupImageCoords": get_nav_group_image_coords,
    "ReportGroupStatus": report_group_status,
}
