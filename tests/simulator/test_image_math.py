"""Image arithmetic, filters, spectra, measures and places in images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import image_math, image_measures, image_places, nav_points
from space.simulator.montage.layout import Layout, Pieces
from tests.simulator.fakes import SpotGrid, brightest


@pytest.fixture
def session(make_session):
    session = make_session(SpotGrid(spots_um=((1.0, 0.5),)))
    session.navigator.open()
    return session


def put(session, letter, data):
    """An image of given pixels, with the notes of a real one."""
    if session.buffers.get("V") is None:
        session.take("V", frame_px=(40, 30))
        session.buffers.set("V", session.buffers.get("A"))
    session.buffers.set(letter, replace(session.buffers.get("V"), data=np.asarray(data)))


def test_sums_stay_integer_and_products_do_not(session):
    first = np.full((30, 40), 300, np.int16)
    second = np.full((30, 40), 200, np.int16)
    second[0, 0] = 0
    put(session, "B", first)
    put(session, "C", second)
    for command, expected, kind in (
        (image_math.add_images, 500, np.int16),
        (image_math.subtract_images, 100, np.int16),
        (image_math.multiply_images, 60000, np.float32),
        (image_math.divide_images, 1.5, np.float32),
    ):
        command(session, "B", "C", "D")
        result = session.buffers.get("D")
        assert result.data[5, 5] == expected and result.data.dtype == kind
        assert result.processed and not result.data.flags.writeable
    assert session.buffers.get("D").data[0, 0] == 0.0
    put(session, "C", np.zeros((30, 41), np.int16))
    with pytest.raises(SEMerror):
        image_math.add_images(session, "B", "C")


def test_result_without_a_buffer_rolls_into_a(session):
    put(session, "A", np.ones((30, 40), np.int16))
    put(session, "B", np.ones((30, 40), np.int16) * 7)
    image_math.add_images(session, "A", "B")
    assert session.buffers.get("A").data[0, 0] == 8
    assert session.buffers.get("B").data[0, 0] == 1
    assert session.buffers.get("C").data[0, 0] == 7


def test_scale_image(session):
    put(session, "B", np.full((30, 40), 100, np.uint8))
    image_math.scale_image(session, "B", 2.0, 0.5, "C")
    assert session.buffers.get("C").data[0, 0] == np.float32(200.5)
    image_math.scale_image(session, "B", 3.0, 0.0, "C", 1)
    assert session.buffers.get("C").data[0, 0] == 255
    assert session.buffers.get("C").data.dtype == np.uint8


@pytest.mark.parametrize("turn", [image_math.rotate_90_cw, image_math.rotate_90_ccw])
def test_positions_in_turned_images_are_right(session, turn):
    session.take("V", frame_px=(300, 200), binning=8)
    turn(session, "A")
    image = session.buffers.get("A")
    assert image.data.shape == (300, 200)
    column, row = brightest(image.data)
    x, y = image_places.buf_image_pos_to_stage_pos(session, "A", 0, column, row)
    assert (x, y) == pytest.approx((1.0, 0.5), abs=0.03)


def test_crop_keeps_both_limits_and_knows_whether_it_is_the_middle(session):
    session.take("V", frame_px=(300, 200), binning=8)
    whole = session.buffers.get("A").data
    image_math.crop_image(session, "A", 10, 109, 20, 79)
    part = session.buffers.get("A")
    assert part.data.shape == (60, 100) and part.data[0, 0] == whole[20, 10]
    with pytest.raises(SEMerror):
        nav_points.add_image_pos_as_nav_point(session, "A", 5, 5)
    session.take("V", frame_px=(300, 200), binning=8)
    image_math.crop_image(session, "A", 50, 249, 50, 149)
    assert nav_points.add_image_pos_as_nav_point(session, "A", 5, 5) == 1.0
    with pytest.raises(SEMerror):
        image_math.crop_image(session, "A", 0, 200, 0, 10)


def test_filter_takes_out_what_is_above_and_below(session):
    x = np.arange(256)
    slow, quick = np.sin(2 * np.pi * x / 64), np.sin(2 * np.pi * x / 4)
    put(session, "B", np.tile(slow + quick, (64, 1)).astype(np.float32))
    image_math.filter_image(session, "B", 0.0, 0.02, 0.0, 0.1, "C")
    assert np.abs(session.buffers.get("C").data[0] - slow).max() < 0.02
    image_math.filter_image(session, "B", 0.1, 0.0, 0.0, 0.0, "C")
    passed = np.abs(np.fft.rfft(session.buffers.get("C").data[0])) / 128
    assert passed[4] < 0.02 and passed[64] > 0.9


def test_fft_shows_the_period_of_what_is_in_the_image(session):
    from space.simulator.python.module import build_module

    x = np.arange(256)
    put(session, "B", np.tile(100 * np.sin(2 * np.pi * x / 8), (128, 1)).astype(np.float32))
    image_math.fft(session, "B")
    sem = build_module(session, {})[0]
    spectrum = np.asarray(sem.bufferImage("AF"))
    assert spectrum.shape == (256, 256) and spectrum.dtype == np.uint8
    rows, columns = np.nonzero(spectrum == 255)
    assert rows.mean() == pytest.approx(128, abs=1)
    assert np.abs(columns - 128).mean() == pytest.approx(32, abs=1)
    with pytest.raises(SystemError):
        sem.bufferImage("BF")
    image_math.fft(session, "B", 2)
    assert np.asarray(sem.bufferImage("AF")).shape == (128, 128)
    assert np.asarray(sem.bufferImage("BF")).shape == (256, 256)
    with pytest.raises(SEMerror):
        image_math.fft(session, "B", 64)


def test_means_of_areas(session):
    data = np.zeros((30, 40), np.int16)
    data[5:10, 20:30] = 90
    put(session, "A", data)
    assert image_measures.subarea_mean(session, 20, 29, 5, 9) == 90.0
    assert image_measures.subarea_mean(session, 20, 29, 4, 9) == pytest.approx(75.0)
    assert image_measures.circular_subarea_mean(session, 25.0, 7.5, 2.0) == 90.0
    for bad in ((20, 40, 5, 9), (9, 5, 5, 9)):
        with pytest.raises(SEMerror):
            image_measures.subarea_mean(session, *bad)
    with pytest.raises(SEMerror):
        image_measures.circular_subarea_mean(session, 100.0, 100.0, 2.0)


def test_electron_stats_give_the_dose_rate(make_session):
    session = make_session(SpotGrid(spots_um=(), height=0.0), noise=True)
    session.scope.go_to_area("R")
    image = session.take("R", exposure_s=2.0)
    low, high, mean, spread, rate = image_measures.electron_stats(session)
    pixel_A = 1e4 * image.pixel_um / image.binning
    # The specimen lets a tenth pass.
    expected = 0.1 * session.scope.dose_rate_e_A2_s() * pixel_A**2
    assert rate == pytest.approx(expected, rel=0.05)
    assert mean == pytest.approx(2.0 * rate)
    assert low < mean < high and spread > 0


def test_what_is_known_about_an_image(session):
    session.scope.tilt_to(12.0)
    session.take("V", frame_px=(40, 30))
    image_measures.image_metadata_to_var(session, "A", "notes")
    lines = str(session.variables.get("notes")).split("\n")
    assert f"Binning = {session.camera.binning('V')}" in lines
    assert image_measures.report_metadata_values(session, "A", "TiltAngle")[0] == pytest.approx(12)
    assert len(image_measures.report_metadata_values(session, "A", "StagePosition")) == 2
    assert ":" in image_measures.report_metadata_string(session, "A", "DateTime")
    for key in ("Nothing", "DateTime"):
        with pytest.raises(SEMerror):
            image_measures.report_metadata_values(session, "A", key)
    assert image_measures.image_low_dose_set(session) == (0.0, 1.0)


def test_beam_size_is_measured_from_its_edge(make_session):
    session = make_session(SpotGrid(spots_um=()), noise=True)
    session.scope.go_to_area("R")
    session.scope.store_area("R", beam_um=0.9, dose_rate_e_A2_s=8.0)
    session.take("R")
    diameter, quadrants, error = image_measures.measure_beam_size(session)
    assert diameter == pytest.approx(0.9, rel=0.03)
    assert quadrants == 4 and error < 0.05
    session.scope.store_area("R", beam_um=9.0)
    session.take("R")
    with pytest.raises(SEMerror):
        image_measures.measure_beam_size(session)


def test_places_go_there_and_back(session):
    session.scope.stage.move_to(30.0, -20.0)
    session.take("V")
    x, y = image_places.buf_image_pos_to_stage_pos(session, "A", 0, 100.0, 50.0)
    seen = image_places.stage_pos_to_buf_image_pos(session, "A", 0, x, y)
    assert seen == pytest.approx((100.0, 50.0))
    index = nav_points.add_stage_pos_as_nav_point(session, x, y, 0.0)
    coordinates = image_places.report_item_image_coords(session, int(index), "A")
    assert coordinates == pytest.approx((100.0, 50.0, 1.0), abs=1e-3)
    nav_points.add_stage_pos_as_nav_point(session, x + 500, y, 0.0)
    assert image_places.report_item_image_coords(session)[2] == 0.0


def test_stage_shift_by_pixels_centres_what_is_seen_there(session):
    session.scope.go_to_area("V")
    session.take("V")
    rows, cols = session.buffers.get("A").data.shape
    column, row = brightest(session.buffers.get("A").data)
    binning = session.buffers.get("A").binning
    image_places.stage_shift_by_pixels(
        session, binning * (column - cols / 2), -binning * (row - rows / 2)
    )
    session.take("V")
    assert brightest(session.buffers.get("A").data) == pytest.approx((cols / 2, rows / 2), abs=1.0)


def test_places_in_a_montage_follow_the_piece_that_shows_them(session):
    image = session.take("V", frame_px=(180, 140), binning=8)
    layout = Layout((2, 2), (100, 80), (20, 20))
    pieces = Pieces(layout, {(1, 1): (6.0, -4.0)})
    session.buffers.set("B", replace(image, pieces=pieces))
    column, row = 150.0, 20.0
    plain = image_places.buf_image_pos_to_stage_pos(session, "B", 0, column, row)
    adjusted = image_places.buf_image_pos_to_stage_pos(session, "B", 1, column, row)
    nominal = image_places.buf_image_pos_to_stage_pos(session, "B", 0, column - 6.0, row + 4.0)
    assert adjusted == pytest.approx(nominal) and adjusted != plain
    index = nav_points.add_image_pos_as_nav_point(session, "B", column, row)
    assert session.navigator.item(int(index)).stage_um[:2] == pytest.approx(adjusted, abs=1e-4)
    seen = image_places.stage_pos_to_buf_image_pos(session, "B", 1, *adjusted)
    assert seen == pytest.approx((column, row))
    session.buffers.set("C", replace(image, stage_um=None))
    with pytest.raises(SEMerror):
        image_places.buf_image_pos_to_stage_pos(session, "C", 0, 1.0, 1.0)
