"""Measures defocus and drift as autofocus does: from pictures with the beam tilted to both sides.

A picture out of focus moves when the beam is tilted, by the angle times the defocus. How far it
moves between a tilt to one side and to the other gives the defocus. A third picture at the first
tilt shows how far the specimen drifted meanwhile, and what is due to drift is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.aberrations import tilt_displacement_um
from space.simulator.measuring import alignment

if TYPE_CHECKING:
    from space.simulator.program.session import Session

PEAK_ERROR_PX = 0.1  # standard deviation per axis
_PEAK = 41  # what random numbers are drawn for
LEAST_PROMINENCE = 7.0  # of a correlation peak over noise, which stays below 6


@dataclass(frozen=True)
class FocusMeasurement:
    """What was measured on the pictures.

    Attributes
    ----------
    defocus_um : float
        Under focus is negative.
    drift_nm_s : tuple of float or None
        Drift of the specimen, in specimen coordinates; None with two pictures only.
    """

    defocus_um: float
    drift_nm_s: tuple[float, float] | None


def _peak_error_um(session: Session, pixel_um: float) -> np.ndarray:
    """Error of the place of a correlation peak between two pictures with this pixel.

    Interpolation between pixels does not find a peak exactly, however alike the pictures are.
    """
    return session.random(_PEAK).normal(0.0, PEAK_ERROR_PX * pixel_um, 2)


def measure(session: Session, set_letter: str, with_drift: bool) -> FocusMeasurement | None:
    """Take pictures with tilted beam and compare them; the beam tilt is put back.

    Meanwhile the focus is off by the user's AutofocusOffset, which does not count.

    Parameters
    ----------
    set_letter : str
        Camera set of the pictures.
    with_drift : bool
        Take the third picture.

    Returns
    -------
    FocusMeasurement or None
        None when the pictures could not be correlated.
    """
    scope = session.scope
    x_mrad, y_mrad = scope.beam_tilt
    settings = session.options.user_settings
    half_mrad, offset_um = settings["AutofocusBeamTilt"], settings["AutofocusOffset"]
    images, times_s = [], []
    scope.defocus_um += offset_um
    try:
        for sign in (1.0, -1.0, 1.0)[: 3 if with_drift else 2]:
            scope.beam_tilt = (x_mrad + sign * half_mrad, y_mrad)
            images.append(session.take(set_letter))
            times_s.append(session.clock.seconds)
    finally:
        scope.beam_tilt = (x_mrad, y_mrad)
        scope.defocus_um -= offset_um
    moved = [
        alignment.movement_um(scope.optics, image, images[0], LEAST_PROMINENCE)
        for image in images[1:]
    ]
    by_tilt_um, drift_nm_s = moved[0], None
    if by_tilt_um is None:
        return None
    if with_drift:
        by_drift_um = moved[1]
        if by_drift_um is None:
            return None
        by_drift_um = by_drift_um + _peak_error_um(session, images[2].pixel_um)
        drift_um_s = by_drift_um / (times_s[2] - times_s[0])
        by_tilt_um = by_tilt_um - drift_um_s * (times_s[1] - times_s[0])
        drift_nm_s = (1e3 * float(drift_um_s[0]), 1e3 * float(drift_um_s[1]))
    # From +tilt to -tilt: the calibrated movement for one micron of defocus, and that in focus,
    # which is due to spherical aberration.
    tilt_mrad = half_mrad * np.array(session.instrument.beam.tilt_rows())[:, 0]
    in_focus_um = 2.0 * tilt_displacement_um(0.0, (0.0, 0.0), tilt_mrad, session.instrument.cs_mm)
    per_um = 2e-3 * tilt_mrad
    defocus_um = float((by_tilt_um - in_focus_um) @ per_um) / float(per_um @ per_um)
    return FocusMeasurement(defocus_um - offset_um, drift_nm_s)
