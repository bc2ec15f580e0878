"""Image shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.optics import tilt_cosine

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

DONE, REFUSED = 0.0, 1.0


def report_image_shift(session: Session) -> tuple[float, ...]:
    """Units X, Y; shift of the content in unbinned pixels; stage move that would replace it."""
    scope = session.scope
    shift = np.array(scope.image_shift)
    content = -(scope.optics.is_to_camera(scope.mag_index) @ shift) * session.camera.counted_per_px
    stage = scope.optics.is_to_stage(scope.mag_index) @ shift
    return (*shift, *content, stage[0], stage[1] / tilt_cosine(scope.stage.tilt_deg))


def set_image_shift(
    session: Session, x: float, y: float, delay: float | None = None, beam_tilt: int | None = None
) -> float:
    """Absolute, in units; 1 when it would exceed the limit."""
    before = session.scope.image_shift
    if not session.scope.set_image_shift(x, y):
        return REFUSED
    return _tilt_beam_with(session, before, beam_tilt)


def _shift_by(
    session: Session, change: Sequence[float] | np.ndarray, beam_tilt: int | None
) -> float:
    before = session.scope.image_shift
    if not session.scope.shift_image_by(float(change[0]), float(change[1])):
        return REFUSED
    return _tilt_beam_with(session, before, beam_tilt)


def _tilt_beam_with(session: Session, before: tuple[float, float], wanted: int | None) -> float:
    """Adjust beam tilt and stigmator for a changed image shift, if wanted."""
    if wanted:
        session.scope.adjust_for_image_shift(np.array(session.scope.image_shift) - before)
    return DONE


def image_shift_by_units(
    session: Session, x: float, y: float, delay: float | None = None, beam_tilt: int | None = None
) -> float:
    """Change in units."""
    return _shift_by(session, (x, y), beam_tilt)


def image_shift_by_microns(
    session: Session, x: float, y: float, delay: float | None = None, beam_tilt: int | None = None
) -> float:
    """Change in specimen µm."""
    scope = session.scope
    change = scope.optics.specimen_to_is(scope.mag_index) @ np.array([x, y])
    return _shift_by(session, change, beam_tilt)


def image_shift_by_pixels(
    session: Session, x: float, y: float, delay: float | None = None, beam_tilt: int | None = None
) -> float:
    """Change in whole unbinned camera pixels."""
    scope = session.scope
    pixels = np.array([round(x), round(y)], dtype=float)
    pixels = pixels / session.camera.counted_per_px
    return _shift_by(session, scope.optics.camera_to_is(scope.mag_index) @ pixels, beam_tilt)


def image_shift_by_stage_diff(
    session: Session, x: float, y: float, delay: float | None = None, beam_tilt: int | None = None
) -> float:
    """Change that corresponds to a stage difference in µm, at the present tilt."""
    scope = session.scope
    flat = np.array([x, y * tilt_cosine(scope.stage.tilt_deg)])
    return _shift_by(session, scope.optics.stage_to_is(scope.mag_index) @ flat, beam_tilt)


def report_specimen_shift(session: Session) -> tuple[float, float]:
    """Image shift in specimen µm."""
    return session.scope.specimen_shift_um()


def report_is_for_buffer_shift(session: Session) -> tuple[float, float] | None:
    """Image shift that the alignment shift of A asks for; nothing when A is empty.

    AlignTo has made it unless it was told not to shift.
    """
    image = session.buffers.get("A")
    if image is None:
        return None
    x, y = image.align_shift_px
    if not (x or y):
        return (0.0, 0.0)
    optics = session.scope.optics
    camera = np.array([image.binning * x, -image.binning * y])
    change = -(optics.camera_to_is(image.mag_index) @ camera)
    return (float(change[0]), float(change[1]))


COMMANDS: Commands = {
    "ReportImageShift": report_image_shift,
    "SetImageShift": set_image_shift,
    "ImageShiftByMicrons": image_shift_by_microns,
    "ImageShiftByUnits": image_shift_by_units,
    "ImageShiftByPixels": image_shift_by_pixels,
    "ImageShiftByStageDiff": image_shift_by_stage_diff,
    "ReportSpecimenShift": report_specimen_shift,
    "ReportISforBufferShift": report_is_for_buffer_shift,
}
