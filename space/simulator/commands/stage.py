"""Stage, tilt and eucentric height."""

from __future__ import annotations

import math

import numpy as np

from space.simulator.errors import SEMerror

ROUGH_ERROR_UM = 0.15
FINE_ERROR_UM = 0.03
LARGEST_ROUGH_Z_UM = 250.0
SMALL_SHIFT_UM = 0.1


def move_stage_to(session, x, y, z=None):
    """Raw stage coordinates; image shift stays."""
    session.scope.move_stage(x, y, z)


def move_stage(session, dx, dy, dz=None):
    """Move relative to the reported position."""
    x, y, z = session.scope.stage_um
    session.scope.move_stage(x + dx, y + dy, None if dz is None else z + dz)


def report_stage_xyz(session):
    """Reported stage position."""
    return session.scope.stage_um


def report_stage_busy(session):
    """Commands wait for the stage, so it is never busy."""
    return 0.0


def tilt_to(session, angle, restore=None, dx=None, dy=None):
    """Tilt to an angle."""
    session.scope.tilt_to(angle)


def tilt_by(session, change, restore=None, dx=None, dy=None):
    """Tilt by an angle."""
    session.scope.tilt_to(session.scope.tilt_deg + change)


def report_tilt_angle(session):
    """Real tilt angle."""
    return session.scope.tilt_deg


def reset_image_shift(session, option=None, backlash=None):
    """Zero image shift; the stage moves so that the same point stays in the centre."""
    scope = session.scope
    x, y, _ = scope.stage_um
    new = scope.adjust_stage_for_nav(x, y, *scope.image_shift)
    zero = scope.adjust_stage_for_nav(x, y)
    if new != zero:
        scope.move_stage(x + new[0] - zero[0], y + new[1] - zero[1])
    scope.set_image_shift(0.0, 0.0)


def _eucentric_pictures(session):
    scope = session.scope
    letter = "V" if scope.low_dose else "T"
    for angle in (-5.0, 10.0):
        scope.tilt_to(angle)
        session.take(letter)
    scope.tilt_to(0.0)


def eucentricity(session, mode=None, unused=None):
    """Bring what stands in the centre to the height of the tilt axis; ends at zero tilt.

    The height comes from the specimen, with the error that measuring it would have.
    """
    mode = 2 if mode is None else mode
    if mode == 0:
        raise SEMerror("Eucentricity needs at least one of its modes")
    scope = session.scope
    if math.hypot(*scope.specimen_shift_um()) > SMALL_SHIFT_UM:
        reset_image_shift(session)
    session.rough_eucentricity_failed = False
    scope.tilt_to(0.0)
    _eucentric_pictures(session)
    session.clock.advance(60.0 if mode != 1 else 30.0)
    error_um = ROUGH_ERROR_UM if mode == 1 else FINE_ERROR_UM
    error = error_um * float(session.random(41).normal())
    x, y, z = scope.stage_um
    target = z - session.height_um() + error
    if abs(target) > LARGEST_ROUGH_Z_UM:
        session.rough_eucentricity_failed = True
        session.write_log("WARNING: eucentricity would exceed the limit in Z, Z not changed")
        return
    scope.move_stage(x, y, target)


def report_rough_eucen_failed(session):
    """Whether the last rough eucentricity gave up."""
    return float(session.rough_eucentricity_failed)


def report_tilt_axis_offset(session):
    """Offset, as stage and image shift movements, and whether it is in force."""
    optics = session.scope.optics
    offset = np.array([0.0, optics.tilt_axis_offset_um])
    stage = -(optics.specimen_to_stage() @ offset)
    shift = optics.specimen_to_is(session.scope.mag_index) @ offset
    return (
        offset[1],
        stage[0],
        stage[1],
        shift[0],
        shift[1],
        float(session.scope.shift_to_tilt_axis),
    )


COMMANDS = {
    "MoveStageTo": move_stage_to,
    "MoveStage": move_stage,
    "ReportStageXYZ": report_stage_xyz,
    "ReportStageBusy": report_stage_busy,
    "TiltTo": tilt_to,
    "TiltBy": tilt_by,
    "ReportTiltAngle": report_tilt_angle,
    "ResetImageShift": reset_image_shift,
    "Eucentricity": eucentricity,
    "ReportRoughEucenFailed": report_rough_eucen_failed,
    "ReportTiltAxisOffset": report_tilt_axis_offset,
}
