"""Focus and eucentric height: autofocus, fits of the contrast transfer function, tilting.

All that is measured is measured in pictures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import AREA_OF_SET
from space.simulator.commands.absolute_focus import within_limits
from space.simulator.commands.stage import reset_image_shift
from space.simulator.measuring import ctf_fit, focusing
from space.simulator.measuring import eucentricity as routines
from space.simulator.measuring.aberrations import aberrations_of

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

MOST_ROUNDS = 3
FAILED = -1.0
BEYOND_LIMITS = (
    3.0  # a positive code is the reason why autofocus was given up; this value is inferred
)
CTFPLOTTER_STATUS = 1.0
AREA_SETS: dict[int, SetLetter] = {0: "F", 1: "V", 2: "V", 3: "S", 4: "S", -1: "R", -2: "P"}


def set_target_defocus(session: Session, defocus_um: float) -> None:
    """Target of autofocus."""
    if not -200.0 <= defocus_um <= 50.0:
        raise SEMerror(f"A target defocus of {defocus_um:g} is out of range")
    session.scope.target_defocus_um = defocus_um


def report_target_defocus(session: Session) -> float:
    """Target of autofocus."""
    return session.scope.target_defocus_um


def set_defocus(session: Session, defocus_um: float) -> None:
    """Readout of the defocus."""
    if abs(defocus_um) > 5000.0:
        raise SEMerror(f"A defocus of {defocus_um:g} is out of range")
    session.scope.defocus_um = defocus_um


def change_focus(session: Session, change_um: float) -> None:
    """Change of the readout."""
    if change_um == 0.0 or abs(change_um) > 1000.0:
        raise SEMerror(f"A focus change of {change_um:g} is not possible")
    session.scope.defocus_um += change_um


def report_defocus(session: Session) -> float:
    """Readout of the defocus, with the offset of View or Search in them."""
    return session.scope.defocus_um


def change_limits(session: Session, lowest_um: float, highest_um: float) -> None:
    """Largest changes of focus downwards and upwards that autofocus may make in this script."""
    if lowest_um >= highest_um:
        raise SEMerror("The lower limit of the focus change must be below the upper one")
    session.measured.focus_change_limits_um = (lowest_um, highest_um)


def autofocus(session: Session, mode: int | None = None, area: int | None = None) -> None:
    """Measure the defocus with tilted beams and, by default, bring it to the target.

    1 change focus, -1 only measure, -2 only measure drift. Area: Focus by default, 1 or 2 View,
    3 or 4 Search, -1 Record, -2 Preview; in View and Search their defocus offset is taken off, so
    that the target is that of Record. After a change of more than the user's RefocusThreshold
    it is measured again, MOST_ROUNDS times in all.
    """
    mode = 1 if mode is None else mode
    letter = AREA_SETS.get(area or 0)
    if letter is None:
        raise SEMerror(f"{area} is not an area for autofocus")
    scope, measured = session.scope, session.measured
    with_drift = mode == -2 or bool(session.options.user_settings["DriftProtection"])
    if scope.low_dose:
        scope.go_to_area(AREA_OF_SET[letter])
    if scope.optics.entry(scope.mag_index).low_mag and mode != -2:
        if mode != 1:
            raise SEMerror("Autofocus is not calibrated at this magnification")
        scope.defocus_um = scope.focus_zero_um
        return
    measured.drift_nm_s = None
    for _ in range(MOST_ROUNDS):
        found = focusing.measure(session, letter, with_drift)
        if found is None:
            measured.defocus_status = FAILED
            session.write_log("WARNING: Autofocus failed, the pictures could not be correlated")
            return
        measured.drift_nm_s = found.drift_nm_s
        if mode == -2:
            return
        measured.defocus_um = found.defocus_um - _offset_um(session, letter)
        measured.defocus_status = 0.0
        if mode != 1 or not _focus_changed(session):
            return


def _offset_um(session: Session, letter: SetLetter) -> float:
    """Defocus offset of View and Search in low dose."""
    scope = session.scope
    in_offset = scope.low_dose and letter in "VS"
    return scope.stored_area(letter).defocus_offset_um if in_offset else 0.0


def _focus_changed(session: Session) -> bool:
    """Bring the focus to its target; whether it was so far that it has to be measured again."""
    scope, measured = session.scope, session.measured
    change_um = scope.target_defocus_um - measured.defocus_um
    limits_um = measured.focus_change_limits_um
    if limits_um is not None and not limits_um[0] <= change_um <= limits_um[1]:
        measured.defocus_status = BEYOND_LIMITS
        session.write_log(f"WARNING: Autofocus would change focus by {change_um:.2f} um")
        return False
    if not within_limits(session, scope.defocus_um + change_um):
        measured.defocus_status = BEYOND_LIMITS
        session.write_log("WARNING: Autofocus would pass a limit of the absolute focus")
        return False
    scope.defocus_um += change_um
    return abs(change_um) > session.options.user_settings["RefocusThreshold"]


def report_auto_focus(session: Session) -> tuple[float, float]:
    """Defocus measured last and whether that succeeded."""
    return (session.measured.defocus_um, session.measured.defocus_status)


def report_focus_drift(session: Session) -> tuple[float, float]:
    """Drift in nm/s from the last autofocus."""
    if session.measured.drift_nm_s is None:
        raise SEMerror("There is no drift available from an autofocus")
    return session.measured.drift_nm_s


def _fitted(
    session: Session, letter: str, low: float, high: float, with_astigmatism: bool = True
) -> ctf_fit.Fit | None:
    """Fit to the power spectrum of a picture; None where it shows no rings."""
    image = session.buffers.require(letter)
    if low >= 0 or high >= 0 or low == high:
        raise SEMerror("The limits of the defocus must be negative and differ")
    if image.pixel_um <= 0:
        raise SEMerror("The pixel size of the image in the buffer is unknown")
    spectrum = ctf_fit.power_spectrum(image.data, 1e3 * image.pixel_um)
    session.clock.advance(2.0)
    optics = aberrations_of(session)
    if with_astigmatism:
        return ctf_fit.fit_astigmatism(spectrum, low, high, optics)
    return ctf_fit.fit_defocus(spectrum.averaged(), low, high, optics)


def ctf_find(
    session: Session, letter: str, low: float, high: float, *options: float | None
) -> tuple[float, ...]:
    """Defocus, astigmatism, angle, phase, score, resolution in Å.

    The astigmatism is the largest less the smallest underfocus (µm), the angle that from the X
    axis of the picture to the direction of the largest, counter-clockwise.
    """
    found = _fitted(session, letter, low, high)
    if found is None:
        raise SEMerror("CtfFind failed: no rings were found in the power spectrum")
    astigmatism = (found.difference_um, found.angle_deg)
    return (found.defocus_um, *astigmatism, 0.0, found.score, 10.0 / found.fitted_to_per_nm)


def ctfplotter(
    session: Session,
    letter: str,
    low: float,
    high: float,
    find: int | None = None,
    *options: float | None,
) -> tuple[float, ...]:
    """Defocus, astigmatism, angle, phase, fit frequency (1/nm), score.

    The fourth argument 0 or 2 leaves out astigmatism, which then is 0; astigmatism and angle are
    otherwise those of CtfFind. Where the power spectrum shows no rings, the program that makes
    the fit ends with a status other than zero.
    """
    found = _fitted(session, letter, low, high, find not in (0, 2))
    if found is None:
        session.write_log("WARNING: Ctfplotter found no rings in the power spectrum")
        return (1.0, CTFPLOTTER_STATUS)
    astigmatism = (found.difference_um, found.angle_deg)
    return (found.defocus_um, *astigmatism, 0.0, found.fitted_to_per_nm, found.score)


def eucentricity(session: Session, mode: int | None = None, unused: int | None = None) -> None:
    """Bring what stands in the centre to the height of the tilt axis; ends at zero tilt.

    1 rough, 2 fine (default), 3 both, negative by focus. Where there is nothing to correlate, or
    the height found is beyond the limit, Z is put back.
    """
    mode = 2 if mode is None else mode
    if mode == 0:
        raise SEMerror("Eucentricity needs at least one of its modes")
    chosen = {"focus": mode < 0, "rough": mode > 0 and mode & 1, "fine": mode > 0 and mode & 2}
    for routine, wanted in chosen.items():
        if wanted and routine not in session.instrument.controls.eucentricity:
            raise SEMerror(f"Eucentricity by the {routine} routine is not possible here")
    largest_um = session.scope.properties["EucentricityResetISThreshold"]
    if math.hypot(*session.scope.specimen_shift_um()) > largest_um:
        reset_image_shift(session)
    session.rough_eucentricity_failed = False
    limit_um, session.measured.rough_limit_um = session.measured.rough_limit_um, None
    if mode < 0:
        _log_height(session, _height_by_focus(session))
        return
    if mode & 1:
        outcome = routines.rough(session, limit_um)
        _log_height(session, outcome)
        session.rough_eucentricity_failed = outcome.beyond_limit
        if outcome.z_um is None:
            return
    if mode & 2:
        _log_height(session, routines.fine(session))


def _height_by_focus(session: Session) -> routines.Outcome:
    """Height from the defocus that autofocus measures, against the calibrated focus."""
    scope = session.scope
    scope.tilt_to(0.0)
    autofocus(session, -1)
    if session.measured.defocus_status != 0.0:
        return routines.Outcome(None)
    x, y, z_um = scope.stage.position_um
    height_um = session.measured.defocus_um - scope.true_defocus_um(0.0)
    if abs(z_um - height_um) > routines.largest_z_um(session):
        return routines.Outcome(None, beyond_limit=True)
    scope.stage.move_to(x, y, z_um - height_um)
    return routines.Outcome(z_um - height_um)


def _log_height(session: Session, outcome: routines.Outcome) -> None:
    if outcome.z_um is not None:
        session.write_log(f"Eucentricity: Z is {outcome.z_um:.2f} um now")
    elif outcome.beyond_limit:
        session.write_log("WARNING: Eucentricity would exceed the limit in Z; Z is as before")
    else:
        session.write_log("WARNING: Eucentricity had nothing to correlate; Z is as before")


def limit_next_rough_eucen(session: Session, limit_um: float) -> None:
    """Largest change of Z that the next rough routine may make."""
    session.measured.rough_limit_um = limit_um


def report_rough_eucen_failed(session: Session) -> float:
    """Whether the last rough routine gave up because Z would have passed a limit."""
    return float(session.rough_eucentricity_failed)


COMMANDS: Commands = {
    "SetTargetDefocus": set_target_defocus,
    "ReportTargetDefocus": report_target_defocus,
    "SetDefocus": set_defocus,
    "ChangeFocus": change_focus,
    "ReportDefocus": report_defocus,
    "FocusChangeLimits": change_limits,
    "G": autofocus,
    "AutoFocus": autofocus,
    "ReportAutoFocus": report_auto_focus,
    "ReportFocusDrift": report_focus_drift,
    "CtfFind": ctf_find,
    "Ctfplotter": ctfplotter,
    "Eucentricity": eucentricity,
    "LimitNextRoughEucen": limit_next_rough_eucen,
    "ReportRoughEucenFailed": report_rough_eucen_failed,
}
