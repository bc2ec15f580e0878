"""Local exchange: take targets out and fill their place anew in the best of a few ways."""

from __future__ import annotations

import numpy as np

from space.targeting.candidates import Candidates

# Bounds on the work.
EXCHANGES_MAX = 3000
NODES_PER_EXCHANGE = 120
GAIN_MIN = 1e-5


class _Board:
    """A placement on the candidates: how many beams each node is in conflict with."""

    def __init__(self, candidates: Candidates, points_tilt_um: np.ndarray) -> None:
        self.candidates = candidates
        self.covered = np.zeros(candidates.scores.shape, np.uint8)
        self.points = np.empty((0, 2))
        self.values = np.empty(0)
        self._stamps: list[tuple[tuple[slice, slice], np.ndarray]] = []
        self.put(np.asarray(points_tilt_um, dtype=float).reshape(-1, 2))

    def put(self, points_tilt_um: np.ndarray) -> None:
        """Add targets."""
        for point in points_tilt_um:
            area, under = self.candidates.stamp(point)
            self.covered[area] += under
            self._stamps.append((area, under))
        self.points = np.concatenate([self.points, points_tilt_um])
        self.values = np.concatenate([self.values, self.candidates.score_near(points_tilt_um)])

    def take(self, indices: np.ndarray) -> None:
        """Remove targets."""
        for index in sorted(indices, reverse=True):
            area, under = self._stamps.pop(index)
            self.covered[area] -= under
        self.points = np.delete(self.points, indices, axis=0)
        self.values = np.delete(self.values, indices)

    def free_without(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (n, 2) that removing targets would leave free, and their scores."""
        stamps = [self._stamps[index] for index in indices]
        for area, under in stamps:
            self.covered[area] -= under
        window = tuple(
            slice(
                min(area[axis].start for area, _ in stamps),
                max(area[axis].stop for area, _ in stamps),
            )
            for axis in (0, 1)
        )
        worth = np.where(self.covered[window] == 0, self.candidates.scores[window], 0)
        for area, under in stamps:
            self.covered[area] += under
        index = np.argwhere(worth > 0)
        weights = worth[index[:, 0], index[:, 1]].astype(float)
        return self.candidates.nodes(index + (window[0].start, window[1].start)), weights


def exchange(
    candidates: Candidates,
    points_tilt_um: np.ndarray,
    rounds: int,
    extras: tuple[int, ...],
    *,
    most: int | None = None,
    since: np.ndarray | None = None,
) -> np.ndarray:
    """Improve a placement by exchanges until none helps.

    Parameters
    ----------
    rounds : int
        How often at most all targets near a change are tried again.
    extras : tuple of int
        How many neighbours go with each target, one after the other.
    most : int, optional
        Never more targets than this.
    since : ndarray (m, 2), optional
        A placement that exchange has been through: only what has changed is tried.
    """
    board = _Board(candidates, points_tilt_um)
    work = EXCHANGES_MAX
    start = board.points
    if since is not None:
        start = start[_near_a_change(start, since, candidates.diameter_um)]
    for extra in extras:
        trying, began = start, board.points
        for _ in range(rounds):
            before = board.points
            for center in trying:
                # Followed by position: indices change with every exchange.
                at = np.flatnonzero((board.points == center).all(axis=1))
                if not len(at) or work <= 0:
                    continue
                work -= 1
                removed = _with_neighbours(board.points, at[0], extra, candidates.diameter_um)
                room = None if most is None else most - len(board.points) + len(removed)
                new = _refill(board, removed, room)
                if new is not None:
                    board.take(removed)
                    board.put(new)
            changed = _near_a_change(board.points, before, candidates.diameter_um)
            trying = board.points[changed]
            if not len(trying) or work <= 0:
                break
        fresh = board.points[_near_a_change(board.points, began, candidates.diameter_um)]
        start = np.unique(np.concatenate([start, fresh]), axis=0)
    return board.points


def _refill(board: _Board, removed: np.ndarray, room: int | None) -> np.ndarray | None:
    """Points of higher total than the removed ones that fit into their place, or None."""
    nodes, weights = board.free_without(removed)
    needed = float(board.values[removed].sum()) + GAIN_MIN
    if not len(nodes):
        return None
    diameter = board.candidates.diameter_um
    if room == 1 or np.hypot(*np.ptp(nodes, axis=0)) < diameter:
        best = int(np.argmax(weights))
        return nodes[[best]] if weights[best] > needed else None
    if len(nodes) > NODES_PER_EXCHANGE:
        # A strided choice along rows keeps the places spread; the best stay in any case.
        stride = -(-len(nodes) // NODES_PER_EXCHANGE)
        top = np.argsort(-weights, kind="stable")[: NODES_PER_EXCHANGE // 4]
        chosen = np.unique(np.concatenate([np.arange(0, len(nodes), stride), top]))
        nodes, weights = nodes[chosen], weights[chosen]
    nodes = np.concatenate([nodes, board.points[removed]])
    weights = np.concatenate([weights, board.values[removed]]).astype(np.float32)
    # Single precision near the origin errs by less than TOUCH_UM, which is not used up here.
    near_um = (nodes - nodes.mean(axis=0)).astype(np.float32)
    clash = np.square(near_um[:, None, 0] - near_um[None, :, 0])
    clash += np.square(near_um[:, None, 1] - near_um[None, :, 1])
    clash = clash < diameter**2
    np.fill_diagonal(clash, True)
    best = None
    blocked = clash.astype(np.float32) @ weights
    for chosen in (
        _pick_from_every_first(weights, clash, weights),
        _pick_from_every_first(weights, clash, weights / blocked),
        _pick_least_blocking(weights, clash),
    ):
        if room is not None and len(chosen) > room:
            chosen = sorted(chosen, key=lambda index: -weights[index])[:room]
        total = float(weights[chosen].sum(dtype=float))
        if total > needed:
            best, needed = chosen, total
    return None if best is None else nodes[best]


def _pick_from_every_first(
    weights: np.ndarray, clash: np.ndarray, preference: np.ndarray
) -> list[int]:
    """Every node once as the first, then again and again the preferred one; the best of all."""
    every = np.arange(len(weights))
    alive = np.where(clash, 0, preference)
    picks = [every]
    totals = weights.astype(float)
    while True:
        index = alive.argmax(axis=1)
        fits = alive[every, index] > 0
        if not fits.any():
            break
        totals += np.where(fits, weights[index], 0)
        picks.append(np.where(fits, index, -1))
        alive[clash[index]] = 0
    best = int(np.argmax(totals))
    return [int(pick[best]) for pick in picks if pick[best] >= 0]


def _pick_least_blocking(weights: np.ndarray, clash: np.ndarray) -> list[int]:
    """Again and again the one that is worth most against what it takes away."""
    alive = weights.copy()
    share = clash.astype(np.float32)
    chosen: list[int] = []
    while alive.any():
        taken = share @ alive
        worth = np.where(alive > 0, alive / np.maximum(taken, 1e-12), -1)
        index = int(np.argmax(worth))
        chosen.append(index)
        alive[clash[index]] = 0
    return chosen


def _with_neighbours(points: np.ndarray, index: int, extra: int, diameter: float) -> np.ndarray:
    """Index of a target and of its nearest neighbours."""
    if not extra:
        return np.array([index])
    distance = np.hypot(*(points - points[index]).T)
    near = np.argsort(distance, kind="stable")[: extra + 1]
    return near[distance[near] < 2 * diameter]


def _near_a_change(points: np.ndarray, before: np.ndarray, diameter: float) -> np.ndarray:
    """Which points lie within two beams of one that is new or gone."""
    from scipy.spatial import cKDTree

    old, new = ({tuple(point) for point in array} for array in (before, points))
    changed = np.array(sorted(old ^ new), dtype=float).reshape(-1, 2)
    if not len(changed) or not len(points):
        return np.zeros(len(points), bool)
    return cKDTree(changed).query(points)[0] < 2 * diameter
