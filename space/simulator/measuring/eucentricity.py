"""Finds the height at which the specimen stays in place when it is tilted.

A point at y0 across and z0 above the tilt axis is seen at ``y0 cos(tilt) - z0 sin(tilt)``. Pictures
at several tilts are compared, each with the one before; how far the specimen went across the
axis gives z0, and the stage is lowered by as much.

The rough routine starts with a small step, corrects the height after each one, and can therefore
take larger and larger ones: it finds a specimen that is far off. The fine one uses higher
tilts, follows the specimen with image shift and needs it within some 20 µm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.imaging.images import Image
from space.simulator.measuring import alignment

if TYPE_CHECKING:
    from space.simulator.program.session import Session

FINE_STEP_DEG = 8.0
SMALLEST_FIELD_UM = 9.0  # where View shows less than this, Search is used
LEAST_PROMINENCE = 7.0  # noise stays below 6
# A larger known shift than this part of the field is not left between two compared pictures.
LARGEST_KNOWN_SHIFT = 0.15


@dataclass(frozen=True)
class Step:
    """What happened to a feature between two pictures.

    Attributes
    ----------
    moved_um : float
        Its movement across the tilt axis.
    cosine, sine : float
        Change of the cosine and sine of the tilt.
    """

    moved_um: float
    cosine: float
    sine: float


@dataclass(frozen=True)
class Outcome:
    """What became of a routine: `z_um` is None when there was nothing to correlate."""

    z_um: float | None
    beyond_limit: bool = False


def picture_set(session: Session) -> str:
    """Camera set that the routines take their pictures with."""
    scope = session.scope
    if not scope.low_dose:
        return "T"
    view, search = scope.area_mag_index("V"), scope.area_mag_index("S")
    columns, rows = session.camera.frame_px("V", 1.0)
    field_um = scope.pixel_um(view) * math.sqrt(columns * rows)
    in_low_mag = scope.optics.entry(search).low_mag
    allowed = session.options.user_settings["RoughEucenUseSearchIfInLM"]
    usable = search < view and (allowed or not in_low_mag)
    return "S" if field_um < SMALLEST_FIELD_UM and usable else "V"


def largest_z_um(session: Session) -> float:
    """Height beyond which the routines give up."""
    return session.scope.properties["CoarseEucenAbsoluteMaxZ"]


def rough(session: Session, limit_um: float | None = None) -> Outcome:
    """Find the height by tilting from some degrees down up; ends at zero tilt.

    Parameters
    ----------
    limit_um : float, optional
        Largest change of Z to accept.
    """
    scope = session.scope
    x, y, z_before = scope.stage.position_um
    outcome = _rough_z(session, limit_um)
    if outcome.z_um is None:
        scope.stage.move_to(x, y, z_before)
    scope.tilt_to(0.0)
    return outcome


def _rough_z(session: Session, limit_um: float | None) -> Outcome:
    scope = session.scope
    letter = picture_set(session)
    # The axis is known to lie beside the centre of the picture.
    y0_um = scope.axis_offset_um - scope.optics.tilt_axis_offset_um
    x, y, z_start = scope.stage.position_um
    properties = scope.properties
    z_um, step_deg = z_start, properties["EucentricityCoarseInitialIncrement"]
    end_deg = properties["EucentricityCoarseMaxTilt"]
    wanted: list[tuple[float, float]] = []  # Z that a step asks for, and its weight
    scope.tilt_to(properties["EucentricityCoarseInitialAngle"])
    before = None
    while scope.stage.tilt_deg < end_deg - 0.1:
        if before is None:
            before = session.take(letter)
        scope.tilt_to(min(scope.stage.tilt_deg + step_deg, end_deg))
        after = session.take(letter)
        moved = alignment.movement_um(scope.optics, after, before, LEAST_PROMINENCE)
        if moved is None:
            return Outcome(None)
        step = _step(after, before, float(moved[1]))
        sine = math.sin(math.radians(before.tilt_deg))
        # Between the two pictures the stage was moved in Z as well as tilted.
        by_stage = -(after.stage_z_um - before.stage_z_um) * sine
        height_um = (y0_um * step.cosine - (step.moved_um - by_stage)) / step.sine
        wanted.append((after.stage_z_um - height_um, step.sine**2))
        heights, weights = zip(*wanted)
        new_um = float(np.average(heights, weights=weights))
        too_far = limit_um is not None and abs(new_um - z_start) > limit_um
        if abs(new_um) > largest_z_um(session) or too_far:
            return Outcome(None, beyond_limit=True)
        scope.stage.move_to(x, y, new_um)
        shift_um = abs((new_um - z_um) * math.sin(math.radians(after.tilt_deg)))
        field_um = min(after.data.shape) * after.pixel_um
        before = after if shift_um < LARGEST_KNOWN_SHIFT * field_um else None
        z_um = new_um
        step_deg = min(2.0 * step_deg, properties["EucentricityCoarseMaxIncrement"])
    return Outcome(z_um)


def _step(after: Image, before: Image, moved_um: float) -> Step:
    angles = [math.radians(image.tilt_deg) for image in (before, after)]
    return Step(
        moved_um,
        math.cos(angles[1]) - math.cos(angles[0]),
        math.sin(angles[1]) - math.sin(angles[0]),
    )


def fine(session: Session) -> Outcome:
    """Find the height by tilting to both sides; ends at zero tilt with the same point centred.

    Image shift follows the specimen and keeps what the stage did not bring back.
    """
    scope = session.scope
    trial = session.scope.low_dose and session.options.user_settings["FineEucenUseTrialInLowDose"]
    letter = "T" if trial else picture_set(session)
    x, y, z_before = scope.stage.position_um
    scope.tilt_to(0.0)
    start = session.take(letter)
    steps = _walk(session, lambda: session.take(letter), start)
    scope.tilt_to(0.0)
    scope.set_image_shift(*start.image_shift)
    if steps is None:
        return Outcome(None)
    rows = np.array([[step.cosine, -step.sine] for step in steps])
    moved = np.array([step.moved_um for step in steps])
    _, height_um = np.linalg.lstsq(rows, moved, rcond=None)[0]
    new_um = z_before - float(height_um)
    if abs(new_um) > largest_z_um(session):
        return Outcome(None, beyond_limit=True)
    scope.stage.move_to(x, y, new_um)
    off = alignment.movement_um(scope.optics, session.take(letter), start, LEAST_PROMINENCE)
    if off is not None:
        scope.shift_image_by_um(float(off[0]), float(off[1]))
    return Outcome(new_um)


def _walk(session: Session, take: Callable[[], Image], start: Image) -> list[Step] | None:
    """Tilt down and then up, following the specimen; None when it was lost."""
    scope = session.scope
    count = max(1, round(scope.properties["EucentricityMaxFineAngle"] / FINE_STEP_DEG))
    angles = [-FINE_STEP_DEG * k for k in range(1, count + 1)]
    angles += [FINE_STEP_DEG * k for k in range(1 - count, count + 1)]
    before, steps = start, []
    for angle in angles:
        scope.tilt_to(angle)
        after = take()
        moved = alignment.movement_um(scope.optics, after, before, LEAST_PROMINENCE)
        if moved is None or not scope.shift_image_by_um(*map(float, moved)):
            return None
        steps.append(_step(after, before, float(moved[1])))
        before = after
    return steps
