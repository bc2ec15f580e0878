"""Fluorescence files of other programs, read as channels."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from PIL import Image

from space.errors import SpaceError
from space.fluorescence import (
    Channels,
    channels_of,
    list_pictures,
    opening,
    read_channels,
    together,
)
from tests.fluorescence.lif_bytes import lif_bytes

STACK = np.random.default_rng(7).integers(0, 60_000, (2, 3, 40, 50), np.uint16)


def planes(channels: Channels) -> np.ndarray:
    return np.stack([channel.planes for channel in channels.channels])


def test_an_ome_tiff_has_its_names_colours_and_sizes(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        STACK.transpose(1, 0, 2, 3),
        metadata={
            "axes": "ZCYX", "PhysicalSizeX": 130, "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.13, "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 0.3,
            "Channel": {"Name": ["GFP 488", "mCherry"], "Color": [0x00FF00FF, -1]},
        },
    )  # fmt: skip
    found = read_channels(path)
    assert np.array_equal(planes(found), STACK)
    assert found.names == ("GFP-488", "mCherry")
    assert found.channel("GFP-488").color == (0, 255, 0)
    assert found.channel("mCherry").color == (255, 60, 60)  # white says nothing
    assert found.pixel_um == pytest.approx(0.13) and found.step_um == pytest.approx(0.3)


def test_imagej_writes_sizes_into_other_tags(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        STACK.transpose(1, 0, 2, 3),
        imagej=True,
        resolution=(5.0, 5.0),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 0.4, "Labels": ["a", "b"] * 3},
    )
    found = read_channels(path)
    assert np.array_equal(planes(found), STACK) and found.names == ("a", "b")
    assert found.pixel_um == pytest.approx(0.2) and found.step_um == pytest.approx(0.4)


def test_of_several_pictures_in_a_tiff_one_is_named(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(STACK[0, :1], metadata={"axes": "CYX", "Name": "before"})
        writer.write(STACK[:, 1], metadata={"axes": "CYX", "Name": "after"})
    assert [one.shape for one in list_pictures(path)] == [(1, 1, 40, 50), (2, 1, 40, 50)]
    with pytest.raises(SpaceError, match="holds 2 pictures: 1 before"):
        read_channels(path)
    for picture in (2, "2", "after"):
        assert np.array_equal(planes(read_channels(path, picture)), STACK[:, 1:2])
    with pytest.raises(SpaceError, match="not clear"):
        read_channels(path, "x")


def test_colours_of_a_plain_tiff_are_channels(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    colors = STACK[:1, 0].astype(np.uint8).repeat(3, 0).transpose(1, 2, 0) * np.array([1, 0, 1])
    tifffile.imwrite(tmp_path / "a.tif", colors.astype(np.uint8), photometric="rgb")
    assert read_channels(tmp_path / "a.tif").names == ("red", "blue")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_png_is_a_channel_with_the_name_of_the_file(tmp_path, dtype):
    array = STACK[0, 0].astype(dtype)
    Image.fromarray(array).save(tmp_path / "mCherry.png")
    found = read_channels(tmp_path / "mCherry.png")
    assert found.names == ("mCherry",) and found.pixel_um is None
    assert np.array_equal(planes(found), array[None, None])
    assert found.channels[0].planes.dtype == dtype


def test_a_png_in_colours_has_a_channel_for_each(tmp_path):
    colors = np.zeros((9, 12, 3), np.uint8)
    colors[2, 3] = 200, 0, 7
    Image.fromarray(colors).save(tmp_path / "a.png")
    found = read_channels(tmp_path / "a.png")
    assert found.names == ("red", "blue")
    assert found.channel("blue").flat()[2, 3] == 7


def test_a_lif_has_its_pictures_channels_and_sizes(tmp_path):
    pytest.importorskip("liffile")
    path = tmp_path / "a.lif"
    small = STACK[:1, :1, :20, :30].astype(np.uint8)
    path.write_bytes(
        lif_bytes(
            {"Overview": (small, ("DAPI",), 0.5, 1.0), "Zoom": (STACK, ("GFP", ""), 0.1, 0.3)}
        )
    )
    assert [one.shape for one in list_pictures(path)] == [(1, 1, 20, 30), (2, 3, 40, 50)]
    found = read_channels(path, "Zoom")
    assert np.array_equal(planes(found), STACK)
    assert found.names == ("GFP", "Red")  # without a dye, the table of colours
    assert found.channel("Red").color == (255, 60, 60)
    assert found.pixel_um == pytest.approx(0.1) and found.step_um == pytest.approx(0.3)
    assert np.array_equal(planes(read_channels(path, 1)), small)


def czi_file(path, options: str = "uncompressed:") -> None:
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(path), compression_options=options) as made:
        for (c, z), plane in ((at, STACK[at]) for at in np.ndindex(2, 3)):
            made.write(plane[..., None], plane={"C": c, "Z": z, "T": 0}, location=(5, 7))
        made.write_metadata(
            "a", channel_names={0: "GFP", 1: "mCherry"}, scale_x=1e-7, scale_y=1e-7, scale_z=3e-7
        )


@pytest.mark.parametrize("options", ["uncompressed:", "zstd1:"])
def test_a_czi_of_its_makers_own_software_is_read(tmp_path, options):
    czi_file(tmp_path / "a.czi", options)
    found = read_channels(tmp_path / "a.czi")
    assert np.array_equal(planes(found), STACK)
    assert found.names == ("GFP", "mCherry")
    assert found.pixel_um == pytest.approx(0.1) and found.step_um == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["lif", "czi", "tif", "png"])
def test_damaged_files_are_refused_in_words(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "lif":
        pytest.importorskip("liffile")
        path.write_bytes(lif_bytes({"a": (STACK, ("GFP", "RFP"), 0.1, 0.3)}))
    elif kind == "czi":
        czi_file(path)
    elif kind == "tif":
        pytest.importorskip("tifffile").imwrite(path, STACK[0, 0], metadata={"axes": "YX"})
    else:
        Image.fromarray(STACK[0, 0].astype(np.uint8)).save(path)
    whole, draw = path.read_bytes(), random.Random(3)
    refused = 0
    for _ in range(25):
        data = bytearray(whole)
        if draw.random() < 0.3:
            del data[draw.randrange(len(data)) :]
        else:
            for _ in range(draw.randrange(1, 30)):
                data[draw.randrange(min(len(data), 3000))] = draw.randrange(256)
        path.write_bytes(data)
        begun = time.process_time()
        try:
            read_channels(path)
        except SpaceError as error:
            refused += 1
            assert str(path) in str(error)
        assert time.process_time() - begun < 5
    assert refused > 5


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "is_installed", lambda name: False)
    for name in ("a.tif", "a.lif", "a.czi"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(SpaceError, match="extra clem"):
            read_channels(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nd2", "a", "missing.png"])
def test_what_is_no_fluorescence_is_refused(tmp_path, name):
    if "." not in name or name.endswith("nd2"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SpaceError, match="no kind of|no such file"):
        read_channels(tmp_path / name)


def test_a_size_that_takes_all_memory_is_not_believed():
    with pytest.raises(ValueError, match="at most"):
        opening.check_bytes((2, 1000, 100_000, 100_000), 2)
    with pytest.raises(ValueError, match="entities"):
        opening.check_xml("<!DOCTYPE a [<!ENTITY b 'c'>]>")


@pytest.mark.parametrize(
    "axes, shape, expected",
    [
        ("YX", (4, 5), (1, 1, 4, 5)), ("CYX", (2, 4, 5), (2, 1, 4, 5)),
        ("TZCYX", (6, 3, 2, 4, 5), (2, 3, 4, 5)), ("YXS", (4, 5, 3), (3, 1, 4, 5)),
        ("QYX", (3, 4, 5), (3, 1, 4, 5)), ("QYX", (9, 4, 5), (1, 9, 4, 5)),
        ("CIYX", (2, 3, 4, 5), (2, 3, 4, 5)),
    ],
)  # fmt: skip
def test_axes_are_arranged_by_their_letters(axes, shape, expected):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    assert opening.by_channel(array, axes).shape == expected


@pytest.mark.parametrize("axes, shape", [("MYX", (3, 4, 5)), ("XZ", (4, 5)), ("CYX", (99, 4, 5))])
def test_axes_that_are_no_picture_are_refused(axes, shape):
    with pytest.raises(ValueError):
        opening.by_channel(np.zeros(shape, np.uint8), axes)


def test_channels_of_one_field_go_together_and_others_do_not():
    first = channels_of("a.png", [STACK[0]], ["GFP"], pixel_um=0.1)
    second = channels_of("b.png", [STACK[1]], ["GFP"])
    both = together([first, second])
    assert both.names == ("GFP", "GFP_2") and both.pixel_um == 0.1
    with pytest.raises(SpaceError, match="is not that of a.png"):
        together([first, channels_of("c.png", [STACK[0, :, :9]], ["x"])])


def test_planes_are_kept_and_one_or_the_brightest_is_taken():
    channel = channels_of("a", [STACK[0]], ["GFP"]).channel("GFP")
    assert np.array_equal(channel.flat(), STACK[0].max(axis=0))
    assert np.array_equal(channel.flat(1), STACK[0, 1])
    with pytest.raises(SpaceError, match="no plane 3"):
        channel.flat(3)


def test_values_become_few_types():
    assert channels_of("a", [np.ones((1, 2, 2), bool)], []).channels[0].planes.max() == 255
    wide = channels_of("a", [np.full((1, 2, 2), 70_000, np.int32)], []).channels[0].planes
    assert wide.dtype == np.float32 and wide.max() == 70_000
    gaps = channels_of("a", [np.full((1, 2, 2), np.nan)], []).channels[0].planes
    assert not gaps.any()
    with pytest.raises(ValueError, match="no grey values"):
        channels_of("a", [np.ones((1, 2, 2), complex)], [])
