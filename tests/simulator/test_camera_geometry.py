"""A spot of the specimen appears at the pixel that SerialEM's conventions predict."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import load_instrument
from space.simulator.imaging.camera import expose
from tests.simulator.fakes import SpotGrid, brightest

SPOT = (100.4, -49.7)


def predicted(image, nav_xy):
    """Pixel (col, row) of a Navigator position, from what the image knows."""
    rows, cols = image.data.shape
    matrix = np.array(image.stage_to_px)
    return matrix @ (np.array(nav_xy) - image.nav_xy_um) + (cols / 2.0, rows / 2.0)


def test_view_after_stage_move(make_session):
    session = make_session(SpotGrid((SPOT,)))
    session.scope.stage.move_to(100.0, -50.0)
    image = session.take("V")
    assert image.data.shape == (1023, 1440)
    assert brightest(image.data) == pytest.approx(predicted(image, SPOT), abs=0.5)
    assert session.exposures[0].center_um == pytest.approx((100.0, -50.0))


@pytest.mark.parametrize("shift_um", [(1.5, 0.0), (0.0, -1.0), (-0.8, 1.1)])
def test_view_after_image_shift(make_session, shift_um):
    session = make_session(SpotGrid((SPOT,)))
    session.scope.stage.move_to(100.0, -50.0)
    before = np.array(brightest(session.take("V").data))
    session.scope.shift_image_by_um(*shift_um)
    image = session.take("V")
    camera = session.scope.optics.specimen_to_camera(image.mag_index) @ shift_um
    expected = before + (-camera[0] / 4.0, camera[1] / 4.0)
    assert brightest(image.data) == pytest.approx(expected, abs=0.5)
    assert brightest(image.data) == pytest.approx(predicted(image, SPOT), abs=0.5)


@pytest.mark.parametrize("mag_index", [4, 10, 14, 26])
def test_magnifications_outside_low_dose(make_session, mag_index):
    session = make_session(low_dose=False)
    scope = session.scope
    scope.set_mag_index(mag_index)
    field = 5760 * scope.pixel_um(mag_index)
    low_mag = scope.optics.low_mag_offset_um if mag_index == 4 else (0.0, 0.0)
    spot = (0.2 * field + low_mag[0], -0.1 * field + low_mag[1])
    grid = SpotGrid((spot,), sigma_um=0.02 * field)
    session.grids[1] = grid
    image = session.take("R")
    nav = (spot[0] - low_mag[0], spot[1] - low_mag[1])
    assert brightest(image.data) == pytest.approx(predicted(image, nav), abs=0.5)
    assert image.pixel_um == pytest.approx(4 * scope.pixel_um(mag_index))


@pytest.mark.parametrize("binning", [2, 8])
def test_binning_and_frame(make_session, binning):
    session = make_session(SpotGrid((SPOT,)))
    session.scope.stage.move_to(100.0, -50.0)
    image = session.take("V", binning=binning, frame_px=(700, 500))
    assert image.data.shape == (500, 700)
    assert brightest(image.data) == pytest.approx(predicted(image, SPOT), abs=0.5)


@pytest.mark.parametrize("tilt", [-40.0, 30.0, 60.0])
def test_tilt_shifts_a_point_above_the_axis(make_session, tilt):
    height = 1.2
    session = make_session(SpotGrid(((0.0, 0.0),), height=height - 3.0))
    scope = session.scope
    scope.stage.move_to(0.0, 0.0, 3.0)
    flat = brightest(session.take("V").data)
    scope.tilt_to(tilt)
    tilted = brightest(session.take("V").data)
    axis, angle = scope.optics.tilt_axis_offset_um, np.radians(tilt)
    change = -axis * (np.cos(angle) - 1.0) - height * np.sin(angle)
    camera = scope.optics.specimen_to_camera(scope.mag_index) @ (0.0, change)
    expected = (flat[0] + camera[0] / 4.0, flat[1] - camera[1] / 4.0)
    assert tilted == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize(("point", "factor"), [((0.0, 2.5), 0.5), ((2.5, 0.0), 1.0)])
def test_tilt_foreshortens_across_the_axis_only(make_session, point, factor):
    session = make_session()
    session.scope.tilt_to(60.0)
    found = []
    for spot in ((0.0, 0.0), point):
        session.grids[1] = SpotGrid((spot,))
        found.append(np.array(brightest(session.take("V").data)))
    distance = np.hypot(*(found[1] - found[0])) * 0.0076
    assert distance == pytest.approx(2.5 * factor, rel=0.02)


def test_shift_to_tilt_axis_centres_the_axis(make_session):
    session = make_session(SpotGrid(((0.0, 0.0),)))
    scope = session.scope
    scope.shift_to_tilt_axis = True
    adjusted = scope.adjust_stage_for_nav(0.0, 0.0)
    scope.stage.move_to(-adjusted[0], -adjusted[1])
    for tilt in (0.0, 50.0):
        scope.tilt_to(tilt)
        assert brightest(session.take("V").data) == pytest.approx((720, 511.5), abs=0.5)


def test_noise_is_of_the_dose_and_repeats_with_the_seed(make_session):
    session = make_session(SpotGrid(((900.0, 900.0),)), noise=True)
    first = session.take("V").data.astype(float)
    electrons = first.mean() / session.camera.model.counts_per_electron
    assert 0.8 < first.std() / first.mean() * np.sqrt(electrons) < 1.4
    assert not np.array_equal(first, session.take("V").data)
    again = make_session(SpotGrid(((900.0, 900.0),)), noise=True)
    assert np.array_equal(first, again.take("V").data)


def test_noise_levels_in_vacuum():
    rng = np.random.default_rng(0)
    electrons = 0.027 * 76.0**2
    camera = load_instrument().camera
    data = expose(np.ones((200, 200), np.float32), electrons, rng, camera).astype(float)
    assert data.dtype == float and 0.07 < data.std() / data.mean() < 0.09


def test_closed_valve_gives_a_dark_image(make_session):
    session = make_session()
    session.scope.valve_open = False
    image = session.take("V")
    assert abs(float(image.data.mean())) < 1.0
    assert session.exposures[-1].dose_e_A2 == 0.0


def test_objective_aperture_darkens_low_mag_corners(make_session):
    session = make_session(low_dose=False)
    bright = session.take("R").data[20, 20]
    session.scope.apertures_um[2] = 70
    assert session.take("R").data[20, 20] < 0.2 * bright


def test_exposures_tell_the_truth(make_session):
    session = make_session(stage_error_um=0.35)
    session.scope.stage.move_to(200.0, 100.0)
    session.scope.shift_image_by_um(3.0, 1.0)
    image = session.take("R")
    truth = session.exposures[-1]
    assert truth.area == "R" and truth.camera_set == 3 and truth.mag_index == 26
    assert truth.radius_um == pytest.approx(0.8)
    shift = session.scope.optics.specimen_to_stage() @ (3.0, 1.0)
    true = np.array(session.scope.stage.true_um) + truth.drift_um + shift
    assert truth.center_um == pytest.approx(tuple(true))
    assert image.nav_xy_um == pytest.approx((200.0 + shift[0], 100.0 + shift[1]), abs=0.05)
    session.note_saved(image, "x.mrc", 4)
    assert (session.exposures[-1].file, session.exposures[-1].section) == ("x.mrc", 4)
