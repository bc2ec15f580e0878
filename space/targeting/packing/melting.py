"""Melting: targets of small regions are placed again at random and then settle.

A lattice misses that a region of odd shape holds one target more when all of them move a little.
So the targets in some discs of a placement are replaced by as many or more at random positions,
and all move step by step: uphill in score, apart where beams overlap, back to where targets may be.
Those that end without conflict are joined with the placement exactly (see `merging`), so every disc
counts by itself, and nothing is lost where melting made it worse. Few targets are melted in many
ways, many in few. The random numbers have a fixed seed: equal input gives equal output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.targeting.packing.candidates import Candidates
from space.targeting.packing.merging import merged
from space.targeting.packing.tilt import TOUCH_UM

# Trials move together: at most TARGETS_MOVED targets in at most TRIALS_MAX trials. The best
# TRIALS_JOINED are joined.
TARGETS_MOVED = 800
TRIALS_MAX = 60
TRIALS_JOINED = 6
# Radius and least distance of the melted discs in beam diameters, and how many targets more than
# before a disc gets, in turn.
RADIUS_BEAMS, APART_BEAMS = 1.7, 3.6
MORE_TARGETS = (1, 0)
# A random position is the first of PROPOSALS drawn ones that scores.
PROPOSALS = 4

STEPS = 48
# In this share of the steps targets move uphill, then only apart.
UPHILL_SHARE = 0.7
# Step in beam diameters for a slope of one score unit per beam diameter, and its largest.
UPHILL_STEP, UPHILL_STEP_MAX = 0.02, 0.05
# Overlaps shrink from step to step and never end; pushing this much further ends them (beam
# diameters).
SURPLUS_BEAMS = 5e-4
# Pairs nearer than NEAR_BEAMS beam diameters are searched again after STEPS_PER_SEARCH steps.
NEAR_BEAMS, STEPS_PER_SEARCH = 1.25, 4


@dataclass(frozen=True, eq=False)
class Landscape:
    """Where targets may be and where the score rises.

    `home` (2, rows, columns): index of the nearest node that scores; `slope` (2, rows, columns):
    the score's derivatives per µm along both axes.
    """

    candidates: Candidates
    home: np.ndarray
    slope: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates) -> Landscape:
        """Make it from the grid of candidates."""
        from scipy.ndimage import distance_transform_edt

        scores = candidates.scores
        home = distance_transform_edt(
            scores <= 0, candidates.step_um, return_distances=False, return_indices=True
        )
        slope = [
            np.gradient(scores, step, axis=axis) if count > 1 else np.zeros_like(scores)
            for axis, (count, step) in enumerate(zip(scores.shape, candidates.step_um))
        ]
        return cls(candidates, home, np.stack(slope))

    def uphill(self, points_tilt_um: np.ndarray) -> np.ndarray:
        """Steps (n, 2) in µm towards higher scores."""
        diameter = self.candidates.diameter_um
        rows, columns = self._nearest(points_tilt_um)
        step = self.slope[:, rows, columns].T * (UPHILL_STEP * diameter**2)
        length = np.hypot(step[:, 0], step[:, 1])
        longest = UPHILL_STEP_MAX * diameter
        return step * (longest / np.maximum(length, longest))[:, None]

    def brought_back(self, points_tilt_um: np.ndarray, *, exactly: bool = False) -> np.ndarray:
        """The points, those at positions without score moved to the nearest node that scores.

        With `exactly`, a position may score though the node nearest to it does not: at the rim of
        the map targets then have half a node more room.
        """
        candidates = self.candidates
        if exactly:
            frame, scores = candidates.frame, candidates.score_map
            positions = frame.to_map(points_tilt_um)
            points = frame.from_map(scores.brought_inside(positions, TOUCH_UM / frame.pixel_um))
        else:
            last = np.array(candidates.scores.shape) - 1
            # Not np.clip, which takes three times as long for so few points.
            points = np.minimum(
                np.maximum(points_tilt_um, candidates.origin_um), candidates.nodes(last)
            )
        rows, columns = self._nearest(points)
        lost = np.flatnonzero(candidates.scores[rows, columns] <= 0)
        if exactly:
            lost = lost[candidates.score_at(points[lost]) <= 0]
        points[lost] = candidates.nodes(self.home[:, rows[lost], columns[lost]].T)
        return points

    def _nearest(self, points_tilt_um: np.ndarray) -> np.ndarray:
        last = np.array(self.candidates.scores.shape) - 1
        return np.minimum(np.maximum(self.candidates.nearest(points_tilt_um), 0), last).T


def melted(
    landscape: Landscape,
    points_tilt_um: np.ndarray,
    rng: np.random.Generator,
    max_targets: int | None,
) -> np.ndarray:
    """Melt discs in a placement in many ways; a placement of at least the same total.

    Parameters
    ----------
    points_tilt_um : ndarray (n, 2)
        At least one target, no two in conflict.
    max_targets : int, optional
        Most targets of the result.
    """
    candidates, best = landscape.candidates, points_tilt_um
    points, trial = _trials(landscape, best, rng, max_targets)
    points = _moved(landscape, points, trial)
    clear = _without_conflicts(candidates, points, trial)
    points, trial = points[clear], trial[clear]
    totals = np.bincount(trial, candidates.score_at(points))
    for number in np.argsort(-totals, kind="stable")[:TRIALS_JOINED]:
        best = joined(candidates, best, points[trial == number], max_targets)
    return best


def joined(
    candidates: Candidates, first: np.ndarray, second: np.ndarray, max_targets: int | None
) -> np.ndarray:
    """The better of `first` and the best of both, with at most `max_targets` targets."""
    both = merged(candidates, first, second)
    if max_targets is None or len(both) <= max_targets:
        return both
    scores = candidates.score_at(both)
    both = both[np.sort(np.argsort(-scores, kind="stable")[:max_targets])]
    better = candidates.score_at(both).sum() > candidates.score_at(first).sum()
    return both if better else first


def _trials(
    landscape: Landscape, points: np.ndarray, rng: np.random.Generator, max_targets: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Points of all trials before they move, and the number of each one's trial."""
    from scipy.spatial import cKDTree

    candidates = landscape.candidates
    diameter = candidates.diameter_um
    tree = cKDTree(points)
    melting = tree.query_ball_point(points, RADIUS_BEAMS * diameter)
    too_near = tree.query_ball_point(points, APART_BEAMS * diameter)
    starts, trials = [], []
    count = min(TRIALS_MAX, max(1, TARGETS_MOVED // len(points)))
    for number in range(count):
        more = MORE_TARGETS[number % len(MORE_TARGETS)]
        if max_targets is not None:
            more = min(more, max_targets - len(points))
        stays, free = np.ones(len(points), bool), np.ones(len(points), bool)
        centers = []
        for index in rng.permutation(len(points)):
            if free[index]:
                free[too_near[index]] = False
                stays[melting[index]] = False
                centers += [index] * (len(melting[index]) + more)
        start = np.concatenate([points[stays], _scattered(candidates, points[centers], rng)])
        starts.append(start)
        trials.append(np.full(len(start), number))
    return np.concatenate(starts), np.concatenate(trials)


def _scattered(
    candidates: Candidates, centers_tilt_um: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A random position in the disc around every centre, where possible one that scores."""
    count = len(centers_tilt_um)
    radius, turn = rng.random((2, PROPOSALS, count))
    radius = np.sqrt(radius) * RADIUS_BEAMS * candidates.diameter_um
    turn *= 2 * np.pi
    positions = centers_tilt_um + radius[..., None] * np.stack(
        [np.cos(turn), np.sin(turn)], axis=-1
    )
    first = np.argmax(candidates.score_near(positions) > 0, axis=0)
    return positions[first, np.arange(count)]


def _moved(landscape: Landscape, points_tilt_um: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Let the targets of every trial move uphill, apart and back to where they may be."""
    diameter = landscape.candidates.diameter_um
    points = landscape.brought_back(points_tilt_um)
    uphill = UPHILL_SHARE * STEPS
    for step in range(STEPS):
        if step < uphill:
            points = points + landscape.uphill(points)
        if step % STEPS_PER_SEARCH == 0:
            near = _pairs_within(NEAR_BEAMS * diameter, points, trial, diameter)
            ends = near.ravel(order="F")
        away = points[near[:, 0]] - points[near[:, 1]]
        distance = np.hypot(away[:, 0], away[:, 1])
        apart = diameter - TOUCH_UM
        if step >= uphill and (distance >= apart).all():
            break
        push = np.where(distance < apart, diameter * (1 + SURPLUS_BEAMS) - distance, 0)
        away *= (push / 2 / np.maximum(distance, TOUCH_UM))[:, None]
        for axis in (0, 1):
            pushes = np.concatenate([away[:, axis], -away[:, axis]])
            points[:, axis] += np.bincount(ends, pushes, len(points))
        points = landscape.brought_back(points, exactly=step >= uphill)
    return points


def _without_conflicts(candidates: Candidates, points: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Which points score and keep clear of all that score more in their trial."""
    scores = candidates.score_at(points)
    diameter = candidates.diameter_um
    pairs = _pairs_within(diameter - TOUCH_UM, points, trial, diameter)
    rank = np.empty(len(points), int)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(points))
    swapped = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    pairs[swapped] = pairs[swapped, ::-1]
    clear = scores > 0
    for better, worse in pairs[np.argsort(rank[pairs[:, 0]], kind="stable")].tolist():
        if clear[better]:
            clear[worse] = False
    return clear


def _pairs_within(
    distance_um: float, points: np.ndarray, trial: np.ndarray, diameter_um: float
) -> np.ndarray:
    """Pairs (k, 2) of indices of points of one trial at most so far from each other."""
    from scipy.spatial import cKDTree

    set_apart = np.column_stack([points, trial * (4 * NEAR_BEAMS * diameter_um)])
    return cKDTree(set_apart).query_pairs(distance_um, output_type="ndarray")
