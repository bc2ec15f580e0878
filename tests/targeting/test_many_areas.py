"""Lamellae that need many image-shift ranges: what holds between and inside areas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.targeting import (
    ExposureOptics,
    TargetArea,
    TargetingOptions,
    review_targets,
    select_targets,
)
from space.targeting.apart import areas_apart
from space.targeting.areas import split
from space.targeting.packing import TiltFrame
from space.targeting.polygons import inside
from space.targeting.room import AREA_SHARE, crowded, without_crowded

NAMES = {"background": 0, "lamella": 1, "mitos": 2, "ice": 3}
PIXEL_UM = 0.04
MARGIN_UM = 0.2


def make_optics(**changes) -> ExposureOptics:
    values = {
        "pixel_nm": 1000 * PIXEL_UM,
        "field_um": (0.8, 0.6),
        "beam_diameter_um": 1.0,
        "tilt_axis_deg": 85.0,
        "image_shift_limit_um": 4.0,
        "beam_margin_um": MARGIN_UM,
    }
    return ExposureOptics(**{**values, **changes})


def make_map(seed: int, shape=(300, 400), spots=40) -> np.ndarray:
    """Mitos all over with holes of ice and bare lamella."""
    rng = np.random.default_rng(seed)
    labels = np.full(shape, NAMES["mitos"], np.uint8)
    row, column = np.ogrid[: shape[0], : shape[1]]
    for _ in range(spots):
        center, radius = rng.uniform((0, 0), shape), rng.uniform(4, 20)
        disc = (row - center[0]) ** 2 + (column - center[1]) ** 2 < radius**2
        labels[disc] = rng.choice([NAMES["lamella"], NAMES["ice"]])
    return labels


def footprint_gaps_um(points_map_px: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """By how much beams would have to grow to touch at the steepest tilt: (n, n), inf for itself.

    Footprints are ellipses, longer by 1/cos(tilt) across the tilt axis; two equal ones touch if
    their centres' distance, with the part across shortened by cos(tilt), is the beam's diameter.
    """
    axis = math.radians(optics.tilt_axis_deg)
    shrink = math.cos(math.radians(abs(optics.max_tilt_deg) + abs(optics.pretilt_deg)))
    row, column = (np.subtract.outer(part, part) * PIXEL_UM for part in points_map_px.T)
    along = column * math.cos(axis) + row * math.sin(axis)
    across = (row * math.cos(axis) - column * math.sin(axis)) * shrink
    gaps = np.hypot(along, across) - optics.beam_diameter_um
    np.fill_diagonal(gaps, np.inf)
    return gaps


def assert_apart(choice, optics: ExposureOptics) -> None:
    """No beams overlap, and the margins are kept between areas and around tracking targets."""
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    counts = [len(area.scores) for area in choice.areas]
    number = np.repeat(np.arange(len(counts)), counts)
    first = np.concatenate([np.arange(count) == 0 for count in counts])
    fixed = np.concatenate([area.fixed for area in choice.areas])
    gaps = footprint_gaps_um(points, optics)
    gaps[np.ix_(fixed, fixed)] = np.inf  # a person's business
    assert gaps.min() >= -2e-6
    margin_um = optics.beam_margin_um
    between = gaps[number[:, None] != number]
    assert between.min(initial=np.inf) >= AREA_SHARE * margin_um - 2e-6
    kept = first[:, None] & ~(first | fixed)
    assert gaps[kept].min(initial=np.inf) >= margin_um - 2e-6


def assert_in_reach(choice, optics: ExposureOptics) -> None:
    for area in choice.areas:
        away = np.hypot(*(area.targets_map_px - area.targets_map_px[0]).T) * PIXEL_UM
        assert away.max() <= optics.image_shift_limit_um + 1e-9


@pytest.mark.parametrize(
    ("limit_um", "least", "most"), [(6.0, 4, 10), (3.5, 10, 20), (2.2, 20, 50)]
)
def test_beams_of_many_areas_keep_their_distance(limit_um, least, most):
    optics = make_optics(image_shift_limit_um=limit_um)
    options = TargetingOptions(("mitos",), (), sparse=False, max_iterations=2)
    labels = np.full((400, 500), NAMES["mitos"], np.uint8)
    choice = select_targets(labels, NAMES, options, optics)
    assert least <= len(choice.areas) <= most
    assert_apart(choice, optics)
    assert_in_reach(choice, optics)
    assert not any("overlap" in warning or "margin" in warning for warning in choice.warnings)
    # The margin costs two or three targets of each area, the gaps a row at two rims.
    without = select_targets(labels, NAMES, options, make_optics(image_shift_limit_um=1000.0))
    assert choice.n_targets >= without.n_targets - 3 * len(choice.areas) - 2 * 20


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10_000),
    sparse=st.booleans(),
    extra=st.booleans(),
    bounded=st.booleans(),
    fixed=st.integers(0, 4),
    beam_um=st.floats(0.8, 1.6),
    margin_um=st.floats(0, 0.4),
    limit_um=st.floats(0, 5),
    axis_deg=st.floats(-180, 180),
    max_tilt_deg=st.floats(0, 65),
)
def test_no_choice_of_many_areas_breaks_a_rule(
    seed, sparse, extra, bounded, fixed, beam_um, margin_um, limit_um, axis_deg, max_tilt_deg
):
    labels = make_map(seed, (200, 280), 25)
    optics = make_optics(
        beam_diameter_um=beam_um,
        beam_margin_um=margin_um,
        image_shift_limit_um=limit_um,
        tilt_axis_deg=axis_deg,
        max_tilt_deg=max_tilt_deg,
    )
    options = TargetingOptions(
        ("mitos",),
        ("ice",),
        sparse=sparse,
        extra_tracking=extra,
        target_score_threshold=0.3,
        max_iterations=2,
    )
    polygons = [np.array([(10.0, 10.0), (190.0, 60.0), (150.0, 270.0), (30.0, 200.0)])]
    polygons = polygons if bounded else []
    held = np.random.default_rng(seed).uniform((20, 20), (180, 260), (fixed, 2))
    choice = select_targets(
        labels, NAMES, options, optics, polygons_map_px=polygons, fixed_map_px=held
    )
    if not choice.areas:
        return
    assert_apart(choice, optics)
    assert_in_reach(choice, optics)
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    is_fixed = np.concatenate([area.fixed for area in choice.areas])
    assert sorted(points[is_fixed].tolist()) == sorted(held.tolist())
    if polygons:
        assert inside(points[~is_fixed], polygons).all()
    for area in choice.areas:
        alone = np.arange(len(area.scores)) < area.extra_tracking
        assert (area.scores[~area.fixed & ~alone] >= 0.3).all()
    counts = [len(area.scores) for area in choice.areas]
    assert counts == sorted(counts, reverse=True)


# --- the parts ----------------------------------------------------------------------------------


def lattice(rows: int, columns: int, optics: ExposureOptics) -> np.ndarray:
    """Hexagons of touching beams (in the tilted plane), as map pixels."""
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    tilted = np.stack([i + 0.5 * (j % 2), math.sqrt(0.75) * j], axis=-1).reshape(-1, 2)
    return TiltFrame.of(optics).to_map(tilted * optics.beam_diameter_um + 30)


def areas_of(points: np.ndarray, limit_um: float) -> np.ndarray:
    area = np.empty(len(points), int)
    for number, group in enumerate(split(points, limit_um / PIXEL_UM)):
        area[group] = number
    return area


@pytest.mark.parametrize("limit_um", [2.5, 3.5, 5.0])
def test_a_dense_pattern_of_many_areas_comes_apart(limit_um):
    optics = make_optics()
    points = lattice(20, 30, optics)
    area = areas_of(points, limit_um)
    none = np.zeros(len(points), bool)
    assert len(crowded(TiltFrame.of(optics).from_map(points), area, none, optics)[0]) > 50
    moved = areas_apart(points, area, none, optics)
    # A target that sticks into a notch of the next area cannot get out of it on a straight way.
    assert len(crowded(TiltFrame.of(optics).from_map(moved), area, none, optics)[0]) <= 3
    shifts = moved - points
    for number in range(area.max() + 1):
        assert np.ptp(shifts[area == number], axis=0).max() < 1e-6
    tilted = TiltFrame.of(optics).from_map(moved) - TiltFrame.of(optics).from_map(points)
    assert np.abs(tilted).max() < 0.5


def test_areas_held_on_both_sides_are_moved_as_far_as_they_can():
    optics = make_optics(tilt_axis_deg=0.0, max_tilt_deg=0.0)
    points = 20 + np.array([(0.0, 0.0), (0.0, 1.0), (0.0, 2.0)]) / PIXEL_UM
    area = np.arange(3)
    moved = areas_apart(points, area, np.array([True, False, True]), optics)
    assert (moved[[0, 2]] == points[[0, 2]]).all()
    pairs, _ = crowded(TiltFrame.of(optics).from_map(moved), area, np.zeros(3, bool), optics)
    assert len(pairs) <= 2


def test_two_tracking_targets_of_different_areas_are_brought_a_whole_margin_apart():
    optics = make_optics(tilt_axis_deg=0.0, max_tilt_deg=0.0)
    points = 20 + np.array([(0.0, 0.0), (0.0, 1.0)]) / PIXEL_UM
    none, both = np.zeros(2, bool), np.ones(2, bool)
    for tracking, gap_um in ((none, AREA_SHARE * MARGIN_UM), (both, MARGIN_UM)):
        moved = areas_apart(points, np.arange(2), none, optics, tracking)
        away_um = np.hypot(*(moved[1] - moved[0])) * PIXEL_UM
        assert away_um == pytest.approx(1 + gap_um, abs=1e-5)


def row_of(*places_um: float) -> np.ndarray:
    return np.column_stack([places_um, np.zeros(len(places_um))])


@pytest.mark.parametrize(
    ("places_um", "scores", "area", "tracking", "fixed", "stays"),
    [
        # The lower score goes, and what only it was too near to stays.
        ((0, 0.9, 1.8), (0.9, 0.8, 0.7), (0, 0, 0), (), (), (0, 2)),
        ((0, 0.9, 1.8), (0.7, 0.8, 0.7), (0, 0, 0), (), (), (1,)),
        # Beams of one area may touch, those of two keep a fifth of the margin.
        ((0, 1.0), (0.9, 0.8), (0, 0), (), (), (0, 1)),
        ((0, 1.0), (0.9, 0.8), (0, 1), (), (), (0,)),
        ((0, 1.04), (0.9, 0.8), (0, 1), (), (), (0, 1)),
        # Around a tracking target the whole margin is kept, whatever the others score.
        ((0, 1.1), (0.1, 0.8), (0, 0), (0,), (), (0,)),
        ((0, 1.2), (0.1, 0.8), (0, 0), (0,), (), (0, 1)),
        # Two tracking targets stay while they do not overlap.
        ((0, 1.0), (0.1, 0.8), (0, 1), (0, 1), (), (0, 1)),
        ((0, 0.99), (0.1, 0.8), (0, 1), (0, 1), (), (1,)),
        # What is fixed stays.
        ((0, 0.5, 0.9), (0, 0.8, 0.9), (0, 1, 1), (1,), (0, 1), (0, 1)),
        ((0, 0.9), (0, 0.8), (0, 1), (1,), (0,), (0,)),
        ((0, 1.1), (0, 0.8), (0, 1), (1,), (0,), (0, 1)),
    ],
)
def test_of_two_that_are_too_near_the_lower_score_goes(
    places_um, scores, area, tracking, fixed, stays
):
    count = len(places_um)
    marks = [np.isin(np.arange(count), part) for part in (tracking, fixed)]
    kept = without_crowded(
        row_of(*places_um), np.array(scores, float), np.array(area), *marks, make_optics()
    )
    assert tuple(np.flatnonzero(kept)) == stays


def test_an_area_whose_tracking_target_has_to_go_gets_another():
    labels = np.full((200, 400), NAMES["mitos"], np.uint8)
    options = TargetingOptions(("mitos",), (), sparse=False, max_iterations=2)
    optics = make_optics(image_shift_limit_um=2.5)
    choice = select_targets(labels, NAMES, options, optics)
    # Fixed targets beside the tracking targets: they overlap with one another, too.
    held = np.concatenate([area.targets_map_px[0] + [[0, 0], [9, 9]] for area in choice.areas])
    choice = select_targets(labels, NAMES, options, optics, fixed_map_px=held)
    assert_apart(choice, optics)
    assert_in_reach(choice, optics)
    assert any("overlap" in warning for warning in choice.warnings)


def test_tracking_targets_within_the_margin_are_told():
    labels = np.full((200, 300), NAMES["mitos"], np.uint8)
    optics = make_optics(tilt_axis_deg=0.0, max_tilt_deg=0.0)
    options = TargetingOptions(("mitos",), ())

    def said(*areas):
        made = [TargetArea(np.array(points, float), np.zeros(len(points))) for points in areas]
        warnings = review_targets(labels, NAMES, options, optics, made).warnings
        return [warning for warning in warnings if "tracking target" in warning]

    assert said([(100, 100)], [(100, 127)]) == [
        "The beam of tracking target 1.1 is 0.08 um from that of tracking target 2.1, nearer than "
        "beam_margin (0.2 um)."
    ]
    assert said([(100, 100), (100, 127)]) == [
        "The beam of tracking target 1 is 0.08 um from that of target 2, nearer than "
        "beam_margin (0.2 um)."
    ]
    assert said([(100, 100)], [(100, 130)]) == []
    assert said([(100, 100), (100, 140), (100, 165)]) == []


def test_an_extra_tracking_target_stays_inside_polygons():
    labels = np.full((200, 300), NAMES["lamella"], np.uint8)
    labels[90:110, 140:160] = NAMES["mitos"]
    options = TargetingOptions(("mitos",), (), extra_tracking=True)
    optics = make_optics(image_shift_limit_um=10.0)
    for polygon in (
        [(80, 20), (120, 20), (120, 170), (80, 170)],
        [(10, 130), (190, 130), (100, 299)],
    ):
        polygon = np.array(polygon, float)
        choice = select_targets(labels, NAMES, options, optics, polygons_map_px=[polygon])
        (area,) = choice.areas
        assert area.extra_tracking and inside(area.targets_map_px, [polygon]).all()
