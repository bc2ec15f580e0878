"""From boxes to the list of lamellae to visit, and finding a lamella again at IM.

Pure functions; positions are stage positions in µm, given by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

#: A lamella that is not found again at IM stays only above this first probability.
KEEP_UNSEEN_PROBABILITY = 0.7

LEFT_OUT = {
    "threshold": "below the threshold",
    "category": "of an excluded class",
    "stage": "beyond the stage limits",
    "close": "too close to another one",
    "rank": "not among the best",
}
"""Why a lamella gets no montage, as logs and pictures say it."""


@dataclass(frozen=True)
class Lamella:
    """A lamella on the grid.

    `stage_um` is (x, y) of its middle, `size_um` (width, height) of its box in the map;
    `sized_by_hand`: a person gave that size.
    """

    number: int
    stage_um: tuple[float, float]
    size_um: tuple[float, float]
    category: str
    probability: float
    sized_by_hand: bool = False


@dataclass(frozen=True)
class Match:
    """A lamella found again: which one, and how far from where it was expected."""

    lamella: Lamella
    offset_um: tuple[float, float]
    score: float


def filter_lamellae(
    lamellae: Iterable[Lamella],
    threshold: float,
    exclude: Sequence[str] = (),
    limits_um: tuple[float, float, float, float] | None = None,
) -> tuple[list[Lamella], dict[str, int]]:
    """Drop lamellae that get no montage.

    Parameters
    ----------
    lamellae : iterable of Lamella
    threshold : float
        Least probability (inclusive).
    exclude : sequence of str
        Categories that are not wanted.
    limits_um : tuple of float, optional
        x min, x max, y min, y max of the stage.

    Returns
    -------
    remaining : list of Lamella
    dropped : dict
        Number dropped by reason, see `LEFT_OUT`.
    """
    remaining: list[Lamella] = []
    dropped = {"threshold": 0, "category": 0, "stage": 0}
    for lamella in lamellae:
        reason = why_left_out(lamella, threshold, exclude, limits_um)
        if reason:
            dropped[reason] += 1
        else:
            remaining.append(lamella)
    return remaining, dropped


def why_left_out(
    lamella: Lamella,
    threshold: float,
    exclude: Sequence[str] = (),
    limits_um: tuple[float, float, float, float] | None = None,
) -> str:
    """Return why a lamella by itself gets no montage (a key of `LEFT_OUT`); empty if it does."""
    if lamella.probability < threshold:
        return "threshold"
    if lamella.category in exclude:
        return "category"
    if limits_um is not None and not _inside(lamella.stage_um, limits_um):
        return "stage"
    return ""


def drop_close(lamellae: Iterable[Lamella], min_distance_um: float = 10.0) -> list[Lamella]:
    """Of lamellae closer than `min_distance_um`, keep the more probable one.

    The most probable lamella of all always stays; the result does not depend on the order
    given and comes back in order of number.
    """
    remaining: list[Lamella] = []
    for lamella in sorted(lamellae, key=_best_first):
        if all(
            _distance(lamella.stage_um, other.stage_um) >= min_distance_um for other in remaining
        ):
            remaining.append(lamella)
    return sorted(remaining, key=lambda lamella: (lamella.number, *_best_first(lamella)))


def best_match(
    expected: Lamella,
    found: Sequence[Lamella],
    others: Sequence[Lamella] = (),
    search_um: float = 30.0,
    tolerance_um: float = 15.0,
    agree_um: float = 4.0,
) -> Match | None:
    """Find which of the detections in an IM image is the expected lamella.

    Each detection is judged by its probability, its distance from the expected place, its
    size and its category. Where neighbours of the expected lamella are known (`others`), a
    detection whose offset also explains the other detections is preferred: all lamellae
    are displaced alike, so the pattern shows which is which.

    Parameters
    ----------
    expected : Lamella
        Where and what it should be.
    found : sequence of Lamella
        Detections in the image, in stage coordinates.
    others : sequence of Lamella, optional
        The other lamellae of the grid, at their expected places.
    search_um : float
        Detections farther away are not considered.
    tolerance_um : float
        Usual size of the displacement (LM to IM offset; smaller once it was corrected).
    agree_um : float
        How well the offsets of two lamellae agree.

    Returns
    -------
    Match or None
        None if nothing is near enough.
    """
    best: Match | None = None
    for candidate in sorted(found, key=_best_first):
        offset = _difference(candidate.stage_um, expected.stage_um)
        distance = math.hypot(*offset)
        if distance > search_um:
            continue
        own = (
            candidate.probability
            * math.exp(-0.5 * (distance / tolerance_um) ** 2)
            * _similar_size(expected.size_um, candidate.size_um)
            * (1.0 if candidate.category == expected.category else 0.8)
        )
        support = sum(
            _support(other, offset, candidate, found, agree_um)
            for other in others
            if other.number != expected.number
        )
        score = own * (1.0 + support)
        if best is None or score > best.score:
            best = Match(candidate, offset, score)
    return best


def shifted(lamellae: Iterable[Lamella], offset_um: tuple[float, float]) -> list[Lamella]:
    """Move all lamellae by `offset_um` (x, y)."""
    dx, dy = offset_um
    return [replace(k, stage_um=(k.stage_um[0] + dx, k.stage_um[1] + dy)) for k in lamellae]


def stays_unseen(lamella: Lamella, limit: float = KEEP_UNSEEN_PROBABILITY) -> bool:
    """Tell whether a lamella that was not found again is kept all the same."""
    return lamella.probability > limit


def renumbered(lamellae: Iterable[Lamella]) -> list[Lamella]:
    """Number lamellae 1, 2, … in the order given."""
    return [replace(lamella, number=i) for i, lamella in enumerate(lamellae, start=1)]


def _support(
    other: Lamella,
    offset_um: tuple[float, float],
    candidate: Lamella,
    found: Sequence[Lamella],
    agree_um: float,
) -> float:
    place = (other.stage_um[0] + offset_um[0], other.stage_um[1] + offset_um[1])
    near = [
        k.probability * math.exp(-0.5 * (_distance(k.stage_um, place) / agree_um) ** 2)
        for k in found
        if k is not candidate and _distance(k.stage_um, place) <= 3 * agree_um
    ]
    return max(near, default=0.0)


def _similar_size(a_um: tuple[float, float], b_um: tuple[float, float]) -> float:
    """1 for equal areas, 0.6 for a factor of two, from the ratio of the mean sides."""
    side_a = math.sqrt(max(a_um[0] * a_um[1], 1e-6))
    side_b = math.sqrt(max(b_um[0] * b_um[1], 1e-6))
    return math.exp(-0.5 * (math.log(side_a / side_b) / 0.7) ** 2)


def _inside(point_um: tuple[float, float], limits_um: tuple[float, float, float, float]) -> bool:
    x_min, x_max, y_min, y_max = limits_um
    return x_min <= point_um[0] <= x_max and y_min <= point_um[1] <= y_max


def _difference(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return float(a[0] - b[0]), float(a[1] - b[1])


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _best_first(lamella: Lamella) -> tuple[float, tuple[float, float], int, str]:
    return (-lamella.probability, lamella.stage_um, lamella.number, lamella.category)
