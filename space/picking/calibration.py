"""From which score on a peak of a heat map is a particle: told by the peaks, not by one half.

The probability of a voxel rests on how many particles were thought to be there, and a tomogram
that has more noise or another defocus than the labelled one has other scores. So what the peaks
of a tomogram show is fitted, on the scale of logarithms of odds: of its best peaks, those of noise
fall off exponentially, those of other things too, but slower, and those of particles are about
normal. How fast, and how wide, is told by the tomograms with labels, where some peaks are known to
be particles; where the middle of the particles lies and how many there are, by each tomogram.

Each peak then has a probability to be a particle, p. Of all ways to choose, those that take the
peaks with the highest p are best, and with k of them F1 is expected to be
2 sum_k p / (k + sum p): k is where that is highest (Z. C. Lipton, C. Elkan and B. Naryanaswamy,
"Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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

_FEWEST_BEST, _BEST_FOR_EACH, _MOST_BEST = 0.05, 3.0, 0.6
"""Part of the peaks that is looked at, at least, for each particle among them, and at most."""

_NARROWEST, _WIDER = 0.7, 1.5
_STEEPEST = 0.1
_SHIFT, _FURTHEST = 3.0, (-12.0, 4.0)
_ROUNDS, _STEP = 60, 0.25
_LEAST_PART = 0.8
_KEPT = 0.8
"""Part of the labelled particles with a peak that is to be picked at least."""


@dataclass(frozen=True)
class Calibration:
    """How the peaks of a picker are spread, in logarithms of odds.

    Attributes
    ----------
    middle, spread : float
        Mean and deviation of the peaks of particles in the tomograms with labels.
    noise, fall : float
        Over which the peaks of noise and of other things become fewer by a factor of e.
    part : float
        Of those that are no particles, how many are other things.
    best : float
        Part of the peaks of a tomogram that all this is about, the best ones.
    least : float
        Probability to be a particle from which on a peak is picked.
    margin : float
        So far below the middle at least a peak is picked, that most labelled particles are kept.
    """

    middle: float
    spread: float
    noise: float
    fall: float
    part: float
    best: float
    least: float
    margin: float

    def __post_init__(self) -> None:
        numbers = asdict(self).values()
        if not all(is_number(one) and np.isfinite(one) for one in numbers):
            raise ValueError("a calibration of no numbers")
        scales = min(self.spread, self.noise, self.fall)
        if not (scales > 0 and 0 < self.part < 1 and 0 < self.best <= 1 and 0 < self.least < 1):
            raise ValueError("an odd calibration")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def particles_among(labelled: np.ndarray, others: np.ndarray) -> float:
    """Return about how many peaks are particles, labelled ones among them.

    Above any score lie at least as many peaks as there are particles, times the part of the
    labelled ones that lies above it; the smallest quotient bounds the count (the idea of
    `space.learning.prior_of`). That part is narrowed by what chance may do.

    Parameters
    ----------
    labelled : ndarray (n,)
        Best score at each labelled particle, minus infinity where there is no peak.
    others : ndarray (m,)
        Those of all other peaks.
    """
    at = np.unique(labelled[np.isfinite(labelled)])
    if not len(at):
        return float(len(labelled))
    part = (labelled[:, None] >= at).mean(0)
    above = (labelled[:, None] >= at).sum(0) + (others[:, None] >= at).sum(0)
    sure = part - np.sqrt(part * (1 - part) / len(labelled))
    enough = part >= min(_LEAST_PART, part.max())
    return max(float((above[enough] / sure[enough]).min()), float(len(labelled)))


def calibrated(labelled: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Calibration | None:
    """Return how the peaks of tomograms are spread; None where that cannot be told.

    Parameters
    ----------
    labelled : sequence of ndarray (n,)
        Of each tomogram, the scores of the peaks at labelled particles; there may be none.
    others : sequence of ndarray (m,)
        Those of all other peaks, however low.
    """
    pairs = [(known, rest) for known, rest in zip(labelled, others) if len(known) and len(rest)]
    known, rest = (
        np.concatenate([np.zeros(0), *one]) for one in (zip(*pairs) if pairs else ((), ()))
    )
    if len(known) < FEWEST:
        return None
    part = particles_among(known, rest) / (len(known) + len(rest))
    best = float(np.clip(_BEST_FOR_EACH * part, _FEWEST_BEST, _MOST_BEST))
    with_labels = [(known, _best_of(rest, best)) for known, rest in pairs]
    shape, middles = _shape_of(with_labels, best)
    lows = [np.quantile(known, 1 - _KEPT) - at for (known, _), at in zip(with_labels, middles)]
    found = replace(shape, margin=max(0.0, -float(np.mean(lows))))
    probable = [_probable(found, *_best_of(rest, best)) for rest in others if len(rest)]
    return replace(found, least=_best_cut(np.concatenate(probable)))


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
        above, floor = _best_of(scores, calibration.best)
        middle, share = _middle_and_share(calibration, above, floor)
        picked = _probability(calibration, above, floor, middle, share) >= calibration.least
        level = float(above[picked].min()) if picked.any() else np.inf
    level = min(level, middle - calibration.margin)
    # Above one half, the network itself says that it is a particle: half of the way is believed.
    return level / 2 if level > 0 else level


def _best_of(scores: np.ndarray, part: float) -> tuple[np.ndarray, float]:
    """Return a part of the scores, best first, and where they begin."""
    floor = float(np.quantile(scores, 1 - part))
    return np.sort(scores[scores > floor])[::-1], floor


_Known = tuple[np.ndarray, tuple[np.ndarray, float]]


def _shape_of(tomograms: Sequence[_Known], best: float) -> tuple[Calibration, list[float]]:
    """Return how peaks are spread, and the middle of each tomogram, by expectation maximisation."""
    middles = [float(known.mean()) for known, _ in tomograms]
    shares = [0.2] * len(tomograms)
    apart = np.concatenate([known - known.mean() for known, _ in tomograms])
    deviation = float(apart.std())
    widest = max(_WIDER * deviation, 2 * _NARROWEST)
    beyond = np.concatenate([above - floor for _, (above, floor) in tomograms])
    noise = max(float(np.median(beyond)), _STEEPEST) if len(beyond) else 1.0
    shape = Calibration(
        float(np.mean(middles)), max(deviation, _NARROWEST), noise, 3 * noise, 0.1, best, 0.5, 0.0
    )
    for _ in range(_ROUNDS if len(beyond) else 0):
        sums = np.zeros(6)
        for at, (known, (above, floor)) in enumerate(tomograms):
            odds = _log_odds(shape, above, floor, middles[at])
            wanted = expit(odds + np.log(shares[at] / (1 - shares[at])))
            other = (1 - wanted) * expit(_other_over_noise(shape, above - floor))
            noisy = 1 - wanted - other
            both = wanted.sum() + len(known)
            middles[at] = float(((wanted * above).sum() + known.sum()) / both)
            shares[at] = float((wanted.sum() + 1) / (len(above) + 2))
            squares = (wanted * (above - middles[at]) ** 2).sum()
            squares += ((known - middles[at]) ** 2).sum()
            of_noise, of_other = noisy @ (above - floor), other @ (above - floor)
            sums += [both, squares, noisy.sum(), of_noise, other.sum(), of_other]
        both, squares, noisy, of_noise, other, of_other = (float(one) + 1e-9 for one in sums)
        noise = max(of_noise / noisy, _STEEPEST)
        shape = replace(
            shape,
            middle=float(np.mean(middles)),
            spread=min(max(float(np.sqrt(squares / both)), _NARROWEST), widest),
            noise=noise,
            fall=max((of_other + 3 * noise) / (other + 1), noise),
            part=(other + 1) / (noisy + other + 2),
        )
    return shape, middles


def _middle_and_share(
    calibration: Calibration, above: np.ndarray, floor: float
) -> tuple[float, float]:
    """Return where the particles of a tomogram lie, and their share of the best peaks.

    The most probable ones; that the middle is far from that with labels is not probable before.
    """
    found, best = (calibration.middle, 1 / (len(above) + 2)), -np.inf
    for shift in np.arange(*_FURTHEST, _STEP):
        middle = calibration.middle + shift
        odds = _log_odds(calibration, above, floor, middle)
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
    odds = _log_odds(calibration, np.minimum(above, middle), floor, middle)
    found: np.ndarray = np.minimum.accumulate(expit(odds + np.log(share / (1 - share))))
    return found


def _log_odds(shape: Calibration, scores: np.ndarray, floor: float, middle: float) -> np.ndarray:
    """Return the logarithm of the density of particles over that of all else."""
    width = shape.spread * np.sqrt(2 * np.pi)
    wanted = -(((scores - middle) / shape.spread) ** 2) / 2 - np.log(width)
    noise = -(scores - floor) / shape.noise - np.log(shape.noise) + np.log(1 - shape.part)
    other = noise + _other_over_noise(shape, scores - floor)
    found: np.ndarray = wanted - np.logaddexp(noise, other)
    return found


def _other_over_noise(shape: Calibration, above: np.ndarray) -> np.ndarray:
    steeper = above * (1 / shape.noise - 1 / shape.fall)
    found: np.ndarray = steeper + np.log(shape.noise / shape.fall * shape.part / (1 - shape.part))
    return found


def _best_cut(probable: np.ndarray) -> float:
    """Return the probability from which on F1 is expected to be best."""
    best_first = np.sort(probable)[::-1]
    if not len(best_first):
        return 0.5
    expected = np.cumsum(best_first) / (np.arange(1, len(best_first) + 1) + best_first.sum())
    return float(np.clip(best_first[int(expected.argmax())], 0.05, 0.95))
