"""Pictures and labels in files of many kinds, sizes and depths."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from space.errors import SpaceError
from space.learning import picture_files
from space.learning.arrays import content_hash, joined, labels_of_colors, mapped, smallest
from space.learning.picture_files import (
    read_label_map,
    read_label_maps,
    read_layer,
    read_picture,
    read_pictures,
    write_picture,
)
from tests.foreign_files import DATA
from tests.learning.sets import picture

RGB = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8)
GREY = picture(1)
PALETTE = [255, 0, 0, 0, 255, 0, 0, 0, 255]


def palette_image(labels: np.ndarray) -> Image.Image:
    image = Image.fromarray(labels, "P") if labels.ndim == 2 else None
    image.putpalette(PALETTE)
    return image


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


PILLOW = {
    "8 bit": (Image.fromarray(GREY), GREY),
    "16 bit": (Image.fromarray(picture(1, dtype=np.uint16)), picture(1, dtype=np.uint16)),
    "1 bit": (Image.fromarray(GREY > 99), np.where(GREY > 99, 255, 0)),
    "grey as colours": (Image.fromarray(np.dstack([GREY] * 3)), GREY),
    "grey with alpha": (Image.fromarray(np.dstack([GREY, GREY // 2]), "LA"), GREY),
    "colours": (
        Image.fromarray(RGB),
        np.rint(RGB @ np.array([0.299, 0.587, 0.114])),
    ),
    "colours with alpha": (
        Image.fromarray(np.dstack([RGB, GREY])),
        np.rint(RGB @ np.array([0.299, 0.587, 0.114])),
    ),
}


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("what", PILLOW)
@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif"])
def test_pictures_of_all_depths(tmp_path, what, suffix):
    if suffix == ".tif":
        pytest.importorskip("tifffile")
    image, expected = PILLOW[what]
    path = saved(tmp_path / f"Süd map{suffix}", image)
    assert np.array_equal(read_picture(path), expected)


TIFF_OPTIONS = {
    "plain": {},
    "deflate": {"compression": "zlib"},
    "big endian": {"byteorder": ">"},
    "tiles": {"tile": (16, 16)},
    "big": {"bigtiff": True},
}


@pytest.mark.parametrize("what", TIFF_OPTIONS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "f2", "f4", "f8"])
def test_tiff_of_all_types(tmp_path, what, dtype):
    tifffile = pytest.importorskip("tifffile")
    array = picture(2, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **TIFF_OPTIONS[what])
    read = read_picture(tmp_path / "a.tif")
    assert np.array_equal(read, array) and read.dtype == np.dtype(dtype)


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_tiff_packed_by_other_programs(tmp_path, packing):
    pytest.importorskip("tifffile")
    path = saved(tmp_path / "a.tif", Image.fromarray(GREY), compression=packing)
    assert np.array_equal(read_picture(path), GREY)


def test_a_stack_of_tiff_is_its_sections_with_the_pixel_size_of_imagej(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    stack = picture(3, (3, 9, 12))
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, resolution=(250.0, 250.0), metadata={"unit": "um"}
    )
    read = read_pictures(tmp_path / "a.tif")
    assert np.array_equal(read.arrays, stack) and read.pixel_nm == pytest.approx(4.0)
    with pytest.raises(SpaceError, match="3 pictures where one"):
        read_picture(tmp_path / "a.tif")


def test_channels_are_not_guessed(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for channels in (2, 5):
        array = picture(3, (9, 12, channels))
        tifffile.imwrite(
            tmp_path / f"{channels}.tif", array, photometric="minisblack", planarconfig="contig"
        )
    read = read_picture(tmp_path / "2.tif")
    assert np.array_equal(read, picture(3, (9, 12, 2))[..., 0])
    with pytest.raises(SpaceError, match="5 channels"):
        read_pictures(tmp_path / "5.tif")


def test_white_may_be_zero(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    assert np.array_equal(read_picture(tmp_path / "a.tif"), 255 - GREY)
    assert np.array_equal(read_label_map(tmp_path / "a.tif"), GREY)


MRC = {
    "aniso": "i2", "be": "i2", "mode0": "u1", "mode0s": "i1", "mode12": "f2", "mode6": "u2",
    "mx0": "i2", "nomap": "i2", "one": "i2", "stamp": "i2", "zero": "i2",
}  # fmt: skip
REFUSED = {"mode101": "4 bits", "tif": "TIFF", "trunc": "cut off"}


@pytest.mark.parametrize("name", MRC)
def test_mrc_of_odd_modes(name):
    read = read_pictures(DATA / "mrc" / f"{name}.mrc")
    assert read.arrays.shape == (1 if name == "one" else 2, 40, 50)
    assert read.arrays.dtype == np.dtype(MRC[name]) and len(np.unique(read.arrays)) > 100


@pytest.mark.parametrize("name", REFUSED)
def test_mrc_of_no_use_is_refused_in_words(name):
    with pytest.raises(SpaceError, match=REFUSED[name]):
        read_pictures(DATA / "mrc" / f"{name}.mrc")


def test_mrc_tells_its_pixel_size(tmp_path):
    import mrcfile

    with mrcfile.new(tmp_path / "a.mrc") as opened:
        opened.set_data(picture(1, dtype=np.float32))
        opened.voxel_size = 22.83
    read = read_pictures(tmp_path / "a.mrc")
    assert np.array_equal(read.arrays[0], picture(1, dtype=np.float32))
    assert read.pixel_nm == pytest.approx(2.283)
    with mrcfile.new(tmp_path / "c.mrc") as opened:
        opened.set_data(np.ones((4, 5), np.complex64))
    with pytest.raises(SpaceError, match="complex"):
        read_pictures(tmp_path / "c.mrc")


class RunsCode:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_arrays_of_numpy_run_no_code(tmp_path):
    np.save(tmp_path / "a.npy", picture(1, (2, 9, 12)))
    assert read_pictures(tmp_path / "a.npy").arrays.shape == (2, 9, 12)
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(SpaceError, match="[Oo]bject"):
        read_pictures(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(pickle.dumps(RunsCode(str(tmp_path / "run"))))
    with pytest.raises(SpaceError):
        read_pictures(tmp_path / "c.npy")
    assert not (tmp_path / "run").exists()


def test_zarr_of_napari(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", data=GREY.astype(np.int32))
    assert np.array_equal(read_label_map(tmp_path / "a.zarr"), GREY)


def test_the_pixel_size_may_stand_beside_a_picture(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(GREY))
    assert read_pictures(path).pixel_nm is None
    (tmp_path / "a.json").write_text('{"pixel_nm": 7.5}', encoding="utf-8")
    assert read_pictures(path).pixel_nm == 7.5


def test_a_size_that_only_a_header_has_takes_no_memory(tmp_path, monkeypatch):
    pytest.importorskip("tifffile")
    for suffix in (".png", ".tif"):
        saved(tmp_path / f"a{suffix}", Image.fromarray(GREY))
    np.save(tmp_path / "a.npy", GREY)
    monkeypatch.setattr(picture_files, "LARGEST_PICTURE_MPX", 1e-5)
    for suffix in (".png", ".tif", ".npy"):
        with pytest.raises(SpaceError, match="million are read"):
            read_pictures(tmp_path / f"a{suffix}")


def test_what_is_no_picture_is_refused(tmp_path):
    for name in ("a.png", "a.tif", "a.npy", "a.mrc", "a.jpg", "a.docx", "a"):
        (tmp_path / name).write_bytes(b"junk" * 100)
        with pytest.raises(SpaceError):
            read_pictures(tmp_path / name)
    with pytest.raises(SpaceError, match="No such file"):
        read_pictures(tmp_path / "missing.png")


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_a_palette_gives_its_numbers_as_labels_and_its_colours_as_picture(tmp_path):
    numbers = (GREY % 3).astype(np.uint8)
    path = saved(tmp_path / "a.png", palette_image(numbers))
    assert np.array_equal(read_label_map(path), numbers)
    assert set(np.unique(read_picture(path))) == {29, 76, 150}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[0, 256]], np.uint16), "from 0 to 256"),
        (np.array([[-1, 3]], np.int16), "from -1 to 3"),
        (np.array([[0.0, 1.5]], np.float32), "resampled"),
        (np.array([[0.0, np.nan]], np.float32), "nan"),
    ],
)
def test_values_that_are_no_labels(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(SpaceError, match=words):
        read_label_map(tmp_path / "a.npy")


def test_labels_of_napari_are_wide_and_masks_are_true_or_false(tmp_path):
    for dtype in (np.int64, np.float32, np.uint16):
        np.save(tmp_path / "a.npy", np.array([[0, 3], [255, 1]], dtype))
        assert read_label_map(tmp_path / "a.npy").tolist() == [[0, 3], [255, 1]]
    np.save(tmp_path / "a.npy", np.array([[True, False]]))
    assert read_label_maps(tmp_path / "a.npy").tolist() == [[[1, 0]]]


def test_painted_labels_are_looked_up(tmp_path):
    colors = np.array([[[237, 27, 0], [0, 0, 0]]], np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(colors))
    assert read_label_map(path, {(0, 0, 0): 0, (237, 27, 0): 9}).tolist() == [[9, 0]]
    with pytest.raises(SpaceError, match="#ed1b00"):
        read_label_map(path, {(0, 0, 0): 0})
    grey_labels = np.array([[[3, 3, 3], [0, 0, 0]]], np.uint8)
    assert labels_of_colors(grey_labels, {}).tolist() == [[3, 0]]


def test_a_jpeg_is_a_picture_and_no_labels(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(GREY), quality=95)
    assert read_picture(path).shape == (9, 12)
    with pytest.raises(SpaceError, match="JPEG"):
        read_label_map(path)


def test_layers_are_drawn_where_they_are_neither_black_nor_transparent(tmp_path):
    colors = np.zeros((1, 4, 4), np.uint8)
    colors[0, :, 0] = (0, 9, 9, 0)
    colors[0, :, 3] = (255, 255, 0, 0)
    assert read_layer(saved(tmp_path / "a.png", Image.fromarray(colors))).tolist() == [
        [False, True, False, False]
    ]
    plain = saved(tmp_path / "b.png", Image.fromarray(np.array([[0, 1, 77]], np.uint8)))
    assert read_layer(plain).tolist() == [[False, True, True]]


# --- what they hold -------------------------------------------------------------------------------

ARRAYS = st.sampled_from(["u1", "i1", "u2", "i2", "i4", "f4", "f8"]).flatmap(
    lambda dtype: st.integers(0, 5).map(lambda seed: picture(seed, dtype=dtype))
)


@given(ARRAYS)
def test_the_smallest_type_has_the_same_values_and_hash(array):
    found = smallest(array)
    assert np.array_equal(found, array) and found.dtype.itemsize <= array.dtype.itemsize
    turned = array.astype(array.dtype.newbyteorder())
    assert content_hash(found) == content_hash(array) == content_hash(turned)
    assert content_hash(array) != content_hash(array.T) != content_hash(array.T + 1)


@given(ARRAYS)
def test_a_picture_is_read_as_it_was_written(tmp_path_factory, array):
    suffix = ".png" if picture_files.is_png_type(array) else ".tif"
    if suffix == ".tif":
        pytest.importorskip("tifffile")
    path = tmp_path_factory.mktemp("p") / f"a{suffix}"
    write_picture(path, array, 2.283)
    read = read_pictures(path)
    assert np.array_equal(read.arrays[0], array) and read.arrays.dtype == array.dtype
    assert read.pixel_nm is None or read.pixel_nm == pytest.approx(2.283, rel=1e-4)


def test_floats_that_are_whole_numbers_are_the_same_picture():
    assert content_hash(GREY.astype(np.float64)) == content_hash(GREY)
    assert content_hash(GREY + 0.5) != content_hash(GREY)
    assert content_hash(np.array([[np.nan, 1.0]])) == content_hash(np.array([[np.nan, 1.0]], "f4"))


def test_exchanged_values_do_not_chain():
    assert mapped(np.array([[1, 2, 3]], np.uint8), {1: 2, 2: 1}).tolist() == [[2, 1, 3]]


def test_overlap_is_counted_once_for_each_pixel():
    ones = np.ones((2, 2))
    assert joined({5: ones, 9: ones, 2: ones})[1] == 4
    assert joined({5: ones, 9: ones * 0})[0].tolist() == [[5, 5], [5, 5]]


def test_a_file_that_is_being_copied_is_not_read(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue()[:-6])
    with pytest.raises(SpaceError, match="cut off"):
        read_picture(tmp_path / "a.png")
