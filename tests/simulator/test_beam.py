"""The beam: what sets its place, its width and how bright it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import CAMERA_KINDS, SEMerror, load_instrument, shipped
from space.simulator.commands import all_commands
from tests.simulator.fakes import brightest, without_frame_files

EXAMPLES = settings(max_examples=6)  # on each microscope
GUN = 3e-3  # what the beam may lose meanwhile


class Scope:
    """A microscope without a specimen, at work through commands, in the Record area."""

    def __init__(self, name, folder) -> None:
        self.session = Simulation(
            folder,
            grids={},
            noise=False,
            stage_error_um=0.0,
            time_scale=0.0,
            instrument=name,
        ).session
        without_frame_files(self.session)
        self.reset()

    def __call__(self, command, *arguments):
        return all_commands()[command](self.session, *arguments)

    def reset(self, area="R"):
        self("SetLowDoseMode", 0)
        self("SetLowDoseMode", 1)
        self("GoToLowDoseArea", area)
        self("SetImageShift", 0.0, 0.0)
        self("SetBeamShift", 0.0, 0.0)
        self("SetBeamTilt", 0.0, 0.0)

    def dose(self):
        """Dose per square Å of a picture taken now."""
        self.session.take("R", frame_px=(64, 64))
        return self("ImageConditions", "A")[0]


@pytest.fixture(scope="module", params=shipped())
def scope(request, tmp_path_factory):
    return Scope(request.param, tmp_path_factory.mktemp("beam"))


@EXAMPLES
@given(factor=st.floats(1.1, 20.0), spot=st.integers(1, 11))
def test_dose_is_current_over_area(scope, factor, spot):
    scope.reset()
    width, dose = scope("ReportBeamSizeFromCalib"), scope.dose()
    scope("SetBeamSize", factor * width)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(factor * width)
    assert scope.dose() == pytest.approx(dose / factor**2, rel=GUN)
    before = scope("ReportSpotSize")
    scope("SetSpotSize", spot)
    scope("SetBeamSize", width)
    currents = scope.session.instrument.beam.currents_nA
    ratio = currents[spot - 1] / currents[int(before) - 1]
    assert scope.dose() == pytest.approx(dose * ratio, rel=GUN)


@EXAMPLES
@given(factor=st.floats(0.05, 20.0))
def test_intensity_is_changed_by_a_factor(scope, factor):
    scope.reset()
    dose, width = scope.dose(), scope("ReportBeamSizeFromCalib")
    scope("ChangeIntensityBy", factor)
    assert scope.dose() == pytest.approx(dose * factor, rel=GUN)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width / factor**0.5)
    scope("ChangeIntensityBy", 1.0 / factor)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)


def test_intensity_in_percent(scope):
    scope.reset()
    percent, fraction = scope("ReportPercentC2")
    crossover, crossover_fraction = scope("ReportCrossoverPercentC2")
    assert crossover == pytest.approx(100.0 * crossover_fraction)
    width = scope("ReportBeamSizeFromCalib")
    assert percent == pytest.approx(100.0 * fraction)
    scope("IncPercentC2", percent - crossover)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(2.0 * width)
    scope("SetPercentC2", 2.0 * crossover - percent)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)
    for wrong in (0.0, 100.0, -3.0):
        with pytest.raises(SEMerror):
            scope("SetPercentC2", wrong)


def test_mean_and_dose_rate_of_a_picture_can_be_asked_for(scope):
    scope.reset()
    scope("SetBeamSize", 3.0)
    scope("R")
    mean = scope("ReportMeanCounts", "A")
    scope("SetIntensityForMean", 0.5 * mean)
    scope("R")
    assert scope("ReportMeanCounts", "A") == pytest.approx(0.5 * mean, rel=0.01)
    scope("SetDoseRate", 3.0)
    scope("R")
    image = scope.session.buffers.require("A")
    rate = image.data.mean() / scope.session.camera.model.counts_per_electron
    assert rate / image.binning**2 / image.exposure_s == pytest.approx(3.0, rel=0.02)


def test_only_three_condensers_have_an_illuminated_area(scope):
    scope.reset()
    three = scope.session.instrument.beam.condensers == 3
    if three:
        assert scope("ReportIlluminatedArea") == pytest.approx(0.016)
        scope("SetIlluminatedArea", 0.05)
        assert scope("ReportIlluminatedArea") == pytest.approx(0.05)
        assert scope("ReportBeamSizeFromCalib") == pytest.approx(5.0)
        return
    logged = len(scope.session.log)
    assert scope("ReportIlluminatedArea") == 0.0
    assert "illuminated area" in scope.session.log[logged]
    with pytest.raises(SEMerror, match="illuminated area"):
        scope("SetIlluminatedArea", 0.05)


def test_changes_last_until_the_area_is_left_or_are_kept_by_it(scope):
    scope.reset()
    width = scope("ReportBeamSizeFromCalib")
    scope("SetBeamSize", 2.0 * width)
    scope("GoToLowDoseArea", "R")
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(2.0 * width)
    scope("GoToLowDoseArea", "V")
    scope("GoToLowDoseArea", "R")
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)
    scope("UpdateLowDoseParams", "R")
    scope("SetBeamSize", 2.0 * width)
    dose = scope.dose()
    scope("GoToLowDoseArea", "V")
    scope("GoToLowDoseArea", "R")
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(2.0 * width)
    assert scope.dose() == pytest.approx(dose, rel=GUN)
    scope("RestoreLowDoseParams")
    scope("GoToLowDoseArea", "R")
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)


def test_outside_low_dose_the_beam_spreads_with_the_field(scope):
    scope("SetLowDoseMode", 0)
    scope("GoToImagingState", "1")
    scope("SetMagIndex", 20)
    width, pixel = scope("ReportBeamSizeFromCalib"), scope("CameraProperties")[4]
    scope("SetMagIndex", 18)
    wider = scope("CameraProperties")[4] / pixel
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(wider * width)
    scope("ChangeIntensityBy", 4.0)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(0.5 * wider * width)


def _beam_px(scope):
    """Centre of the beam (real camera pixels, Y up) in a View picture."""
    image = scope.session.take("V", binning=8)
    col, row = brightest(image.data)
    rows, cols = image.data.shape
    return np.array([col - cols / 2.0, rows / 2.0 - row]) * image.binning


@EXAMPLES
@given(x=st.floats(-1.2, 1.2), y=st.floats(-1.2, 1.2))
def test_the_beam_moves_as_its_calibration_says(scope, x, y):
    scope.reset("V")
    scope("SetBeamSize", 3.0)
    assert _beam_px(scope) == pytest.approx((0.0, 0.0), abs=8.0)
    to_camera = np.reshape(scope("SpecimenToCameraMatrix", 0), (2, 2))
    to_camera /= scope.session.camera.counted_per_px
    per_unit = to_camera @ np.array(scope.session.instrument.beam.shift_rows)
    scope("SetBeamShift", x, y)
    assert scope("ReportBeamShift") == (x, y)
    assert _beam_px(scope) == pytest.approx(tuple(per_unit @ (x, y)), abs=8.0)
    scope("SetBeamShift", 0.0, 0.0)
    scope("MoveBeamByMicrons", x, y)
    pixel_um = scope("CameraProperties")[4] * 1e-3
    assert _beam_px(scope) == pytest.approx((x / pixel_um, y / pixel_um), abs=8.0)
    # Image shift takes the beam along.
    scope("ImageShiftByMicrons", 1.0, -0.5)
    assert _beam_px(scope) == pytest.approx((x / pixel_um, y / pixel_um), abs=8.0)


def test_a_beam_whose_edge_is_seen_is_centred(scope):
    scope.reset("V")
    scope("SetBeamSize", 4.0)
    scope("MoveBeamByMicrons", 0.7, -0.4)
    scope("V")
    scope("CenterBeamFromImage", 0, 0.5)
    assert np.hypot(*_beam_px(scope)) > 300.0
    scope("CenterBeamFromImage")
    assert scope("ReportBeamShift") == pytest.approx((0.0, 0.0), abs=0.02)
    scope("SetBeamSize", 40.0)
    scope("V")
    with pytest.raises(SEMerror, match="no edge"):
        scope("CenterBeamFromImage")


def test_an_area_takes_over_present_settings_or_those_of_another(scope):
    scope.reset("V")
    scope("SetBeamSize", 9.0)
    width, index = scope("ReportBeamSizeFromCalib"), scope("ReportMagIndex")[0]
    before = scope.session.scope.areas["F"]
    scope("CurrentSettingsToLDArea", "T")
    scope("CopyLowDoseArea", "V", "F")
    for letter, expected in (("T", width), ("F", scope.session.scope.areas["V"].beam_um)):
        scope("GoToLowDoseArea", letter)
        assert scope("ReportBeamSizeFromCalib") == pytest.approx(expected)
        assert scope("ReportMagIndex")[0] == index
    assert scope("ReportAxisPosition", "F")[0] == before.axis_um
    for area in scope.session.instrument.areas:
        scope.session.scope.areas[area.letter] = area


def test_the_beam_moves_by_fractions_of_the_field(scope):
    scope.reset("V")
    scope("SetBeamSize", 3.0)
    scope("MoveBeamByFieldFraction", 0.2, -0.1)
    columns, rows = scope.session.camera.size_px
    assert _beam_px(scope) == pytest.approx((0.2 * columns, -0.1 * rows), abs=8.0)


def test_image_shift_can_take_the_beam_tilt_along(scope):
    scope.reset()
    scope("SetBeamTilt", 1.0, -2.0)
    coma = np.array(scope.session.instrument.beam.coma_rows)
    assert scope("ReportComaVsISmatrix") == tuple(coma.ravel())
    scope("ImageShiftByUnits", 2.0, 1.0, 0.0, 1)
    expected = np.add((1.0, -2.0), coma @ (2.0, 1.0))
    assert scope("ReportBeamTilt") == pytest.approx(tuple(expected))
    scope("SetImageShift", 0.0, 0.0, 0.0, 1)
    assert scope("ReportBeamTilt") == pytest.approx((1.0, -2.0))


def test_the_filter_and_the_autoloader_are_there_only_if_the_instrument_has_them(scope, tmp_path):
    has_filter = scope.session.instrument.energy_filter
    for command in ("ReportEnergyFilter", "RefineZLP", "SetSlitIn"):
        if has_filter:
            scope(command)
        else:
            with pytest.raises(SEMerror, match="no energy filter"):
                scope(command)
    bare = Scope(replace(scope.session.instrument, autoloader_slots=0), tmp_path)
    for command in ("LoadCartridge", "ReportSlotStatus"):
        with pytest.raises(SEMerror, match="no autoloader"):
            bare(command, 1)


def test_super_resolution_counts_half_pixels(tmp_path):
    krios = load_instrument()
    camera = replace(krios.camera, kind=CAMERA_KINDS["plain"])
    plain = Scope(replace(krios, camera=camera), tmp_path)
    counting = Scope(krios, tmp_path)
    assert plain("ReportCameraProperty", 0, "K2Type") == 0.0
    assert counting("CameraProperties") == plain("CameraProperties")
    assert counting("ReportCameraProperty", 0, "K2Type") == 3.0
    for command, factor in (
        ("CameraToSpecimenMatrix", 0.5),
        ("StageToCameraMatrix", 2.0),
        ("CameraToISMatrix", 0.5),
        ("ISToSpecimenMatrix", 1.0),
    ):
        expected = factor * np.array(plain(command, 0))
        assert counting(command, 0) == pytest.approx(tuple(expected))
    for one in (plain, counting):
        one("ImageShiftByMicrons", 0.4, -0.2)
    shifts = [one("ReportImageShift") for one in (plain, counting)]
    assert shifts[1][2:4] == pytest.approx(tuple(2.0 * np.array(shifts[0][2:4])))
    assert shifts[1][4:] == shifts[0][4:]
    counting("SetImageShift", 0.0, 0.0)
    counting("ImageShiftByPixels", -shifts[1][2], -shifts[1][3])
    assert counting("ReportSpecimenShift") == pytest.approx((0.4, -0.2), abs=1e-3)


def test_nanoprobe_is_a_narrower_beam_of_the_same_current(scope):
    scope.reset()
    beam = scope.session.instrument.beam
    width, dose = scope("ReportBeamSizeFromCalib"), scope.dose()
    scope("SetProbeMode", "nano")
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width * beam.nanoprobe_width)
    assert scope.dose() == pytest.approx(dose / beam.nanoprobe_width**2, rel=GUN)
    scope("SetBeamSize", width)
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)
    assert scope.dose() == pytest.approx(dose, rel=GUN)
    scope("SetProbeMode", "micro")
    scope.reset()
    assert scope("ReportBeamSizeFromCalib") == pytest.approx(width)


def test_beam_shift_has_a_calibration_of_its_own_in_nanoprobe(scope):
    """Seen in pictures: the same units move the beam less far."""
    found = {}
    for mode in ("micro", "nano"):
        scope.reset()
        scope("SetProbeMode", mode)
        scope("SetBeamSize", 0.4)
        scope("SetBeamShift", 0.1, -0.05)
        image = scope.session.take("R")
        rows, columns = image.data.shape
        col, row = brightest(image.data)
        seen = image.pixel_um * np.array([col - columns / 2.0, rows / 2.0 - row])
        optics, index = scope.session.scope.optics, image.mag_index
        found[mode] = optics.camera_to_specimen(index) @ seen / optics.entry(index).pixel_um
        scope("MoveBeamByMicrons", *map(float, -seen))
        image = scope.session.take("R")
        middle = np.subtract(brightest(image.data), (columns / 2.0, rows / 2.0))
        assert np.abs(middle).max() * image.pixel_um < 0.01
    beam, units = scope.session.instrument.beam, np.array([0.1, -0.05])
    assert found["micro"] == pytest.approx(np.array(beam.shift_rows) @ units, abs=0.01)
    assert found["nano"] == pytest.approx(np.array(beam.nanoprobe_shift_rows) @ units, abs=0.01)
    scope("SetProbeMode", "micro")
    scope.reset()


def test_magnifications_go_up_to_700_000(scope):
    scope.reset()
    scope("SetLowDoseMode", 0)
    model = scope.session.instrument
    pixels = [mag.pixel_um for mag in model.magnifications if not mag.low_mag]
    assert pixels == sorted(pixels, reverse=True)
    assert [mag.index for mag in model.magnifications] == list(range(1, len(pixels) + 1 + sum(
        mag.low_mag for mag in model.magnifications)))  # fmt: skip
    scope("SetMag", 700000)
    assert scope("ReportMag")[0] == 700000.0
    image = scope.session.take("R")
    assert image.data.std() > 0.0 and image.pixel_um < 0.0002
    scope.reset()


def test_the_light_is_drawn_from_the_seed(tmp_path):
    drawn = [
        Simulation(tmp_path, seed=seed, grids={}).session.scope.brighter_towards
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
