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
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    # source -> first placement -> those of the second in conflict with it -> sink
    source, sink = len(points), len(points) + 1
    sides = np.arange(len(points))
    tails = np.concatenate([np.where(sides < count, source, sides), pairs[:, 0]])
    heads = np.concatenate([np.where(sides < count, sides, sink), pairs[:, 1]])
    limits = np.concatenate([weights, np.full(len(pairs), np.iinfo(np.int32).max)])
    # 32-bit numbers throughout: before 1.14 SciPy's flow takes no others.
    parts = [part.astype(np.int32) for part in (limits, tails, heads)]
    network = csr_array((parts[0], (parts[1], parts[2])), shape=(sink + 1, sink + 1))
    left = csr_array(network - maximum_flow(network, source, sink).flow)
    left.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    return points[reached[: len(points)] == (sides < count)]
