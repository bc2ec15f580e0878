"""Fewest areas, the tracking target, geometry points: against what is asked of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.targeting import ExposureOptics, TargetingOptions, select_targets
from space.targeting.areas import distances, split
from space.targeting.geometry_points import LEAST, MOST, geometry_points
from space.targeting.scoring import class_tables, coverage
from space.targeting.tracking import tracking_index

LABELS = {"background": 0, "black": 1, "mitos": 2, "vesicles": 3, "ice": 4, "lamella": 5}
OPTIONS = TargetingOptions(("mitos",), ("black", "ice"))


def optics(**changes) -> ExposureOptics:
    values = {"pixel_nm": 30.0, "field_um": (0.86, 0.61), "beam_diameter_um": 1.2}
    return ExposureOptics(**{**values, "tilt_axis_deg": 90.0, "beam_margin_um": 0.0, **changes})


def cover_of(labels: np.ndarray):
    return coverage(labels, class_tables(LABELS, OPTIONS), 1)


# --- areas --------------------------------------------------------------------------------------


def fewest_by_trial(reach: np.ndarray) -> int:
    count = len(reach)
    return next(
        size
        for size in range(1, count + 1)
        if any(
            reach[list(centers)].any(axis=0).all() for centers in combinations(range(count), size)
        )
    )


@pytest.mark.parametrize("seed", range(12))
def test_areas_are_the_fewest_possible(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, (60, 100), (14, 2))
    limit = (12, 20, 35, 200)[seed % 4]
    groups = split(points, limit)
    assert sorted(np.concatenate(groups).tolist()) == list(range(14))
    reach = distances(points, points) <= limit
    assert len(groups) == fewest_by_trial(reach)
    for group in groups:
        assert reach[np.ix_(group, group)].all(axis=1).any()
    assert [len(group) for group in groups] == sorted(map(len, groups), reverse=True)


@pytest.mark.parametrize(("count", "limit"), [(100, 8.0), (150, 7.0), (200, 15.0), (200, 9.0)])
def test_areas_of_many_targets_are_as_few_as_a_solver_needs_for_the_whole(count, limit):
    from scipy.optimize import Bounds, LinearConstraint, milp

    points = np.random.default_rng(count).uniform(0, (24, 40), (count, 2))
    reach = distances(points, points) <= limit
    best = milp(
        np.ones(count),
        constraints=LinearConstraint(reach.astype(float), lb=1),
        bounds=Bounds(0, 1),
        integrality=np.ones(count),
    )
    assert len(split(points, limit)) == round(best.fun)


@pytest.mark.parametrize(("count", "areas"), [(0, 0), (1, 1), (5, 5)])
def test_without_image_shift_every_target_is_an_area(count, areas):
    points = np.arange(2.0 * count).reshape(-1, 2)
    assert len(split(points, 0.0)) == areas


def test_many_targets_are_split_quickly_and_as_few_as_a_cover_of_discs_allows():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, (24, 40), (700, 2))
    groups = split(points, 15.0)
    assert len(groups) <= 3
    assert all((distances(points[g], points[g]) <= 15).all(axis=1).any() for g in groups)


# --- tracking -----------------------------------------------------------------------------------

ROW = np.array([(100.0, column) for column in (60, 110, 160, 210, 260)])


@pytest.mark.parametrize(
    ("marks", "chosen"),
    [
        ([], 2),
        # Avoided in the field as widened by tilting (the tilt axis is vertical).
        ([("ice", 178)], 1),
        ([("ice", 178), ("ice", 128)], 3),
        # Nothing avoided: contrast in the field outweighs a short way to the middle ...
        ([("vesicles", 200)], 3),
        # ... but not ice.
        ([("vesicles", 200), ("ice", 212)], 2),
        # Beyond the middle three nothing is looked at.
        ([("vesicles", 250)], 2),
    ],
)
def test_tracking_wants_clean_surface_then_contrast_then_the_middle(marks, chosen):
    labels = np.full((200, 320), LABELS["lamella"], np.uint8)
    for name, column in marks:
        labels[90:110, column : column + 8] = LABELS[name]
    assert tracking_index(ROW, cover_of(labels), optics()) == chosen


def test_tracking_reaches_all_others():
    labels = np.full((200, 320), LABELS["lamella"], np.uint8)
    labels[90:110, 200:210] = LABELS["vesicles"]
    # From the fourth target the first is 4.5 um away.
    assert tracking_index(ROW, cover_of(labels), optics(image_shift_limit_um=4.0)) == 2


# --- geometry points ----------------------------------------------------------------------------


def smallest_singular_value(points: np.ndarray) -> float:
    return float(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[-1])


def wide_triangle_and_farthest(places: np.ndarray, spacing: float, count: int) -> np.ndarray:
    """What was done before: a wide triangle, then always the farthest."""
    chosen = [places[np.argmax(((places - places.mean(axis=0)) ** 2).sum(axis=1))]]
    chosen.append(places[np.argmax(np.hypot(*(places - chosen[0]).T))])
    base, offset = chosen[1] - chosen[0], places - chosen[0]
    chosen.append(places[np.argmax(np.abs(offset[:, 0] * base[1] - offset[:, 1] * base[0]))])
    while len(chosen) < count:
        gap = np.min([np.hypot(*(places - point).T) for point in chosen], axis=0)
        if gap.max() <= spacing:
            break
        chosen.append(places[np.argmax(gap)])
    return np.array(chosen)


@pytest.mark.parametrize("seed", range(4))
def test_geometry_points_fix_a_plane_better_than_a_wide_triangle_does(seed):
    rng = np.random.default_rng(seed)
    labels = np.full((400, 600), LABELS["lamella"], np.uint8)
    row, column = np.indices(labels.shape)
    for _ in range(12):
        center = rng.uniform((0, 0), labels.shape)
        disc = np.hypot(row - center[0], column - center[1]) < rng.uniform(15, 60)
        labels[disc] = LABELS["ice" if seed % 2 else "mitos"]
    labels[row + column < 200 * seed] = LABELS["black"]
    targets = rng.uniform((100, 100), (300, 500), (6, 2))
    cover, optic = cover_of(labels), optics(image_shift_limit_um=9.0)
    points = geometry_points(cover, targets, targets[0], optic)
    assert LEAST <= len(points) <= MOST
    gap = distances(points, targets).min(axis=1) * 0.03
    assert gap.min() >= 0.6 and (distances(points, targets[:1]) * 0.03 <= 9.0).all()
    assert (cover.surface[tuple(points.astype(int).T)] == 1).all()
    apart = distances(points, points)[~np.eye(len(points), dtype=bool)].min()
    assert apart * 0.03 >= 2.4 - 1e-6
    free = np.argwhere(cover.surface == 1)[::17] + 0.5
    free = free[distances(free, targets).min(axis=1) * 0.03 >= 1.2]
    free = free[distances(free, targets[:1])[:, 0] * 0.03 <= 9.0]
    inner = ((free > 15) & (free < np.array(labels.shape) - 15)).all(axis=1)
    before = wide_triangle_and_farthest(free[inner], 2.4 / 0.03, len(points))
    assert smallest_singular_value(points) > 0.99 * smallest_singular_value(before)


def test_three_places_are_enough_and_two_are_as_good_as_none():
    labels = np.full((300, 300), LABELS["black"], np.uint8)
    spots = [(50, 50), (50, 250), (250, 150)]
    for count in (2, 3):
        for row, column in spots[:count]:
            labels[row - 24 : row + 24, column - 24 : column + 24] = LABELS["lamella"]
        points = geometry_points(cover_of(labels), np.array([(150.0, 150)]), (150, 150), optics())
        assert len(points) == (3 if count == 3 else 0)
        if count == 3:
            assert distances(points, np.array(spots)).min(axis=0).max() < 20


def honest(
    points: np.ndarray, labels: np.ndarray, optic: ExposureOptics, off: tuple[str, ...]
) -> None:
    """Three points or more, each with its beam on lamella, apart, and spanning a plane; or none."""
    assert len(points) == 0 or LEAST <= len(points) <= MOST
    if not len(points):
        return
    row, column = np.indices(labels.shape) + 0.5
    radius = optic.beam_diameter_um / optic.pixel_um / 2
    ground = ~np.isin(labels, [LABELS[name] for name in off])
    for point in points:
        beam = np.hypot(row - point[0], column - point[1]) <= radius
        assert (beam & ground).sum() >= 0.9 * np.pi * radius**2 - 1
    apart = distances(points, points)[~np.eye(len(points), dtype=bool)].min()
    assert apart >= 4 * radius - 1e-6
    assert smallest_singular_value(points) * optic.pixel_um >= 1.5


NO_GROUND = ("background", "black", "ice")


@pytest.mark.parametrize(
    "surface",
    [
        (slice(5, 45), slice(5, 45)),  # a speck, smaller than a beam
        (slice(5, 200), slice(5, 200)),  # beams fit in, but no three apart
        (slice(380, 420), slice(5, 1195)),  # a line
    ],
)
def test_a_speck_of_surface_yields_no_points_that_tell_no_plane(surface):
    labels = np.full((800, 1200), LABELS["mitos"], np.uint8)
    labels[surface] = LABELS["lamella"]
    optic = optics(pixel_nm=12.0, beam_diameter_um=1.7)
    points = geometry_points(cover_of(labels), np.array([(400.0, 600)]), (400, 600), optic)
    assert len(points) == 0
    choice = select_targets(labels, LABELS, OPTIONS, optic)
    assert all(len(area.geometry_points_map_px) == 0 for area in choice.areas)
    assert any(warning.startswith("No geometry points") for warning in choice.warnings)


@pytest.mark.parametrize("class_name", ["background", "black", "ice"])
def test_no_beam_of_a_geometry_point_falls_on_what_is_no_lamella(class_name):
    labels = np.full((400, 600), LABELS["lamella"], np.uint8)
    row, column = np.indices(labels.shape)
    labels[(row // 60 + column // 60) % 4 == 0] = LABELS[class_name]
    points = geometry_points(cover_of(labels), np.array([(200.0, 300)]), (200, 300), optics())
    honest(points, labels, optics(), NO_GROUND)
    assert len(points) >= LEAST


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    blobs=st.integers(2, 40),
    beam=st.floats(0.6, 2.0),
    limit=st.floats(2, 15),
)
def test_geometry_points_are_honest_on_random_maps(seed, blobs, beam, limit):
    rng = np.random.default_rng(seed)
    ground = ("black", "mitos", "background")[seed % 3]
    labels = np.full(rng.integers(100, 320, 2), LABELS[ground], np.uint8)
    row, column = np.indices(labels.shape)
    for index in range(blobs):
        center, radius = rng.uniform((0, 0), labels.shape), rng.uniform(5, 90)
        name = ("lamella", "lamella", "mitos", "ice", "black")[index % 5]
        labels[np.hypot(row - center[0], column - center[1]) < radius] = LABELS[name]
    optic = optics(beam_diameter_um=beam, image_shift_limit_um=limit)
    choice = select_targets(labels, LABELS, OPTIONS, optic)
    targets = [area.targets_map_px for area in choice.areas]
    for area in choice.areas:
        points = area.geometry_points_map_px
        honest(points, labels, optic, NO_GROUND)
        if len(points):
            gap = distances(points, np.concatenate(targets)).min() * optic.pixel_um
            assert gap >= beam / 2 - 1e-6
            away = distances(points, area.targets_map_px[:1]).max() * optic.pixel_um
            assert away <= limit + 1e-6
        assert len(points) or any("No geometry points" in text for text in choice.warnings)


def test_three_places_are_found_wherever_there_are_three():
    """Narrow places, of which a greedy search from the farthest one misses some."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        labels = np.full((200, 200), LABELS["black"], np.uint8)
        row, column = np.indices(labels.shape)
        spots = rng.uniform(30, 170, (9, 2))
        for spot in spots:
            labels[np.hypot(row - spot[0], column - spot[1]) < 19] = LABELS["lamella"]
        optic = optics(beam_diameter_um=1.0)
        points = geometry_points(cover_of(labels), np.array([(100.0, 0)]), (100, 0), optic)
        honest(points, labels, optic, NO_GROUND)
        able = any(
            min(distances(three, three)[np.triu_indices(3, 1)]) * 0.03 > 2.1
            and smallest_singular_value(three) * 0.03 > 1.6
            for three in map(np.array, combinations(spots[spots[:, 1] > 40], 3))
        )
        assert len(points) or not able
