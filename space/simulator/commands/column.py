"""Screen, probe mode, and focus that is set without measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.states import MICROPROBE, NANOPROBE
from space.simulator.commands.low_dose import follow

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

PROBE_MODES = {"m": MICROPROBE, "1": MICROPROBE, "n": NANOPROBE, "0": NANOPROBE}
LOWEST_TARGET_UM, HIGHEST_TARGET_UM = -200.0, 50.0


def screen_down(session: Session) -> None:
    """Put the fluorescent screen in; the next picture takes it out."""
    session.scope.screen_down = True
    session.clock.advance(3.0)


def screen_up(session: Session) -> None:
    """Take the fluorescent screen out."""
    session.scope.screen_down = False
    session.clock.advance(3.0)


def report_screen(session: Session) -> float:
    """Whether the screen is in."""
    return float(session.scope.screen_down)


def report_screen_current(session: Session) -> float:
    """Current of the beam on the screen in nA, 0 when the screen is out or valves are closed."""
    scope = session.scope
    if not (scope.screen_down and scope.valve_open):
        return 0.0
    return session.instrument.beam.currents_nA[scope.spot_size - 1] * scope.gun_current()


def set_probe_mode(session: Session, mode: str) -> None:
    """Microprobe (text that begins with m, or 1) or nanoprobe (n or 0)."""
    wanted = PROBE_MODES.get(mode.strip().lower()[:1])
    if wanted is None:
        raise SEMerror(f"{mode!r} is not a probe mode: micro or nano")
    session.scope.probe_mode = wanted
    follow(session)


def report_probe_mode(session: Session) -> float:
    """1 for microprobe, 0 for nanoprobe."""
    return float(session.scope.probe_mode)


# --- focus ------------------------------------------------------------------------------------


def reset_defocus(session: Session) -> None:
    """Make the present focus the zero of the readout; the focus itself stays."""
    scope = session.scope
    scope.focus_zero_um -= scope.defocus_um
    scope.defocus_um = 0.0
    session.workbench.saved_focus_um = None


def set_eucentric_focus(session: Session, number: float | None = None) -> None:
    """Focus on the height of the tilt axis, as calibrated; a number is not simulated."""
    if number is not None:
        raise SEMerror("SetEucentricFocus: not simulated with a number")
    session.scope.defocus_um = session.scope.focus_zero_um


def save_focus(session: Session) -> None:
    """Remember the focus for RestoreFocus."""
    session.workbench.saved_focus_um = session.scope.defocus_um


def restore_focus(session: Session) -> None:
    """Back to the focus that SaveFocus remembered."""
    saved = session.workbench.saved_focus_um
    if saved is None:
        raise SEMerror("There is no saved focus to restore")
    session.scope.defocus_um = saved
    session.workbench.saved_focus_um = None


def _set_target(session: Session, target_um: float) -> None:
    if not LOWEST_TARGET_UM <= target_um <= HIGHEST_TARGET_UM:
        raise SEMerror(f"A target defocus of {target_um:g} is out of range")
    session.scope.target_defocus_um = target_um


def inc_target_defocus(session: Session, change_um: float) -> None:
    """Change the target of autofocus."""
    _set_target(session, session.scope.target_defocus_um + change_um)


def cycle_target_defocus(
    session: Session, first_um: float, last_um: float, steps: int, back: int | None = None
) -> None:
    """Go on to the next target of autofocus between two values, in equal steps.

    After the last one comes the first again, or with a non-zero fourth number the way back. A
    target that is none of them is followed by the first.
    """
    if steps < 1 or first_um == last_um:
        raise SEMerror("Cycling the target defocus needs two values and at least one step")
    bench = session.workbench
    step = (last_um - first_um) / steps
    place = (session.scope.target_defocus_um - first_um) / step
    number = round(place)
    if abs(place - number) > 0.01 or not 0 <= number <= steps:
        bench.cycling_back = False
        _set_target(session, first_um)
        return
    if back:
        if number in (0, steps):
            bench.cycling_back = number == steps
        number += -1 if bench.cycling_back else 1
    else:
        number = (number + 1) % (steps + 1)
    _set_target(session, first_um + number * step)


# --- low dose ---------------------------------------------------------------------------------


def set_axis_position(
    session: Session,
    letter: str,
    distance_um: float,
    angle_deg: float | None = None,
    unused: int | None = None,
) -> None:
    """Distance of the Focus or Trial area from Record in µm, and the angle of their line.

    Both areas lie on one line: along the tilt axis, or with an angle other than 0 in degrees from
    it. Without an angle the line stays as it is.
    """
    scope = session.scope
    key = letter.strip().upper()[:1]
    if not scope.low_dose or key not in ("F", "T"):
        raise SEMerror("Low dose must be on and the area Focus or Trial")
    if angle_deg is not None:
        scope.axis_rotated = angle_deg != 0
        if angle_deg:
            scope.axis_angle_deg = round(angle_deg)
    for area in "FT" if session.options.user_settings["TieFocusTrialPos"] else key:
        scope.store_area(area, axis_um=distance_um)


COMMANDS: Commands = {
    "ScreenDown": screen_down,
    "ScreenUp": screen_up,
    "ReportScreen": report_screen,
    "ReportScreenCurrent": report_screen_current,
    "SetProbeMode": set_probe_mode,
    "ReportProbeMode": report_probe_mode,
    "ResetDefocus": reset_defocus,
    "SetEucentricFocus": set_eucentric_focus,
    "SaveFocus": save_focus,
    "RestoreFocus": restore_focus,
    "IncTargetDefocus": inc_target_defocus,
    "CycleTargetDefocus": cycle_target_defocus,
    "SetAxisPosition": set_axis_position,
}
