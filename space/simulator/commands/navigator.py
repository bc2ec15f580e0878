"""Commands for the Navigator's table. Those that load or make maps are in `nav_maps`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands import nav_maps
from space.simulator.program.navigator import Navigator, NavigatorError

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


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
        silent = session.options.user_settings["AutosaveNavNew"] and navigator.path
        if silent or session.answer_yes_no("Save changes to the Navigator file?"):
            if navigator.path is not None:
                _save(session)
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
    shown = session.shown(full)
    if not parts:
        return shown
    name, extension = os.path.splitext(Path(full).name)
    folder = shown[: len(shown) - len(Path(full).name)]
    return folder + name, extension, folder, name


def read_nav_file(session: Session, name: str) -> None:
    """Replace the table by a file, opening the Navigator if needed."""
    path = session.resolve(name)
    navigator = session.navigator
    if not path.is_file():
        raise SEMerror(f"Navigator file {name} does not exist")
    if navigator.is_open and navigator.changed and navigator.items and navigator.path:
        if session.answer_yes_no("Save changes to the Navigator file first?"):
            _save(session)
    with _navigator_errors():
        navigator.load(path)


def save_navigator(session: Session, name: str | None = None) -> None:
    """Write the file."""
    navigator = opened(session)
    session.faults.check_disk(name or navigator.path or "")
    _save(session, session.resolve(name) if name else None)


def _save(session: Session, path: Path | None = None) -> None:
    as_xml = bool(session.options.user_settings["WriteNavAsXML"])
    place = path or session.navigator.path
    shown = session.shown(os.path.abspath(place)) if place is not None else ""
    with _navigator_errors():
        session.navigator.save(path, as_xml, shown)


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
    return _report(session, existing_index(session, index))


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
    item = navigator.item(existing_index(session, index))
    return float(navigator.index_with_id(item.integer("DrawnID")))


def get_unique_nav_id(session: Session) -> float:
    """A new map ID."""
    return float(opened(session).unique_id())


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


def existing_index(session: Session, index: int) -> int:
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
    "AdjustStagePosForNav": adjust_stage_pos_for_nav,
    "MoveToNavItem": move_to_nav_item,
    "LoadOtherMap": nav_maps.load_other_map,
    "NewMap": nav_maps.new_map,
    "RealignToOtherItem": nav_maps.realign_to_other_item,
}
