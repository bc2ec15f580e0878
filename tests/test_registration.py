"""How one picture lies in another, and how a grid has moved."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from space import registration
from space.geometry import MapFrame
from space.registration import Movement

PIXEL_UM = 0.5
FLIPPED = ((-1 / PIXEL_UM, 0.0), (0.0, 1 / PIXEL_UM))  # as SerialEM's: stage turned, rows downwards


def texture(seed=1, shape=(240, 300), sigma=2.0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)


def seen_after(movement, data, frame, center_um, shape):
    """The picture around a stage position of a grid that has moved since its map was made."""
    new = MapFrame(shape, FLIPPED, center_um)
    rows, columns = np.indices(shape)
    points = np.column_stack([rows.ravel() + 0.5, columns.ravel() + 0.5])
    before = (new.to_stage(points) - movement.offset_um) @ movement.matrix
    there = frame.to_map(before) - 0.5
    return ndimage.map_coordinates(data, there.T, order=1).reshape(shape), new


def test_a_movement_takes_points_and_frames_along():
    movement = Movement(90.0, (10.0, 0.0))
    assert movement.apply(np.array([(1.0, 2.0)])) == pytest.approx(np.array([(8.0, 1.0)]))
    frame = MapFrame((20, 30), FLIPPED, (4.0, 5.0))
    points = np.array([(0.0, 0.0), (7.0, 20.0)])
    assert movement.frame(frame).to_stage(points) == pytest.approx(
        movement.apply(frame.to_stage(points))
    )


def test_a_picture_is_drawn_on_a_lattice_of_stage_positions():
    data, frame = texture(), MapFrame((240, 300), FLIPPED, (100.0, -50.0))
    drawn = registration.on_lattice(data, frame, (104.0, -48.0), (40.0, 30.0), PIXEL_UM)
    # Lattice x grows with stage x, and y with stage y.
    row, column = 10, 20
    x = 104.0 + (column - (drawn.shape[1] - 1) / 2) * PIXEL_UM
    y = -48.0 + (row - (drawn.shape[0] - 1) / 2) * PIXEL_UM
    place = frame.to_map(np.array([(x, y)]))[0] - 0.5
    wanted = ndimage.map_coordinates(data, place[:, None], order=1)[0]
    assert drawn[row, column] == pytest.approx(wanted, abs=1e-5)
    outside = registration.on_lattice(data, frame, (170.0, -50.0), (40.0, 30.0), PIXEL_UM)
    assert np.isnan(outside).any() and np.isfinite(outside).any()


def test_reducing_keeps_places():
    data, frame = np.zeros((101, 83)), MapFrame((101, 83), FLIPPED, (1.0, 2.0))
    small, there = registration.reduced(data, frame, 2.1)
    assert small.shape == (25, 20) == there.shape
    assert there.to_stage(np.array([(3.0, 5.0)])) == pytest.approx(
        frame.to_stage(np.array([(12.0, 20.0)]))
    )


@pytest.mark.parametrize("turned_deg", [0.0, 3.0, -14.0])
def test_a_moved_grid_is_found_by_correlation(turned_deg):
    data, frame = texture(), MapFrame((240, 300), FLIPPED, (20.0, -10.0))
    movement = Movement(turned_deg, (3.0, -2.0))
    center = tuple(movement.apply(np.array([(22.0, -9.0)]))[0] + (1.5, -0.8))
    picture, new = seen_after(movement, data, frame, center, (80, 100))
    guess_um = np.array((22.0, -9.0))
    template = registration.on_lattice(picture, new, center, (36.0, 30.0), PIXEL_UM)
    there = registration.on_lattice(data, frame, guess_um, (60.0, 50.0), PIXEL_UM, -turned_deg)
    match = registration.find(template, there, PIXEL_UM, 5.0)
    before = guess_um + registration.turn(-turned_deg) @ match.shift_um
    assert movement.apply(before)[0] == pytest.approx(center, abs=0.05)
    assert match.likeness > 0.9 and match.runner_up < 0.6


def test_another_grid_is_not_like_it():
    data, frame = texture(1), MapFrame((240, 300), FLIPPED, (0.0, 0.0))
    other = registration.on_lattice(texture(2), frame, (0, 0), (60.0, 50.0), PIXEL_UM)
    there = registration.on_lattice(data, frame, (0, 0), (110.0, 90.0), PIXEL_UM)
    match = registration.find(other, there, PIXEL_UM, 5.0)
    assert match.likeness < 0.35


def test_what_is_unknown_or_flat_is_like_nothing():
    template, unknown = texture(shape=(20, 20)), np.full((60, 60), np.nan)
    assert registration.find(template, unknown, 1.0, 3.0).likeness == 0.0
    assert registration.find(unknown, template, 1.0, 3.0).likeness == 0.0
    flat = registration.find(template, np.ones((60, 60)), 1.0, 3.0)
    assert abs(flat.likeness) < 0.01


def test_slow_changes_are_taken_off():
    slope = np.tile(np.linspace(0, 50, 200), (150, 1))
    spots = texture(shape=(150, 200))
    flat = registration.flattened(slope + spots, 10.0)[20:-20, 20:-20]
    assert abs(flat.mean()) < 0.1 and np.ptp(flat) < 3 * np.ptp(spots)


def test_points_say_how_a_grid_has_moved():
    rng = np.random.default_rng(3)
    movement = Movement(-2.5, (40.0, -70.0))
    before = rng.uniform(-500, 500, (6, 2))
    now = movement.apply(before)
    fit = registration.rigid_fit([(before, now)])
    assert fit.turned_deg == pytest.approx(-2.5) and fit.offset_um == pytest.approx((40.0, -70.0))
    # A group of another magnification is displaced as a whole; the first one says where it lies.
    aside = registration.rigid_fit([(before[:3], now[:3]), (before, now + (9.0, 4.0))])
    assert aside.offset_um == pytest.approx((40.0, -70.0), abs=1e-6)
    one = registration.rigid_fit([(before[:1], now[:1])], -2.5)
    assert registration.distances_um(one, before, now).max() < 1e-6
    assert math.isclose(registration.distances_um(one, before[:1], now[:1] + (3.0, 4.0))[0], 5.0)


def test_a_template_is_worked_out_once_and_finds_what_its_picture_does(monkeypatch):
    random = np.random.default_rng(3)
    sought = ndimage.gaussian_filter(random.normal(size=(40, 50)), 2)
    pictures = [ndimage.gaussian_filter(random.normal(size=(90, 80)), 2) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture[20 + number : 60 + number, 10:60] = 300 + 40 * sought  # brighter, of more contrast
        picture[:15] = np.nan
    alone = [registration.find(sought, picture, 1.0, 5.0) for picture in pictures]
    assert [match.shift_um for match in alone] == [
        pytest.approx((-5.0, -5.0 + number), abs=0.05) for number in range(3)
    ]
    made = []
    spectra = registration._spectra
    monkeypatch.setattr(
        registration, "_spectra", lambda *given: made.append(given) or spectra(*given)
    )
    template = registration.Template(sought)
    assert [registration.find(template, picture, 1.0, 5.0) for picture in pictures] == alone
    assert len(made) == 4  # the template once
