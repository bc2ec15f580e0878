"""The worked numbers of SerialEM's conventions: matrices, shifts and positions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import CAMERA_KINDS, SEMerror, load_instrument
from space.simulator.column.optics import Magnification, tilted_height_um, tilted_y_um
from space.simulator.column.scope import Microscope
from space.simulator.commands import all_commands
from space.simulator.imaging.camera import View, px_to_grid
from tests.simulator.fakes import SpotGrid

KRIOS = load_instrument("krios_k3")
EXAMPLE_SCOPE = replace(
    KRIOS,
    magnifications=(Magnification(1, 10000.0, 0.002, 30.0, False),),
    is_to_specimen_rows=((0.8, 0.1), (-0.1, 0.9)),
    states=tuple(replace(state, mag_index=1) for state in KRIOS.states),
    stage=replace(KRIOS.stage, scale=(1.0, 1.0), tilt_axis_offset_um=0.0),
    camera=replace(KRIOS.camera, kind=CAMERA_KINDS["plain"]),
)
EXAMPLE = EXAMPLE_SCOPE.optics()
FEATURE_UM = (100.5, -49.8)
SHAPE = (1024, 2048)


def scope_at(stage=(100.0, -50.0), shift=(0.0, 0.0), instrument=EXAMPLE_SCOPE) -> Microscope:
    scope = Microscope(instrument, stage_error_um=0.0)
    scope.mag_index = 1
    scope.stage.move_to(*stage)
    assert scope.set_image_shift(*shift)
    return scope


def pixel_of(scope: Microscope, point_um, tilt_deg=0.0, height_um=0.0):
    view = View(
        1,
        2.0,
        SHAPE,
        scope.stage.true_um,
        scope.specimen_shift_um(),
        scope.axis_offset_um,
        tilt_deg,
        height_um,
    )
    affine = px_to_grid(scope.optics, view)
    return np.linalg.solve(affine[:, :2], np.asarray(point_um) - affine[:, 2])


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (EXAMPLE.camera_to_specimen(1), (0.00173205, 0.001, -0.001, 0.00173205)),
        (EXAMPLE.specimen_to_camera(1), (433.0127, -250, 250, 433.0127)),
        (EXAMPLE.stage_to_camera(1), (-433.0127, 250, -250, -433.0127)),
        (EXAMPLE.specimen_to_is(1), (1.2328767, -0.1369863, 0.1369863, 1.0958904)),
        (EXAMPLE.is_to_stage(1), (-0.8, -0.1, 0.1, -0.9)),
        (EXAMPLE.stage_to_image(1, 2.0), (-216.50635, 125, 125, 216.50635)),
    ],
)
def test_matrices_of_the_example(matrix, expected):
    assert matrix.ravel() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("stage", "shift", "expected"),
    [
        ((100.0, -50.0), (0.0, 0.0), (940.7468, 617.8013)),
        ((100.3, -50.2), (0.0, 0.0), (1030.6987, 623.6025)),
        ((100.0, -50.0), (0.2602740, -0.0821918), (884.9456, 621.1506)),
        ((100.0, -50.0), (-0.5890411, -0.2876712), (1024.0, 512.0)),
        ((100.5, -49.8), (0.0, 0.0), (1024.0, 512.0)),
    ],
)
def test_pixel_of_the_feature(stage, shift, expected):
    assert pixel_of(scope_at(stage, shift), FEATURE_UM) == pytest.approx(expected, abs=1e-3)


def test_shift_by_specimen_microns():
    scope = scope_at()
    assert scope.shift_image_by_um(0.2, -0.1)
    assert scope.image_shift == pytest.approx((0.2602740, -0.0821918), abs=1e-6)
    assert scope.specimen_shift_um() == pytest.approx((0.2, -0.1))


def test_navigator_position_of_a_shifted_image():
    scope = scope_at()
    found = scope.adjust_stage_for_nav(100, -50, 0.2602740, -0.0821918)
    assert found == pytest.approx((99.8, -49.9), abs=1e-5)
    tilted = scope.adjust_stage_for_nav(100, -50, 0.2602740, -0.0821918, tilt_deg=45.0)
    assert tilted == pytest.approx((99.8, -50 + 0.1414214), abs=1e-5)


def test_navigator_position_with_the_tilt_axis_offset():
    stage = replace(EXAMPLE_SCOPE.stage, tilt_axis_offset_um=1.5)
    scope = scope_at(instrument=replace(EXAMPLE_SCOPE, stage=stage))
    scope.shift_to_tilt_axis = True
    assert scope.adjust_stage_for_nav(100, -50) == pytest.approx((100, -51.5))
    scope.stage.move_to(100.5, -48.3)
    assert pixel_of(scope, FEATURE_UM) == pytest.approx((1024, 512), abs=1e-6)


@pytest.fixture
def example(tmp_path):
    """Commands on the example's microscope, at its stage position."""
    session = Simulation(
        tmp_path,
        grids={1: SpotGrid()},
        time_scale=0.0,
        stage_error_um=0.0,
        instrument=EXAMPLE_SCOPE,
    ).session
    session.scope.stage.move_to(100.0, -50.0)
    return lambda command, *arguments: all_commands()[command](session, *arguments)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("CameraToSpecimenMatrix", (0.00173205, 0.001, -0.001, 0.00173205)),
        ("SpecimenToCameraMatrix", (433.0127, -250, 250, 433.0127)),
        ("StageToCameraMatrix", (-433.0127, 250, -250, -433.0127)),
        ("SpecimenToISMatrix", (1.2328767, -0.1369863, 0.1369863, 1.0958904)),
        ("ISToSpecimenMatrix", (0.8, 0.1, -0.1, 0.9)),
        ("ISToStageMatrix", (-0.8, -0.1, 0.1, -0.9)),
        ("SpecimenToStageMatrix", (-1.0, 0.0, 0.0, -1.0)),
    ],
)
def test_reported_matrices_of_the_example(example, command, expected):
    for mag_index in (0, 1):
        assert example(command, mag_index) == pytest.approx(expected, rel=1e-6)
    for mag_index in (-1, 2):
        with pytest.raises(SEMerror):
            example(command, mag_index)


def test_matrices_count_pixels_of_the_binning_given(example):
    matrix = np.array(example("CameraToSpecimenMatrix", 0))
    example("BinningForCameraMatrix", 2.0)
    assert example("CameraToSpecimenMatrix", 0) == pytest.approx(tuple(2.0 * matrix))
    assert example("StageToCameraMatrix", 0)[0] == pytest.approx(-216.50635)
    assert example("SpecimenToStageMatrix", 0)[0] == -1.0


def test_reports_of_the_shifted_example(example):
    assert example("ImageShiftByMicrons", 0.2, -0.1) == 0.0
    assert example("ReportSpecimenShift") == pytest.approx((0.2, -0.1))
    expected = (0.2602740, -0.0821918, -111.6025, -6.6987, -0.2, 0.1)
    assert example("ReportImageShift") == pytest.approx(expected, abs=1e-4)
    shift = (0.2602740, -0.0821918)
    found = example("AdjustStagePosForNav", 100.0, -50.0, *shift)
    assert found == pytest.approx((99.8, -49.9), abs=1e-4)
    example("TiltTo", 45.0)
    assert example("ReportImageShift")[4:] == pytest.approx((-0.2, 0.1414214), abs=1e-6)


def test_the_target_of_the_example_is_reached_by_image_shift(example):
    assert example("ImageShiftByMicrons", -0.5, -0.2) == 0.0
    expected = (-0.5890411, -0.2876712)
    assert example("ReportImageShift")[:2] == pytest.approx(expected, abs=1e-6)


def test_the_example_with_a_tilt_axis_offset(example):
    example("SetTiltAxisOffset", 1.5)
    assert example("AdjustStagePosForNav", 100.0, -50.0) == pytest.approx((100.0, -50.0))
    example("SetUserSetting", "ShiftToTiltAxis", 1.0)
    assert example("AdjustStagePosForNav", 100.0, -50.0) == pytest.approx((100.0, -51.5))
    expected = (1.5, 0.0, 1.5, -0.2054795, 1.6438356, 1.0)
    assert example("ReportTiltAxisOffset") == pytest.approx(expected, abs=1e-6)
    example("OpenNavigator")
    example("AddStagePosAsNavPoint", 100.5, -49.8, 0.0)
    example("MoveToNavItem", 1)
    assert example("ReportStageXYZ")[:2] == pytest.approx((100.5, -48.3))


@pytest.mark.parametrize(
    ("tilt", "y", "height"), [(45.0, 1.06066, 1.76777), (-45.0, 1.76777, -1.06066)]
)
def test_tilt_formulas(tilt, y, height):
    assert tilted_y_um(2.0, 0.5, tilt) == pytest.approx(y, abs=1e-5)
    assert tilted_height_um(2.0, 0.5, tilt) == pytest.approx(height, abs=1e-5)


def test_tilting_moves_the_feature_in_the_picture():
    scope = scope_at()
    # 2 um across the axis in specimen Y is -2 um in stage Y
    point = (100.0, -52.0)
    flat = pixel_of(scope, point, 0.0, 0.5)
    tilted = pixel_of(scope, point, 45.0, 0.5)
    assert tilted - flat == pytest.approx((117.4175, 203.3730), abs=1e-3)


def test_stage_pixels_follow_matrix_a():
    scope = scope_at()
    before = pixel_of(scope, FEATURE_UM)
    matrix = EXAMPLE.stage_to_image(1, 2.0)
    other = pixel_of(scope, (FEATURE_UM[0] + 0.7, FEATURE_UM[1] - 0.4))
    assert other - before == pytest.approx(matrix @ (0.7, -0.4))


def test_low_mag_offset_is_8_to_15_um_and_only_in_low_mag():
    optics = KRIOS.optics(5)
    length = math.hypot(*optics.low_mag_offset_um)
    assert 8.0 <= length <= 15.0
    for index, expected in ((4, length), (10, 0.0), (26, 0.0)):
        view = View(index, 4.0, (1023, 1440), (10.0, 20.0))
        x, y = px_to_grid(optics, view) @ (720.0, 511.5, 1.0)
        assert math.hypot(x - 10.0, y - 20.0) == pytest.approx(expected, abs=1e-9)


def test_image_shift_keeps_its_point_across_the_low_mag_boundary():
    scope = Microscope(KRIOS, stage_error_um=0.0)
    scope.set_mag_index(26)
    scope.shift_image_by_um(2.0, -3.0)
    units = scope.image_shift
    scope.set_mag_index(17)
    assert scope.image_shift == units
    scope.set_mag_index(4)
    assert scope.image_shift != units
    assert scope.specimen_shift_um() == pytest.approx((2.0, -3.0))


def test_image_shift_limit_refuses_without_change():
    scope = scope_at()
    assert not scope.shift_image_by_um(0.0, 15.001)
    assert scope.image_shift == (0.0, 0.0)
    assert scope.shift_image_by_um(0.0, 14.99)


def test_stage_and_tilt_limits():
    scope = scope_at()
    with pytest.raises(SEMerror, match="outside"):
        scope.stage.move_to(991.0, 0.0)
    with pytest.raises(SEMerror, match="beyond"):
        scope.tilt_to(70.0)
    assert scope.stage.position_um[:2] == (100.0, -50.0)


def test_the_limit_counts_the_area_for_changes_and_not_for_settings():
    talos = load_instrument("talos_ceta")
    scope = Microscope(talos, stage_error_um=0.0)
    scope.set_low_dose(True)
    scope.go_to_area("F")
    own = scope.total_shift_um()[0]
    assert own == 2.5
    assert not scope.shift_image_by_um(15.0 - own + 0.01, 0.0)
    assert scope.image_shift == (0.0, 0.0)
    assert scope.shift_image_by_um(15.0 - own - 0.01, 0.0)
    # A setting is tested as it is given.
    units = scope.optics.specimen_to_is(scope.mag_index) @ (14.99, 0.0)
    assert scope.set_image_shift(*units)
    assert not scope.set_image_shift(*(1.01 * units))
    scope.go_to_area("R")
    assert scope.total_shift_um() == pytest.approx((14.99, 0.0))


def test_where_the_stage_stops_depends_on_where_it_came_from_but_for_the_backlash_leg():
    talos = load_instrument("talos_ceta")
    exact = replace(talos, stage=replace(talos.stage, error_um=1e-9, readout_error_um=0.0))
    scope, play = Microscope(exact), talos.stage.play_um
    places = {}
    for name, start, backlash in (
        ("from below", (-50.0, -50.0), False),
        ("from above", (50.0, 50.0), False),
        ("after the leg from below", (-50.0, -50.0), True),
        ("after the leg from above", (50.0, 50.0), True),
    ):
        scope.stage.move_to(*start)
        scope.stage.move_to(0.0, 0.0, backlash=backlash)
        assert scope.stage.position_um[:2] == (0.0, 0.0)
        places[name] = scope.stage.true_um
    assert places["from below"] == pytest.approx((0.0, 0.0), abs=1e-6)
    assert places["from above"] == pytest.approx((play, play), abs=1e-6)
    assert places["after the leg from below"] == pytest.approx((0.0, 0.0), abs=1e-6)
    assert places["after the leg from above"] == pytest.approx((0.0, 0.0), abs=1e-6)
    # A short way back moves the drive and not the table.
    scope.stage.move_to(0.0 - 0.5 * play, 0.0)
    assert scope.stage.true_um == pytest.approx((0.0, 0.0), abs=1e-6)
    scope.stage.move_to(*scope.stage.position_um[:2], backlash=True)
    assert scope.stage.true_um == pytest.approx((-0.5 * play, 0.0), abs=1e-6)


def test_stage_and_tilt_take_the_time_of_the_instrument():
    model = load_instrument("talos_ceta").stage
    scope = Microscope(load_instrument("talos_ceta"))
    ends = [0.0]
    scope.stage.move_to(60.0, 0.0)
    ends.append(scope.clock.seconds)
    scope.stage.move_to(60.0, 90.0, speed=0.5)
    ends.append(scope.clock.seconds)
    scope.tilt_to(10.0)
    ends.append(scope.clock.seconds)
    times = list(np.diff(ends))
    assert times == pytest.approx([model.settle_s + 1.0, model.settle_s + 3.0, 1.0 + 5.0], abs=0.01)
    scope.tilt_to(79.9)
    with pytest.raises(SEMerror, match="beyond"):
        scope.tilt_to(79.96)


def test_stage_errors_are_new_at_each_move_and_repeatable():
    first, second = Microscope(KRIOS, seed=4), Microscope(KRIOS, seed=4)
    errors = []
    for scope in (first, second):
        for x in (100.0, 0.0) * 20:
            scope.stage.move_to(x, -x)
            errors.append((scope.stage.true_um[0] - x, scope.stage.true_um[1] + x))
            assert scope.stage.position_um[0] == pytest.approx(x, abs=0.1)
    assert errors[:40] == errors[40:]
    assert 0.2 < np.std(errors) < 0.5


@given(tilt=st.floats(-60, 60), x=st.floats(-9, 9), y=st.floats(-9, 9), z=st.floats(-5, 5))
def test_a_centred_point_stays_centred_when_shifted_as_the_tilt_model_says(tilt, x, y, z):
    optics = KRIOS.optics(2)
    specimen = optics.stage_to_specimen() @ (x, y)
    offset = optics.tilt_axis_offset_um
    seen = tilted_y_um(specimen[1] - offset, z, tilt) + offset
    view = View(26, 4.0, (100, 100), (0.0, 0.0), (float(specimen[0]), seen), 0.0, tilt, z)
    assert px_to_grid(optics, view) @ (50, 50, 1) == pytest.approx((x, y), abs=1e-9)
