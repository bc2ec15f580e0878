"""Peaks, matching, scores and filaments: arithmetic without a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from space.picking.evaluate import average_precision, matched, over_distance, scores_of
from space.picking.filaments import filaments
from space.picking.peaks import Picks, peaks_of
from space.picking.predicting import Choice, picks_of


def heat_at(points, shape=(24, 24, 24), heights=None):
    heat = np.zeros(shape)
    for number, at in enumerate(points):
        heat[tuple(at)] = 1 if heights is None else heights[number]
    return gaussian_filter(heat, 1.5)


def picks_at(points, scores=None):
    scores = np.linspace(1, 0.5, len(points)) if scores is None else np.array(scores, float)
    return Picks(np.array(points, float).reshape(-1, 3), scores)


def test_peaks_come_best_first_and_apart():
    heat = heat_at([(5, 5, 5), (12, 12, 12), (12, 12, 17)], heights=[1, 3, 2])
    assert peaks_of(heat, 2, 1e-3).points_px.round().tolist() == [
        [12, 12, 12], [12, 12, 17], [5, 5, 5],
    ]  # fmt: skip
    # Within its radius, the better one alone is left.
    assert peaks_of(heat, 6, 1e-3).points_px.round().tolist() == [[12, 12, 12], [5, 5, 5]]


def test_a_peak_between_voxels_is_found_there():
    z, y, x = np.ogrid[:15, :15, :15]
    heat = np.exp(-((z - 7.3) ** 2 + (y - 6.8) ** 2 + (x - 7) ** 2) / 8)
    assert np.allclose(peaks_of(heat, 3).points_px[0], [7.3, 6.8, 7], atol=0.05)


@given(st.integers(0, 10_000), st.floats(1, 8))
def test_no_two_picks_are_nearer_than_the_radius(seed, radius):
    heat = np.random.default_rng(seed).random((9, 9, 9))
    found = np.round(peaks_of(heat, radius).points_px)
    apart = np.linalg.norm(found[:, None] - found, axis=2)[np.triu_indices(len(found), 1)]
    assert (apart > radius - 1.8).all()  # each may be moved by half a voxel along each axis


def test_picks_are_chosen_by_threshold_count_and_border():
    heat = np.full((20, 20, 20), 0.001)
    for at, height in (((10, 10, 10), 0.9), ((1, 10, 10), 0.8), ((10, 4, 15), 0.3)):
        heat[at] = height
    heat = heat.astype(np.float32)

    def count(**choice):
        return len(picks_of(heat, 1.0, (40, 40, 40), Choice(**choice)))

    assert count(threshold=0.2) == 3
    assert count(threshold=0.5) == 2
    assert count(threshold=0.2, count=1) == 1
    assert count(threshold=0.2, border_nm=6) == 2
    best = picks_of(heat, 1.0, (40, 40, 40), Choice()).points_px[0]
    assert best.tolist() == [20.5, 20.5, 20.5]  # a voxel of the heat map lies between two


def test_each_particle_is_matched_once():
    true = np.array([[0, 0, 0], [0, 0, 10]], float)
    found = picks_at([[0, 0, 1], [0, 0, -1], [0, 0, 9], [0, 9, 9]])
    assert matched(found, true, 3).tolist() == [True, False, True, False]


def test_scores_by_hand():
    true = np.array([[0, 0, 0], [0, 0, 10], [0, 0, 20]], float)
    one = scores_of([(picks_at([[0, 0, 0], [0, 0, 5], [0, 0, 10]]), true)], 1)
    assert (one.precision, one.recall, one.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert one.average_precision == pytest.approx((1 + 2 / 3) / 3)


def test_nothing_picked_or_wanted_is_no_error():
    nothing = picks_at([])
    assert scores_of([(nothing, np.zeros((0, 3)))], 1).f1 == 0
    assert scores_of([(nothing, np.ones((2, 3)))], 1).recall == 0
    assert scores_of([], 1).average_precision == 0


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 10))
def test_average_precision_lies_between_its_bounds(hits, missed):
    wanted = sum(hits) + missed
    found = average_precision(np.array(hits, bool), wanted)
    assert 0 <= found <= sum(hits) / max(1, wanted) + 1e-9


def test_a_larger_distance_never_matches_less():
    rng = np.random.default_rng(1)
    pairs = [(picks_at(rng.uniform(0, 30, (40, 3))), rng.uniform(0, 30, (40, 3)))]
    found = [one.true_positives for one in over_distance(pairs, [1, 2, 4, 8, 40])]
    assert found == sorted(found)
    assert found[-1] == 40


def test_picks_along_a_filament_become_a_curve():
    rng = np.random.default_rng(2)
    along = np.linspace(0, 60, 16)
    points = np.column_stack([0.004 * along**2, along, 10 + 5 * np.sin(along / 15)])
    rows = rng.permutation(len(points))
    lone = [[40, 5, 60]]
    found = filaments(
        picks_at(np.vstack([points[rows] + rng.normal(0, 0.3, points.shape), lone])), 7, 2, 0.3
    )
    assert len(found) == 1
    curve = found[0].points_px
    far = np.linalg.norm(curve[:, None] - points, axis=2).min(1)
    assert far.max() < 2.5
    true_length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert found[0].length_px == pytest.approx(true_length, rel=0.05)
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.1
    # In order along it, from one end to the other.
    order = np.argsort(rows)[:16]
    assert list(found[0].members) in (list(order), list(order[::-1]))


def test_what_does_not_line_up_is_no_filament():
    assert filaments(picks_at(np.eye(3) * 50), 10, 2) == []
