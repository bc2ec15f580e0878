"""Focus: the readout, autofocus and fits of the contrast transfer function.

Measurements come from the true height and defocus with a small error, not from pictures.
"""

from __future__ import annotations

from space.simulator.errors import SEMerror

FOCUS_ERROR_UM = 0.03
CTF_ERROR_UM = 0.02


def set_target_defocus(session, defocus_um):
    """Target of autofocus."""
    if not -200.0 <= defocus_um <= 50.0:
        raise SEMerror(f"A target defocus of {defocus_um:g} is out of range")
    session.scope.target_defocus_um = defocus_um


def report_target_defocus(session):
    """Target of autofocus."""
    return session.scope.target_defocus_um


def set_defocus(session, defocus_um):
    """Readout of the defocus."""
    if abs(defocus_um) > 5000.0:
        raise SEMerror(f"A defocus of {defocus_um:g} is out of range")
    session.scope.defocus_um = defocus_um


def change_focus(session, change_um):
    """Change of the readout."""
    if change_um == 0.0 or abs(change_um) > 1000.0:
        raise SEMerror(f"A focus change of {change_um:g} is not possible")
    session.scope.defocus_um += change_um


def report_defocus(session):
    """Readout of the defocus, with the offset of View or Search in them."""
    return session.scope.defocus_um


def _true_defocus(session):
    return session.scope.true_defocus_um(_height_in_view(session))


def _height_in_view(session):
    from space.simulator.camera import center_um
    from space.simulator.optics import tilted_height_um

    scope = session.scope
    view = session.geometry(1.0, (2, 2))
    optics = scope.optics
    point = center_um(optics, view)
    low_mag = optics.entry(scope.mag_index).low_mag
    offset = optics.low_mag_offset_um if low_mag else (0.0, 0.0)
    stage = [point[i] - scope.true_stage_um[i] - offset[i] for i in range(2)]
    y0 = float((optics.stage_to_specimen() @ stage)[1]) - optics.tilt_axis_offset_um
    return tilted_height_um(y0, view.height_um, scope.tilt_deg)


def autofocus(session, mode=None, area=None):
    """Measure the defocus in the Focus area and, by default, bring it to the target."""
    mode = 1 if mode is None else mode
    letter = {1: "V", 2: "V", 3: "S", 4: "S", -1: "R", -2: "P"}.get(area or 0, "F")
    session.take(letter)
    session.take(letter)
    random = session.random(43)
    session.clock.advance(5.0)
    session.measured.drift_nm_s = (float(random.normal(0, 0.2)), float(random.normal(0, 0.2)))
    if mode == -2:
        return
    measured = _true_defocus(session) + FOCUS_ERROR_UM * float(random.normal())
    session.measured.defocus_um = measured
    session.measured.defocus_status = 0.0
    if mode != -1:
        session.scope.defocus_um += session.scope.target_defocus_um - measured
        session.measured.defocus_um = session.scope.target_defocus_um + FOCUS_ERROR_UM * float(
            random.normal()
        )


def report_auto_focus(session):
    """Defocus measured last and whether that succeeded."""
    return (session.measured.defocus_um, session.measured.defocus_status)


def report_focus_drift(session):
    """Drift in nm/s from the last autofocus."""
    if session.measured.drift_nm_s is None:
        raise SEMerror("There is no drift available from an autofocus")
    return session.measured.drift_nm_s


def _fitted(session, letter, low, high):
    session.buffers.require(letter)
    if low >= 0 or high >= 0:
        raise SEMerror("The limits of the defocus must be negative")
    value = _true_defocus(session) + CTF_ERROR_UM * float(session.random(47).normal())
    return min(max(value, min(low, high)), max(low, high))


def ctf_find(session, letter, low, high, *options):
    """Defocus, astigmatism, angle, phase, score, resolution in Å."""
    return (_fitted(session, letter, low, high), 0.05, 20.0, 0.0, 0.12, 7.5)


def ctfplotter(session, letter, low, high, *options):
    """Defocus, astigmatism, angle, phase, fit frequency, score."""
    return (_fitted(session, letter, low, high), 0.05, 20.0, 0.0, 0.3, 0.9)


COMMANDS = {
    "SetTargetDefocus": set_target_defocus,
    "ReportTargetDefocus": report_target_defocus,
    "SetDefocus": set_defocus,
    "ChangeFocus": change_focus,
    "ReportDefocus": report_defocus,
    "G": autofocus,
    "AutoFocus": autofocus,
    "ReportAutoFocus": report_auto_focus,
    "ReportFocusDrift": report_focus_drift,
    "CtfFind": ctf_find,
    "Ctfplotter": ctfplotter,
}
