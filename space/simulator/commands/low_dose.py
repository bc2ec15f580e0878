"""Low dose areas, imaging states and magnification."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import AREA_LETTERS

if TYPE_CHECKING:
    from space.simulator.column.states import ImagingState
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def go_to_low_dose_area(session: Session, letter: str) -> None:
    """Conditions of an area; only the first letter, upper case, counts."""
    if letter[:1] not in AREA_LETTERS:
        raise SEMerror(f"{letter!r} is not a low dose area letter")
    session.scope.go_to_area(letter[0])
    if session.faults.strikes("state-off"):
        session.scope.miss_magnification()


def set_low_dose_mode(session: Session, on: int) -> float:
    """Turn low dose on or off; reports how it was."""
    before = session.scope.low_dose
    session.scope.set_low_dose(bool(on))
    return float(before)


def report_low_dose(session: Session) -> tuple[float, float]:
    """Whether low dose is on, and the number of the area (-1 none)."""
    scope = session.scope
    number = AREA_LETTERS.index(scope.area) if scope.area else -1
    return (float(scope.low_dose), float(number))


def report_ld_defocus_offset(session: Session, letter: str) -> float:
    """Defocus offset of View or Search."""
    scope = session.scope
    if not scope.low_dose or letter[:1].upper() not in ("V", "S"):
        raise SEMerror("Low dose must be on and the area View or Search")
    return scope.stored_area(letter).defocus_offset_um


def set_ld_defocus_offset(session: Session, letter: str, offset_um: float) -> None:
    """Set the defocus offset of View or Search."""
    scope = session.scope
    key = letter[:1].upper()
    if key not in ("V", "S"):
        raise SEMerror("Only View and Search have a defocus offset")
    scope.store_area(key, defocus_offset_um=offset_um)


def report_axis_position(session: Session, letter: str) -> tuple[float, ...]:
    """Distance from Record, angle of that line to the tilt axis, and the offset on the camera."""
    scope = session.scope
    key = letter[:1].upper()
    if not scope.low_dose or key not in ("F", "T"):
        raise SEMerror("Low dose must be on and the area Focus or Trial")
    area = scope.stored_area(key)
    angle = math.radians(scope.rotation_deg(area.mag_index) + scope.area_angle_deg)
    pixels = area.axis_um / scope.pixel_um(area.mag_index)
    return (area.axis_um, scope.area_angle_deg, pixels * math.cos(angle), pixels * math.sin(angle))


def update_low_dose_params(session: Session, letter: str, keep: int | None = None) -> None:
    """Changes in the area count for the area until the script ends."""
    area = session.scope.stored_area(letter)
    session.following_areas.add(area.letter)
    if not keep:
        session.updated_areas.setdefault(area.letter, area)


def restore_low_dose_params(session: Session, letter: str | None = None) -> None:
    """An area, or all, as before UpdateLowDoseParams; changes do not count any more."""
    keys = session.following_areas | set(session.updated_areas)
    if letter:
        keys = {key for key in keys if key == letter[:1].upper()}
    for key in keys & set(session.updated_areas):
        session.scope.areas[key] = session.updated_areas.pop(key)
    session.following_areas -= keys


def current_settings_to_ld_area(session: Session, letter: str) -> None:
    """Make the present magnification and beam those of an area, without going there."""
    scope = session.scope
    scope.area_mag_index(letter)
    scope.store_present(letter)


def copy_low_dose_area(session: Session, letter: str, other: str) -> None:
    """Give an area the magnification and beam of another; its own shift and offset stay."""
    source = session.scope.stored_area(letter)
    session.scope.store_area(
        other,
        mag_index=source.mag_index,
        spot_size=source.spot_size,
        intensity=source.intensity,
        beam_um=source.beam_um,
        dose_rate_e_A2_s=source.dose_rate_e_A2_s,
        probe_mode=source.probe_mode,
    )


def get_low_dose_area_params(session: Session, letter: str, variable: str) -> None:
    """Put the parameters of an area into a variable, a line each.

    Magnification index, spot size, intensity, position along the tilt axis in µm, slit in,
    slit width and energy loss in eV, zero loss, probe mode (1 microprobe). Which ones they are,
    and their order, is inferred.
    """
    scope = session.scope
    area = scope.stored_area(letter)
    values = (
        area.mag_index,
        area.spot_size,
        area.intensity,
        area.axis_um,
        int(scope.slit_in),
        scope.slit_width_ev,
        scope.energy_loss_ev,
        int(scope.energy_loss_ev == 0.0),
        area.probe_mode,
    )
    session.variables.set(variable, "\n".join(f"{value:.7g}" for value in values))


def follow(session: Session) -> None:
    """Store a change of conditions in the area, if that was asked for."""
    scope = session.scope
    if scope.area and scope.area in session.following_areas:
        scope.store_present(scope.area)


def go_to_imaging_state(session: Session, name: str) -> float:
    """0 done, 1 unknown name, 2 ambiguous, 3 number out of range; does not raise.

    A string of digits is a number only if no name is or begins with it.
    """
    found, code = _state(session.scope.states, name)
    if code:
        return float(code)
    state = session.scope.states[found]
    session.scope.apply_state(state)
    if state.area is None and session.faults.strikes("state-off"):
        session.scope.miss_magnification()
    for letter in state.area.letter if state.area else "VR":
        session.camera.set_exposure(letter, state.exposure_s)
    session.clock.advance(10.0)
    return 0.0


def _state(states: Sequence[ImagingState], name: str) -> tuple[int, int]:
    """Position of the state that a text stands for, and the code of what is wrong with it."""
    wanted = name.strip().lower()
    names = [state.name.lower() for state in states]
    if wanted in names:
        return names.index(wanted), 0
    starting = [position for position, name in enumerate(names) if name.startswith(wanted)]
    if starting:
        return starting[0], 0 if len(starting) == 1 else 2
    if not re.fullmatch(r"[+-]?[0-9]+", wanted):
        return -1, 1
    number = int(wanted)
    return number - 1, 0 if 1 <= number <= len(states) else 3


def imaging_state_properties(session: Session, name: str) -> tuple[float, float, float, str]:
    """Number of a state, its low dose area (-1 none), magnification index and name."""
    found, code = _state(session.scope.states, name)
    if code:
        raise SEMerror(f"{name!r} stands for no imaging state")
    state = session.scope.states[found]
    area = "VFTRS".find(state.area.letter) if state.area else -1
    return (float(found + 1), float(area), float(state.mag_index), state.name)


def report_mag(session: Session) -> tuple[float, float, float]:
    """Nominal magnification, whether it is low, and the mode."""
    mag = session.scope.optics.entry(session.scope.mag_index)
    return (mag.nominal, float(mag.low_mag), 0.0)


def report_mag_index(session: Session) -> tuple[float, float]:
    """Magnification index and whether it is low."""
    mag = session.scope.optics.entry(session.scope.mag_index)
    return (float(mag.index), float(mag.low_mag))


def set_mag(session: Session, magnification: float, probe: int | None = None) -> None:
    """Nominal magnification."""
    session.scope.set_mag_index(session.scope.optics.index_of(magnification))
    follow(session)


def set_mag_index(session: Session, mag_index: int) -> None:
    """Magnification index."""
    session.scope.set_mag_index(mag_index)
    follow(session)


def change_mag(session: Session, steps: int) -> None:
    """Magnification index changed by steps."""
    set_mag_index(session, session.scope.mag_index + steps)


COMMANDS: Commands = {
    "GoToLowDoseArea": go_to_low_dose_area,
    "SetLowDoseMode": set_low_dose_mode,
    "ReportLowDose": report_low_dose,
    "ReportLDDefocusOffset": report_ld_defocus_offset,
    "SetLDDefocusOffset": set_ld_defocus_offset,
    "ReportAxisPosition": report_axis_position,
    "CurrentSettingsToLDArea": current_settings_to_ld_area,
    "CopyLowDoseArea": copy_low_dose_area,
    "GetLowDoseAreaParams": get_low_dose_area_params,
    "UpdateLowDoseParams": update_low_dose_params,
    "RestoreLowDoseParams": restore_low_dose_params,
    "GoToImagingState": go_to_imaging_state,
    "ImagingStateProperties": imaging_state_properties,
    "ReportMag": report_mag,
    "ReportMagIndex": report_mag_index,
    "SetMag": set_mag,
    "SetMagIndex": set_mag_index,
    "ChangeMag": change_mag,
}
