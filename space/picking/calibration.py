"""From which score on a peak of a heat map is a particle: told by the peaks, not by one half.

The probability of a voxel rests on how many particles were thought to be there, and a tomogram
that has more noise or another defocus than the labelled one has other scores. So what the peaks
of a tomogram show is fitted, on the scale of logarithms of odds: above the bulk of noise, peaks
of other things fall off exponentially, and those of particles are about normal. How fast, and how
wide, is told by the tomograms with labels, where it is known of some peaks that they are particles;
where the middle of the particles lies and how many there are, by each tomogram. Each peak then has
a probability to be a particle, p. Of all ways to choose, those that take the peaks with the highest
p are best, and with k of them F1 is expected to be 2 sum_k p / (k + sum p): k is where
that is highest (Z. C. Lipton, C. Elkan and B. Naryanaswamy, "Optimal Thresholding of Classifiers to
Maximize F1 Measure", ECML 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from space.predicates import is_number

FEWEST = 5
"""Labelled particles with a peak, below which nothing is fitted."""

MOST_ODDS = 16.0
"""Logarithms of odds beyond this are taken as this."""

LOWEST = -MOST_ODDS + 1
"""Lower peaks are not looked at: where all is as low as can be, each voxel is one."""

_ABOVE_BULK = 2.0
_NARROWEST = 0.7
_SHIFT, _FURTHEST = 3.0, (-12.0, 4.0)
_ROUNDS, _STEP = 60, 0.25
_KEPT = 0.8
"""Part of the labelled particles with a peak that is to be picked at least."""


@dataclass(frozen=True)
class Calibration:
    """How the peaks of a picker are spread, in logarithms of odds.

    Attributes
    ----------
    middle, spread : float
        Mean and deviation of the peaks of particles in the tomograms with labels.
    fall : float
        Over which the peaks of other things become fewer by a factor of e.
    least : float
        Probability to be a particle from which on a peak is picked.
    margin : float
        So far below the middle at least a peak is picked, that most labelled particles are kept.
    """

    middle: float
    spread: float
    fall: float
    least: float
    margin: float

    def __post_init__(self) -> None:
        numbers = asdict(self).values()
        if not all(is_number(one) and np.isfinite(one) for one in numbers):
            raise ValueError("a calibration of no numbers")
        if not (self.spread > 0 and self.fall > 0 and 0 < self.least < 1):
            raise ValueError("an odd calibration")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def calibrated(labelled: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Calibration | None:
    """Return how the peaks of tomograms are spread; None where that cannot be told.

    Parameters
    ----------
    labelled : sequence of ndarray (n,)
        Of each tomogram, the scores of the peaks at labelled particles; there may be none.
    others : sequence of ndarray (m,)
        Those of all other peaks, however low.
    """
    with_labels = [
        (known, _above_bulk(rest))
        for known, rest in zip(labelled, others)
        if len(known) and len(rest)
    ]
    if sum(len(known) for known, _ in with_labels) < FEWEST:
        return None
    shape, middles = _shape_of(with_labels)
    middle = float(np.mean(middles))
    found = Calibration(middle, shape[0], shape[1], 0.5, 0.0)
    probable = [_probable(found, *_above_bulk(rest)) for rest in others if len(rest)]
    lows = [np.quantile(known, 1 - _KEPT) - at for (known, _), at in zip(with_labels, middles)]
    return Calibration(
        middle, *shape, _best_cut(np.concatenate(probable)), max(0.0, -float(np.mean(lows)))
    )


def level_of(calibration: Calibration, scores: np.ndarray) -> float:
    """Return the least score of a pick in a tomogram.

    Parameters
    ----------
    calibration : Calibration
    scores : ndarray (n,)
        Of all its peaks, however low, in logarithms of odds.
    """
    middle = calibration.middle
    level = np.inf
    if len(scores):
        above, floor = _above_bulk(scores)
        middle, share = _middle_and_share(calibration, above, floor)
        picked = _probability(calibration, above, floor, middle, share) >= calibration.least
        level = float(above[picked].min()) if picked.any() else np.inf
    return min(level, middle - calibration.margin)


def _above_bulk(scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the scores above the bulk, which is noise, best first, and where they begin."""
    low = np.sort(scores)
    # The half-sample mode: the densest half, again and again.
    while len(low) > 3:
        half = (len(low) + 1) // 2
        begin = int((low[half - 1 :] - low[: len(low) - half + 1]).argmin())
        low = low[begin : begin + half]
    floor = float(low.mean()) + _ABOVE_BULK
    return np.sort(scores[scores > floor])[::-1], floor


_Known = tuple[np.ndarray, tuple[np.ndarray, float]]


def _shape_of(tomograms: Sequence[_Known]) -> tuple[tuple[float, float], list[float]]:
    """Return spread and fall, and the middle of each tomogram, by expectation maximisation."""
    middles = [float(known.mean()) for known, _ in tomograms]
    shares = [0.2] * len(tomograms)
    apart = np.concatenate([known - known.mean() for known, _ in tomograms])
    spread = max(float(apart.std()), _NARROWEST)
    beyond = np.concatenate([above - floor for _, (above, floor) in tomograms])
    if not len(beyond):
        return (spread, 1.0), middles
    fall = max(float(np.median(beyond)), 0.1)
    for _ in range(_ROUNDS):
        squares = count = other = far = 0.0
        for at, (known, (above, floor)) in enumerate(tomograms):
            odds = _log_odds(spread, fall, above, floor, middles[at])
            wanted = expit(odds + np.log(shares[at] / (1 - shares[at])))
            of_both = wanted.sum() + len(known)
            middles[at] = float(((wanted * above).sum() + known.sum()) / of_both)
            shares[at] = float((wanted.sum() + 1) / (len(above) + 2))
            count += of_both
            squares += (wanted * (above - middles[at]) ** 2).sum()
            squares += ((known - middles[at]) ** 2).sum()
            other += (1 - wanted).sum()
            far += ((1 - wanted) * (above - floor)).sum()
        spread = max(float(np.sqrt(squares / count)), _NARROWEST)
        fall = max(float(far / max(other, 1e-9)), 0.1)
    return (spread, fall), middles


def _middle_and_share(
    calibration: Calibration, above: np.ndarray, floor: float
) -> tuple[float, float]:
    """Return where the particles of a tomogram lie, and their share of the peaks above the bulk.

    The most probable ones; that the middle is far from that with labels is not probable before.
    """
    found, best = (calibration.middle, 1 / (len(above) + 2)), -np.inf
    for shift in np.arange(*_FURTHEST, _STEP):
        middle = calibration.middle + shift
        odds = _log_odds(calibration.spread, calibration.fall, above, floor, middle)
        share = 0.3
        for _ in range(_ROUNDS):
            wanted = expit(odds + np.log(share / (1 - share)))
            share = (wanted.sum() + 1) / (len(above) + 2)
        worth = np.logaddexp(np.log(share) + odds, np.log(1 - share)).sum()
        worth -= (shift / _SHIFT) ** 2 / 2
        if worth > best:
            found, best = (float(middle), float(share)), worth
    return found


def _probable(calibration: Calibration, above: np.ndarray, floor: float) -> np.ndarray:
    middle, share = _middle_and_share(calibration, above, floor)
    return _probability(calibration, above, floor, middle, share)


def _probability(
    calibration: Calibration, above: np.ndarray, floor: float, middle: float, share: float
) -> np.ndarray:
    """Return for each peak, best first, how probably it is a particle; a better one is no less."""
    # Beyond the middle the normal would fall below the exponential again.
    odds = _log_odds(calibration.spread, calibration.fall, np.minimum(above, middle), floor, middle)
    found: np.ndarray = np.minimum.accumulate(expit(odds + np.log(share / (1 - share))))
    return found


def _log_odds(
    spread: float, fall: float, scores: np.ndarray, floor: float, middle: float
) -> np.ndarray:
    """Return the logarithm of the normal density over the exponential one."""
    normal = -(((scores - middle) / spread) ** 2) / 2 - np.log(spread * np.sqrt(2 * np.pi))
    found: np.ndarray = normal + (scores - floor) / fall + np.log(fall)
    return found


def _best_cut(probable: np.ndarray) -> float:
    """Return the probability from which on F1 is expected to be best."""
    best_first = np.sort(probable)[::-1]
    if not len(best_first):
        return 0.5
    expected = np.cumsum(best_first) / (np.arange(1, len(best_first) + 1) + best_first.sum())
    return float(np.clip(best_first[int(expected.argmax())], 0.05, 0.95))
