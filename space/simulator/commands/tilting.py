"""More about tilting and moving the stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.optics import tilt_cosine
from space.simulator.commands import stage
from space.simulator.commands.alignment import align_to
from space.simulator.commands.camera import record

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

SMALLEST_WALK_STEP_DEG = 0.1


def _increment_deg(session: Session) -> float:
    """Step of the tilt from the present angle on."""
    increment = session.workbench.tilt_increment_deg
    if session.options.user_settings["CosineTilting"]:
        increment *= tilt_cosine(session.scope.stage.tilt_deg)
    return increment


def tilt_up(
    session: Session, restore: int | None = None, dx: float | None = None, dy: float | None = None
) -> None:
    """Tilt up by the tilt increment of the session."""
    stage.tilt_by(session, _increment_deg(session), restore, dx, dy)


def tilt_down(
    session: Session, restore: int | None = None, dx: float | None = None, dy: float | None = None
) -> None:
    """Tilt down by the tilt increment of the session."""
    stage.tilt_by(session, -_increment_deg(session), restore, dx, dy)


def record_and_tilt_up(
    session: Session, restore: int | None = None, dx: float | None = None, dy: float | None = None
) -> None:
    """Record, then tilt up by the tilt increment."""
    record(session)
    tilt_up(session, restore, dx, dy)


def record_and_tilt_down(
    session: Session, restore: int | None = None, dx: float | None = None, dy: float | None = None
) -> None:
    """Record, then tilt down by the tilt increment."""
    record(session)
    tilt_down(session, restore, dx, dy)


def record_and_tilt_to(
    session: Session,
    angle: float,
    settling: float | None = None,
    restore: int | None = None,
    dx: float | None = None,
    dy: float | None = None,
) -> None:
    """Record, then tilt to an angle."""
    record(session)
    stage.tilt_to(session, angle, restore, dx, dy)


def walk_up_to(session: Session, angle: float) -> None:
    """Tilt to an angle in steps, keeping the middle centred with Trial pictures.

    The largest step is the user's setting; another one takes View pictures in low dose.
    """
    settings = session.options.user_settings
    letter = "V" if session.scope.low_dose and settings["WalkupUseViewInLowDose"] else "T"
    scope = session.scope
    limit = scope.properties["MaximumTiltAngle"]
    if abs(angle) > limit + 0.05:
        raise SEMerror(f"Attempt to tilt to {angle:.1f}, beyond the limit of {limit:.1f}")
    start = scope.stage.tilt_deg
    largest = max(settings["WalkUpMaxInterval"], SMALLEST_WALK_STEP_DEG)
    steps = math.ceil(abs(angle - start) / largest - 1e-6)
    if not steps:
        return
    session.take(letter)
    for step in range(1, steps + 1):
        stage.tilt_to(session, start + (angle - start) * step / steps)
        session.take(letter)
        align_to(session, "B")


def reverse_tilt(session: Session, direction: int | None = None) -> None:
    """Take up the backlash for tilting the other way, and centre what moved meanwhile.

    Two Trial pictures are taken: before and after a tilt by the tilt increment and back.
    """
    angle = session.scope.stage.tilt_deg
    session.take("T")
    away = -1.0 if direction is None or direction > 0 else 1.0
    stage.tilt_to(session, angle + away * session.workbench.tilt_increment_deg)
    stage.tilt_to(session, angle)
    session.take("T")
    align_to(session, "B")


def move_stage_with_speed(session: Session, dx: float, dy: float, speed: float) -> None:
    """Move the stage by a distance at a fraction of its speed."""
    if not 0.0 < speed <= 1.0:
        raise SEMerror(f"A stage speed of {speed:g} is not between 0 and 1")
    x, y, _ = session.scope.stage.position_um
    session.scope.stage.move_to(x + dx, y + dy, speed=speed)


def relax_stage(session: Session, distance: float | None = None) -> None:
    """Let go of the stress in the stage's drive; its position stays."""
    session.clock.advance(3.0)


def backlash_adjust(session: Session) -> None:
    """Take out the backlash of the stage: position and view stay."""
    x, y, _ = session.scope.stage.position_um
    session.scope.stage.move_to(x, y, backlash=True)


def reset_shift_if_above(session: Session, limit_um: float) -> None:
    """Zero the image shift, the stage taking it over, if it is larger than a limit in µm."""
    if math.hypot(*session.scope.specimen_shift_um()) > limit_um:
        stage.reset_image_shift(session)


COMMANDS: Commands = {
    "TiltUp": tilt_up,
    "U": tilt_up,
    "TiltDown": tilt_down,
    "D": tilt_down,
    "RecordAndTiltUp": record_and_tilt_up,
    "RecordAndTiltDown": record_and_tilt_down,
    "RecordAndTiltTo": record_and_tilt_to,
    "WalkUpTo": walk_up_to,
    "ReverseTilt": reverse_tilt,
    "MoveStageWithSpeed": move_stage_with_speed,
    "RelaxStage": relax_stage,
    "BacklashAdjust": backlash_adjust,
    "ResetShiftIfAbove": reset_shift_if_above,
}
