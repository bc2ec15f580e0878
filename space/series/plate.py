"""How many electrons a plate lets through at each tilt.

A lamella is a plate. At a tilt it is as if it were thicker by 1 / cos of the angle between beam
and its normal, so that of the beam exp(-thickness / mean free path / cos) is left. Three numbers
say all counts of a tilt series: those without a plate, thickness in mean free paths, and pretilt.
They are fitted so that pictures which are far off do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST = 6
"""Pictures that a fit needs: twice as many as it has numbers."""

THICKEST = 3.0
"""Mean free paths; nothing can be seen through more."""

GRAZING_DEG = 75.0
"""From here on a beam passes the edges of a plate: no formula says its counts."""

_PRETILTS_DEG = np.arange(-30.0, 30.1, 3.0)
_THICKNESSES = np.linspace(0.0, THICKEST, 21)
_FINER_DEG = np.arange(-3.0, 3.1, 1.0)
_FAR_OFF = 0.12  # of the logarithm: beyond, a picture counts the same however far off it is
_COST_OF_PRETILT = 0.001  # for each degree: without need there is none
_STEEPEST_DEG = 80.0  # of the plate against the beam: keeps the cosine away from 0
_LITTLE = 1e-9


@dataclass(frozen=True)
class Plate:
    """A plate and the beam on it.

    Attributes
    ----------
    beam : float
        Counts without a plate.
    thickness : float
        In mean free paths.
    pretilt_deg : float
        Tilt of the stage at which the beam meets the plate at right angles.
    """

    beam: float
    thickness: float
    pretilt_deg: float

    def path(self, tilt_deg: np.ndarray) -> np.ndarray:
        """Way of the beam through the plate, in mean free paths."""
        return self.thickness * _secant(tilt_deg - self.pretilt_deg)

    def counts(self, tilt_deg: np.ndarray) -> np.ndarray:
        """Counts to be expected at tilts."""
        return self.beam * np.exp(-self.path(tilt_deg))


def _secant(angle_deg: np.ndarray) -> np.ndarray:
    return 1.0 / np.cos(np.radians(np.clip(angle_deg, -_STEEPEST_DEG, _STEEPEST_DEG)))


def fit(tilt_deg: np.ndarray, counts: np.ndarray) -> Plate | None:
    """Return the plate that agrees with most pictures; None if there are too few.

    Parameters
    ----------
    tilt_deg, counts : ndarray
        Of each picture, in any order. Pictures without counts above 0 do not count.
    """
    lit = np.isfinite(counts) & (counts > 0) & np.isfinite(tilt_deg)
    tilt, log_counts = tilt_deg[lit], np.log(counts[lit])
    if len(tilt) < FEWEST:
        return None
    secants = _secant(tilt[None, :] - _PRETILTS_DEG[:, None])
    # One row for each pretilt and thickness: the logarithm of the beam that each picture asks for.
    beams = log_counts + _THICKNESSES[None, :, None] * secants[:, None, :]
    off = np.abs(beams - np.median(beams, axis=2, keepdims=True))
    grazing = np.abs(tilt[None, :] - _PRETILTS_DEG[:, None]) > GRAZING_DEG
    off = np.where(grazing[:, None, :], _FAR_OFF / 2, off)
    cost = np.minimum(off, _FAR_OFF).mean(axis=2)
    cost += _COST_OF_PRETILT * np.abs(_PRETILTS_DEG)[:, None]
    at, thick = np.unravel_index(int(np.argmin(cost)), cost.shape)
    near = (off[at, thick] < _FAR_OFF) & ~grazing[at]
    if near.sum() < FEWEST:
        return None
    return _refined(tilt[near], log_counts[near], float(_PRETILTS_DEG[at]))


def _refined(tilt_deg: np.ndarray, log_counts: np.ndarray, about_deg: float) -> Plate:
    """Return the best plate with about this pretilt, by least squares."""
    found = []
    for pretilt_deg in about_deg + _FINER_DEG:
        secant = _secant(tilt_deg - pretilt_deg)
        x, y = secant - secant.mean(), log_counts - log_counts.mean()
        thickness = min(THICKEST, max(0.0, -float(x @ y) / max(float(x @ x), _LITTLE)))
        beam = float(np.mean(log_counts + thickness * secant))
        rest = float(np.mean((log_counts + thickness * secant - beam) ** 2)) ** 0.5
        found.append((rest + _COST_OF_PRETILT * abs(pretilt_deg), beam, thickness, pretilt_deg))
    _, beam, thickness, pretilt_deg = min(found)
    return Plate(float(np.exp(beam)), thickness, float(pretilt_deg))
