"""How good an aligned series is, without fiducials: three numbers between 0 and 1.

* coverage: the part of 120 degrees that its pictures cover, a gap of lost pictures left out.
* alignment: 1 / (1 + (r / p)^2), with r the root mean square distance of patches from where all
  other pictures predict them, and p two pixels of the tomogram.
* agreement: correlation of pictures with what the others predict, averaged over the series; it
  grows with contrast and dose, so compare it among series of one session.

The score is the product of the first two and the square root of the third.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FULL_DEG = 120.0
_GOOD_PX = 2.0
_GAP = 1.5


@dataclass(frozen=True)
class Score:
    """Quality of a series; see the module."""

    coverage: float
    alignment: float
    agreement: float

    @property
    def total(self) -> float:
        """All in one number between 0 and 1."""
        return self.coverage * self.alignment * max(0.0, self.agreement) ** 0.5


def score(
    tilts_deg: np.ndarray, residuals_nm: np.ndarray, likeness: np.ndarray, pixel_nm: float
) -> Score:
    """Judge a series by the tilts of its pictures and what their alignment measured."""
    steps = np.diff(np.sort(tilts_deg))
    usual = float(np.median(steps)) if steps.size else 0.0
    covered = float(np.minimum(steps, _GAP * usual).sum()) + usual
    known = residuals_nm[np.isfinite(residuals_nm)]
    rms = float(np.sqrt(np.mean(known**2))) if known.size else np.inf
    return Score(
        min(1.0, covered / _FULL_DEG),
        1.0 / (1.0 + (rms / (_GOOD_PX * pixel_nm)) ** 2),
        float(np.clip(np.mean(likeness), 0.0, 1.0)),
    )
