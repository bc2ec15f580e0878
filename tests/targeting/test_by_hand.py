"""Areas that a person divides: targets stay, none is lost, and one is improved without harm."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.targeting import (
    AreaChange,
    ExposureOptics,
    KnownMap,
    TargetArea,
    TargetingOptions,
    change_areas,
    inherited_series,
    review_targets,
)
from space.targeting.by_hand import changed_areas
from space.targeting.packing import TiltFrame
from space.targeting.problem import Problem

NAMES = {"background": 0, "lamella": 1, "mitos": 2, "black": 3}
OPTIONS = TargetingOptions(("mitos",), ("black",))
OPTICS = ExposureOptics(30.0, (0.86, 0.61), 1.2, 85.0, image_shift_limit_um=6.0, beam_margin_um=0.2)
LIMIT_PX = 6.0 / 0.03
SHAPE = (500, 800)


def lamella(mitos=()) -> np.ndarray:
    labels = np.ones(SHAPE, np.uint8)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for row, column in mitos:
        labels[(rows - row) ** 2 + (columns - column) ** 2 < 15**2] = 2
    return labels


BARE = Problem.of(KnownMap(lamella()), NAMES, OPTIONS, OPTICS)


def changed(areas, kind, labels=None, **numbers):
    labels = lamella() if labels is None else labels
    change = AreaChange(kind, **numbers)
    return change_areas(labels, NAMES, OPTIONS, OPTICS, areas, change).areas


def area_of(points, **about) -> TargetArea:
    return TargetArea(np.array(points, float), np.zeros(len(points)), **about)


def all_points(areas) -> list:
    return sorted(map(tuple, np.concatenate([one.targets_map_px for one in areas]).tolist()))


POINTS = st.lists(
    st.tuples(st.integers(20, 480), st.integers(20, 780)), min_size=2, max_size=14, unique=True
)


@settings(max_examples=40, deadline=None)
@given(POINTS, st.data())
def test_targets_are_neither_lost_nor_moved_by_splitting_and_merging(points, data):
    rest = data.draw(POINTS.map(lambda ones: [one for one in ones if one not in points]))
    areas = [area_of(points, series={"step": 2.0})] + ([area_of(rest)] if rest else [])
    halves = changed_areas(areas, AreaChange("split"), BARE)
    assert all_points(halves) == all_points(areas) and len(halves) == len(areas) + 1
    assert all(half.series == {"step": 2.0} for half in halves[:2])
    anew = changed_areas(halves, AreaChange("redistribute"), BARE)
    assert all_points(anew) == all_points(areas)
    for one in anew:
        assert np.hypot(*(one.targets_map_px - one.tracking_map_px).T).max() <= LIMIT_PX + 1e-6
    one = changed_areas(halves, AreaChange("merge", 1, 2), BARE)
    assert all_points(one) == all_points(areas) and len(one) == len(halves) - 1
    assert sorted(map(tuple, one[0].targets_map_px)) == sorted(points)


def test_halves_lie_apart_and_keep_their_fixed_targets_and_points():
    left, right = [(100, 100), (150, 120), (200, 90)], [(100, 400), (160, 420), (200, 380)]
    points = np.array([(50, 90), (90, 150), (220, 100), (60, 400), (210, 350)], float)
    fixed = np.array([False, True, False, False, False, False])
    area = area_of([*left, *right], geometry_points_map_px=points, fixed=fixed)
    halves = changed([area], "split")
    assert [all_points([half]) for half in halves] in ([left, right], [right, left])
    by_side = sorted(halves, key=lambda half: half.targets_map_px[:, 1].mean())
    assert by_side[0].fixed.sum() == 1 and not by_side[1].fixed.any()
    assert by_side[0].geometry_points_map_px.tolist() == points[:3].tolist()
    # Two are too few to span a plane: new ones are chosen.
    assert len(by_side[1].geometry_points_map_px) >= 3


def test_a_target_for_tracking_alone_serves_one_half_and_goes_when_its_area_is_merged():
    first = area_of([(100, 110), (100, 60), (150, 60), (300, 350), (300, 420)], extra_tracking=True)
    halves = changed([first], "split")
    assert [half.extra_tracking for half in halves].count(True) == 1
    alone = next(half for half in halves if half.extra_tracking)
    assert tuple(alone.tracking_map_px) == (100, 110) and len(alone.followers) == 2
    (one,) = changed([area_of([(60, 300), (90, 330)]), first], "merge", area=1, other=2)
    assert (100, 110) not in all_points([one]) and len(one.targets) == 6
    kept = replace(first, fixed=np.arange(5) == 0)
    (one,) = changed([area_of([(60, 300), (90, 330)]), kept], "merge", area=1, other=2)
    assert (100, 110) in all_points([one])


def test_an_improved_target_finds_the_best_place_that_harms_no_other():
    labels = lamella([(200, 300)])
    away = area_of([(300, 400), (220, 310)])
    (moved,) = changed([away], "improve", labels, target=2)
    assert np.abs(moved.targets_map_px[1] - (200, 300)).max() < 3
    problem = Problem.of(KnownMap(labels), NAMES, OPTIONS, OPTICS)
    places = np.stack(np.meshgrid(np.arange(180, 261, 2.0), np.arange(270, 351, 2.0)), -1)
    best = problem.scores_at(places.reshape(-1, 2)).max()
    assert moved.scores[1] > 0.99 * best > 0.3
    # A tracking target stands in the way: the beam keeps the margin from its beam.
    labels = lamella([(200, 300), (250, 300)])
    areas = [area_of([(200, 300)]), area_of([(300, 400), (240, 302)])]
    near = changed(areas, "improve", labels, area=2, target=2)[1].targets_map_px[1]
    tilted = TiltFrame.of(OPTICS).from_map(np.array([(200, 300), near]))
    assert np.hypot(*(tilted[0] - tilted[1])) >= 1.2 + 0.2 - 1e-6
    assert tuple(near) != (240, 302) and np.abs(near - (250, 300)).max() < 8


def test_an_improved_target_stays_in_reach_and_off_geometry_points():
    labels = lamella([(200, 300)])
    points = np.array([(200, 300), (60, 60), (60, 480)], float)
    area = area_of([(200, 120), (200, 318)], geometry_points_map_px=points)
    (moved,) = changed([area], "improve", labels, target=2)
    assert np.hypot(*(moved.targets_map_px[1] - (200, 300))) >= 0.6 / 0.03
    assert np.hypot(*(moved.targets_map_px[1] - (200, 120))) <= LIMIT_PX


def test_a_montage_takes_the_place_of_a_target_and_its_dose_is_told():
    area = area_of([(250, 300), (250, 400)])
    change = AreaChange("tile", target=2, columns=3, rows=2, overlap=0.1)
    choice = change_areas(lamella(), NAMES, OPTIONS, OPTICS, [area], change)
    (made,) = choice.areas
    tiles = made.targets_map_px[1:]
    assert len(tiles) == 6 and tuple(made.tracking_map_px) == (250, 300)
    assert tiles.mean(axis=0) == pytest.approx((250, 400)) and made.fixed[1:].all()
    assert np.unique(tiles[:, 1].round(6)) == pytest.approx(400 + np.array([-1, 0, 1]) * 25.8)
    assert np.unique(tiles[:, 0].round(6)) == pytest.approx(250 + np.array([-0.5, 0.5]) * 18.3)
    assert any("times the dose of one series" in text for text in choice.warnings)
    for wrong in ({"columns": 9}, {"columns": 1, "rows": 1}, {"overlap": 0.5}):
        with pytest.raises(SpaceError, match="montage|overlap"):
            changed([area], "tile", **wrong)


@pytest.mark.parametrize(
    ("areas", "kind", "numbers", "words"),
    [
        ([area_of([(100, 100)])], "split", {}, "cannot be split"),
        ([area_of([(100, 100)])], "split", {"area": 2}, "no area 2"),
        ([area_of([(100, 100)])], "merge", {}, "with itself"),
        ([area_of([(100, 100)])], "improve", {"target": 4}, "no target 4"),
        ([area_of([(100, 100)])], "improve", {}, "no better place"),
        ([area_of([(100, 100)], extra_tracking=True)], "improve", {}, "tracking alone"),
        ([], "redistribute", {}, "no targets"),
    ],
)
def test_what_cannot_be_done_is_said(areas, kind, numbers, words):
    with pytest.raises(SpaceError, match=words):
        changed(areas, kind, **numbers)


def test_targets_chosen_around_fixed_ones_keep_how_their_area_is_tilted():
    fixed = np.array([True, False])
    given = [area_of([(100, 100), (200, 200)], series={"startTilt": 9.0}, fixed=fixed)]
    anew = [area_of([(50, 50)]), area_of([(300, 20), (100, 100)], fixed=~fixed)]
    assert [one.series for one in inherited_series(anew, given)] == [{}, {"startTilt": 9.0}]
    assert [one.series for one in inherited_series(anew[:1], given)] == [{}]


def test_an_area_that_is_tilted_beyond_max_tilt_is_warned_of():
    def warnings(**series):
        areas = [area_of([(100, 100), (200, 200)], series=series)]
        told = review_targets(lamella(), NAMES, OPTIONS, OPTICS, areas).warnings
        return [text for text in told if "beyond max_tilt" in text]

    assert not warnings(maxTilt=60.0, minTilt=-60.0)
    assert "66 degrees" in warnings(minTilt=-66.0)[0]
