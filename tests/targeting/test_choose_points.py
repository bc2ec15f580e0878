"""The chooser itself, on score maps made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from space.targeting import ExposureOptics, TargetingOptions
from space.targeting.packing import (
    Candidates,
    TiltFrame,
    candidate_grid,
    choose_points,
    conflicts,
    merging,
)
from space.targeting.packing.melting import Landscape, melted
from space.targeting.packing.merging import merged
from space.targeting.packing.placement import greedy
from space.targeting.packing.refinement import squeezed
from space.targeting.packing.sites import best_sites
from space.targeting.scoring import ScoreMap

QUICK = settings(max_examples=3, suppress_health_check=list(HealthCheck))
CELL_PX = 4


def make_optics(**changes) -> ExposureOptics:
    values = {
        "pixel_nm": 10.0,
        "field_um": (0.86, 0.61),
        "beam_diameter_um": 1.0,
        "tilt_axis_deg": 84.0,
        "beam_margin_um": 0.0,
    }
    return ExposureOptics(**{**values, **changes})


def make_scores(seed: int, shape=(100, 120), spots=6) -> ScoreMap:
    """Hills of different height and width on nothing."""
    rng = np.random.default_rng(seed)
    row, column = np.ogrid[: shape[0], : shape[1]]
    values = np.zeros(shape)
    for _ in range(spots):
        center, width = rng.uniform((0, 0), shape), rng.uniform(6, 14)
        far2 = (row - center[0]) ** 2 + (column - center[1]) ** 2
        values += rng.uniform(0.3, 0.8) * np.exp(-far2 / (2 * width**2))
    values = np.where(values < 0.05, 0, np.minimum(values, 1)).astype(np.float32)
    return ScoreMap(values, CELL_PX, (shape[0] * CELL_PX, shape[1] * CELL_PX), (0.0, 0.0))


def in_conflict(points_map_px: np.ndarray, optics: ExposureOptics) -> int:
    points = TiltFrame.of(optics).from_map(points_map_px)
    return len(conflicts(points, optics.beam_diameter_um))


def candidates_on(values: np.ndarray, diameter_um=1.0, cell_um=0.1, tilt_deg=0.0) -> Candidates:
    """Candidate places on cells of these scores; the first axis across, the second along."""
    scores = ScoreMap(values.astype(np.float32), 1, values.shape, (0.0, 0.0))
    frame = TiltFrame(cell_um, 0.0, 1 / np.cos(np.radians(tilt_deg)))
    return candidate_grid(scores, frame, diameter_um, 8 * cell_um, 0.0)


@QUICK
@given(seed=st.integers(0, 1000), count=st.integers(0, 5), sparse=st.booleans())
def test_fixed_targets_come_first_and_keep_their_beams_free(seed, count, sparse):
    scores, optics = make_scores(seed), make_optics()
    fixed = np.random.default_rng(seed).uniform((0, 0), scores.map_shape, (count, 2))
    options = TargetingOptions(sparse=sparse, max_iterations=2)
    points = choose_points(scores, options, optics, fixed_map_px=fixed)
    assert np.array_equal(points[:count], fixed)
    assert in_conflict(points, optics) == in_conflict(fixed, optics)
    assert (scores.at(points[count:]) >= options.target_score_threshold).all()


def test_fixed_targets_stay_without_any_candidate_and_in_conflict():
    scores = make_scores(0)
    fixed = np.array([[50.0, 50.0], [52.0, 50.0]])
    for nothing in (False, np.zeros(scores.values.shape, bool)):
        points = choose_points(
            scores.restricted(nothing), TargetingOptions(), make_optics(), fixed_map_px=fixed
        )
        assert np.array_equal(points, fixed)


@QUICK
@given(seed=st.integers(0, 1000), most=st.integers(1, 9), fixed_count=st.integers(0, 2))
def test_at_most_so_many_targets(seed, most, fixed_count):
    scores, optics = make_scores(seed), make_optics()
    fixed = np.random.default_rng(seed).uniform((0, 0), scores.map_shape, (fixed_count, 2))
    options = TargetingOptions(max_targets=most, max_iterations=3)
    points = choose_points(scores, options, optics, fixed_map_px=fixed)
    assert len(points) <= max(most, fixed_count)
    free = choose_points(scores, TargetingOptions(max_iterations=3), optics, fixed_map_px=fixed)
    top = np.sort(scores.at(free[fixed_count:]))[::-1][: max(0, most - fixed_count)]
    assert scores.at(points[fixed_count:]).sum() >= 0.98 * top.sum()


def test_few_targets_sit_on_better_places_than_many():
    # Two fit on the ridge, one at each end; one alone takes the summit in the middle.
    values = np.zeros((60, 200), np.float32)
    values[20:40, 60:130] = 0.6
    values[25:35, 90:100] = 1.0
    scores = ScoreMap(values, CELL_PX, (240, 800), (0.0, 0.0))
    optics = make_optics(beam_diameter_um=2.5, tilt_axis_deg=0.0)
    both = choose_points(scores, TargetingOptions(), optics)
    assert scores.at(both) == pytest.approx(np.array([0.6, 0.6]), abs=0.02)
    alone = choose_points(scores, TargetingOptions(max_targets=1), optics)
    assert scores.at(alone) == pytest.approx(np.array([1.0]), abs=0.02)


def test_restricted_scores_hold_targets_inside():
    scores = make_scores(3)
    allowed = np.zeros(scores.values.shape, bool)
    allowed[:, 60:] = True
    points = choose_points(scores.restricted(allowed), TargetingOptions(), make_optics())
    assert len(points) and (points[:, 1] >= 59 * CELL_PX).all()
    everywhere = choose_points(scores, TargetingOptions(), make_optics())
    assert (everywhere[:, 1] < 59 * CELL_PX).any()


@pytest.mark.parametrize("most", [None, 4])
def test_sites_are_chosen_as_well_as_possible(most):
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 3.2, (14, 2))
    weights = rng.uniform(-0.1, 1, 14)
    clash = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) < 1.0
    best = 0.0
    for bits in range(2**14):
        chosen = np.flatnonzero(bits >> np.arange(14) & 1)
        if most is not None and len(chosen) > most:
            continue
        if clash[np.ix_(chosen, chosen)].sum() == len(chosen):
            best = max(best, weights[chosen].sum())
    found = best_sites(points, weights, 1.0, most)
    assert len(conflicts(points[found], 1.0)) == 0
    assert weights[found].sum() == pytest.approx(best)


def test_targets_sit_on_sites_only_and_clear_of_fixed_ones():
    scores, optics = make_scores(4), make_optics()
    grid = np.stack(np.meshgrid(np.arange(20, 400, 55), np.arange(20, 480, 55)), axis=-1)
    sites = grid.reshape(-1, 2).astype(float)
    fixed = sites[[10]] + 3
    points = choose_points(
        scores, TargetingOptions(), optics, fixed_map_px=fixed, sites_map_px=sites
    )
    assert np.array_equal(points[:1], fixed) and len(points) > 3
    assert all((sites == point).all(axis=1).any() for point in points[1:])
    assert in_conflict(points, optics) == 0
    assert (scores.at(points[1:]) > 0).all()
    none = choose_points(scores, TargetingOptions(), optics, sites_map_px=np.empty((0, 2)))
    assert none.shape == (0, 2)


# With these seeds neither placement alone is the best.
@pytest.mark.parametrize("seed", [0, 1, 4, 6])
def test_the_best_of_two_placements_is_exact(seed):
    rng = np.random.default_rng(seed)
    values = np.kron(rng.uniform(0.1, 1, (12, 12)), np.ones((5, 5)))
    candidates = candidates_on(values, 1.2)
    row, column = np.meshgrid(np.arange(0.3, 5.9, 1.3), np.arange(0.3, 5.9, 2.5))
    first = np.stack([row, column], axis=-1).reshape(-1, 2)[:8]
    second = first + (0.5, 0.6)
    both = np.concatenate([first, second])
    weights = candidates.score_at(both)
    clash = np.hypot(*(both[:, None] - both[None]).transpose(2, 0, 1)) < 1.2
    best = 0.0
    for bits in range(2 ** len(both)):
        chosen = np.flatnonzero(bits >> np.arange(len(both)) & 1)
        if weights[chosen].sum() > best and clash[np.ix_(chosen, chosen)].sum() == len(chosen):
            best = weights[chosen].sum()
    points = merged(candidates, first, second)
    assert len(conflicts(points, 1.2)) == 0
    assert candidates.score_at(points).sum() == pytest.approx(best, abs=1e-4)
    assert best > max(candidates.score_at(first).sum(), candidates.score_at(second).sum())


@pytest.mark.parametrize("seed", range(12))
def test_few_conflicts_are_cut_as_many_are(seed):
    rng = np.random.default_rng(seed)
    count, others = rng.integers(1, 9, 2)
    weights = rng.integers(1, 6, count + others).astype(np.int32)  # with equal cuts, too
    pairs = np.argwhere(rng.random((count, others)) < 0.4) + (0, count)
    few = merging.cut_of_few(weights, pairs, count)
    assert few.tolist() == merging.cut(weights, pairs, count).tolist()


def test_a_target_that_nearly_fits_is_squeezed_in():
    # A strip of 3.95 beams' length, its targets placed so that the gap is 0.05 too small.
    candidates = candidates_on(np.ones((1, 60)))
    points = np.array([[0.05, 0.05], [2.0, 0.05]])
    more = squeezed(candidates, points, tolerance=0.1, max_iterations=20)
    middle = np.sort(more[:, 0])
    assert len(more) > len(squeezed(candidates, points, tolerance=0.0, max_iterations=20))
    assert (np.diff(middle) >= 1 - 1e-5).all() and len(conflicts(more, 1.0)) == 0


def test_where_three_stand_four_find_room_in_a_zigzag():
    # Two rows of touching beams fit only just, and only at one angle and place.
    scores = ScoreMap(np.ones((27, 58), np.float32), 5, (135, 290), (0.0, 0.0))
    optics = make_optics(beam_diameter_um=1.6, tilt_axis_deg=0.0, max_tilt_deg=0.0)
    points = choose_points(scores, TargetingOptions(sparse=False), optics)
    assert len(points) == 4 and in_conflict(points, optics) == 0


@pytest.mark.parametrize("seed", range(3))
def test_melting_never_lowers_the_total_and_keeps_to_the_limit(seed):
    candidates = candidates_on(make_scores(seed).values, tilt_deg=60.0)
    start = greedy(candidates)
    total = candidates.score_at(start).sum()
    landscape = Landscape.of(candidates)
    for most in (None, len(start)):
        points = start
        for _ in range(3):
            rng = np.random.default_rng(0)
            points = melted(landscape, points, rng, most)
            assert len(conflicts(points, 1.0)) == 0
            assert most is None or len(points) <= most
            assert candidates.score_at(points).sum() >= total - 1e-5
        assert most is not None or candidates.score_at(points).sum() > 1.001 * total


def test_the_same_scores_give_the_same_points():
    scores, optics = make_scores(7), make_optics()
    first, second = (choose_points(scores, TargetingOptions(), optics) for _ in range(2))
    assert np.array_equal(first, second)


def test_places_between_the_nodes_have_the_score_of_the_map():
    values = make_scores(2).values
    candidates = replace(candidates_on(values, tilt_deg=60.0), threshold=0.2)
    points_map_px = np.random.default_rng(0).uniform((-5, -5), (105, 125), (300, 2))
    points = candidates.frame.from_map(points_map_px)
    expected = candidates.score_map.at(points_map_px)
    expected[expected < 0.2] = 0
    assert (expected > 0).sum() > 20
    assert candidates.score_at(points) == pytest.approx(expected, abs=1e-9)
    fixed = points[[int(np.argmax(expected))]]
    beside = candidates.around(fixed).score_at(points)
    clear = np.hypot(*(points - fixed).T) >= 1.0
    assert beside == pytest.approx(np.where(clear, expected, 0), abs=1e-9)


@QUICK
@given(seed=st.integers(0, 1000), side=st.sampled_from([0, 1]))
def test_more_wanted_area_never_lowers_the_total(seed, side):
    scores, optics = make_scores(seed), make_optics()
    half = np.ones(scores.values.shape, bool)
    half[(slice(None),) * side + (slice(0, 45),)] = False
    for sparse in (True, False):
        options = TargetingOptions(sparse=sparse, max_iterations=4)
        less = scores.restricted(half)
        few = less.at(choose_points(less, options, optics)).sum()
        assert scores.at(choose_points(scores, options, optics)).sum() >= 0.98 * few


def test_a_spot_between_the_candidates_is_found():
    values = np.zeros((100, 100), np.float32)
    values[37, 61] = 0.7
    scores = ScoreMap(values, 1, (100, 100), (0.0, 0.0))
    optics = make_optics(beam_diameter_um=30.0, field_um=(0.3, 0.3))
    points = choose_points(scores, TargetingOptions(), optics)
    assert points == pytest.approx(np.array([[37.5, 61.5]]), abs=1)
    frame = TiltFrame.of(optics)
    assert candidate_grid(scores, frame, 30.0, 0.3, 0.71) is None
