"""Pictures of a session obey physics: dose, thickness, focus, beam, drift and damage."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from space.simulator.imaging import ctf, pictures
from space.simulator.imaging import electrons as imaging
from tests.simulator.fakes import SpotGrid, brightest, textured


@dataclass
class FlatGrid:
    """Ice of even thickness; counts how often it is drawn."""

    optical_depth: float = 0.7
    height: float = 0.0
    slope: float = 0.0
    name: str = "flat"
    lamellae: tuple = ()
    drawn: int = 0

    def transmission(self, px_to_grid, shape, pixel_um):
        self.drawn += 1
        return np.full(shape, math.exp(-self.optical_depth), np.float32)

    def height_um(self, x, y):
        return self.height + self.slope * y


def focus_on(session, defocus_um):
    """Set the focus so that what is in the centre has a defocus."""
    session.scope.defocus_um += defocus_um - session.true_defocus_um()


# --- dose and thickness ---------------------------------------------------------------------------


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, -60.0])
@pytest.mark.parametrize("optical_depth", [0.4, 1.1])
def test_counts_are_those_of_dose_thickness_and_tilt(make_session, tilt_deg, optical_depth):
    session = make_session(FlatGrid(optical_depth), noise=True)
    session.scope.tilt_to(tilt_deg)
    image = session.take("R")
    per_px = 3.0 * (1e4 * image.pixel_um) ** 2 * session.camera.model.counts_per_electron
    way = optical_depth / math.cos(math.radians(tilt_deg))
    assert image.data.mean() == pytest.approx(per_px * math.exp(-way), rel=0.01)
    assert session.exposures[-1].dose_e_A2 == pytest.approx(3.0)


def test_twice_the_exposure_is_twice_the_counts(make_session):
    session = make_session(FlatGrid(), noise=True)
    once, twice = (session.take("V", exposure_s=seconds) for seconds in (1.0, 2.0))
    assert twice.data.mean() == pytest.approx(2.0 * once.data.mean(), rel=0.005)
    assert twice.data.std() == pytest.approx(math.sqrt(2.0) * once.data.std(), rel=0.1)
    assert [e.dose_e_A2 for e in session.exposures] == pytest.approx([0.027, 0.054])


@pytest.mark.parametrize("set_letter", ["V", "R"])
def test_a_binned_picture_is_the_sum_of_a_finer_one(make_session, set_letter):
    session = make_session(textured(pixel_um=0.03))
    focus_on(session, -4.0)
    fine = session.take(set_letter, binning=1, frame_px=(2400, 1800)).data.astype(float)
    twice = session.take(set_letter, binning=2, frame_px=(1200, 900)).data.astype(float)
    coarse = session.take(set_letter, binning=4, frame_px=(600, 450)).data
    for image, factor in ((fine, 4), (twice, 2)):
        summed = image.reshape(450, factor, 600, factor).sum(axis=(1, 3))
        assert summed.mean() == pytest.approx(coarse.mean(), rel=0.05)  # the dose leaves a mark
        assert np.corrcoef(summed.ravel(), coarse.ravel())[0, 1] > 0.97


def test_areas_have_their_own_dose_and_beam(make_session):
    session = make_session(FlatGrid())
    for letter in "VRP":
        session.take(letter)
        area = session.scope.areas["R" if letter == "P" else letter]
        exposure = session.exposures[-1]
        assert exposure.area == letter and exposure.mag_index == area.mag_index
        assert exposure.dose_e_A2 == pytest.approx(area.dose_rate_e_A2_s)
        assert exposure.radius_um == pytest.approx(area.beam_um / 2.0)


def test_a_closed_valve_gives_noise_only_and_does_no_damage(make_session):
    session = make_session(FlatGrid(), noise=True)
    session.scope.valve_open = False
    image = session.take("R")
    assert abs(image.data.mean()) < 0.1 and 0 < image.data.std() < 10
    assert session.exposures[-1].dose_e_A2 == 0.0


# --- focus ----------------------------------------------------------------------------------------


def fitted_defocus_um(image, instrument, around_um):
    """Defocus whose rings go best with the power spectrum of a picture."""
    data = image.data[:1000, :1000].astype(float)
    power = np.abs(np.fft.fft2(data - data.mean())) ** 2
    frequency = np.fft.fftfreq(1000, 1e3 * image.pixel_um)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    step = 1.0 / (1e6 * image.pixel_um)
    ring = (radius / step).astype(int)
    profile = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    centers = (np.arange(len(profile)) + 0.5) * step
    wanted = (centers > 0.15) & (centers < 0.8)
    trend = np.polynomial.Polynomial.fit(centers[wanted], profile[wanted], 3)
    rings = profile[wanted] / trend(centers[wanted]) - 1.0
    optics = (instrument.voltage_kV, instrument.cs_mm, instrument.amplitude_contrast)
    best = (-2.0, 0.0)
    for defocus_um in np.arange(around_um - 1.0, around_um + 1.0, 0.01):
        model = ctf.contrast_transfer(centers[wanted], defocus_um, *optics) ** 2
        best = max(best, (float(np.corrcoef(model, rings)[0, 1]), float(defocus_um)))
    return best


@pytest.mark.parametrize("defocus_um", [-2.0, -4.0, -6.0])
def test_rings_tell_the_defocus_at_the_dose_of_a_tilt_series(make_session, defocus_um):
    session = make_session(FlatGrid(height=0.8), noise=True)
    focus_on(session, defocus_um)
    image = session.take("R")
    assert session.exposures[-1].defocus_um == pytest.approx(defocus_um)
    score, found = fitted_defocus_um(image, session.instrument, defocus_um)
    assert score > 0.3
    assert found == pytest.approx(defocus_um, abs=0.05)


def test_defocus_is_that_of_the_height_in_the_centre_under_tilt(make_session):
    """h = y0 sin(tilt) + z0 cos(tilt), and the defocus is too high by h."""
    session = make_session(FlatGrid(height=0.5))
    scope = session.scope
    optics, zero = scope.optics, scope.focus_zero_um
    scope.defocus_um = zero - 3.0
    session.take("R")
    assert session.exposures[-1].defocus_um == pytest.approx(-2.5)
    scope.tilt_to(45.0)
    scope.shift_image_by_um(0.0, optics.tilt_axis_offset_um)
    session.take("R")  # on the axis, but for the height that tilt brings beside it
    angle = math.radians(45.0)
    on_axis = 0.5 * math.cos(angle) + 0.5 * math.tan(angle) * math.sin(angle)
    assert session.exposures[-1].height_um == pytest.approx(on_axis)
    scope.shift_image_by_um(0.0, 2.0)
    session.take("R")
    exposure = session.exposures[-1]
    assert exposure.height_um == pytest.approx(on_axis + 2.0 * math.tan(angle))
    assert exposure.defocus_um == pytest.approx(-3.0 + exposure.height_um)


def test_stage_z_and_a_sloping_specimen_count(make_session):
    session = make_session(FlatGrid(height=-1.0, slope=0.01))
    session.scope.stage.move_to(0.0, 200.0, 4.0)
    session.take("R")
    assert session.exposures[-1].height_um == pytest.approx(4.0 - 1.0 + 2.0)


def test_view_pictures_have_no_rings(make_session):
    session = make_session(FlatGrid())
    view, record = session.take("V").data, session.take("R").data
    assert max(np.abs(np.diff(view.astype(int), axis=axis)).max() for axis in (0, 1)) <= 1
    assert np.diff(record.astype(int)).std() > 5.0


@pytest.mark.parametrize("tilt_mrad", [(4.0, 0.0), (0.0, -3.0)])
@pytest.mark.parametrize("defocus_um", [-8.0, 5.0])
def test_beam_tilt_displaces_the_picture_by_tilt_times_defocus(make_session, tilt_mrad, defocus_um):
    session = make_session(SpotGrid(sigma_um=0.05), low_dose=False)
    scope = session.scope
    scope.set_mag_index(24)
    focus_on(session, defocus_um)
    at = {}
    for sign in (1.0, -1.0):
        scope.beam_tilt = (sign * tilt_mrad[0], sign * tilt_mrad[1])
        at[sign] = np.array(brightest(session.take("R").data))
    image = session.take("R")
    apart_um = np.hypot(*(at[1.0] - at[-1.0])) * image.pixel_um
    assert apart_um == pytest.approx(2e-3 * np.hypot(*tilt_mrad) * abs(defocus_um), rel=0.02)
    rows = np.array(session.instrument.beam.tilt_rows())
    seen_um = rows @ tilt_mrad * 1e-3 * defocus_um
    x, y = scope.optics.specimen_to_camera(image.mag_index) @ seen_um / image.binning
    assert at[1.0] - at[-1.0] == pytest.approx((-2.0 * x, 2.0 * y), abs=0.3)


# --- beam -----------------------------------------------------------------------------------------


def test_a_narrow_beam_is_a_disc_of_its_size_at_its_place(make_session):
    session = make_session(FlatGrid(0.05), low_dose=False)
    scope = session.scope
    image = session.take("R")
    assert image.data.min() > 0.9 * image.data.max()
    scope.set_beam_diameter(150.0)
    scope.beam_shift = (40.0, -25.0)
    image = session.take("R")
    lit = image.data > 0.5 * np.median(image.data[image.data > 0.2 * image.data.max()])
    assert math.sqrt(4.0 * lit.sum() / math.pi) * image.pixel_um == pytest.approx(150.0, rel=0.01)
    shift = np.array(session.instrument.beam.shift_rows) @ scope.beam_shift
    x, y = scope.optics.specimen_to_camera(image.mag_index) @ shift / image.binning
    rows, cols = image.data.shape
    assert brightest(lit) == pytest.approx((cols / 2 + x, rows / 2 - y), abs=1.0)
    # Outside there is the faint light of the fringes, then none.
    assert image.data[~binary_dilation(lit, iterations=15)].max() < 0.03 * image.data.max()
    assert image.data[~binary_dilation(lit, iterations=45)].max() == 0
    exposure = session.exposures[-1]
    away = np.array(exposure.beam_center_um) - exposure.center_um
    assert away == pytest.approx(scope.optics.specimen_to_stage() @ shift)


def test_beam_tilt_displaces_the_beam_with_the_picture(make_session):
    session = make_session(FlatGrid(), low_dose=False)
    scope = session.scope
    scope.set_mag_index(24)
    focus_on(session, -20.0)
    scope.set_beam_diameter(0.6)
    middle = np.array(brightest(session.take("R").data))
    scope.beam_tilt = (5.0, 2.0)
    image = session.take("R")
    exposure = session.exposures[-1]
    away = np.array(image.stage_to_px) @ np.subtract(exposure.beam_center_um, exposure.center_um)
    assert np.hypot(*away) > 50.0
    assert brightest(image.data) - middle == pytest.approx(away, abs=3.0)


def test_the_beam_goes_with_the_image_shift(make_session):
    session = make_session(FlatGrid())
    session.scope.shift_image_by_um(3.0, -2.0)
    session.take("R")
    exposure = session.exposures[-1]
    assert exposure.beam_center_um == pytest.approx(exposure.center_um)


# --- drift ----------------------------------------------------------------------------------------


def test_drift_displaces_pictures_by_its_rate_times_the_time(make_session):
    session = make_session(SpotGrid(sigma_um=0.2))
    first = np.array(brightest(session.take("V").data))
    begin = session.clock.seconds
    session.scope.stage.drift.start(rate_nm_s=20.0, settling_s=1e6, direction_deg=0.0)
    session.clock.advance(30.0)
    image = session.take("V")
    exposure = session.exposures[-1]
    seconds = session.clock.seconds - begin - 0.7 - 0.5
    assert exposure.drift_um == pytest.approx((0.020 * seconds, 0.0), abs=3e-4)
    assert exposure.drift_nm_s == pytest.approx((20.0, 0.0), abs=0.01)
    moved = np.array(image.stage_to_px) @ (-exposure.drift_um[0], 0.0)
    assert brightest(image.data) - first == pytest.approx(moved, abs=0.3)
    assert exposure.center_um == pytest.approx(
        tuple(np.array(session.scope.stage.true_um) + exposure.drift_um), abs=1e-6
    )


def test_drift_blurs_within_an_exposure(make_session):
    session = make_session(textured(pixel_um=0.002))
    sharp = session.take("R").data.astype(float)
    session.scope.stage.drift.start(rate_nm_s=15.0, settling_s=1e6)
    blurred = session.take("R").data.astype(float)
    assert np.diff(blurred, axis=0).std() < 0.7 * np.diff(sharp, axis=0).std()


def test_a_moved_stage_drifts_and_settles(make_session):
    session = make_session(FlatGrid(), stage_error_um=0.3)
    session.scope.stage.move_to(100.0, 50.0)
    for _ in range(2):
        session.take("V")
        session.clock.advance(200.0)
    early, late = (np.hypot(*exposure.drift_um) for exposure in session.exposures)
    assert 0.001 < early < 0.1 and late == 0.0


# --- damage ---------------------------------------------------------------------------------------


def test_a_record_leaves_a_dark_disc_at_its_place_and_nowhere_else(make_session):
    session = make_session(FlatGrid())
    scope = session.scope
    before = session.take("V").data.astype(float)
    scope.shift_image_by_um(2.0, 1.5)
    session.take("R", exposure_s=10.0)
    burnt = np.array(session.exposures[-1].beam_center_um)
    scope.set_image_shift(0.0, 0.0)
    image = session.take("V")
    less = 1.0 - image.data / before
    marked = less > 0.5 * less.max()
    assert 0.03 < less.max() < 0.2
    size_um = math.sqrt(4.0 * marked.sum() / math.pi) * image.pixel_um
    assert size_um == pytest.approx(scope.areas["R"].beam_um, rel=0.05)
    rows, cols = less.shape
    place = np.array(image.stage_to_px) @ (burnt - image.nav_xy_um) + (cols / 2, rows / 2)
    assert brightest(less) == pytest.approx(place, abs=2.0)
    rows, cols = np.indices(less.shape) + 0.5
    far = np.hypot(cols - place[0], rows - place[1]) * image.pixel_um > 1.0
    assert np.abs(less[far]).max() < 0.005


def test_damage_adds_up_and_is_of_the_grid(make_session):
    session = make_session(FlatGrid())
    session.grids[2] = FlatGrid(name="other")
    means = []
    for _ in range(3):
        means.append(session.take("R", exposure_s=5.0).data.mean())
    assert means[0] > 1.01 * means[1] > 1.02 * means[2]
    session.loaded_slot = 2
    assert session.take("R", exposure_s=5.0).data.mean() == pytest.approx(means[0], rel=1e-3)


def test_views_do_no_damage_that_could_be_seen(make_session):
    session = make_session(FlatGrid())
    means = [session.take("V").data.mean() for _ in range(5)]
    assert means == pytest.approx([means[0]] * 5)


# --- what is kept ---------------------------------------------------------------------------------


def test_the_same_view_is_drawn_once_and_old_ones_are_forgotten(make_session):
    grid = FlatGrid()
    session = make_session(grid, noise=True)
    first, second = (session.take("V").data for _ in range(2))
    assert grid.drawn == 1 and not np.array_equal(first, second)
    for step in range(10):
        session.scope.stage.move_to(10.0 + step, 0.0)
        session.take("V")
        assert session.darkroom.kept_bytes <= pictures.KEPT_BYTES
    session.take("V")
    session.scope.stage.move_to(0.0, 0.0)
    session.take("V")
    assert grid.drawn == 1 + 10 + 1


def test_what_can_be_made_again_is_not_saved(make_session):
    session = make_session(FlatGrid())
    session.take("R", exposure_s=5.0)
    marked = session.take("R").data
    session.darkroom = pickle.loads(pickle.dumps(session.darkroom))
    assert session.darkroom.kept_bytes == 0
    session.exposures.pop()
    assert np.array_equal(session.take("R").data, marked)


def test_another_grid_in_the_same_slot_is_drawn_anew(make_session):
    session = make_session(FlatGrid(0.2))
    thin = session.take("V").data.mean()
    session.grids[1] = FlatGrid(1.5)
    assert session.take("V").data.mean() < 0.5 * thin


def test_the_same_seed_gives_the_same_pictures(make_session):
    def pictures_of(session):
        session.scope.stage.move_to(20.0, 10.0)
        return [session.take(letter).data for letter in "VRVR"]

    first, second = (
        pictures_of(make_session(FlatGrid(), noise=True, stage_error_um=0.3)) for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second))


def test_an_empty_stage_gives_an_even_picture(make_session):
    session = make_session(FlatGrid())
    session.loaded_slot = None
    image = session.take("R")
    assert image.data.min() > 0.95 * image.data.max() > 100
    assert np.abs(np.diff(image.data.astype(int))).max() <= 1


def test_a_sight_says_what_the_exposure_will_say(make_session):
    session = make_session(FlatGrid(height=1.0))
    geometry = pictures.picture_geometry(session, 4.0, (100, 100))
    session.take("R")
    exposure = session.exposures[-1]
    assert (geometry.defocus_um, geometry.height_um) == (exposure.defocus_um, exposure.height_um)
    assert imaging.PHASE_CONTRAST_BELOW_UM > 4.0 * session.scope.pixel_um(26)
    assert replace(exposure, index=1).beam_axes_um == exposure.beam_axes_um
