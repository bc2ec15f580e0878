"""The best choice of targets on a small map, proven by mixed-integer programming."""

from __future__ import annotations

import time

import numpy as np
from scipy import optimize, sparse
from scipy.spatial import cKDTree

from space.targeting import ExposureOptics, TargetingOptions
from space.targeting.packing import NODES_PER_BEAM, Candidates, TiltFrame, candidate_grid, conflicts
from space.targeting.scoring import ScoreMap

SOLVER_S = 60.0
# More places than this would take the solver gigabytes.
PLACES_SOLVED_MAX = 4000


def optimum(
    scores: ScoreMap,
    options: TargetingOptions,
    optics: ExposureOptics,
    nodes_per_beam: float = NODES_PER_BEAM,
) -> float | None:
    """Largest total of candidate places.

    None if there is none, if there are too many for the solver, or if it was not proven in time.
    """
    candidates = candidate_grid(
        scores,
        TiltFrame.of(optics),
        optics.beam_diameter_um,
        min(optics.field_um),
        options.target_score_threshold,
        nodes_per_beam,
    )
    if candidates is None or np.count_nonzero(candidates.scores) > PLACES_SOLVED_MAX:
        return None
    return exact_total(candidates, SOLVER_S)


def exact_total(candidates: Candidates, time_limit_s: float) -> float | None:
    """Largest total score of candidate places without conflict; None if not proven in time.

    All places within half a beam of a point exclude one another. Such groups around a coarse
    lattice are given to the solver at first; whatever conflict its answer still has adds the group
    around the middle of the pair, until there is none.
    """
    index = np.argwhere(candidates.scores > 0)
    weights = candidates.scores[index[:, 0], index[:, 1]].astype(float)
    nodes = candidates.nodes(index)
    radius = candidates.diameter_um / 2 - 1e-9
    tree = cKDTree(nodes)
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    axes = [np.arange(a, b + radius / 2, radius / 2) for a, b in zip(low, high)]
    centers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    groups = [group for group in tree.query_ball_point(centers, radius) if len(group) > 1]
    end = time.monotonic() + time_limit_s
    while True:
        left_s = end - time.monotonic()
        if left_s <= 0:
            return None
        answer = _solve(weights, groups, left_s)
        if answer is None:
            return None
        chosen = np.flatnonzero(answer > 0.5)
        pairs = conflicts(nodes[chosen], candidates.diameter_um)
        if not len(pairs):
            return float(weights[chosen].sum())
        middles = nodes[chosen][pairs].mean(axis=1)
        groups.extend(tree.query_ball_point(middles, radius))


def _solve(weights: np.ndarray, groups: list[list[int]], time_limit_s: float):
    limits = []
    if groups:
        rows = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        columns = np.concatenate(groups)
        shape = (len(groups), len(weights))
        # 32-bit places: before SciPy 1.14 the solver takes no others.
        places = (np.asarray(rows, np.int32), np.asarray(columns, np.int32))
        matrix = sparse.csr_array((np.ones(len(rows)), places), shape=shape)
        limits = [optimize.LinearConstraint(matrix, ub=1)]
    result = optimize.milp(
        -weights,
        integrality=np.ones(len(weights)),
        bounds=optimize.Bounds(0, 1),
        constraints=limits,
        options={"time_limit": time_limit_s, "mip_rel_gap": 1e-3},
    )
    return result.x if result.status == 0 else None
