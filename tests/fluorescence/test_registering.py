"""How a fluorescence picture lies on a map: by pairs, and by what is found in both."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.fluorescence import (
    KINDS,
    AffineFit,
    Features,
    Picture,
    find_spots,
    fit_pairs,
    left_out_um,
    match_points,
    register,
    search,
)

SHAPE = (1000, 1200)
CORNERS = np.array([[100.0, 100], [120, 900], [800, 150], [850, 1000], [400, 500]])


def similarity(angle: float, scale: float, flipped: bool) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * turn @ np.diag([1.0, -1.0 if flipped else 1.0])


@settings(max_examples=30)
@given(st.floats(0, 6.28), st.floats(0.05, 20), st.booleans(), st.sampled_from(sorted(KINDS)))
def test_exact_pairs_are_fitted_exactly_in_all_directions(angle, scale, flipped, kind):
    target = CORNERS @ similarity(angle, scale, flipped).T + [30, -4]
    fit = fit_pairs(CORNERS, target, 0.1, kind)
    assert np.allclose(fit.to_map(CORNERS), target, atol=1e-5 * scale)
    assert np.allclose(fit.from_map(target), CORNERS, atol=1e-3)
    assert fit.is_flipped == flipped
    assert fit.scale == pytest.approx(scale) and fit.stretch == pytest.approx(1)
    if not flipped:
        assert np.cos(np.radians(fit.turned_deg) + angle) == pytest.approx(1, abs=1e-6)


def test_the_error_that_is_told_is_the_error_that_is_made():
    rng = np.random.default_rng(5)
    ratios = []
    for _ in range(150):
        linear = similarity(rng.uniform(0, 6.28), 1.3, False) @ (
            np.eye(2) + rng.normal(0, 0.01, (2, 2))
        )
        fm = rng.uniform(0, 1000, (6, 2))
        target = fm @ linear.T + rng.normal(0, 0.2 / 0.1, fm.shape)
        places = rng.uniform(200, 800, (30, 2))
        fit = fit_pairs(fm, target, 0.1)
        made = (fit.to_map(places) - places @ linear.T) * 0.1
        ratios.append((made**2).mean() / (fit.error_um(places) ** 2).mean())
    assert 0.5 < np.sqrt(np.mean(ratios)) < 1.2


def test_few_pairs_shear_no_more_than_they_are_sure_of():
    rng = np.random.default_rng(6)
    off = {kind: [] for kind in KINDS}
    for _ in range(80):
        linear = similarity(1.0, 1.3, False) @ (np.eye(2) + rng.normal(0, 0.01, (2, 2)))
        fm = rng.uniform(0, 1000, (4, 2))
        target = fm @ linear.T + rng.normal(0, 0.2 / 0.1, fm.shape)
        for kind in KINDS:
            try:
                fit = fit_pairs(fm, target, 0.1, kind)
            except SpaceError:
                continue
            places = rng.uniform(200, 800, (20, 2))
            off[kind].append(np.hypot(*((fit.to_map(places) - places @ linear.T) * 0.1).T).mean())
    found = {kind: np.mean(values) for kind, values in off.items()}
    assert found["auto"] < found["similarity"] and found["auto"] < found["affine"]


def registered(fm, target, **options):
    return register(fm, target, 0.1, SHAPE, (2000, 2000), **options)


def test_a_wrong_pair_is_left_out_and_told_of():
    fm = np.concatenate([CORNERS, [[300.0, 800]]])
    target = fm @ similarity(0.5, 1.2, True).T + [100, 1100]
    target[2] += [90, 40]
    found = registered(fm, target)
    assert found.kept == (True, True, False, True, True, True)
    assert found.left_out_um[2] is None and found.residuals_um[2] > 5
    assert any("pair 3" in text and "left out" in text for text in found.warnings)
    assert found.left_out_mean_um < 0.1


def test_a_pair_that_others_put_elsewhere_is_told_of():
    target = CORNERS[:4] @ similarity(0.5, 1.2, False).T + [400, 100]
    target[1] += [40, 0]
    assert any("pair 2" in text for text in registered(CORNERS[:4], target).warnings)
    assert (left_out_um(CORNERS[:4], target, 0.1) > 1).any()


def test_three_pairs_are_enough_and_it_is_said_what_they_cannot_show():
    target = CORNERS[[0, 1, 2]] @ similarity(0.5, 1.2, False).T + [400, 100]
    found = registered(CORNERS[[0, 1, 2]], target)
    assert any("add a fourth" in text for text in found.warnings)


@pytest.mark.parametrize(
    "fm, move, what",
    [
        (CORNERS[:2], 0, "2 pairs"),
        (np.array([[0.0, 0], [100, 101], [200, 199], [300, 301]]), 0, "on one line"),
        (np.array([[500.0, 500], [500, 504], [504, 500]]), 0, "leave it open"),
        (CORNERS, 9000, "same place"),
    ],
)
def test_pairs_that_cannot_say_it_are_refused(fm, move, what):
    with pytest.raises(SpaceError, match=what):
        registered(fm, fm @ similarity(0.1, 1.2, False).T + [200 + move, 100])


def test_pairs_that_contradict_each_other_are_refused():
    rng = np.random.default_rng(2)
    with pytest.raises(SpaceError, match=r"agree|stretched|open"):
        registered(rng.uniform(0, 1000, (8, 2)), rng.uniform(0, 2000, (8, 2)))


def test_sizes_of_pixels_that_do_not_fit_are_told_of():
    target = CORNERS @ similarity(0.5, 1.2, False).T + [400, 100]
    assert not registered(CORNERS, target, fm_pixel_um=0.12).warnings
    (text,) = registered(CORNERS, target, fm_pixel_um=0.2).warnings
    assert "0.120" in text and "0.200" in text


def test_a_fit_is_kept_in_json_and_nonsense_is_refused():
    fit = fit_pairs(CORNERS, CORNERS * 1.5, 0.1)
    values = json.loads(json.dumps(fit.to_dict()))
    assert AffineFit.from_dict(values) == fit
    for key, odd in (
        ("matrix", [[1, 0], [0, 1]]), ("matrix", [[0, 0, 1], [0, 0, 1]]), ("covariance", None),
        ("covariance", (-np.eye(6)).tolist()), ("origin", ["a", 1]), ("pixel_um", True),
        ("pixel_um", -1),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            AffineFit.from_dict({**values, key: odd})


def points(seed: int, count: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two sets that share most of their points, and the map between them."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 150, (count, 2))
    linear = similarity(rng.uniform(0, 6.28), 4.0, bool(seed % 2))
    first = np.concatenate([true[rng.random(count) < 0.8], rng.uniform(0, 150, (count // 5, 2))])
    second = np.concatenate([true[rng.random(count) < 0.8], rng.uniform(0, 150, (count // 4, 2))])
    moved = (second + rng.normal(0, 0.1, second.shape)) @ linear.T
    return first, moved, linear


@pytest.mark.parametrize("seed", range(6))
def test_patterns_of_points_are_matched_with_strangers_among_them(seed):
    first, second, linear = points(seed)
    found = match_points(first, second, 3.0)
    assert len(found.first) > 20
    assert np.abs(first[found.first] @ linear.T - second[found.second]).max() < 4
    assert np.allclose(found.matrix[:, :2], linear, atol=0.05)


def test_points_of_two_places_are_refused():
    first, _, _ = points(1)
    _, second, _ = points(2)
    with pytest.raises(SpaceError, match="too few to be sure"):
        match_points(first, second, 3.0)


def test_a_lattice_alone_is_refused():
    lattice = np.stack(np.meshgrid(np.arange(15), np.arange(15)), -1).reshape(-1, 2) * 4.0
    with pytest.raises(SpaceError, match="several ways"):
        match_points(lattice, lattice @ similarity(0.4, 2.0, False).T, 1.0)


@pytest.mark.parametrize("diameter_px", [3, 6, 17])
@pytest.mark.parametrize("is_bright", [True, False])
def test_spots_of_a_size_are_found_at_their_places(diameter_px, is_bright):
    rng = np.random.default_rng(diameter_px)
    places = rng.uniform(60, 440, (12, 2))
    rows, columns = np.indices((500, 500)) + 0.5
    picture = 100 + rng.normal(0, 3, (500, 500))
    for row, column in places:
        disc = np.hypot(rows - row, columns - column) < diameter_px / 2
        picture[disc] += 60 if is_bright else -60
    found = find_spots(picture, diameter_px, is_bright).first(12).points_px
    away = np.linalg.norm(found[:, None] - places[None], axis=2)
    assert (away.min(axis=1) < 0.2 * diameter_px + 0.3).sum() >= 10


def test_a_flat_or_small_picture_has_no_spots():
    assert not len(find_spots(np.zeros((50, 50)), 5).points_px)
    assert not len(find_spots(np.zeros((5, 5)), 5).points_px)


def holey(shift: np.ndarray, pitch: float, covered: bool) -> np.ndarray:
    """Return a film with holes, and with a patch of cells over it."""
    rows, columns = np.indices((400, 400)) + 0.5 + shift[:, None, None]
    away = np.hypot(
        (rows + pitch / 2) % pitch - pitch / 2, (columns + pitch / 2) % pitch - pitch / 2
    )
    film = np.where(away < pitch / 4, 200.0, 60.0)
    if covered:
        blob = np.hypot(rows - 150, 0.6 * (columns - 260)) < 90
        film[blob | (rows - 2 * columns > 120)] = 20
    return film


@pytest.mark.parametrize("covered", [True, False])
def test_holes_say_how_pictures_lie_only_where_something_covers_them(covered):
    rng = np.random.default_rng(8)
    fm = Picture(holey(np.zeros(2), 12, covered) + rng.normal(0, 8, (400, 400)), 0.25)
    shift = np.array([21.4, -17.3])
    map_ = Picture(np.rot90(holey(shift, 12, covered)) + rng.normal(0, 8, (400, 400)), 0.25)
    if not covered:
        with pytest.raises(SpaceError, match="Nothing says surely"):
            search({"a": fm}, map_, Features(None, 1.5))
        return
    found = search({"a": fm}, map_, Features(None, 1.5))
    row, column = np.array([120.0, 260.0]) - shift
    (place,) = found.fit.to_map(np.array([[120.0, 260.0]]))
    assert place == pytest.approx([400 - column, row], abs=1)
    assert found.how == "found"
