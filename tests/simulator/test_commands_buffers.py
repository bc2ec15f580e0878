"""Buffers and image information."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import buffers, camera, program
from space.simulator.imaging.images import Buffers, buffer_letter
from tests.simulator.fakes import SpotGrid, brightest


@pytest.fixture
def session(make_session):
    return make_session()


def test_letters():
    assert [buffer_letter(text) for text in ("a", "V", "1", "22")] == ["A", "V", "A", "V"]
    for bad in ("W", "", "AB", "23", "0"):
        with pytest.raises(SEMerror):
            buffer_letter(bad)


def test_rolling_leaves_static_buffers(session):
    session.take("V", frame_px=(20, 10))
    buffers.copy(session, "A", "P")
    first = session.buffers.get("A")
    for _ in range(9):
        session.take("V", frame_px=(20, 10))
    assert session.buffers.get("P") is first
    assert session.buffers.get("H") is None
    indexes = [session.buffers.get(letter).exposure_index for letter in "ABC"]
    assert indexes == [9, 8, 7]
    with pytest.raises(SEMerror):
        buffers.copy(session, "H", "A")
    with pytest.raises(SEMerror):
        Buffers().require("A")


def test_image_properties(session):
    camera.view(session)
    assert buffers.image_properties(session) == pytest.approx((1440, 1023, 4, 1.0, 7.6, 0))
    assert program.is_variable_defined(session, "imagetickTIME") == 1.0
    camera.preview(session)
    assert buffers.image_properties(session, "A")[5] == 4
    assert buffers.image_conditions(session, "A") == pytest.approx((3.0, 53000))
    with pytest.raises(SEMerror):
        buffers.image_properties(session, "K")


@pytest.mark.parametrize(("factor", "size"), [(2.0, (720, 511)), (3.3, (436, 310))])
def test_reduce_image(session, factor, size):
    session.grids[1] = SpotGrid(((1.0, -2.0),))
    camera.view(session)
    full = brightest(session.buffers.get("A").data)
    buffers.reduce_image(session, "A", factor)
    image = session.buffers.get("A")
    assert image.data.shape == size[::-1]
    assert image.pixel_um == pytest.approx(0.0076 * factor)
    assert image.binning == round(4 * factor)
    center = np.array(size) / 2
    expected = center + (np.array(full) - (720, 511.5)) / factor
    assert brightest(image.data) == pytest.approx(expected, abs=0.6)
    assert session.buffers.get("B").data.shape == (1023, 1440)


@pytest.mark.parametrize("factor", [1.0, 0.5, 110.0])
def test_reduce_image_refuses(session, factor):
    camera.view(session)
    with pytest.raises(SEMerror):
        buffers.reduce_image(session, "A", factor)


def test_crop_center(session):
    camera.view(session)
    data = session.buffers.get("A").data
    buffers.crop_center_to_size(session, "A", 400, 323)
    image = session.buffers.get("A")
    assert np.array_equal(image.data, data[350:673, 520:920])
    assert image.cropped and not image.processed
    with pytest.raises(SEMerror):
        buffers.crop_center_to_size(session, "A", 401, 10)


def test_mean_counts(session):
    camera.view(session)
    mean = buffers.report_mean_counts(session)
    assert buffers.report_mean_counts(session, "A", 1) == pytest.approx(mean / 16)
    assert buffers.report_mean_counts(session, "A", 2)[0] == mean


def test_displayed_buffer(session):
    assert buffers.report_current_buffer(session) == ("A", 0.0)
    camera.view(session)
    assert buffers.report_current_buffer(session) == ("A", 1.0)
