"""Energy filter, and flashing of the gun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.measuring import zero_loss

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

WIDEST_SLIT_EV, LARGEST_LOSS_EV = 100.0, 3000.0
SLIT_MOVES_S = 2.0


def _require_filter(session: Session) -> None:
    if session.instrument.energy_filter is None:
        raise SEMerror("This microscope has no energy filter")


def set_slit_width(session: Session, width_ev: float) -> None:
    """Width of the energy filter's slit in eV."""
    _require_filter(session)
    if not 0.0 < width_ev <= WIDEST_SLIT_EV:
        raise SEMerror(f"A slit width of {width_ev:g} eV is out of range")
    if width_ev != session.scope.slit_width_ev:
        session.clock.advance(SLIT_MOVES_S)
    session.scope.slit_width_ev = width_ev


def set_slit_in(session: Session, on: int | None = None) -> None:
    """Slit in or out."""
    _require_filter(session)
    wanted = on is None or bool(on)
    if wanted != session.scope.slit_in:
        session.clock.advance(SLIT_MOVES_S)
    session.scope.slit_in = wanted


def set_energy_loss(session: Session, loss_ev: float) -> None:
    """Energy loss in the middle of the slit in eV; 0 is the zero-loss peak."""
    _require_filter(session)
    if abs(loss_ev) > LARGEST_LOSS_EV:
        raise SEMerror(f"An energy loss of {loss_ev:g} eV is out of range")
    session.scope.set_energy_loss(loss_ev)


def change_energy_loss(session: Session, change_ev: float) -> None:
    """Change the energy loss by eV."""
    set_energy_loss(session, session.scope.energy_loss_ev + change_ev)


def report_energy_filter(session: Session) -> tuple[float, float, float]:
    """Slit width, energy loss, slit in."""
    _require_filter(session)
    scope = session.scope
    return (scope.slit_width_ev, scope.energy_loss_ev, float(scope.slit_in))


def refine_zlp(
    session: Session, interval_min: float | None = None, *options: float | None
) -> float | None:
    """Find the zero-loss peak and put it back into the slit, unless done within the interval."""
    _require_filter(session)
    scope = session.scope
    now = session.clock.seconds
    last = session.last_zlp_s
    if interval_min is not None and last is not None and now - last < 60.0 * interval_min:
        return None
    scope.slit_in = True
    found_ev = zero_loss.find(session)
    session.clock.advance(15.0)
    if found_ev is None:
        raise SEMerror("RefineZLP failed: there is no zero-loss peak, or no beam")
    session.last_zlp_s = now
    scope.filter_offset_ev += found_ev
    session.write_log(f"The zero-loss peak was {found_ev:.2f} eV from the middle of the slit")
    return 0.0


def is_feg_flashing_advised(session: Session, kind: int) -> float:
    """Whether the gun has lost so much current; kind 1 is flashing at a high temperature."""
    return float(session.scope.flash_advised(bool(kind)))


def next_feg_flash_high_temp(session: Session, on: int | None = None) -> None:
    """Make the next flashing one at a high temperature, or with 0 an ordinary one."""
    session.scope.next_flash_hot = on is None or bool(on)


COMMANDS: Commands = {
    "SetSlitWidth": set_slit_width,
    "SetSlitIn": set_slit_in,
    "SetEnergyLoss": set_energy_loss,
    "ChangeEnergyLoss": change_energy_loss,
    "ReportEnergyFilter": report_energy_filter,
    "RefineZLP": refine_zlp,
    "IsFEGFlashingAdvised": is_feg_flashing_advised,
    "NextFEGFlashHighTemp": next_feg_flash_high_temp,
}
