"""The best of two placements, exactly.

Within one placement no two targets are in conflict, so conflicts between two placements form a
graph with two sides. The set of highest total without conflict in such a graph is what a
minimum cut leaves (the theorems of Konig and Egervary): quick and exact. So the good parts of many
placements, each good somewhere, make one that is better than all.
"""

from __future__ import annotations

import numpy as np

from space.targeting.packing.candidates import Candidates
from space.targeting.packing.tilt import conflicts

# Capacities of the cut are whole numbers; a score is cut into this many grains.
GRAINS = 1_000_000
# Of so few conflicts, SciPy's solver takes longer to set up than all of them to follow.
FEW_CONFLICTS = 60


def merged(candidates: Candidates, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The subset of two placements (points_tilt_um) of highest total without conflict."""
    points = np.concatenate([first, second])
    weights = np.rint(candidates.score_at(points) * GRAINS).astype(np.int32)
    useful = weights > 0
    points, weights = points[useful], weights[useful]
    count = int(useful[: len(first)].sum())
    pairs = conflicts(points, candidates.diameter_um)
    if not len(pairs):
        return points
    find_cut = cut_of_few if len(pairs) <= FEW_CONFLICTS else cut
    return points[find_cut(weights, pairs, count) == (np.arange(len(points)) < count)]


def cut_of_few(weights: np.ndarray, pairs: np.ndarray, count: int) -> np.ndarray:
    """As `cut`, by ways to the sink that are found one after another.

    A cut next to the source is the same whichever flow is the largest.
    """
    left: list[int] = weights.tolist()
    rivals: list[list[int]] = [[] for _ in left]
    for first, second in pairs.tolist():
        rivals[first].append(second)
        rivals[second].append(first)
    flow: dict[tuple[int, int], int] = {}
    while True:
        came_from, end = _way_to_sink(left, rivals, flow, count)
        if end is None:
            return np.isin(np.arange(len(left)), list(came_from))
        way = [end]
        while (before := came_from[way[-1]]) is not None:
            way.append(before)
        steps = list(zip(way[1:], way))
        amount = min(left[end], left[way[-1]], *(flow[to, at] for at, to in steps if at >= count))
        for at, to in steps:
            if at < count:
                flow[at, to] = flow.get((at, to), 0) + amount
            else:
                flow[to, at] -= amount
        left[end] -= amount
        left[way[-1]] -= amount


def _way_to_sink(
    left: list[int], rivals: list[list[int]], flow: dict[tuple[int, int], int], count: int
) -> tuple[dict[int, int | None], int | None]:
    """From which point each one was reached, and the one next to the sink that was, if any.

    From the first placement to the second anything flows, back only what came.
    """
    queue = [index for index in range(count) if left[index]]
    came_from: dict[int, int | None] = dict.fromkeys(queue)
    for index in queue:  # grows
        if index >= count and left[index]:
            return came_from, index
        for other in rivals[index]:
            if other not in came_from and (index < count or flow.get((other, index))):
                came_from[other] = index
                queue.append(other)
    return came_from, None


def cut(weights: np.ndarray, pairs: np.ndarray, count: int) -> np.ndarray:
    """Which points (n,) are on the source's side of the minimum cut.

    Parameters
    ----------
    weights : ndarray of int (n,)
        Of all points, those of the first placement first.
    pairs : ndarray of int (k, 2)
        Points in conflict: one of the first placement, one of the second.
    count : int
        How many belong to the first placement.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    # source -> first placement -> those of the second in conflict with it -> sink
    total = len(weights)
    source, sink = total, total + 1
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    first, second = np.arange(count), np.arange(count, total)
    heads = np.concatenate([pairs[:, 1], np.full(total - count, sink), first])
    limits = np.concatenate(
        [np.full(len(pairs), np.iinfo(np.int32).max), weights[second], weights[first]]
    )
    ways = np.concatenate(
        [np.bincount(pairs[:, 0], minlength=count), np.ones(total - count, int), [count, 0]]
    )
    starts = np.concatenate([[0], np.cumsum(ways)])
    # 32-bit numbers throughout: before 1.14 SciPy's flow takes no others.
    parts = tuple(part.astype(np.int32) for part in (limits, heads, starts))
    network = csr_array(parts, shape=(total + 2, total + 2))
    flow = maximum_flow(network, source, sink).flow
    tails, carries = np.repeat(np.arange(total + 2), np.diff(flow.indptr)), flow.data > 0
    sent = np.zeros(total, np.int64)
    from_source = carries & (tails == source)
    sent[flow.indices[from_source]] = flow.data[from_source]
    between = carries & (tails < count)
    return _reached(weights, sent, pairs, (tails[between], flow.indices[between]), count)


def _reached(
    weights: np.ndarray,
    sent: np.ndarray,
    pairs: np.ndarray,
    used: tuple[np.ndarray, np.ndarray],
    count: int,
) -> np.ndarray:
    """Which points (n,) more could flow to from the source, on ways that are not full.

    From the first placement to the second anything flows, back only what came (`used`).
    """
    reached = (np.arange(len(weights)) < count) & (sent < weights)
    before = -1
    while before != (before := int(reached.sum())):
        reached[pairs[reached[pairs[:, 0]], 1]] = True
        reached[used[0][reached[used[1]]]] = True
    return reached
