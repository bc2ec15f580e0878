"""Targets on given sites only, such as the holes of a film: few enough for an exact solution."""

from __future__ import annotations

import numpy as np

from space.targeting.packing.tilt import conflicts

NODES_MAX = 2000
GAP = 1e-4


def best_sites(
    points_tilt_um: np.ndarray,
    weights: np.ndarray,
    diameter_um: float,
    max_targets: int | None = None,
) -> np.ndarray:
    """Indices of the sites of highest total weight whose beams do not overlap.

    Parameters
    ----------
    weights : ndarray (n,)
        Sites of weight 0 or less are never chosen.
    max_targets : int, optional
        Maximum number of sites that are chosen.
    """
    usable = np.flatnonzero(np.asarray(weights) > 0)
    points = np.asarray(points_tilt_um)[usable]
    weights = np.asarray(weights, dtype=float)[usable]
    pairs = conflicts(points, diameter_um)
    if not len(pairs):
        return np.sort(usable[np.argsort(-weights, kind="stable")[:max_targets]])
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    # All sites within half a beam of a point exclude one another: of each such group one at most.
    middles = points[pairs].mean(axis=1)
    radius = max(0.0, diameter_um / 2 - 1e-9)
    groups = cKDTree(points).query_ball_point(middles, radius)
    groups = sorted({tuple(sorted({*group, *pair})) for group, pair in zip(groups, pairs.tolist())})
    # 32-bit indices: before SciPy 1.14 the solver takes no others.
    rows = np.repeat(np.arange(len(groups), dtype=np.int32), [len(group) for group in groups])
    columns = np.concatenate([np.array(group, np.int32) for group in groups])
    matrix = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(groups), len(usable)))
    limits = [LinearConstraint(matrix, ub=1)]
    if max_targets is not None:
        limits.append(LinearConstraint(np.ones((1, len(usable))), ub=max_targets))
    found = milp(
        -weights,
        integrality=np.ones(len(usable), int),
        bounds=Bounds(0, 1),
        constraints=limits,
        options={"node_limit": NODES_MAX, "mip_rel_gap": GAP},
    )
    if found.x is None:
        return usable[_greedy(weights, pairs, max_targets)]
    return usable[found.x > 0.5]


def _greedy(weights: np.ndarray, pairs: np.ndarray, max_targets: int | None) -> np.ndarray:
    """The best again and again; for problems that are too large for the solver."""
    free = np.ones(len(weights), bool)
    chosen: list[int] = []
    for index in np.argsort(-weights, kind="stable"):
        if free[index] and (max_targets is None or len(chosen) < max_targets):
            chosen.append(int(index))
            free[pairs[(pairs == index).any(axis=1)].ravel()] = False
    return np.sort(chosen)
