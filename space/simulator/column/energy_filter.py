"""The energy filter: which electrons its slit lets pass, and how the zero-loss peak wanders.

An electron that has met n electrons of the specimen has lost some n times the energy of a plasmon
(R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd edition, chapter
3). Energies are losses in eV, from where the zero-loss peak stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ZERO_LOSS_SD_EV = 0.35  # of the energies that a field emission gun gives
PLASMON_EV, PLASMON_SD_EV = 22.0, 5.0  # of ice and organic matter
MOST_LOSSES = 6  # electrons that have lost energy more often are not followed through a slit
STEP_H = 0.1  # of the random walk

_WALK = 91  # what random numbers are drawn for


@dataclass(frozen=True)
class FilterModel:
    """The energy filter of a microscope.

    Attributes
    ----------
    slit_width_eV : float
        At the start.
    drift_eV : float
        Standard deviation of the place of the zero-loss peak after an hour; it grows with the
        square root of the time.
    """

    slit_width_eV: float
    drift_eV: float


@dataclass(frozen=True)
class Passed:
    """Which electrons reach the camera.

    Attributes
    ----------
    zero_loss : float
        Part of those that have lost no energy.
    losses : tuple of float or None
        Parts of those that have lost energy once, twice, ...; None: of all of them, all.
    """

    zero_loss: float = 1.0
    losses: tuple[float, ...] | None = ()


def through_slit(low_ev: float, high_ev: float) -> Passed:
    """What passes a slit from one energy to another."""
    return Passed(
        _between(low_ev, high_ev, 0.0, ZERO_LOSS_SD_EV),
        tuple(
            _between(low_ev, high_ev, n * PLASMON_EV, math.sqrt(n) * PLASMON_SD_EV)
            for n in range(1, MOST_LOSSES + 1)
        ),
    )


def _between(low: float, high: float, mean: float, sd: float) -> float:
    """Part of a normal distribution between two limits."""
    a, b = ((limit - mean) / (sd * math.sqrt(2.0)) for limit in (low, high))
    return 0.5 * (math.erf(b) - math.erf(a))


def drift_ev(seed: int, after_an_hour_ev: float, seconds: float) -> float:
    """How far the zero-loss peak has wandered since the start, a random walk."""
    steps = max(0.0, seconds) / 3600.0 / STEP_H
    whole = int(steps)
    walk = np.random.default_rng([seed, _WALK]).standard_normal(whole + 1)
    place = float(walk[:whole].sum()) + (steps - whole) * float(walk[whole])
    return after_an_hour_ev * math.sqrt(STEP_H) * place
