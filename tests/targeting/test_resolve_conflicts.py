import numpy as np
import pytest

from space.targeting.packing import TiltFrame, conflicts
from space.targeting.packing.refinement import resolve_conflicts


def test_slight_overlap_is_moved_apart_and_strong_overlap_drops_the_lower_score():
    points = np.array([[0, 0], [0.95, 0], [5, 0], [5.5, 0]])
    scores = np.array([0.5, 0.6, 0.3, 0.9])
    moved, kept = resolve_conflicts(points, scores, 1.0, tolerance=0.1, max_iterations=10)
    assert kept.tolist() == [0, 1, 3]
    assert len(conflicts(moved, 1.0)) == 0
    assert np.hypot(*(moved[0] - moved[1])) == pytest.approx(1, abs=1e-4)
    assert moved[2].tolist() == [5.5, 0]


def test_without_tolerance_nothing_moves():
    points = np.array([[0, 0], [0.95, 0]])
    moved, kept = resolve_conflicts(points, np.array([1, 2]), 1.0, 0.0, 10)
    assert kept.tolist() == [1] and moved.tolist() == [[0.95, 0]]


def test_coincident_points_do_not_divide_by_zero():
    points = np.zeros((3, 2))
    moved, kept = resolve_conflicts(points, np.ones(3), 1.0, 0.99, 5)
    assert len(conflicts(moved, 1.0)) == 0 and np.isfinite(moved).all() and len(kept) >= 1


def test_frame_compresses_across_the_axis_only_and_returns():
    # Axis along +row: a step in rows keeps its length, one in columns shrinks.
    frame = TiltFrame(pixel_um=0.01, tilt_axis_deg=90.0, stretch=2.0)
    assert frame.from_map(np.array([[100.0, 0]])) == pytest.approx(np.array([[1.0, 0]]))
    assert np.abs(frame.from_map(np.array([[0, 100.0]]))) == pytest.approx(np.array([[0, 0.5]]))
    points = np.random.default_rng(0).uniform(0, 500, (20, 2))
    slanted = TiltFrame(0.016, 37.0, 2.0)
    assert np.allclose(slanted.to_map(slanted.from_map(points)), points)
