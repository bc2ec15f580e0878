"""Focus as a setting of the objective lens, its limits, and an offset while autofocus measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.program import user_settings

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

LARGEST = 1.0
UM_PER_UNIT = 10_000.0  # defocus that the whole range makes to one side (inferred)
LARGEST_OFFSET_UM = 200.0
OFFSET_SETTING = "AutofocusOffset"


def absolute_focus(session: Session, defocus_um: float) -> float:
    """Setting of the lens, -1 to 1, at a readout of the defocus; 0 is the eucentric focus."""
    return (defocus_um - session.scope.focus_zero_um) / UM_PER_UNIT


def report_absolute_focus(session: Session) -> float:
    """Focus as the lens is set, from -1 to 1; 0 is the eucentric focus."""
    return absolute_focus(session, session.scope.defocus_um)


def set_absolute_focus(session: Session, focus: float) -> None:
    """Set the lens, from -1 to 1; 0 is the eucentric focus (inferred)."""
    if abs(focus) > LARGEST:
        raise SEMerror(f"A focus of {focus:g} is not between {-LARGEST:g} and {LARGEST:g}")
    session.scope.defocus_um = session.scope.focus_zero_um + focus * UM_PER_UNIT


def absolute_focus_limits(session: Session, lowest: float, highest: float) -> None:
    """Lowest and highest setting of the lens that autofocus may make in this script."""
    if lowest >= highest:
        raise SEMerror("The lower limit of the focus must be below the upper one")
    session.measured.absolute_focus_limits = (lowest, highest)


def within_limits(session: Session, defocus_um: float) -> bool:
    """Whether autofocus may set this readout of the defocus."""
    limits = session.measured.absolute_focus_limits
    return limits is None or limits[0] <= absolute_focus(session, defocus_um) <= limits[1]


def set_autofocus_offset(session: Session, offset_um: float) -> None:
    """Change of focus while autofocus measures; put back at the end of the script (inferred)."""
    if abs(offset_um) > LARGEST_OFFSET_UM:
        raise SEMerror(f"An autofocus offset of {offset_um:g} um is out of range")
    user_settings.change(session, OFFSET_SETTING, offset_um)


def report_autofocus_offset(session: Session) -> float:
    """Change of focus while autofocus measures, in µm."""
    return user_settings.value(session, OFFSET_SETTING)


COMMANDS: Commands = {
    "ReportAbsoluteFocus": report_absolute_focus,
    "SetAbsoluteFocus": set_absolute_focus,
    "AbsoluteFocusLimits": absolute_focus_limits,
    "SetAutofocusOffset": set_autofocus_offset,
    "ReportAutofocusOffset": report_autofocus_offset,
}
