"""Picked particles beside true ones: precision, recall, F1 and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from space.picking.peaks import Picks


@dataclass(frozen=True)
class Scores:
    """How good picks are.

    Attributes
    ----------
    true_positives, picked, wanted : int
        Matched, all picked, and all true particles.
    average_precision : float
        Area below precision over recall, as the threshold falls.
    """

    true_positives: int
    picked: int
    wanted: int
    average_precision: float

    @property
    def precision(self) -> float:
        """Share of the picks that are particles; 0 without picks."""
        return self.true_positives / self.picked if self.picked else 0.0

    @property
    def recall(self) -> float:
        """Share of the particles that were picked; 0 without any."""
        return self.true_positives / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.picked + self.wanted
        return 2 * self.true_positives / both if both else 0.0

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return {
            "true_positives": self.true_positives,
            "picked": self.picked,
            "wanted": self.wanted,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "average_precision": self.average_precision,
        }


def matched(picks: Picks, true_px: np.ndarray, distance_px: float) -> np.ndarray:
    """Return for each pick whether it is a particle; each particle is taken once.

    The best pick chooses first, and takes the nearest particle within the distance that is left.

    Parameters
    ----------
    picks : Picks
        Best first.
    true_px : ndarray (n, 3)
    distance_px : float
    """
    found = np.zeros(len(picks), bool)
    if not len(true_px) or not len(picks):
        return found
    left = np.ones(len(true_px), bool)
    near = cKDTree(true_px)
    for number, point in enumerate(picks.points_px):
        at = [other for other in near.query_ball_point(point, distance_px) if left[other]]
        if at:
            far = np.linalg.norm(true_px[at] - point, axis=1)
            left[at[int(far.argmin())]] = False
            found[number] = True
    return found


def scores_of(picked: Sequence[tuple[Picks, np.ndarray]], distance_px: float) -> Scores:
    """Return the scores of the picks of several tomograms together.

    Parameters
    ----------
    picked : sequence of (Picks, ndarray (n, 3))
        Of each tomogram, what was picked and where the particles are.
    distance_px : float
        How far a pick may be from its particle.
    """
    hits = np.concatenate(
        [np.zeros(0, bool), *(matched(one, true, distance_px) for one, true in picked)]
    )
    values = np.concatenate([np.zeros(0), *(one.scores for one, _ in picked)])
    wanted = sum(len(true) for _, true in picked)
    hits = hits[np.argsort(-values, kind="stable")]
    return Scores(int(hits.sum()), len(hits), wanted, average_precision(hits, wanted))


def over_distance(
    picked: Sequence[tuple[Picks, np.ndarray]], distances_px: Sequence[float]
) -> list[Scores]:
    """Return the scores for each distance that a pick may be from its particle."""
    return [scores_of(picked, distance) for distance in distances_px]


def average_precision(hits: np.ndarray, wanted: int) -> float:
    """Return the area below the curve of precision over recall.

    The precision at a recall is the best one at this or a higher recall, as usual for detectors.

    Parameters
    ----------
    hits : ndarray of bool (n,)
        Whether each pick is a particle, best first.
    wanted : int
        How many particles there are.
    """
    if not wanted or not len(hits):
        return 0.0
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / wanted)
