"""Moving targets freely, between the candidates: apart, closer together, uphill."""

from __future__ import annotations

import numpy as np

from space.targeting.options import ExposureOptics
from space.targeting.packing.candidates import Candidates
from space.targeting.packing.placement import greedy
from space.targeting.packing.tilt import TOUCH_UM, TiltFrame, clear_of, conflicts
from space.targeting.scoring import ScoreMap

GAIN_MIN = 1e-5
# Targets up to GIVE_WAY beam diameters from one that is squeezed in are moved out of its way.
GIVE_WAY = 3.5
SQUEEZED_MAX = 60


def resolve_conflicts(
    points_tilt_um: np.ndarray,
    scores: np.ndarray,
    diameter_um: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Move targets with a slight overlap apart, drop those that overlap more.

    Parameters
    ----------
    points_tilt_um : ndarray (n, 2)
        Positions in the tilt-compressed frame.
    scores : ndarray (n,)
        Of two in conflict the one of lower score is dropped.
    tolerance : float
        Overlap as a fraction of `diameter_um` that is resolved by moving.

    Returns
    -------
    points_tilt_um : ndarray (k, 2)
        Positions without conflict.
    kept : ndarray (k,)
        Their indices in the input.
    """
    points = np.array(points_tilt_um, dtype=float).reshape(-1, 2)
    kept = _drop(points, scores, diameter_um * (1 - tolerance))
    points = points[kept]
    for _ in range(max_iterations):
        pairs = conflicts(points, diameter_um)
        if not len(pairs):
            break
        away = points[pairs[:, 0]] - points[pairs[:, 1]]
        distance = np.hypot(away[:, 0], away[:, 1])
        push = (diameter_um - distance) / 2 + TOUCH_UM
        away *= (push / np.maximum(distance, TOUCH_UM))[:, None]
        np.add.at(points, pairs[:, 0], away)
        np.add.at(points, pairs[:, 1], -away)
    rest = _drop(points, np.asarray(scores)[kept], diameter_um)
    return points[rest], kept[rest]


def squeezed(
    candidates: Candidates,
    points_tilt_um: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> np.ndarray:
    """Add targets where one nearly fits, if those around it can be moved out of its way.

    "Nearly" is an overlap of at most `tolerance` beam diameters with each neighbour; it is done
    only where it raises the total score.
    """
    points = np.array(points_tilt_um, dtype=float).reshape(-1, 2)
    if not tolerance or not len(points):
        return points
    diameter_um = candidates.diameter_um
    # Beams of smaller diameter leave those positions free where one nearly fits.
    slim = candidates.with_diameter(diameter_um * (1 - tolerance))
    extra = greedy(slim, points, max_targets=len(points) + SQUEEZED_MAX)[len(points) :]
    for point in extra:
        near = np.hypot(*(points - point).T) < GIVE_WAY * diameter_um
        if not near.any():
            continue
        group = np.concatenate([points[near], [point]])
        values = candidates.score_at(group)
        moved, _ = resolve_conflicts(group, values, diameter_um, tolerance, max_iterations)
        others = points[~near]
        if len(others):
            moved = moved[clear_of(moved, others, diameter_um)]
        if candidates.score_at(moved).sum() > values[:-1].sum() + GAIN_MIN:
            points = np.concatenate([others, moved])
    return points[candidates.score_at(points) > 0]


def climb(
    points_tilt_um: np.ndarray,
    scores: ScoreMap,
    frame: TiltFrame,
    optics: ExposureOptics,
    rounds: int,
    fixed_tilt_um: np.ndarray,
) -> np.ndarray:
    """Move every target uphill as far as its neighbours' beams allow, in ever smaller steps."""
    points = np.array(points_tilt_um, dtype=float).reshape(-1, 2)
    if not len(points):
        return points
    turns = np.arange(8) * (np.pi / 4)
    # Directions of the map: scores have ridges along its rows and columns, at its rim.
    compass = np.stack([np.sin(turns), np.cos(turns)], axis=1) / frame.pixel_um
    compass = frame.from_map(compass)
    limit = (optics.beam_diameter_um - TOUCH_UM) ** 2
    step_um = min(optics.field_um) / 8
    finest_um = max(step_um / 16, optics.pixel_um / 2)
    values = scores.at(frame.to_map(points))
    # Fixed beams stand at the end: obstacles that are never moved.
    everything = np.concatenate([points, fixed_tilt_um])
    for _ in range(4 * rounds):
        if step_um < finest_um:
            break
        moves = everything[: len(points), None] + step_um * compass
        # The best position is often at the rim of the map, along which no step may lead.
        positions = scores.brought_inside(frame.to_map(moves), TOUCH_UM / frame.pixel_um)
        moves = frame.from_map(positions)
        gains = scores.at(positions) - values[:, None]
        moved = False
        for index in np.flatnonzero(gains.max(axis=1) > GAIN_MIN):
            uphill = np.flatnonzero(gains[index] > GAIN_MIN)
            distance2 = ((moves[index, uphill][:, None] - everything[None]) ** 2).sum(axis=2)
            distance2[:, index] = np.inf
            uphill = uphill[(distance2 >= limit).all(axis=1)]
            if len(uphill):
                best = uphill[int(np.argmax(gains[index, uphill]))]
                everything[index] = moves[index, best]
                values[index] += gains[index, best]
                moved = True
        if not moved:
            step_um /= 2
    return everything[: len(points)]


def _drop(points: np.ndarray, scores: np.ndarray, diameter: float) -> np.ndarray:
    """Indices of the points that stay when conflicts are cleared by score, best first."""
    scores = np.asarray(scores, dtype=float)
    dropped = np.zeros(len(points), bool)
    rivals: dict[int, list[int]] = {}
    for first, second in conflicts(points, diameter):
        rivals.setdefault(int(first), []).append(int(second))
        rivals.setdefault(int(second), []).append(int(first))
    for index in np.argsort(-scores, kind="stable"):
        if not dropped[index]:
            dropped[rivals.get(int(index), [])] = True
    return np.flatnonzero(~dropped)
