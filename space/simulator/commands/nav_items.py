"""More about items of the Navigator: registrations, groups, outlines, targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands import nav_maps
from space.simulator.commands.image_places import placed_image
from space.simulator.commands.nav_changes import LAST_REGISTRATION
from space.simulator.commands.nav_points import NO_Z_UM, variable_numbers
from space.simulator.commands.navigator import (
    current_index,
    item_index,
    opened,
    report_other_item,
)
from space.simulator.formats.autodoc import number_text
from space.simulator.formats.navfile import MAP
from space.simulator.program.nav_items import image_to_stage_um, polygon_item
from space.simulator.program.navigator import NavigatorError

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def _registration(number: int) -> int:
    if not 1 <= number <= LAST_REGISTRATION:
        raise SEMerror(f"Registration {number} is out of range")
    return int(number)


def set_selected_nav_item(session: Session, index: int, unused: int | None = None) -> None:
    """Select an item; negative indexes count from the end."""
    opened(session).selected = item_index(session, index, from_end=True)


def set_nav_registration(session: Session, number: int) -> None:
    """Registration of the items to come."""
    opened(session).registration = _registration(number)


def change_item_registration(session: Session, index: int, number: int) -> None:
    """Registration of an item."""
    place = item_index(session, index, from_end=True)
    opened(session).update(place, {"Regis": str(_registration(number))})


def change_item_group_id(session: Session, index: int, group: int) -> None:
    """Group that an item belongs to; 0 takes it out of its group."""
    place = item_index(session, index, from_end=True)
    opened(session).update(place, {"GroupID": str(group) if group else None})


def set_item_target_defocus(session: Session, index: int, defocus_um: float) -> None:
    """Target defocus with which an item is to be acquired."""
    if not -200.0 <= defocus_um <= 50.0:
        raise SEMerror(f"A target defocus of {defocus_um:g} is out of range")
    place = item_index(session, index, from_end=True)
    opened(session).update(place, {"TargetDefocus": number_text(defocus_um)})


def set_item_series_angles(
    session: Session, index: int, start: float, end: float, bidirectional: float | None = None
) -> None:
    """Start and end angle of an item's tilt series, and the angle where its halves meet."""
    limit = session.scope.properties["MaximumTiltAngle"]
    for angle in (start, end, bidirectional or 0.0):
        if abs(angle) > limit + 0.05:
            raise SEMerror(f"The angle {angle:g} is beyond the limit of {limit:g}")
    place = item_index(session, index, from_end=True)
    values = {"TSstartEndAngles": number_text((start, end))}
    if bidirectional is not None:
        values["TSbidirAngle"] = number_text(bidirectional)
    opened(session).update(place, values)


def update_group_z(session: Session, index: int | None = None) -> None:
    """Give all items of an item's group the present stage Z; only the item if it has none."""
    navigator = opened(session)
    place = item_index(session, index)
    group = navigator.item(place).integer("GroupID")
    stage_z = session.scope.stage.position_um[2]
    for number, item in enumerate(list(navigator.items), start=1):
        if number == place or (group and item.integer("GroupID") == group):
            x, y, _ = item.stage_um
            navigator.update(number, {"StageXYZ": number_text((x, y, stage_z), 9)})


def shift_items_by_alignment(session: Session) -> None:
    """Shift all items of the current registration by the alignment shift of A."""
    navigator = opened(session)
    image = session.buffers.require("A")
    if image.stage_um is None or image.mag_index <= 0:
        raise SEMerror("The place of the image on the stage is not known")
    # What lay at the middle of the reference is now found at minus the shift in A.
    away = np.linalg.solve(np.asarray(image.stage_to_px), -np.asarray(image.align_shift_px))
    count = navigator.shift(float(away[0]), float(away[1]), navigator.registration)
    session.write_log(f"Shifted {count} Navigator items by {away[0]:.2f}, {away[1]:.2f} um")


def shift_items_by_current_diff(session: Session, limit_um: float) -> None:
    """Shift all items of the registration by what the stage is away from the current item.

    Nothing happens when that is more than the limit in µm.
    """
    navigator = opened(session)
    x, y, _ = navigator.item(item_index(session, None)).stage_um
    stage_x, stage_y, _ = session.scope.stage.position_um
    here = session.scope.adjust_stage_for_nav(stage_x, stage_y, *session.scope.image_shift)
    dx, dy = here[0] - x, here[1] - y
    if math.hypot(dx, dy) > limit_um:
        session.write_log(f"The stage is {math.hypot(dx, dy):.2f} um away, items not shifted")
        return
    navigator.shift(dx, dy, navigator.registration)


def add_image_points_as_polygon(
    session: Session,
    letter: str,
    x_name: str,
    y_name: str,
    z: float | None = None,
    no_draw: int | None = None,
) -> float:
    """Add a polygon whose corners, in pixels of an image, are in two variables."""
    navigator = opened(session)
    image = placed_image(session, letter)
    columns, rows = (variable_numbers(session, name) for name in (x_name, y_name))
    if len(columns) != len(rows) or len(columns) < 2:
        raise SEMerror("The two variables of a polygon must have as many values as each other")
    points = image_to_stage_um(image, np.column_stack([columns, rows]))
    height = image.stage_z_um if z is None or z < NO_Z_UM else z
    item = polygon_item([tuple(p) for p in points], height, navigator.registration, not no_draw)
    if image.map_id:
        item = item.updated({"DrawnID": str(image.map_id)})
    return float(navigator.add(item))


def get_item_point_array(session: Session, index: int, x_name: str, y_name: str) -> float:
    """Put the corners of a polygon, a map or a point into two variables; their number."""
    points = opened(session).item(item_index(session, index, from_end=True)).points_um
    for axis, name in enumerate((x_name, y_name)):
        session.variables.set(name, "\n".join(f"{point[axis]:.7g}" for point in points))
    return float(len(points))


def report_next_nav_acq_item(session: Session) -> tuple[float, ...]:
    """Next item to be acquired: index, stage X, Y, Z and type; an index of 0 if there is none."""
    navigator = opened(session)
    after = current_index(session) if session.acquire.acquiring else 0
    for number, item in enumerate(navigator.items, start=1):
        if number > after and item.acquire and item.registration == navigator.registration:
            return report_other_item(session, number)
    return (0.0, 0.0, 0.0, 0.0, 0.0)


def merge_nav_file(session: Session, name: str) -> None:
    """Add the items of another Navigator file whose IDs are not in the table yet."""
    place = session.resolve(name)
    try:
        count = opened(session).merge(place)
    except NavigatorError as problem:
        raise SEMerror(str(problem)) from problem
    session.write_log(f"Added {count} items from {place.name}")


# --- maps -------------------------------------------------------------------------------------


def load_nav_map(session: Session, buffer: str | None = None) -> None:
    """Load the map that is the current item."""
    nav_maps.load_other_map(session, item_index(session, None), buffer)


def realign_to_nav_item(
    session: Session,
    restore: int,
    continuous: int | None = None,
    threshold: float | None = None,
    resets: int | None = None,
    leave_zero: int | None = None,
) -> None:
    """Move to the current item and correct the stage error with the map that shows it."""
    index = item_index(session, None)
    nav_maps.realign_to_other_item(
        session, index, restore, continuous, threshold, resets, leave_zero
    )


def realign_to_map_drawn_on(session: Session, index: int, restore: int) -> None:
    """Move to the map on which an item was drawn and correct the stage error."""
    navigator = opened(session)
    item = navigator.item(item_index(session, index, from_end=True))
    drawn_on = navigator.index_with_id(item.integer("DrawnID"))
    if not drawn_on:
        raise SEMerror(f"The map on which item {item.label} was drawn is not known")
    nav_maps.realign_to_other_item(session, drawn_on, restore)


def set_map_acquire_state(session: Session, index: int) -> None:
    """Magnification and low dose area with which a map was taken."""
    navigator = opened(session)
    item = navigator.item(item_index(session, index, from_end=True))
    if item.kind != MAP:
        raise SEMerror(f"Item {item.label} is not a map")
    scope = session.scope
    if session.workbench.state_before_map is None:
        session.workbench.state_before_map = (scope.low_dose, scope.area, scope.mag_index)
    nav_maps.go_to_map_state(session, item)


def restore_state(session: Session, unused: int | None = None) -> None:
    """Back to what was set before SetMapAcquireState."""
    before = session.workbench.state_before_map
    if before is None:
        raise SEMerror("There is no state to restore")
    nav_maps.restore_state(session, before)
    session.workbench.state_before_map = None


def forget_prior_state(session: Session, unused: int | None = None) -> None:
    """Stay in the state of the map; there is nothing to restore any more."""
    session.workbench.state_before_map = None


COMMANDS: Commands = {
    "SetSelectedNavItem": set_selected_nav_item,
    "SetNavRegistration": set_nav_registration,
    "ChangeItemRegistration": change_item_registration,
    "ChangeItemGroupID": change_item_group_id,
    "SetItemTargetDefocus": set_item_target_defocus,
    "SetItemSeriesAngles": set_item_series_angles,
    "UpdateGroupZ": update_group_z,
    "ShiftItemsByAlignment": shift_items_by_alignment,
    "ShiftItemsByCurrentDiff": shift_items_by_current_diff,
    "AddImagePointsAsPolygon": add_image_points_as_polygon,
    "GetItemPointArray": get_item_point_array,
    "ReportNextNavAcqItem": report_next_nav_acq_item,
    "MergeNavFile": merge_nav_file,
    "LoadNavMap": load_nav_map,
    "RealignToNavItem": realign_to_nav_item,
    "RealignToMapDrawnOn": realign_to_map_drawn_on,
    "SetMapAcquireState": set_map_acquire_state,
    "RestoreState": restore_state,
    "ForgetPriorState": forget_prior_state,
}
