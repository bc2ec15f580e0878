"""Dewars of the microscope and the vacuum pump of its autoloader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column import faults
from space.simulator.column.errors import SEMerror

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

FULL_DEWARS_LAST_S = 8 * 3600.0
REFILLED_BEFORE_S = 600.0  # they are empty, when dewars and pumps are looked after
REFILLING_OPERATIONS = ("RS", "RT", "RB")
FILLING_S = -1.0


def start_pump(session: Session) -> None:
    """Let the pump run for a while, as after the autoloader has moved a grid."""
    session.pump_stops_at_s = session.clock.seconds + faults.PUMPING_S


def _require_autoloader(session: Session, name: str) -> None:
    if session.instrument.autoloader_slots == 0:
        raise SEMerror(f"{name} is not possible: this microscope has no autoloader")


def is_pvp_running(session: Session) -> float:
    """Whether the pump that evacuates the autoloader runs; it does for a while after loading."""
    _require_autoloader(session, "IsPVPRunning")
    return float(session.clock.seconds < session.pump_stops_at_s)


def dewars_remaining_time(session: Session) -> float:
    """Seconds until the dewars have to be filled, -1 while they are being filled (inferred)."""
    _require_autoloader(session, "DewarsRemainingTime")
    if faults.dewars_filling(session):
        return FILLING_S
    hours = [session.long_operations.get(name, 0.0) for name in REFILLING_OPERATIONS]
    full_at_s = max(session.dewars_full_at_s, *(3600.0 * hour for hour in hours))
    return max(0.0, full_at_s + FULL_DEWARS_LAST_S - session.clock.seconds)


def manage_dewars_and_pumps(session: Session, checks: int | None = None) -> None:
    """Fill dewars that are nearly empty, and wait until they are full and the pump stands still.

    What the number chooses is not known; it makes no difference here (inferred).
    """
    if 0.0 <= dewars_remaining_time(session) < REFILLED_BEFORE_S:
        session.write_log("The dewars are being filled")
        session.dewars_full_at_s = session.clock.seconds + faults.REFILL_S
    ready_at_s = max(session.dewars_full_at_s, session.pump_stops_at_s)
    session.clock.advance(max(0.0, ready_at_s - session.clock.seconds))


COMMANDS: Commands = {
    "IsPVPRunning": is_pvp_running,
    "DewarsRemainingTime": dewars_remaining_time,
    "ManageDewarsAndPumps": manage_dewars_and_pumps,
}
