"""Commands that change items of the Navigator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands.navigator import existing_index, item_index, opened
from space.simulator.formats.autodoc import number_text, one_line
from space.simulator.formats.navfile import NavItem

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

LONGEST_LABEL = 16
LARGEST_SHIFT_UM = 100.0
LAST_REGISTRATION = 199
LAST_COLOR = 5


def change_item_color(session: Session, index: int, color: int) -> None:
    """Set the colour, 0-5."""
    if not 0 <= int(color) <= LAST_COLOR:
        raise SEMerror(f"Colour {color} is not in the range of 0 to {LAST_COLOR}")
    opened(session).update(existing_index(session, index), {"Color": str(int(color))})


def change_item_draw(session: Session, index: int, flag: int | None = None) -> None:
    """Show or hide an item on images; toggles without a flag."""
    navigator = opened(session)
    place = existing_index(session, index)
    hidden = navigator.item(place).values.get("Draw") == "0"
    show = hidden if flag is None else bool(flag)
    navigator.update(place, {"Draw": None if show else "0"})


def change_item_label(session: Session, index: int, label: str) -> None:
    """Set the label."""
    label = one_line(label)
    if len(label) > LONGEST_LABEL:
        raise SEMerror(f"The label {label} is longer than {LONGEST_LABEL} characters")
    place = existing_index(session, index)
    navigator = opened(session)
    navigator.replace(place, NavItem(label, navigator.item(place).values))


def change_item_note(session: Session, index: int, note: str | None = None) -> None:
    """Set or remove the note."""
    opened(session).update(existing_index(session, index), {"Note": one_line(note or "") or None})


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


COMMANDS: Commands = {
    "UpdateItemZ": update_item_z,
    "ChangeItemColor": change_item_color,
    "ChangeItemDraw": change_item_draw,
    "ChangeItemLabel": change_item_label,
    "ChangeItemNote": change_item_note,
    "DeleteNavigatorItem": delete_navigator_item,
    "SetItemAcquire": set_item_acquire,
    "ReportItemAcquire": report_item_acquire,
    "ShiftItemsByMicrons": shift_items_by_microns,
}
