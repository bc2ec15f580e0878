"""The best set of targets whose beams do not harm one another.

The problem is a packing of equal discs (beams in the tilt-compressed frame) with a weight for
every place. Good first placements (see `placement`) are improved by local exchange: take out one
to three neighbouring targets, fill the place anew in the best of a few ways, keep what has the
higher total; then every target climbs to the best place its neighbours leave it. All in fixed
order and without chance, so equal input gives equal output.
"""

from __future__ import annotations

import numpy as np

from space.targeting.candidates import Candidates, candidate_grid
from space.targeting.options import Optics, TargetingOptions
from space.targeting.placement import best_lattices, greedy
from space.targeting.score import ScoreMap
from space.targeting.tilt import TOUCH_UM, TiltFrame, conflicts

# Bounds on the work; large areas are already well filled by a lattice.
EXCHANGES_MAX = 1500
NODES_PER_EXCHANGE = 400
STARTS_FEW, STARTS_MANY, MANY = 3, 1, 150
GAIN_MIN = 1e-5


def choose_points(scores: ScoreMap, options: TargetingOptions, optics: Optics) -> np.ndarray:
    """Choose target positions of high total score, none in conflict.

    Parameters
    ----------
    scores : ScoreMap
        Score at every position.

    Returns
    -------
    ndarray (n, 2)
        `points_map_px` (row, column), in no particular order. Every one has its field inside the
        map and an interpolated score of at least the threshold; the image-shift limit is
        not looked at here (see `areas`).
    """
    frame = TiltFrame.of(optics)
    candidates = candidate_grid(
        scores,
        frame,
        optics.beam_diameter_um,
        min(optics.field_um),
        options.target_score_threshold,
    )
    if candidates is None:
        return np.empty((0, 2))
    starts = [greedy(candidates)]
    if not options.sparse or len(starts[0]) > 3:
        lattices = best_lattices(candidates, STARTS_FEW)
        starts += [
            _with_gaps_filled(candidates, _apart(points, scores, frame, options, optics))
            for points in lattices
        ]
    totals = [float(candidates.score_near(points).sum()) for points in starts]
    order = np.argsort(-np.array(totals), kind="stable")
    keep = STARTS_MANY if len(starts[order[0]]) > MANY else STARTS_FEW
    # All starts get the cheap exchanges, the best of them also the thorough ones.
    rounds = options.max_iterations
    tried = [exchange(candidates, starts[index], rounds, (0,)) for index in order[:keep]]
    best = max(tried, key=lambda points: float(candidates.score_near(points).sum()))
    best = climb(exchange(candidates, best, rounds, (1, 2)), scores, frame, options, optics)
    values = scores.at(frame.to_map(best))
    best = best[(values >= options.target_score_threshold) & (values > 0)]
    return frame.to_map(best)


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
        Of two in conflict the one of lower score goes.
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


def exchange(
    candidates: Candidates, points_tilt_um: np.ndarray, rounds: int, extras: tuple[int, ...]
) -> np.ndarray:
    """Improve a placement by taking out targets and filling the place anew.

    `extras` tells how many neighbours go with each target, one after the other.
    """
    points = np.array(points_tilt_um, dtype=float).reshape(-1, 2)
    work = EXCHANGES_MAX
    for extra in extras:
        changed = np.ones(len(points), bool)
        for _ in range(rounds):
            before = points
            for center in before[changed]:
                # Followed by position: indices change with every exchange.
                at = np.flatnonzero((points == center).all(axis=1))
                if not len(at) or work <= 0:
                    continue
                work -= 1
                removed = _with_neighbours(points, at[0], extra, candidates.diameter_um)
                rest = np.delete(points, removed, axis=0)
                new = _refill(candidates, rest, points[removed])
                if new is not None:
                    points = np.concatenate([rest, new])
            changed = _near_a_change(points, before, candidates.diameter_um)
            if not changed.any() or work <= 0:
                break
    return points


def climb(
    points_tilt_um: np.ndarray,
    scores: ScoreMap,
    frame: TiltFrame,
    options: TargetingOptions,
    optics: Optics,
) -> np.ndarray:
    """Move every target uphill as far as its neighbours' beams allow, in ever smaller steps."""
    points = np.array(points_tilt_um, dtype=float).reshape(-1, 2)
    if not len(points):
        return points
    turns = np.arange(8) * (np.pi / 4)
    compass = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    compass[:, 1] /= frame.stretch
    limit = (optics.beam_diameter_um - TOUCH_UM) ** 2
    step_um = min(optics.field_um) / 8
    finest_um = max(step_um / 16, optics.pixel_um / 2)
    values = scores.at(frame.to_map(points))
    moving = np.ones(len(points), bool)
    for _ in range(4 * options.max_iterations):
        if step_um < finest_um:
            break
        moves = points[:, None] + step_um * compass
        move_values = scores.at(frame.to_map(moves))
        moved = np.zeros(len(points), bool)
        for index in np.flatnonzero((move_values.max(axis=1) > values + GAIN_MIN) & moving):
            distance2 = ((moves[index][:, None] - points[None]) ** 2).sum(axis=2)
            distance2[:, index] = np.inf
            gain = np.where((distance2 >= limit).all(axis=1), move_values[index], -1)
            best = int(np.argmax(gain))
            if gain[best] > values[index] + GAIN_MIN:
                points[index], values[index] = moves[index, best], gain[best]
                moved[index] = True
        if not moved.any():
            step_um /= 2
    return points


def _refill(candidates: Candidates, rest: np.ndarray, removed: np.ndarray) -> np.ndarray | None:
    """Points of higher total than `removed` that fit between `rest`, or None."""
    diameter = candidates.diameter_um
    low, high = removed.min(axis=0) - diameter, removed.max(axis=0) + diameter
    area = candidates.window(low, high)
    scores = candidates.scores[area].copy()
    near = ((rest > low - diameter) & (rest < high + diameter)).all(axis=1)
    for point in rest[near]:
        _block_window(candidates, scores, area, point)
    index = np.argwhere(scores > 0)
    if not len(index):
        return None
    weights = scores[index[:, 0], index[:, 1]].astype(float)
    nodes = candidates.nodes(index + (area[0].start, area[1].start))
    if len(nodes) > NODES_PER_EXCHANGE:
        # The best of every neighbourhood stay: strided choice along the order of scores would
        # cluster, a strided choice along rows keeps the places spread.
        stride = -(-len(nodes) // NODES_PER_EXCHANGE)
        top = np.argsort(-weights, kind="stable")[: NODES_PER_EXCHANGE // 4]
        chosen = np.unique(np.concatenate([np.arange(0, len(nodes), stride), top]))
        nodes, weights = nodes[chosen], weights[chosen]
    had = float(candidates.score_near(removed).sum())
    nodes = np.concatenate([nodes, removed])
    weights = np.concatenate([weights, candidates.score_near(removed)])
    # Single precision near the origin errs by less than TOUCH_UM, which is not used up here.
    near_um = (nodes - nodes.mean(axis=0)).astype(np.float32)
    clash = (near_um[:, None, 0] - near_um[None, :, 0]) ** 2
    clash += (near_um[:, None, 1] - near_um[None, :, 1]) ** 2
    clash = clash < diameter**2
    np.fill_diagonal(clash, True)
    best, best_total = None, had + GAIN_MIN
    for chosen in (_pick_best(weights, clash), _pick_least_blocking(weights, clash)):
        total = float(weights[chosen].sum())
        if total > best_total:
            best, best_total = chosen, total
    return None if best is None else nodes[best]


def _block_window(
    candidates: Candidates, scores: np.ndarray, area: tuple[slice, slice], point: np.ndarray
) -> None:
    """Set to 0 the nodes of a window that conflict with a beam at the point."""
    first, second = candidates.positions(area)
    distance2 = (first - point[0]) ** 2 + (second - point[1]) ** 2
    scores[distance2 < (candidates.diameter_um - TOUCH_UM) ** 2] = 0


def _pick_best(weights: np.ndarray, clash: np.ndarray) -> list[int]:
    """The best pair, then greedily the best that fit."""
    worth = weights.astype(np.float32)
    pair = worth[:, None] + worth[None]
    pair[clash] = 0
    first, second = np.unravel_index(int(np.argmax(pair)), pair.shape)
    chosen = [int(np.argmax(worth))] if clash[first, second] else [int(first), int(second)]
    return _fill(weights, clash, chosen)


def _pick_least_blocking(weights: np.ndarray, clash: np.ndarray) -> list[int]:
    """Again and again the one that is worth most against what it takes away."""
    alive = weights.copy()
    share = clash.astype(np.float32)
    chosen: list[int] = []
    while alive.any():
        taken = share @ alive.astype(np.float32)
        worth = np.where(alive > 0, alive / np.maximum(taken, 1e-12), -1)
        index = int(np.argmax(worth))
        chosen.append(index)
        alive[clash[index]] = 0
    return chosen


def _fill(weights: np.ndarray, clash: np.ndarray, chosen: list[int]) -> list[int]:
    alive = np.where(clash[chosen].any(axis=0), 0, weights)
    while alive.any():
        index = int(np.argmax(alive))
        chosen.append(index)
        alive[clash[index]] = 0
    return chosen


def _with_neighbours(points: np.ndarray, index: int, extra: int, diameter: float) -> np.ndarray:
    distance = np.hypot(*(points - points[index]).T)
    near = np.argsort(distance, kind="stable")[: extra + 1]
    return near[distance[near] < 2 * diameter]


def _near_a_change(points: np.ndarray, before: np.ndarray, diameter: float) -> np.ndarray:
    """Which points lie within two beams of one that is new or gone."""
    old, new = ({tuple(point) for point in array} for array in (before, points))
    changed = np.array(sorted(old ^ new), dtype=float).reshape(-1, 2)
    if not len(changed):
        return np.zeros(len(points), bool)
    distance2 = ((points[:, None] - changed[None]) ** 2).sum(axis=2)
    return (distance2 < (2 * diameter) ** 2).any(axis=1)


def _drop(points: np.ndarray, scores: np.ndarray, diameter: float) -> np.ndarray:
    """Indices of the points that stay when conflicts are cleared by score, best first."""
    scores = np.asarray(scores, dtype=float)
    gone = np.zeros(len(points), bool)
    rivals: dict[int, list[int]] = {}
    for first, second in conflicts(points, diameter):
        rivals.setdefault(int(first), []).append(int(second))
        rivals.setdefault(int(second), []).append(int(first))
    for index in np.argsort(-scores, kind="stable"):
        if not gone[index]:
            gone[rivals.get(int(index), [])] = True
    return np.flatnonzero(~gone)


def _apart(points, scores: ScoreMap, frame: TiltFrame, options, optics: Optics) -> np.ndarray:
    values = scores.at(frame.to_map(points))
    return resolve_conflicts(
        points, values, optics.beam_diameter_um, options.tolerance, options.max_iterations
    )[0]


def _with_gaps_filled(candidates: Candidates, points: np.ndarray) -> np.ndarray:
    return greedy(candidates, points[candidates.score_near(points) > 0])
