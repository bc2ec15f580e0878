"""Stage and tilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def move_stage_to(session: Session, x: float, y: float, z: float | None = None) -> None:
    """Raw stage coordinates; image shift stays."""
    session.scope.stage.move_to(x, y, z)


def move_stage(session: Session, dx: float, dy: float, dz: float | None = None) -> None:
    """Move relative to the reported position."""
    x, y, z = session.scope.stage.position_um
    session.scope.stage.move_to(x + dx, y + dy, None if dz is None else z + dz)


def report_stage_xyz(session: Session) -> tuple[float, float, float]:
    """Reported stage position."""
    return session.scope.stage.position_um


def report_stage_busy(session: Session) -> float:
    """Commands wait for the stage, so it is never busy."""
    return 0.0


def tilt_to(
    session: Session,
    angle: float,
    restore: int | None = None,
    dx: float | None = None,
    dy: float | None = None,
) -> None:
    """Tilt to an angle."""
    session.scope.tilt_to(angle)


def tilt_by(
    session: Session,
    change: float,
    restore: int | None = None,
    dx: float | None = None,
    dy: float | None = None,
) -> None:
    """Tilt by an angle."""
    session.scope.tilt_to(session.scope.stage.tilt_deg + change)


def report_tilt_angle(session: Session) -> float:
    """Real tilt angle."""
    return session.scope.stage.tilt_deg


def reset_image_shift(
    session: Session, option: int | None = None, relax_um: float | None = None
) -> None:
    """Zero image shift; the stage moves so that the same point stays in the centre.

    With an option above 0 it arrives with its backlash taken out.
    """
    scope = session.scope
    x, y, _ = scope.stage.position_um
    new = scope.adjust_stage_for_nav(x, y, *scope.image_shift)
    zero = scope.adjust_stage_for_nav(x, y)
    if new != zero:
        dx, dy = new[0] - zero[0], new[1] - zero[1]
        scope.stage.move_to(x + dx, y + dy, backlash=bool(option and option > 0))
    scope.set_image_shift(0.0, 0.0)


def report_tilt_axis_offset(session: Session) -> tuple[float, ...]:
    """Offset, as stage and image shift movements, and whether it is in force."""
    optics = session.scope.optics
    offset = np.array([0.0, session.scope.tilt_axis_offset_um])
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


def set_tilt_axis_offset(session: Session, offset_um: float) -> None:
    """Calibrated distance of the tilt axis from the optical axis."""
    session.scope.properties["TiltAxisOffset"] = offset_um


COMMANDS: Commands = {
    "MoveStageTo": move_stage_to,
    "MoveStage": move_stage,
    "ReportStageXYZ": report_stage_xyz,
    "ReportStageBusy": report_stage_busy,
    "TiltTo": tilt_to,
    "TiltBy": tilt_by,
    "ReportTiltAngle": report_tilt_angle,
    "ResetImageShift": reset_image_shift,
    "ReportTiltAxisOffset": report_tilt_axis_offset,
    "SetTiltAxisOffset": set_tilt_axis_offset,
}
