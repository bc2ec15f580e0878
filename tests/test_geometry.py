"""Frames: worked numbers of SerialEM's definitions, and round trips."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.geometry import (
    MapFrame,
    field_rotation_deg,
    image_rotation_deg,
    montage_pieces,
    rotation_of,
    specimen_shift_um,
    stage_to_image_matrix,
)

# Unbinned pixel 0.002 µm, rotation +30°, binning 2, 2048 × 1024 px, SpecimenToStage = −identity.
CAMERA_TO_SPECIMEN = (0.00173205, 0.001, -0.001, 0.00173205)
STAGE_TO_SPECIMEN = (-1.0, 0.0, 0.0, -1.0)
ORIGIN = (100.0, -50.0)
FEATURE = (100.5, -49.8)


def worked_frame(center=ORIGIN) -> MapFrame:
    rotation = image_rotation_deg(CAMERA_TO_SPECIMEN)
    return MapFrame((1024, 2048), stage_to_image_matrix(0.004, rotation, STAGE_TO_SPECIMEN), center)


def test_the_matrix_of_the_worked_example():
    assert image_rotation_deg(CAMERA_TO_SPECIMEN) == pytest.approx(30, abs=1e-4)
    expected = [[-216.50635, 125], [125, 216.50635]]
    assert np.allclose(worked_frame().stage_to_px, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("center", "point", "column", "row"),
    [
        (ORIGIN, FEATURE, 940.7468, 617.8013),
        ((100.3, -50.2), FEATURE, 1030.6987, 623.6025),
        ((99.8, -49.9), FEATURE, 884.9456, 621.1506),
        (ORIGIN, (98.76077, -49.74641), 1324, 412),
        (FEATURE, FEATURE, 1024, 512),
    ],
)
def test_a_stage_point_lies_where_it_was_worked_out(center, point, column, row):
    frame = worked_frame(center)
    assert np.allclose(frame.to_map(np.array([point])), [[row, column]], atol=2e-3)
    assert np.allclose(frame.to_stage(np.array([[row, column]])), [point], atol=2e-5)


def test_the_shift_to_a_target_is_that_of_the_worked_example():
    shift = specimen_shift_um(np.array([FEATURE]), ORIGIN, STAGE_TO_SPECIMEN)
    assert np.allclose(shift, [[-0.5, -0.2]])


def test_the_tilt_axis_is_the_specimen_x_axis_in_the_image():
    # Specimen X lies at +30° counter-clockwise in the camera, so it falls with rising column.
    assert worked_frame().tilt_axis_deg() == pytest.approx(-30, abs=1e-3)


def test_pixel_size_and_box_sizes():
    frame = worked_frame()
    assert frame.pixel_nm == pytest.approx(4, rel=1e-5)
    upright = MapFrame((100, 100), stage_to_image_matrix(0.5, 90.0, STAGE_TO_SPECIMEN), (0, 0))
    assert upright.box_size_on_stage_um((10, 40)) == pytest.approx((20, 5))
    assert upright.box_size_in_image_um((20, 5)) == pytest.approx((5, 20))


def test_an_image_turned_against_the_map():
    assert field_rotation_deg(30, 30) == 0
    # The image's column axis lies at a_map − a_image counter-clockwise: upwards is negative.
    assert field_rotation_deg(image_rotation=0, map_rotation=90) == -90
    assert field_rotation_deg(-170, 170) == pytest.approx(20)


def test_the_field_rotation_agrees_with_the_frames():
    image = stage_to_image_matrix(0.001, -95.6, STAGE_TO_SPECIMEN)
    lamella = stage_to_image_matrix(0.008, -94.2, STAGE_TO_SPECIMEN)
    along_column = np.linalg.inv(np.array(image)) @ [1.0, 0.0]  # in stage µm
    column, row = np.array(lamella) @ along_column
    expected = math.degrees(math.atan2(row, column))
    assert field_rotation_deg(-95.6, -94.2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("size", "frame", "overlap", "pieces"),
    [
        ((10, 10), (11, 8), 0.25, (1, 2)),
        ((11, 8), (11, 8), 0.25, (1, 1)),
        ((19.25, 8), (11, 8), 0.25, (2, 1)),
        ((19.3, 14.1), (11, 8), 0.25, (3, 3)),
        ((0.1, 0.1), (11, 8), 0.25, (1, 1)),
    ],
)
def test_pieces_cover_the_field(size, frame, overlap, pieces):
    assert montage_pieces(size, frame, overlap) == pieces


coordinate = st.floats(-1000, 1000)
angle = st.floats(-180, 180)
pixel = st.floats(0.0005, 1.0)


@st.composite
def frames(draw) -> MapFrame:
    stage_to_specimen = (
        draw(st.sampled_from((-1.0, 1.0))),
        draw(st.floats(-0.05, 0.05)),
        draw(st.floats(-0.05, 0.05)),
        -1.0,
    )
    matrix = stage_to_image_matrix(draw(pixel), draw(angle), stage_to_specimen)
    shape = (draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
    return MapFrame(shape, matrix, (draw(coordinate), draw(coordinate)))


points = st.lists(st.tuples(coordinate, coordinate), min_size=0, max_size=5).map(
    lambda values: np.array(values, dtype=float).reshape(-1, 2)
)


@given(frames(), points)
def test_map_and_stage_are_inverse(frame, stage_um):
    assert np.allclose(frame.to_stage(frame.to_map(stage_um)), stage_um, atol=1e-6)


@given(frames(), points)
def test_a_frame_survives_json(frame, stage_um):
    again = MapFrame.from_dict(frame.to_dict())
    assert again == frame


@given(frames(), st.integers(1, 3000), st.integers(1, 3000))
def test_a_resized_frame_keeps_its_corners_and_centre(frame, rows, columns):
    other = frame.resized((rows, columns))
    ends = np.array([[0, 0], [1, 1], [0.5, 0.5], [0, 1]])
    before = frame.to_stage(ends * frame.shape)
    after = other.to_stage(ends * other.shape)
    assert np.allclose(before, after, atol=1e-6)


@given(pixel, angle, st.sampled_from((-1.0, 1.0)))
def test_the_rotation_can_be_read_back(pixel_um, rotation, x_sign):
    stage_to_specimen = (x_sign, 0.0, 0.0, -1.0)
    matrix = stage_to_image_matrix(pixel_um, rotation, stage_to_specimen)
    difference = rotation_of(matrix, stage_to_specimen) - rotation
    assert (difference + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(frames())
def test_the_tilt_axis_is_stage_x(frame):
    tilt = math.radians(frame.tilt_axis_deg())
    start, end = frame.to_map(np.array([[0.0, 0.0], [1.0, 0.0]]))
    row, column = end - start
    assert -90 < frame.tilt_axis_deg() <= 90
    assert abs(column * math.sin(tilt) - row * math.cos(tilt)) < 1e-6 * math.hypot(row, column)
