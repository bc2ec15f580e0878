"""Commands for the Navigator's table. Those that load or make maps are in `nav_maps`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands import nav_maps
from space.simulator.formats.autodoc import number_text, one_line
from space.simulator.formats.navfile import POINT, NavItem
from space.simulator.program.nav_items import (
    image_to_stage_um,
    point_item,
    polygon_item,
    stage_to_image_px,
)
from space.simulator.program.navigator import Navigator, NavigatorError

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

LONGEST_LABEL = 16
LARGEST_SHIFT_UM = 100.0
LAST_REGISTRATION = 199
LAST_COLOR = 5
NO_Z_UM = -900.0


# --- the window and its file -----------------------------------------------------------------


def open_navigator(session: Session, name: str | None = None) -> None:
    """Open the Navigator; a file name needs it to be closed."""
    navigator = session.navigator
    if name is None:
        if not navigator.is_open:
            navigator.open()
        return
    if navigator.is_open:
        raise SEMerror("The Navigator must be closed to open it with a file name")
    with _navigator_errors():
        navigator.open(session.resolve(name))


def close_navigator(session: Session) -> None:
    """Close the Navigator, saving a changed table or asking about it."""
    navigator = opened(session)
    if navigator.changed and navigator.items:
        silent = session.options.user_settings.get("NavAutosave", 0) and navigator.path
        if silent or session.answer_yes_no("Save changes to the Navigator file?"):
            if navigator.path is not None:
                with _navigator_errors():
                    navigator.save()
            else:
                session.write_log("The Navigator had no file name and was not saved")
    navigator.close()


def report_if_nav_open(session: Session) -> float:
    """0 closed, 1 open, 2 open with a file name."""
    navigator = session.navigator
    return float(navigator.is_open) + float(navigator.is_open and navigator.path is not None)


def report_nav_file(session: Session, parts: int | None = None) -> str | tuple[str, ...]:
    """Path of the file, or its four parts."""
    path = opened(session).path
    if path is None:
        raise SEMerror("The Navigator has no file")
    full = os.path.abspath(path)
    if not parts:
        return full
    root, extension = os.path.splitext(full)
    return root, extension, str(Path(full).parent) + os.sep, Path(root).name


def read_nav_file(session: Session, name: str) -> None:
    """Replace the table by a file, opening the Navigator if needed."""
    path = session.resolve(name)
    navigator = session.navigator
    if not path.is_file():
        raise SEMerror(f"Navigator file {name} does not exist")
    if navigator.is_open and navigator.changed and navigator.items and navigator.path:
        if session.answer_yes_no("Save changes to the Navigator file first?"):
            with _navigator_errors():
                navigator.save()
    with _navigator_errors():
        navigator.load(path)


def save_navigator(session: Session, name: str | None = None) -> None:
    """Write the file."""
    navigator = opened(session)
    session.faults.check_disk(name or navigator.path or "")
    with _navigator_errors():
        navigator.save(session.resolve(name) if name else None)


# --- what is in the table ---------------------------------------------------------------------


def current_index(session: Session) -> int:
    """Index of the item being acquired, else of the selected one; 0 if there is none."""
    navigator = opened(session)
    if session.acquire.acquiring and 1 <= session.acquire.item_index <= len(navigator.items):
        return session.acquire.item_index
    return navigator.selected if 1 <= navigator.selected <= len(navigator.items) else 0


def item_index(session: Session, index: int | None, from_end: bool = False) -> int:
    """Resolve an index; nothing or 0 is the current item.

    Raises
    ------
    SEMerror
        If there is no such item.
    """
    navigator = opened(session)
    if index is None or int(index) == 0:
        index = current_index(session)
        if not index:
            raise SEMerror("There is no current Navigator item")
    with _navigator_errors():
        return navigator.position(int(index), from_end)


def report_nav_item(session: Session) -> tuple[float, ...]:
    """Current item: index, stage X, Y, Z and type; sets the nav variables."""
    return _report(session, item_index(session, None))


def report_other_item(session: Session, index: int) -> tuple[float, ...]:
    """Any item: index, stage X, Y, Z and type; sets the nav variables."""
    return _report(session, _existing(session, index))


def _report(session: Session, index: int) -> tuple[float, ...]:
    item = session.navigator.item(index)
    variables = session.variables
    variables.report("navIndex", float(index))
    variables.report("navLabel", item.label)
    variables.report("navNote", item.note)
    variables.report("navColor", float(item.integer("Color")))
    variables.report("navRegis", float(item.registration))
    digits = "".join(c for c in item.label if c.isdigit())
    variables.report("navIntLabel", float(digits[:9] or 0))
    variables.report("navNumHoles", 0.0)
    if session.acquire.acquiring:
        variables.report("navAcqIndex", float(session.acquire.item_index))
    return (float(index), *item.stage_um, float(item.kind))


def report_num_table_items(session: Session) -> float:
    """Number of items."""
    return float(len(opened(session).items))


def nav_index_with_label(session: Session, label: str) -> float:
    """First item of a label, 0 if none."""
    return float(opened(session).index_with_label(label))


def nav_index_with_note(session: Session, note: str) -> float:
    """First item of a note, 0 if none."""
    return float(opened(session).index_with_note(note))


def nav_index_item_drawn_on(session: Session, index: int) -> float:
    """Map on which an item was drawn, 0 if unknown."""
    navigator = opened(session)
    item = navigator.item(_existing(session, index))
    return float(navigator.index_with_id(item.integer("DrawnID")))


def get_unique_nav_id(session: Session) -> float:
    """A new map ID."""
    return float(opened(session).unique_id())


# --- new items --------------------------------------------------------------------------------


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
    rows, cols = image.data.shape
    if image.stage_um is None or image.mag_index <= 0 or image.binning <= 0:
        raise SEMerror("The image has no stage position, magnification or binning")
    if image.off_center:
        raise SEMerror("Positions on a part of an image that is not its middle are not known")
    if not (0 <= x <= cols and 0 <= y <= rows):
        raise SEMerror(f"Position {x:g}, {y:g} is outside the image of {cols} x {rows}")
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


# --- changes ----------------------------------------------------------------------------------


def change_item_color(session: Session, index: int, color: int) -> None:
    """Set the colour, 0-5."""
    if not 0 <= int(color) <= LAST_COLOR:
        raise SEMerror(f"Colour {color} is not in the range of 0 to {LAST_COLOR}")
    opened(session).update(_existing(session, index), {"Color": str(int(color))})


def change_item_draw(session: Session, index: int, flag: int | None = None) -> None:
    """Show or hide an item on images; toggles without a flag."""
    navigator = opened(session)
    place = _existing(session, index)
    hidden = navigator.item(place).values.get("Draw") == "0"
    show = hidden if flag is None else bool(flag)
    navigator.update(place, {"Draw": None if show else "0"})


def change_item_label(session: Session, index: int, label: str) -> None:
    """Set the label."""
    label = one_line(label)
    if len(label) > LONGEST_LABEL:
        raise SEMerror(f"The label {label} is longer than {LONGEST_LABEL} characters")
    place = _existing(session, index)
    navigator = opened(session)
    navigator.replace(place, NavItem(label, navigator.item(place).values))


def change_item_note(session: Session, index: int, note: str | None = None) -> None:
    """Set or remove the note."""
    opened(session).update(_existing(session, index), {"Note": one_line(note or "") or None})


def delete_navigator_item(session: Session, index: int) -> None:
    """Take an item out of the table; 0 is the current one."""
    place = item_index(session, index, from_end=True)
    opened(session).delete(place)
    session.acquire.item_deleted(place)


def set_item_acquire(session: Session, index: int | None = None, flag: int | None = None) -> None:
    """Set an item to be acquired, or not."""
    navigator = opened(session)
    place = item_index(session, index, from_end=True)
    wanted = True if flag is None else bool(flag)
    state = session.acquire
    if wanted and state.acquiring and state.item_index <= place <= state.last_index:
        raise SEMerror("An item within the range being acquired cannot be set to acquire")
    if wanted and "TSparamIndex" in navigator.item(place).values:
        raise SEMerror("An item with a tilt series cannot be set to acquire")
    navigator.update(place, {"Acquire": "1" if wanted else None})


def report_item_acquire(session: Session, index: int | None = None) -> float:
    """Whether an item is set to be acquired."""
    return float(opened(session).item(item_index(session, index, from_end=True)).acquire)


def update_item_z(session: Session, index: int | None = None) -> None:
    """Give an item the present stage Z."""
    navigator = opened(session)
    place = item_index(session, index)
    x, y, _ = navigator.item(place).stage_um
    stage_z = session.scope.stage.position_um[2]
    navigator.update(place, {"StageXYZ": number_text((x, y, stage_z), 9)})


def shift_items_by_microns(
    session: Session, dx: float, dy: float, registration: int | None = None, mark: int | None = None
) -> None:
    """Shift all items of a registration."""
    navigator = opened(session)
    number = int(registration) if registration is not None else -1
    number = navigator.registration if number == -1 else number
    if not 1 <= number <= LAST_REGISTRATION:
        raise SEMerror(f"Registration {number} is out of range")
    if max(abs(dx), abs(dy)) > LARGEST_SHIFT_UM:
        raise SEMerror(f"A shift by more than {LARGEST_SHIFT_UM:g} um is refused")
    count = navigator.shift(dx, dy, number, bool(mark))
    session.write_log(f"Shifted {count} Navigator items by {dx:.2f}, {dy:.2f} um")


# --- groups -----------------------------------------------------------------------------------


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
    rows, cols = image.data.shape
    pixels = stage_to_image_px(image, np.array(points or np.zeros((0, 2))))
    seen = [p for p in pixels if 0 <= p[0] <= cols and 0 <= p[1] <= rows]
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
    """Status, group ID, items in the group and how many of them are set to acquire."""
    navigator = opened(session)
    if not session.acquire.acquiring:
        return -1.0, 0.0, 0.0, 0.0
    index = current_index(session)
    group = navigator.item(index).integer("GroupID") if index else 0
    if not group:
        return 0.0, 0.0, 0.0, 0.0
    members = [n for n, i in enumerate(navigator.items, 1) if i.integer("GroupID") == group]
    set_on = sum(navigator.item(n).acquire for n in members)
    return 1.0 if members[0] == index else 2.0, float(group), float(len(members)), float(set_on)


# --- moves ------------------------------------------------------------------------------------


def move_to_nav_item(session: Session, index: int | None = None) -> None:
    """Zero the image shift and drive the stage to an item, Z as well."""
    if index is not None and int(index) <= 0:
        raise SEMerror(f"{index} is not the index of a Navigator item")
    place = item_index(session, index)
    x, y, z = opened(session).item(place).stage_um
    session.scope.set_image_shift(0.0, 0.0)
    stage_x, stage_y = stage_target_um(session, (x, y))
    session.scope.stage.move_to(stage_x, stage_y, z, backlash=True)


def stage_target_um(session: Session, nav_xy_um: tuple[float, float]) -> tuple[float, float]:
    """Give the stage position for a Navigator position without image shift."""
    off_x, off_y = session.scope.adjust_stage_for_nav(0.0, 0.0, 0.0, 0.0)
    return nav_xy_um[0] - off_x, nav_xy_um[1] - off_y


def adjust_stage_pos_for_nav(
    session: Session,
    x: float,
    y: float,
    is_x: float | None = None,
    is_y: float | None = None,
    camera: int | None = None,
    mag_index: int | None = None,
    tilt_deg: float | None = None,
) -> tuple[float, float]:
    """Navigator position for a stage position with an image shift."""
    index = int(mag_index) if mag_index is not None and mag_index > 0 else None
    return session.scope.adjust_stage_for_nav(x, y, is_x or 0.0, is_y or 0.0, tilt_deg, index)


def opened(session: Session) -> Navigator:
    """Give the Navigator.

    Raises
    ------
    SEMerror
        If it is closed.
    """
    if not session.navigator.is_open:
        raise SEMerror("The Navigator must be open to execute this command")
    return session.navigator


def _existing(session: Session, index: int) -> int:
    """Index of an item that must be named; negative ones count from the end."""
    with _navigator_errors():
        return opened(session).position(int(index))


@contextmanager
def _navigator_errors() -> Iterator[None]:
    """Turn refusals of the Navigator into script errors."""
    try:
        yield
    except NavigatorError as problem:
        raise SEMerror(str(problem)) from problem


COMMANDS: Commands = {
    "OpenNavigator": open_navigator,
    "CloseNavigator": close_navigator,
    "ReportIfNavOpen": report_if_nav_open,
    "ReportNavFile": report_nav_file,
    "ReadNavFile": read_nav_file,
    "SaveNavigator": save_navigator,
    "ReportNavItem": report_nav_item,
    "ReportOtherItem": report_other_item,
    "ReportNumTableItems": report_num_table_items,
    "NavIndexWithLabel": nav_index_with_label,
    "NavIndexWithNote": nav_index_with_note,
    "NavIndexItemDrawnOn": nav_index_item_drawn_on,
    "GetUniqueNavID": get_unique_nav_id,
    "AddImagePosAsNavPoint": add_image_pos_as_nav_point,
    "AddStagePosAsNavPoint": add_stage_pos_as_nav_point,
    "AddStagePointsAsPolygon": add_stage_points_as_polygon,
    "AdjustStagePosForNav": adjust_stage_pos_for_nav,
    "GetNavGroupStageCoords": get_nav_group_stage_coords,
    "GetNavGroupImageCoords": get_nav_group_image_coords,
    "ReportGroupStatus": report_group_status,
    "MoveToNavItem": move_to_nav_item,
    "UpdateItemZ": update_item_z,
    "ChangeItemColor": change_item_color,
    "ChangeItemDraw": change_item_draw,
    "ChangeItemLabel": change_item_label,
    "ChangeItemNote": change_item_note,
    "DeleteNavigatorItem": delete_navigator_item,
    "SetItemAcquire": set_item_acquire,
    "ReportItemAcquire": report_item_acquire,
    "ShiftItemsByMicrons": shift_items_by_microns,
    "LoadOtherMap": nav_maps.load_other_map,
    "NewMap": nav_maps.new_map,
    "RealignToOtherItem": nav_maps.realign_to_other_item,
}
