"""Few targets, each of which counts: the choice against the proven optimum."""

from __future__ import annotations

import pytest

from benchmarks.exact_choice import optimum
from benchmarks.small_problems import NAMES, NODES_PER_BEAM, small_problem
from benchmarks.targeting import total_score
from space.targeting import select_targets
from space.targeting.scoring import cell_factor, class_tables, coverage, score_map


# One at the rim of the map, one of five organelles, one of edges, and some of every kind.
@pytest.mark.parametrize("seed", [48, 88, 155, 3, 24, 25, 30, 169])
def test_small_problems_are_chosen_as_well_as_can_be_proven(seed):
    problem = small_problem(seed)
    labels, options, optics = problem.labels, problem.options, problem.optics
    cover = coverage(labels, class_tables(NAMES, options), cell_factor(optics))
    best = optimum(score_map(cover, options, optics), options, optics, NODES_PER_BEAM)
    assert best, "not solved"
    total = total_score(select_targets(labels, NAMES, options, optics))
    assert total >= 0.99 * best
