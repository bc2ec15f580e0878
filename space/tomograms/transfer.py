"""Contrast transfer: phases flipped, in strips along the tilt axis.

Of a tilted lamella, one side is nearer to the source of electrons. There the defocus is smaller:
under focus is d + x tan t at x across the axis in the aligned frame, since the lamella stands at
height -x tan t there. Strips in which the defocus differs little get one transform each, and
neighbouring strips are faded into each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.tomograms.geometry import Stack

_PHASE_RAD = 0.5  # at the finest frequency, from the middle of a strip to its edge
_MOST_STRIPS = 24
_REST_KV = 510.99895
_LAMBDA_PM = 1226.4259  # h / sqrt(2 m e V) at 1 V


@dataclass(frozen=True)
class Lens:
    """What contrast transfer depends on, beside the defocus."""

    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1

    @property
    def wavelength_nm(self) -> float:
        """De Broglie's, relativistic."""
        volts = self.voltage_kv * 1000
        return _LAMBDA_PM / 1000 / math.sqrt(volts * (1 + self.voltage_kv / (2 * _REST_KV)))

    def flips(self, k2_per_nm2: np.ndarray, underfocus_nm: float) -> np.ndarray:
        """Return 1 where contrast is that of the lowest frequencies, and -1 where it is inverted.

        The transfer is sin(pi l d k^2 - pi/2 Cs l^3 k^4 + asin A), under focus d positive.
        """
        length = self.wavelength_nm
        phase = math.pi * length * underfocus_nm * k2_per_nm2
        phase -= math.pi / 2 * self.cs_mm * 1e6 * length**3 * k2_per_nm2**2
        phase += math.asin(self.amplitude_contrast)
        return np.where(np.sin(phase) < 0, np.float32(-1), np.float32(1))


def flipped(
    picture: np.ndarray,
    stack: Stack,
    lens: Lens,
    underfocus_nm: float,
    slope: float,
    across: tuple[np.ndarray, float],
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Return a picture with the same sign of contrast at all frequencies.

    Parameters
    ----------
    picture : ndarray, shape (rows, columns)
    stack : Stack
        Says pixel and middle of the picture.
    lens : Lens
    underfocus_nm : float
        On the tilt axis.
    slope : float
        By how much it grows across the axis: tan of the tilt.
    across : (direction (x, y), shift in nm)
        How far a pixel is across the axis: direction . (x, y) + shift.
    weights : ndarray, optional
        Further factors of the frequencies.
    """
    from scipy import fft

    rows, columns = picture.shape
    pixel = stack.pixel_nm
    y, x = np.fft.fftfreq(rows, pixel), np.fft.rfftfreq(columns, pixel)
    k2 = (y[:, None] ** 2 + x[None, :] ** 2).astype(np.float32)
    spectrum = fft.rfft2(picture)
    if weights is not None:
        spectrum *= weights
    direction, shift = across
    at = direction[0] * (np.arange(columns) - stack.middle_px[1])[None, :] * pixel
    at = at + direction[1] * (np.arange(rows) - stack.middle_px[0])[:, None] * pixel + shift
    lowest, highest = sorted((underfocus_nm + slope * at.min(), underfocus_nm + slope * at.max()))
    step = 2 * _PHASE_RAD / (math.pi * lens.wavelength_nm * (0.5 / pixel) ** 2)
    strips = min(_MOST_STRIPS, 1 + math.ceil((highest - lowest) / step))
    levels = np.linspace(lowest, highest, strips) if strips > 1 else np.array([underfocus_nm])
    found = np.zeros(picture.shape, np.float32)
    where = underfocus_nm + slope * at
    for level in levels:
        part = fft.irfft2(spectrum * lens.flips(k2, float(level)), picture.shape)
        if strips == 1:
            return np.asarray(part, np.float32)
        apart = np.abs(where - level) / (levels[1] - levels[0])
        found += np.asarray(part * np.clip(1 - apart, 0, 1), np.float32)
    return found
