"""View pictures cut out of a montage."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.microscope.virtual_map import ViewConditions, cut_out, write_view

VIEW = ViewConditions(mag_index=17, camera=2, binning=4, pixel_nm=7.6, rotation_deg=-94.2)


def test_the_cut_is_centred_on_the_point():
    data = np.zeros((100, 120), np.int16)
    data[40, 70] = 1
    cut = cut_out(data, (40.5, 70.5), (11, 21))
    assert cut.shape == (11, 21) and cut.dtype == np.int16
    assert np.argwhere(cut).tolist() == [[5, 10]]


@given(st.floats(-50, 150), st.floats(-50, 170), st.integers(2, 60), st.integers(2, 60))
def test_any_cut_shows_the_map_where_the_map_is(row, column, rows, columns):
    data = np.arange(100 * 120, dtype=np.float32).reshape(100, 120)
    cut = cut_out(data, (row, column), (rows, columns))
    assert cut.shape == (rows, columns)
    top, left = round(row - rows / 2), round(column - columns / 2)
    for r in range(0, rows, 7):
        for c in range(0, columns, 7):
            if 0 <= top + r < 100 and 0 <= left + c < 120:
                assert cut[r, c] == data[top + r, left + c]


def test_beyond_the_edge_lies_the_mean():
    data = np.full((50, 50), 7, np.uint16)
    data[0, 0] = 9
    assert np.all(cut_out(data, (0, 25), (20, 20))[:10] == 7)


def test_a_coarser_map_is_enlarged():
    data = np.zeros((100, 100), np.int16)
    data[:, 50:] = 100
    cut = cut_out(data, (50, 50), (40, 60), enlarge=2.0)
    assert cut.shape == (40, 60) and cut.dtype == np.int16
    assert cut[:, :28].max() == 0 and cut[:, 32:].min() == 100


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_the_file_has_the_bottom_row_first_and_tells_how_it_was_taken(tmp_path, dtype):
    data = np.arange(12).reshape(3, 4).astype(dtype)
    path = tmp_path / "G1_L01_tgt_001_view.mrc"
    write_view(path, data, VIEW, (1.25, -2.5), 3.75)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as mrc:
        assert np.array_equal(np.squeeze(mrc.data), data[::-1])
        assert float(mrc.voxel_size.x) == pytest.approx(76)
    lines = path.with_name(path.name + ".mdoc").read_text().splitlines()
    for line in (
        "PixelSpacing = 76",
        "StagePosition = 1.2500 -2.5000",
        "StageZ = 3.7500",
        "Binning = 4",
        "CameraIndex = 2",
        "MagIndex = 17",
        "LowDoseConSet = 1",
        "[ZValue = 0]",
        "ImageSize = 4 3",
    ):
        assert line in lines, line
