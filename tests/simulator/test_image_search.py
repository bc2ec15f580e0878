"""Rotation, lattices, the place of the beam and the matrices of an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator.column import SEMerror
from space.simulator.commands import alignment, beam, buffers, camera, image_measures, image_places
from space.simulator.measuring import lattice
from space.simulator.measuring.between_mags import resampled
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture
def session(make_session):
    return make_session(textured(), noise=True)


# --- rotation ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("angle", "center"), [(12.4, 0.0), (-17.0, 0.0), (95.0, 90.0)])
def test_a_picture_is_turned_until_it_lies_on_another(session, angle, center):
    camera.view(session)
    image = session.buffers.get("A")
    rows, columns = image.data.shape
    # What is in the middle of A is 40 px to the right and 25 px up in the reference.
    data = resampled(image.data, (columns / 2, rows / 2), 1.0, angle, image.data.shape)
    data = np.roll(data, (-25, 40), (0, 1))
    session.buffers.set("M", replace(image, data=np.rint(data).astype(np.int16)))
    shift_before = session.scope.image_shift
    found = alignment.align_with_rotation(session, "M", center, 40.0)
    assert found == pytest.approx(angle, abs=0.15)
    turned = session.buffers.get("A")
    assert turned.align_shift_px == pytest.approx((40.0, -25.0), abs=2.0)
    assert session.buffers.get("B") is image
    assert session.scope.image_shift == shift_before
    inside = np.s_[rows // 2 - 200 : rows // 2 + 200, columns // 2 - 200 : columns // 2 + 200]
    moved = np.roll(turned.data, (-25, 40), (0, 1))[inside]
    reference = session.buffers.get("M").data[inside]
    assert np.corrcoef(moved.ravel(), reference.ravel())[0, 1] > 0.9


def test_positions_in_a_turned_picture_stay_where_they_are(make_session):
    session = make_session(SpotGrid(spots_um=((0.0, 0.0), (1.0, 0.7))))
    camera.view(session)
    buffers.copy(session, "A", "M")
    alignment.align_with_rotation(session, "M", 30.0, 0.0)
    column, row = image_places.stage_pos_to_buf_image_pos(session, "A", 0, 1.0, 0.7)
    data = session.buffers.get("A").data
    around = data[round(row) - 15 : round(row) + 15, round(column) - 15 : round(column) + 15]
    assert around.mean() > 1.5 * data.mean()


def test_a_range_of_angles_that_makes_no_sense_is_refused(session):
    camera.view(session)
    buffers.copy(session, "A", "M")
    for reach in (-1.0, 361.0):
        with pytest.raises(SEMerror, match="range"):
            alignment.align_with_rotation(session, "M", 0.0, reach)


# --- lattices ---------------------------------------------------------------------------------


def drawn_lattice(vectors, shape=(500, 640), origin=(13.0, 21.0)):
    """Discs on a lattice in a noisy picture."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns] + 0.5
    inverse = np.linalg.inv(vectors)
    u, v = np.moveaxis(np.stack([x - origin[0], y - origin[1]], -1) @ inverse, -1, 0)
    u, v = u - np.rint(u), v - np.rint(v)
    away = np.hypot(*np.moveaxis(np.stack([u, v], -1) @ np.array(vectors), -1, 0))
    radius = 0.3 * min(np.hypot(*vectors[0]), np.hypot(*vectors[1]))
    picture = 100.0 + 60.0 * (away < radius)
    return picture + np.random.default_rng(5).normal(0.0, 20.0, shape)


@settings(max_examples=12, deadline=None)
@given(
    length=st.floats(22.0, 80.0),
    angle=st.floats(-40.0, 40.0),
    count=st.sampled_from([2, 3]),
    known=st.booleans(),
)
def test_the_vectors_of_a_lattice_are_those_of_its_autocorrelation(length, angle, count, known):
    if count == 3:
        angle *= 0.6
    directions = np.radians(angle + 180.0 / count * np.arange(count))
    wanted = length * np.column_stack([np.cos(directions), -np.sin(directions)])
    data = drawn_lattice(wanted[:2])
    found = lattice.peak_vectors(data, 1.1 * length if known else 0.0, count)
    assert found == pytest.approx(wanted, abs=0.35)


def test_vectors_are_in_pixels_of_the_image_and_the_correlation_can_be_seen(session):
    camera.view(session)
    image = session.buffers.get("A")
    vectors = np.array([[60.0, -15.0], [-15.0, -60.0]])
    data = drawn_lattice(vectors, image.data.shape).astype(np.int16)
    session.buffers.set("H", replace(image, data=data))
    spacing_um = float(np.hypot(60.0, 15.0)) * image.pixel_um
    for given_um in (0.0, spacing_um):
        found = image_measures.auto_corr_peak_vectors(session, "H", given_um, 0)
        assert found == pytest.approx(tuple(vectors.ravel()), abs=0.5)
    assert session.buffers.get("A") is image
    assert len(image_measures.auto_corr_peak_vectors(session, "H", spacing_um, 0, 1)) == 4
    shown = session.buffers.get("A")
    assert shown.data.dtype == np.float32 and shown.data.max() == pytest.approx(1.0)
    assert session.buffers.get("B") is image


def test_a_picture_without_a_lattice_is_refused(session):
    camera.view(session)
    image = session.buffers.get("A")
    noise = np.random.default_rng(2).normal(100.0, 10.0, image.data.shape).astype(np.int16)
    session.buffers.set("A", replace(image, data=noise))
    with pytest.raises(SEMerror, match="lattice"):
        image_measures.auto_corr_peak_vectors(session, "A", 0.0)


# --- the beam ---------------------------------------------------------------------------------


def test_the_place_of_the_beam_is_measured_at_its_edge(make_session):
    session = make_session(textured())
    scope = session.scope
    field_um = min(session.camera.size_px) * scope.pixel_um(scope.area_mag_index("R"))
    scope.go_to_area("R")
    beam.set_beam_size(session, 0.6 * field_um)
    beam.move_beam_by_microns(session, 0.11, -0.05)
    camera.record(session)
    image = session.buffers.get("A")
    rows, columns = image.data.shape
    column, row, x, y, quadrants, error = image_measures.measure_beam_position(session)
    assert (x, y) == pytest.approx((0.11, -0.05), abs=0.01)
    assert (column - columns / 2) * image.pixel_um == pytest.approx(x)
    assert (rows / 2 - row) * image.pixel_um == pytest.approx(y)
    assert quadrants == 4.0 and 0 <= error < 0.02
    beam.center_beam_from_image(session)
    camera.record(session)
    assert image_measures.measure_beam_position(session, "A")[2:4] == pytest.approx(
        (0.0, 0.0), abs=0.01
    )
    beam.set_beam_size(session, 5.0 * field_um)
    camera.record(session)
    with pytest.raises(SEMerror, match="edge"):
        image_measures.measure_beam_position(session)


# --- matrices ---------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(x=st.floats(-50, 50), y=st.floats(-50, 50))
def test_matrices_of_an_image_say_what_its_positions_say(matrix_session, x, y):
    session = matrix_session
    column, row = image_places.stage_pos_to_buf_image_pos(session, "A", 0, x, y)
    a, b, c, d, dx, dy = image_places.stage_to_buf_image_matrix(session, "A", 1)
    assert (a * x + b * y + dx, c * x + d * y + dy) == pytest.approx((column, row), abs=1e-6)
    a, b, c, d, dx, dy = image_places.buf_image_to_stage_matrix(session, "A", 1)
    back = (a * column + b * row + dx, c * column + d * row + dy)
    assert back == pytest.approx((x, y), abs=1e-9)


@pytest.fixture(scope="module")
def matrix_session(tmp_path_factory):
    from space.simulator import Simulation

    folder = tmp_path_factory.mktemp("matrices")
    session = Simulation(folder, grids={1: SpotGrid()}, noise=False).session
    session.scope.set_low_dose(True)
    session.scope.stage.move_to(12.0, -7.0)
    session.scope.set_image_shift(0.3, 0.1)
    camera.view(session)
    return session
