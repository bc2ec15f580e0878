"""Priorities, number of targets, polygons, fixed targets, sites, pretilt, cameras, review."""

import math

import numpy as np
import pytest

from space.errors import SpaceError
from space.targeting import (
    ExposureOptics,
    TargetArea,
    TargetingOptions,
    review_targets,
    select_targets,
)
from space.targeting.polygons import as_polygons, inside
from space.targeting.scoring import class_tables, coverage, scores_at

LABELS = {"background": 0, "black": 1, "mitos": 2, "vesicles": 3, "ice": 4, "lamella": 5}
AVOID = ("black", "ice")


def optics(**changes) -> ExposureOptics:
    values = {"pixel_nm": 30.0, "field_um": (0.86, 0.61), "beam_diameter_um": 1.2}
    return ExposureOptics(**{**values, "tilt_axis_deg": 85.0, "beam_margin_um": 0.0, **changes})


def spots(places: dict[tuple[int, int], str], shape=(300, 500)) -> np.ndarray:
    labels = np.full(shape, LABELS["lamella"], np.uint8)
    for (row, column), name in places.items():
        labels[row - 10 : row + 10, column - 10 : column + 10] = LABELS[name]
    return labels


def targets(choice) -> np.ndarray:
    return np.concatenate([np.empty((0, 2)), *(area.targets_map_px for area in choice.areas)])


def near(points, place, reach_px=6) -> bool:
    points = np.asarray(points).reshape(-1, 2)
    return bool(len(points)) and bool(np.hypot(*(points - place).T).min() < reach_px)


MITO, VESICLE, OTHER = (150, 100), (150, 250), (150, 400)
THREE = spots({MITO: "mitos", VESICLE: "vesicles", OTHER: "mitos"})


def select(labels=THREE, optic=None, asked=None, **changes):
    options = TargetingOptions(**{"avoid_list": AVOID, **(asked or {})})
    return select_targets(labels, LABELS, options, optic or optics(), **changes)


# --- priorities and numbers --------------------------------------------------------------------


def test_a_full_field_scores_its_priority():
    options = TargetingOptions({"mitos": 1, "vesicles": 0.3}, AVOID)
    assert options.target_list == ("mitos", "vesicles") and options.target_weights == (1, 0.3)
    tables = class_tables(LABELS, options)
    for name, score in (("mitos", 1), ("vesicles", 0.3), ("lamella", 0), ("ice", -0.3)):
        labels = np.full((100, 100), LABELS[name], np.uint8)
        assert scores_at([(50, 50)], labels, tables, options, optics()) == pytest.approx(score)
        share = coverage(labels, tables, 7).wanted[:10, :10]
        assert share == pytest.approx(max(score, 0))


@pytest.mark.parametrize("factor", [1, 2, 4, 7])
@pytest.mark.parametrize("shape", [(28, 28), (29, 31), (34, 41)])
def test_each_cell_has_a_class_whatever_the_size_of_the_map(shape, factor):
    labels = np.arange(shape[0] * shape[1], dtype=np.int64).reshape(shape) % 3
    tables = class_tables(LABELS, TargetingOptions(("mitos",), AVOID))
    cover = coverage(labels.astype(np.uint8), tables, factor)
    assert cover.classes.shape == cover.wanted.shape
    assert cover.classes[0, 0] == labels[factor // 2, factor // 2]


def test_priorities_decide_which_class_gets_the_targets():
    for weights, first, second in (((1, 0.5), MITO, VESICLE), ((0.5, 1), VESICLE, MITO)):
        asked = {"target_list": dict(zip(("mitos", "vesicles"), weights))}
        chosen = targets(select(asked={**asked, "max_targets": 2}))
        assert len(chosen) == 2 and near(chosen, first)
        chosen = targets(select(asked=asked))
        assert len(chosen) == 3 and near(chosen, second)


def test_classes_named_beside_the_whole_lamella_keep_their_own_priority():
    table = class_tables(LABELS, TargetingOptions({"lamella": 0.2, "mitos": 1}, AVOID)).wanted
    assert table[[LABELS[name] for name in ("lamella", "mitos", "vesicles", "ice")]] == (
        pytest.approx([0.2, 1, 0.2, 0])
    )


@pytest.mark.parametrize("weight", [0, -1, 1.5, "much", True, float("nan"), None])
def test_a_priority_is_a_number_up_to_one(weight):
    with pytest.raises(SpaceError, match="priority"):
        TargetingOptions({"mitos": weight})


@pytest.mark.parametrize("number", [None, -1, 1.5, True])
def test_max_targets_is_a_whole_number(number):
    with pytest.raises(SpaceError, match="max_targets"):
        TargetingOptions(max_targets=number)


# --- polygons ------------------------------------------------------------------------------------

LEFT = [(0, 0), (300, 0), (300, 200), (0, 200)]


@pytest.mark.parametrize(
    ("polygons", "kept"),
    [
        ((), (MITO, VESICLE, OTHER)),
        ((LEFT,), (MITO,)),
        ((LEFT, [(0, 350), (300, 350), (150, 500)]), (MITO, OTHER)),
        (([(100, 60), (100, 440), (200, 440), (200, 60)],), (MITO, VESICLE, OTHER)),
        # An outline that winds around the middle spot.
        (([(0, 0), (300, 0), (300, 210), (20, 210), (20, 290), (300, 290), (300, 500), (0, 500)],)
         , (MITO, OTHER)),
        (([(10, 10), (40, 10), (10, 40)],), ()),
    ],
)  # fmt: skip
def test_targets_are_centred_inside_the_polygons(polygons, kept):
    choice = select(asked={"target_list": ("mitos", "vesicles")}, polygons_map_px=polygons)
    chosen = targets(choice)
    assert [near(chosen, place) for place in (MITO, VESICLE, OTHER)] == [
        place in kept for place in (MITO, VESICLE, OTHER)
    ]
    if polygons:
        assert inside(chosen, as_polygons(polygons)).all()
        assert choice.rejected.get("outside polygons", 0) >= 3 - len(kept)
    if not kept:
        assert "in the polygons" in choice.warnings[0]


def test_a_point_on_a_shared_edge_lies_in_one_of_two_polygons():
    square = np.array([(0, 0), (0, 10), (10, 10), (10, 0)], float)
    for step, on_edge in (((0, 10), (5, 10)), ((10, 0), (10, 5))):
        for first, second in ((square, square + step), (square[::-1], square + step)):
            held = [inside(np.array([on_edge], float), [one])[0] for one in (first, second)]
            assert sorted(held) == [False, True]


def test_a_dense_pattern_stays_inside_a_slanted_polygon():
    labels = np.full((300, 500), LABELS["lamella"], np.uint8)
    polygon = np.array([(20, 130), (160, 480), (280, 300), (140, 30)])
    asked = {"target_list": ("lamella",), "sparse": False, "max_iterations": 2}
    chosen = targets(select(labels, asked=asked, polygons_map_px=[polygon]))
    assert len(chosen) > 10 and inside(chosen, as_polygons([polygon])).all()


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        ([(0, 0), (1, 1)], "three corners"),
        ([(0, 0), (1, 1), (0, 0)], "three corners"),
        ([(0, 0), (1, 1), (2, 2)], "one line"),
        ([(0, 0), (1, 1), (2, float("nan"))], "corners"),
        ([1, 2, 3], "corners"),
        ("square", "corners"),
    ],
)
def test_what_is_no_polygon_is_told(polygon, said):
    with pytest.raises(SpaceError, match=said) as told:
        select(polygons_map_px=[LEFT, polygon])
    assert told.value.where == "polygon 2"


# --- fixed targets and sites ---------------------------------------------------------------------


def test_fixed_targets_stay_and_the_rest_is_chosen_around_them():
    fixed = np.array([(150.0, 120.0), (60.0, 300.0)])
    choice = select(fixed_map_px=fixed)
    chosen = targets(choice)
    for point in fixed:
        assert near(chosen, point, 1e-9)
    flags = np.concatenate([area.fixed for area in choice.areas])
    assert flags.sum() == 2 and near(chosen[~flags], OTHER)
    gap = np.abs(chosen[~flags][:, None] - fixed[None])
    assert (np.hypot(*gap.transpose(2, 0, 1)) * 0.03 >= 1.2 - 1e-6).all()
    assert any("scores 0, below" in warning for warning in choice.warnings)
    assert len(targets(select(asked={"max_targets": 2}, fixed_map_px=fixed))) == 2


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(10, 10), (310, 10)], "Point 2 at row 310"),
        ([(10, -1)], "Point 1"),
        ([(10, float("nan"))], "Point 1"),
        ([1, 2, 3], "pairs"),
        ("here", "pairs"),
    ],
)
def test_points_outside_of_the_map_are_refused(points, said):
    for name in ("fixed_map_px", "sites_map_px"):
        with pytest.raises(SpaceError, match=said):
            select(**{name: points})


def test_with_sites_targets_sit_there_only():
    sites = np.array([(150.0, 105.0), (150.0, 395.0), (60.0, 60.0), (150.0, 110.0)])
    choice = select(sites_map_px=sites)
    chosen = targets(choice)
    assert sorted(map(tuple, chosen.tolist())) == [(150.0, 105.0), (150.0, 395.0)]
    assert choice.counts.places == 4 and choice.rejected == {"threshold": 1}
    bounded = targets(select(sites_map_px=sites, polygons_map_px=[LEFT]))
    assert bounded.tolist() == [[150.0, 105.0]]
    assert "no hole" in select(sites_map_px=[]).warnings[0]


# --- beam and camera -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_tilt", "pretilt", "steepest"), [(60, 0, 60), (60, 8, 68), (60, -8, 68), (-50, 10, 60)]
)
def test_pretilt_lengthens_the_footprint(max_tilt, pretilt, steepest):
    optic = optics(max_tilt_deg=max_tilt, pretilt_deg=pretilt)
    assert optic.steepest_tilt_deg == steepest
    assert optic.stretch == pytest.approx(1 / math.cos(math.radians(steepest)))


def test_pretilt_moves_targets_apart_across_the_tilt_axis():
    labels = spots({(150, 100): "mitos", (150, 190): "mitos"})
    for pretilt, count in ((0, 2), (10, 1)):
        # Beams of 1.2 um are 2.4 um long at 60 degrees and 3.5 um at 70; the spots are 2.7 apart.
        asked = {"target_score_threshold": 0.9}
        optic = optics(tilt_axis_deg=90.0, field_um=(0.5, 0.5), pretilt_deg=pretilt)
        assert select(labels, optic, asked).n_targets == count


@pytest.mark.parametrize("pretilt", [26, -40, float("nan")])
def test_a_tilt_beyond_all_reason_is_refused(pretilt):
    with pytest.raises(SpaceError, match="pretilt"):
        optics(pretilt_deg=pretilt)


@pytest.mark.parametrize(("rotation", "wide"), [(0, True), (90, False), (-90, False), (180, True)])
def test_the_longer_side_of_the_camera_lies_where_the_camera_does(rotation, wide):
    # A bar along the columns fills a field of 1.2 x 0.4 um only if the field lies along it.
    labels = np.full((200, 200), LABELS["lamella"], np.uint8)
    labels[93:107, 75:125] = LABELS["mitos"]
    optic = optics(field_um=(1.2, 0.4), field_rotation_deg=float(rotation))
    choice = select(labels, optic)
    assert (choice.counts.best_score > 0.95) == wide


# --- targets that a person placed ----------------------------------------------------------------


def review(*areas, **changes):
    made = [
        TargetArea(np.array(points, float).reshape(-1, 2), np.zeros(len(points)))
        for points in areas
    ]
    options = TargetingOptions(avoid_list=AVOID)
    return review_targets(THREE, LABELS, options, optics(**changes), made)


def test_good_targets_pass_without_a_word():
    choice = review([MITO, OTHER])
    assert choice.warnings == () and targets(choice).tolist() == [list(MITO), list(OTHER)]
    assert choice.areas[0].scores.min() > 0.5 and len(choice.areas[0].geometry_points_map_px) >= 3
    assert choice.counts.total_score == pytest.approx(choice.areas[0].scores.sum())


@pytest.mark.parametrize(
    ("areas", "changes", "said"),
    [
        (([MITO, (150, 115)],), {}, "The beams of targets 1 and 2 overlap by 0."),
        (([MITO], [OTHER, (150, 350)]), {}, "The beams of targets 2.1 and 2.2 overlap"),
        (([MITO, OTHER],), {"image_shift_limit_um": 8}, "Target 2 is 9.0 um from its tracking"),
        (([MITO, (3, 400)],), {}, "Target 2: its Record field leaves the map"),
        (([MITO, (50, 400)],), {}, "Target 2 scores 0, below the threshold of 0.03"),
        (([MITO], [VESICLE]), {}, "Target 2.1 scores 0"),
    ],
)
def test_review_names_what_is_wrong(areas, changes, said):
    assert any(said in warning for warning in review(*areas, **changes).warnings)


def test_review_names_geometry_points_under_beams():
    area = TargetArea(
        np.array([MITO, OTHER], float), np.zeros(2), np.array([(20.0, 20), (150, 412)])
    )
    options = TargetingOptions(avoid_list=AVOID)
    told = review_targets(THREE, LABELS, options, optics(), [area]).warnings
    assert "Geometry point 2 lies under the beam of target 2." in told
    assert any("Only 2 geometry points" in warning for warning in told)


def test_a_target_for_tracking_alone_may_score_nothing_and_does_not_count():
    area = TargetArea(np.array([(60, 250), MITO], float), np.zeros(2), extra_tracking=True)
    options = TargetingOptions(avoid_list=AVOID)
    choice = review_targets(THREE, LABELS, options, optics(), [area])
    assert choice.warnings == () and choice.areas[0].extra_tracking
    assert choice.counts.total_score == pytest.approx(choice.areas[0].scores[1])


def test_nothing_to_review_is_no_error():
    assert review().areas == () and review([]).warnings == ("There are no targets.",)
