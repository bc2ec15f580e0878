"""The Navigator: items as values, files, notes, Acquire at Items."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError
from space.item_types import MAP
from space.microscope.moving import bring_paths_here
from space.microscope.navfile import SavedItem, read_navigator_file
from space.microscope.sem import error_text, sem_errors, serialem
from space.microscope.stage import ARRIVED_WITHIN_UM

log = logging.getLogger("space.microscope")

_LONGEST_LABEL = 16

_RUN_SCRIPT = 2
"""Primary action of Acquire at Items."""


@dataclass(frozen=True)
class Item:
    """A Navigator item.

    Attributes
    ----------
    index : int
        Position in the table, from 1; deleting an item moves those after it up.
    label, note : str
        As shown in the table.
    stage_um : tuple of float
        x, y of the item.
    z_um : float
        Its height.
    kind : int
        0 point, 1 polygon, 2 map.
    """

    index: int
    label: str
    note: str
    stage_um: tuple[float, float]
    z_um: float
    kind: int

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return self.kind == MAP


# --- file ---------------------------------------------------------------------------------------


def open_file(path: Path) -> None:
    """Make `path` the Navigator's file: read it when it exists, else begin a new table.

    The table that was open before is saved under its own name first. In a folder that was moved or
    copied, maps refer to the image files there from then on.
    """
    sem = serialem()
    status = int(sem.ReportIfNavOpen())
    if is_open(path):
        sem.SaveNavigator()
        if not _bring_paths_here(path):
            log.info("%s is open already.", path.name)
            return
    elif status == 2:
        _save_where_it_belongs(path.parent)
    elif status == 1 and int(sem.ReportNumTableItems()) > 0:
        backup = _free_name(path.with_name("before_SPACEtomo.nav"))
        sem.SaveNavigator(str(backup))
        log.info("The unsaved Navigator table was kept as %s.", backup.name)
    if status:
        sem.CloseNavigator()
    if path.is_file():
        _bring_paths_here(path)
        sem.ReadNavFile(str(path))
        log.info("%s was opened and is continued.", path.name)
        return
    sem.OpenNavigator()
    # An empty table is not written, but from here on saving knows the name.
    sem.SaveNavigator(str(path))


def _bring_paths_here(path: Path) -> bool:
    """Correct the paths in a Navigator file that was moved or copied; return whether it was."""
    count = bring_paths_here(path) if path.is_file() else 0
    if count:
        log.info(
            "%s was moved or copied: %d maps refer to the files in %s now.",
            path.name,
            count,
            path.parent,
        )
    return count > 0


def _save_where_it_belongs(directory: Path) -> None:
    """Save the open table to its own file; in another folder only if it differs from this file.

    Nothing is written into the folder of another session without need.
    """
    sem = serialem()
    own = Path(str(sem.ReportNavFile()))
    if _same_file(own.parent, directory):
        sem.SaveNavigator()
        return
    trial = _free_name(directory / "before_SPACEtomo.nav")
    sem.SaveNavigator(str(trial))
    try:
        same = own.is_file() and read_navigator_file(trial) == read_navigator_file(own)
    except (OSError, ValueError):
        same = False
    if not same:
        sem.SaveNavigator(str(own))
    trial.unlink(missing_ok=True)


def open_folder() -> Path | None:
    """Return the folder of the open Navigator's file; None when there is no such file."""
    sem = serialem()
    return Path(str(sem.ReportNavFile())).parent if int(sem.ReportIfNavOpen()) == 2 else None


def file_stem() -> str:
    """Return the name, without folder and ending, of the open Navigator's file.

    Raises
    ------
    SpaceError
        When there is no such file.
    """
    try:
        return str(serialem().ReportNavFile(1)[3])
    except sem_errors() as error:
        raise SpaceError(
            "The Navigator has no file.", "Navigator", "Open the grid's Navigator file."
        ) from error


def is_open(path: Path) -> bool:
    """Return whether `path` is the Navigator's file."""
    sem = serialem()
    return int(sem.ReportIfNavOpen()) == 2 and _same_file(Path(str(sem.ReportNavFile())), path)


def _same_file(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve()
    except OSError:
        return path == other


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def save() -> None:
    """Save the table to its file."""
    serialem().SaveNavigator()


def save_and_read() -> tuple[SavedItem, ...]:
    """Save the table to its file and return the items of the file, in the order of the table.

    Raises
    ------
    SpaceError
        When the file cannot be read.
    """
    save()
    try:
        path = Path(str(serialem().ReportNavFile()))
        return read_navigator_file(path)
    except (OSError, ValueError) as error:
        raise SpaceError(f"The Navigator file cannot be read: {error}.", str(path)) from None
    except sem_errors() as error:
        raise SpaceError(f"The Navigator file is unknown: {error_text(error)}.") from None


# --- items --------------------------------------------------------------------------------------


def item(index: int) -> Item:
    """Return one item."""
    sem = serialem()
    x, y, z, kind = (float(value) for value in sem.ReportOtherItem(int(index))[1:5])
    return Item(
        int(index),
        str(sem.GetVariable("navLabel")),
        str(sem.GetVariable("navNote")),
        (x, y),
        z,
        int(kind),
    )


def items() -> list[Item]:
    """Return the whole table."""
    return [item(index) for index in range(1, int(serialem().ReportNumTableItems()) + 1)]


def map_with_note(note: str) -> Item | None:
    """Return the first map with exactly this note (points may have the same note)."""
    index = int(serialem().NavIndexWithNote(note))
    first = item(index) if index else None
    if first is None or (first.is_map and first.note == note):
        return first
    return next((entry for entry in items() if entry.is_map and entry.note == note), None)


def add_image_point(buffer: str, point_px: tuple[float, float], z_um: float) -> int:
    """Add a point at (row, column) of the image in a buffer; return its index."""
    row, column = point_px
    return int(serialem().AddImagePosAsNavPoint(buffer, float(column), float(row), float(z_um)))


def add_stage_point(x_um: float, y_um: float, z_um: float) -> int:
    """Add a point at a stage position; return its index."""
    return int(serialem().AddStagePosAsNavPoint(float(x_um), float(y_um), float(z_um)))


def describe(
    index: int, label: str | None = None, note: str | None = None, color: int | None = None
) -> None:
    """Set label, note and colour of an item."""
    sem = serialem()
    # The note first: label and note together make a lamella, a label alone one made by hand.
    if note is not None:
        sem.ChangeItemNote(int(index), note)
    if label is not None:
        sem.ChangeItemLabel(int(index), label[:_LONGEST_LABEL])
    if color is not None:
        sem.ChangeItemColor(int(index), int(color))


def delete(indexes: list[int]) -> None:
    """Delete items, from the end so that the other indexes stay right."""
    for index in sorted(indexes, reverse=True):
        serialem().DeleteNavigatorItem(int(index))


def shift_all_um(x_um: float, y_um: float) -> None:
    """Move all items of the present registration."""
    try:
        serialem().ShiftItemsByMicrons(float(x_um), float(y_um))
    except sem_errors() as error:
        raise SpaceError(
            f"The Navigator items cannot be shifted by ({x_um:.1f}, {y_um:.1f}) um: "
            f"{error_text(error)}."
        ) from error


def move_to(index: int) -> None:
    """Move the stage to an item, its height included; image shift becomes zero.

    Raises
    ------
    SpaceError
        When the stage did not get there in two attempts.
    """
    for last in (False, True):
        trouble = _move_to(index)
        if not trouble:
            return
        if last:
            raise SpaceError(f"The stage cannot go there: {trouble}.", f"Navigator item {index}")
        log.warning("The stage did not get to item %d: %s. It is sent again.", index, trouble)


def _move_to(index: int) -> str:
    """Send the stage to an item; return what went wrong, empty if nothing did."""
    sem = serialem()
    try:
        sem.MoveToNavItem(int(index))
    except sem_errors() as error:
        return error_text(error)
    x_um, y_um, *_ = sem.ReportStageXYZ()
    shift_x_um, shift_y_um = sem.AdjustStagePosForNav(0.0, 0.0)
    wanted_um = item(index).stage_um
    away_um = math.hypot(x_um + shift_x_um - wanted_um[0], y_um + shift_y_um - wanted_um[1])
    return f"it stands {away_um:.1f} um away" if away_um > ARRIVED_WITHIN_UM else ""


def take_height(index: int) -> None:
    """Give an item the stage's present height."""
    serialem().UpdateItemZ(int(index))


# --- Acquire at Items -----------------------------------------------------------------------------


def is_acquiring() -> bool:
    """Return whether Acquire at Items is running."""
    return bool(serialem().ReportIfNavAcquiring()[0])


def acquired_item() -> Item | None:
    """Return the item that is being acquired now; None when there is none."""
    return item(int(serialem().ReportNavItem()[0])) if is_acquiring() else None


def left_to_acquire() -> int:
    """Return how many items are set to be acquired (0 when the Navigator is closed)."""
    return max(0, int(serialem().ReportNumNavAcquire()[0]))


def acquire_is_on(index: int) -> bool:
    """Return whether an item is set to be acquired."""
    return bool(serialem().ReportItemAcquire(int(index)))


def set_acquire(index: int, on: bool = True) -> bool:
    """Turn Acquire on or off for an item; False when SerialEM refuses (inside a running range)."""
    try:
        serialem().SetItemAcquire(int(index), int(on))
        return True
    except sem_errors() as error:
        log.warning(
            "Acquire cannot be turned %s for item %d now: %s.",
            "on" if on else "off",
            index,
            error_text(error),
        )
        return False


def end_acquisition() -> None:
    """Have Acquire at Items end after this item, if it is running."""
    if is_acquiring():
        serialem().EndAcquireAtItems()


def start_acquire_at_end(primary: int = 0, after_item: int = 0, at_the_end: int = 0) -> None:
    """Start Acquire at Items for final data after this script.

    Parameters
    ----------
    primary, after_item, at_the_end : int
        Numbers of the scripts to run for each item, after each item, and when all have ended
        well. Without them, it is done as the user set up the dialog.
    """
    sem = serialem()
    sem.NavAcqAtEndUseParams("F")
    if primary:
        sem.SetNavAcqAtEndParams(
            "prim", float(_RUN_SCRIPT), "scrp-p", float(primary), "scrp-a", float(after_item)
        )
        sem.RunScriptAfterNavAcquire(int(at_the_end))
    sem.StartNavAcquireAtEnd()
