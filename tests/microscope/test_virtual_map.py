"""View pictures cut out of a montage."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.microscope import SavedItem, ViewConditions, mdoc, read_navigator_file, view_conditions
from space.microscope.virtual_map import cut_out, write_view

K3_NAV = Path(__file__).parents[1] / "data" / "k3.nav"

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


def piece(**entries):
    """What the mdoc of a montage tells of its pieces."""
    return mdoc.images(mdoc.compose({}, "montage", entries))[0]


def item(**entries):
    """A map item with these binnings."""
    return SavedItem("L01", {key: str(value) for key, value in entries.items()})


K3_ITEM = read_navigator_file(K3_NAV)[0]
BINNINGS = {
    # The Navigator item of a K3 has twice the binnings that dialogs, scripts and mdocs tell.
    "K3, mdoc": (K3_ITEM, 15.2, 1.9, piece(Binning="4"), 4),
    "K3, no mdoc": (K3_ITEM, 15.2, 1.9, None, 4),
    "K3, mdoc without a number": (K3_ITEM, 15.2, 1.9, piece(Binning="NaN"), 4),
    "K3, overview not binned": (item(MapBinning=8, MontBinning=8), 7.6, 1.9, None, 4),
    "K3, single picture": (item(MapBinning=8), 7.6, 1.9, None, 4),
    "plain camera, mdoc": (item(MapBinning=8, MontBinning=4), 15.2, 1.9, piece(Binning="4"), 4),
    "plain camera, no mdoc": (item(MapBinning=8, MontBinning=4), 15.2, 1.9, None, 4),
    "plain camera, not binned at all": (item(MapBinning=1, MontBinning=1), 1.9, 1.9, None, 1),
    "item without binnings": (item(), 7.6, 1.9, None, 4),
    "item with nonsense": (item(MapBinning="nan", MontBinning="0"), 7.6, 1.9, None, 4),
}


@pytest.mark.parametrize("case", BINNINGS)
def test_the_binning_of_view_is_that_of_dialogs_and_mdocs(case):
    saved, overview_nm, unbinned_nm, told, expected = BINNINGS[case]
    view = view_conditions(saved, overview_nm, -94.2, unbinned_nm, told)
    assert view.binning == expected
    assert view.pixel_nm == pytest.approx(expected * unbinned_nm)


def test_the_virtual_map_of_a_k3_says_what_its_camera_shows(tmp_path):
    view = view_conditions(K3_ITEM, 15.2, -94.2, 1.9)
    write_view(tmp_path / "view.mrc", np.zeros((3, 4), np.int16), view, (0, 0), 0)
    notes = mdoc.images(mdoc.read(tmp_path / "view.mrc.mdoc"))[0]
    assert notes.values["Binning"] == "4" and notes.number("PixelSpacing") == 76
    assert (notes.number("MagIndex"), notes.number("Defocus")) == (17, -60)


@pytest.mark.parametrize("turned_deg", [3.0, -12.0])
@pytest.mark.parametrize("enlarge", [1.0, 2.0])
def test_a_picture_cut_out_of_a_turned_map_is_as_view_would_show_it(turned_deg, enlarge):
    """Image rotation is counter-clockwise from camera X (right) with camera Y up."""
    spots = [(0.0, 0.0), (20.0, 5.0), (-8.0, 15.0)]  # specimen (x, y) from the middle, px of View
    rows, columns = np.indices((160, 200)) + 0.5
    map_picture = np.zeros((160, 200))
    angle = np.radians(turned_deg)
    wanted = []
    for x, y in spots:
        right, up = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
        row, column = 80 - up / enlarge, 100 + right / enlarge
        map_picture += np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 3.0)
        wanted.append((40 - y, 50 + x))
    cut = cut_out(map_picture, (80.0, 100.0), (80, 100), enlarge, turned_deg)
    assert cut.shape == (80, 100)
    for row, column in wanted:
        near = cut[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2]
        assert near.max() > 0.7, (row, column)


def test_a_turned_picture_beyond_the_map_is_its_mean():
    beyond = cut_out(np.full((30, 30), 7, np.int16), (500.0, 500.0), (8, 8), 1.0, 5.0)
    assert beyond.dtype == np.int16 and (beyond == 7).all()
