"""Image shift."""

from __future__ import annotations

import numpy as np

from space.simulator.optics import tilt_cosine

DONE, REFUSED = 0.0, 1.0


def report_image_shift(session):
    """Units X, Y; shift of the content in unbinned pixels; stage move that would replace it."""
    scope = session.scope
    shift = np.array(scope.image_shift)
    content = -(scope.optics.is_to_camera(scope.mag_index) @ shift)
    stage = scope.optics.is_to_stage(scope.mag_index) @ shift
    return (*shift, *content, stage[0], stage[1] / tilt_cosine(scope.tilt_deg))


def set_image_shift(session, x, y, delay=None, beam_tilt=None):
    """Absolute, in units; 1 when it would exceed the limit."""
    return DONE if session.scope.set_image_shift(x, y) else REFUSED


def _shift_by(session, change):
    x, y = session.scope.image_shift
    return set_image_shift(session, x + float(change[0]), y + float(change[1]))


def image_shift_by_units(session, x, y, delay=None, beam_tilt=None):
    """Change in units."""
    return _shift_by(session, (x, y))


def image_shift_by_microns(session, x, y, delay=None, beam_tilt=None):
    """Change in specimen µm."""
    scope = session.scope
    return _shift_by(session, scope.optics.specimen_to_is(scope.mag_index) @ np.array([x, y]))


def image_shift_by_pixels(session, x, y, delay=None, beam_tilt=None):
    """Change in whole unbinned camera pixels."""
    scope = session.scope
    pixels = np.array([round(x), round(y)], dtype=float)
    return _shift_by(session, scope.optics.camera_to_is(scope.mag_index) @ pixels)


def image_shift_by_stage_diff(session, x, y, delay=None, beam_tilt=None):
    """Change that corresponds to a stage difference in µm."""
    scope = session.scope
    return _shift_by(session, scope.optics.stage_to_is(scope.mag_index) @ np.array([x, y]))


def report_specimen_shift(session):
    """Image shift in specimen µm."""
    return session.scope.specimen_shift_um()


def report_is_for_buffer_shift(session):
    """Image shift that alignment of A made; nothing when A is empty."""
    image = session.buffers.get("A")
    return None if image is None else image.align_is_shift


COMMANDS = {
    "ReportImageShift": report_image_shift,
    "SetImageShift": set_image_shift,
    "ImageShiftByMicrons": image_shift_by_microns,
    "ImageShiftByUnits": image_shift_by_units,
    "ImageShiftByPixels": image_shift_by_pixels,
    "ImageShiftByStageDiff": image_shift_by_stage_diff,
    "ReportSpecimenShift": report_specimen_shift,
    "ReportISforBufferShift": report_is_for_buffer_shift,
}
