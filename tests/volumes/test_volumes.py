"""Volumes: what is written is read back, and what others write is read rightly or refused."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.volumes import (
    LEFT,
    RIGHT,
    UNKNOWN,
    Frame,
    OpenVolume,
    blocks_of,
    copy_to_tiff,
    copy_to_zarr,
    create_zarr,
    open_volume,
    read_volume,
    region_of,
    write_mrc,
    write_tiff,
    write_zarr,
)
from tests.foreign_files import DATA, MRC_FILES

RNG = np.random.default_rng(7)
FRAME = Frame((4.0, 2.0, 1.5), (8.0, -20.0, 300.0), LEFT, (12.5, -301.25, 4.0), "L01_tgt_003")


def cube(dtype="uint8", shape=(5, 7, 9)):
    return RNG.integers(0, 100, shape).astype(dtype)


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"voxel_nm": (0, 1, 1)},
        {"voxel_nm": (1, 1)},
        {"voxel_nm": (1, 1, float("nan"))},
        {"voxel_nm": (1, 1, 1), "handedness": "both"},
        {"voxel_nm": (1, 1, 1), "stage_um": (1, 2)},
        {"voxel_nm": (1, 1, 1), "target": "a\nb"},
    ],
)
def test_a_frame_says_what_cannot_be(values):
    with pytest.raises(SpaceError):
        Frame(**values)


def test_a_part_begins_where_its_first_voxel_is():
    assert FRAME.cut((2, 3, 4)).origin_nm == (16.0, -14.0, 306.0)


# --- files of ours --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "float32", "float16"])
@pytest.mark.parametrize("kind", ["mrc", "zarr"])
def test_what_is_written_comes_back_with_its_frame(tmp_path, dtype, kind):
    data, path = cube(dtype), tmp_path / f"volume.{kind}"
    write_mrc(path, data, FRAME) if kind == "mrc" else write_zarr(path, data, FRAME, chunk=4)
    found = read_volume(path)
    np.testing.assert_array_equal(found.data, data)
    np.testing.assert_allclose(found.frame.voxel_nm, FRAME.voxel_nm, rtol=1e-6)
    np.testing.assert_allclose(found.frame.origin_nm, FRAME.origin_nm, rtol=1e-6)
    assert found.frame.handedness == LEFT
    assert found.frame.stage_um == FRAME.stage_um
    assert found.frame.target == FRAME.target
    np.testing.assert_array_equal(open_volume(path)[1:4, 2:, :5], data[1:4, 2:, :5])


def test_another_program_reads_the_mrc(tmp_path):
    data = cube("float32")
    write_mrc(tmp_path / "v.mrc", data, FRAME)
    with mrcfile.open(tmp_path / "v.mrc") as opened:
        np.testing.assert_array_equal(opened.data, data)
        assert opened.is_volume()
        np.testing.assert_allclose(float(opened.voxel_size.z), 40.0)
        np.testing.assert_allclose(float(opened.voxel_size.x), 15.0)
    assert mrcfile.validate(str(tmp_path / "v.mrc"))


def test_tiff_for_imagej_keeps_the_voxels(tmp_path):
    data = cube("uint16")
    write_tiff(tmp_path / "v.tif", data, FRAME)
    found = read_volume(tmp_path / "v.tif")
    np.testing.assert_array_equal(found.data, data)
    np.testing.assert_allclose(found.frame.voxel_nm, FRAME.voxel_nm, rtol=1e-5)


def test_mrc_has_no_large_numbers(tmp_path):
    with pytest.raises(SpaceError, match="int64"):
        write_mrc(tmp_path / "v.mrc", cube("int64"), FRAME)
    assert not list(tmp_path.iterdir())


def test_a_volume_does_not_go_unasked(tmp_path):
    write_zarr(tmp_path / "v.zarr", cube(), FRAME)
    with pytest.raises(SpaceError, match="already"):
        write_zarr(tmp_path / "v.zarr", cube(), FRAME)
    other = cube()
    write_zarr(tmp_path / "v.zarr", other, FRAME, replace=True)
    np.testing.assert_array_equal(read_volume(tmp_path / "v.zarr").data, other)
    assert [one.name for one in tmp_path.iterdir()] == ["v.zarr"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(SpaceError, match="no volume"):
        write_zarr(tmp_path / "mine", cube(), FRAME, replace=True)


def test_a_whole_volume_that_is_too_large_is_refused(tmp_path):
    write_zarr(tmp_path / "v.zarr", cube(), FRAME)
    with pytest.raises(SpaceError, match="too large"):
        read_volume(tmp_path / "v.zarr", most_bytes=100)


# --- blocks ---------------------------------------------------------------------------------------


@given(st.tuples(*[st.integers(1, 30)] * 3), st.tuples(*[st.integers(1, 12)] * 3))
def test_blocks_cover_each_voxel_once(shape, side):
    seen = np.zeros(shape, int)
    for block in blocks_of(shape, side):
        seen[block.slices] += 1
        assert seen[block.slices].shape == block.shape
    assert (seen == 1).all()


def test_a_volume_is_gone_on_with(tmp_path):
    data, path = cube(shape=(8, 9, 10)), tmp_path / "v.zarr"
    data[:4, :4, :4] = 0  # also zeros are done
    blocks = list(blocks_of(data.shape, (4, 4, 4)))
    writer = create_zarr(path, data.shape, data.dtype, FRAME, 4)
    for block in blocks[:5]:
        writer.write(block.start, data[block.slices])
    with pytest.raises(SpaceError, match="chunks"):
        writer.finish()
    with pytest.raises(SpaceError, match="to its end"):
        open_volume(path)
    again = create_zarr(path, data.shape, data.dtype, FRAME, 4)
    assert [again.is_done(block) for block in blocks] == [True] * 5 + [False] * (len(blocks) - 5)
    for block in blocks[5:]:
        again.write(block.start, data[block.slices])
    again.finish()
    found = read_volume(path)
    np.testing.assert_array_equal(found.data, data)
    assert found.frame == FRAME


def test_two_writers_never_need_one_file(tmp_path):
    writer = create_zarr(tmp_path / "v.zarr", (8, 8, 8), "u1", FRAME, 4)
    with pytest.raises(ValueError, match="chunks"):
        writer.write((0, 0, 0), np.zeros((4, 4, 6), np.uint8))
    with pytest.raises(ValueError, match="chunks"):
        writer.write((2, 0, 0), np.zeros((2, 8, 8), np.uint8))


def test_another_volume_is_not_gone_on_with(tmp_path):
    create_zarr(tmp_path / "v.zarr", (8, 8, 8), "u1", FRAME, 4)
    with pytest.raises(SpaceError, match="another shape"):
        create_zarr(tmp_path / "v.zarr", (8, 8, 9), "u1", FRAME, 4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("x", encoding="utf-8")
    with pytest.raises(SpaceError, match="not begun"):
        create_zarr(tmp_path / "mine", (8, 8, 8), "u1", FRAME, 4)


# --- regions and copies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("1:3,2:7,0:9", (1, 2, 0), (3, 7, 9)),
        (":,:,4:", (0, 0, 4), (5, 7, 9)),
        ("12:20,-16:,: nm", (1, 2, 0), (3, 7, 9)),
    ],
)
def test_a_region_is_given_in_voxels_or_nm(text, start, stop):
    found = region_of(text, (5, 7, 9), FRAME)
    assert (found.start, found.stop) == (start, stop)


@pytest.mark.parametrize(
    "text", ["", "1:2", "3:1,:,:", ":,:,:10", "a:b,:,:", "-1:2,:,:", "1.5:2,:,:"]
)
def test_what_is_no_region_in_it_is_told(text):
    with pytest.raises(SpaceError, match="region"):
        region_of(text, (5, 7, 9), FRAME)


def test_a_copy_goes_on_where_it_ended(tmp_path, monkeypatch):
    data = cube("int16", (20, 9, 11))
    write_mrc(tmp_path / "v.mrc", data, FRAME)
    volume = open_volume(tmp_path / "v.mrc")
    reads = []

    def failing(box):
        reads.append(box)
        if len(reads) == 3:
            raise OSError("the disk is away")
        return volume.read(box)

    region = region_of("2:18,1:9,:", volume.shape, volume.frame)
    with pytest.raises(SpaceError, match="away"):
        copy_to_zarr(replace(volume, read=failing), tmp_path / "v.zarr", region, 4)
    copy_to_zarr(replace(volume, read=failing), tmp_path / "v.zarr", region, 4)
    assert len(reads) == 3 + 2  # of four slabs, two were there
    found = read_volume(tmp_path / "v.zarr")
    np.testing.assert_array_equal(found.data, data[2:18, 1:9])
    assert found.frame.origin_nm == pytest.approx(FRAME.cut(region.start).origin_nm)
    copy_to_tiff(volume_of_bytes(found), tmp_path / "v.tif")
    np.testing.assert_array_equal(read_volume(tmp_path / "v.tif").data, data[2:18, 1:9])


def volume_of_bytes(found):
    return OpenVolume(
        Path(), found.data.shape, np.dtype("u1"), found.frame, lambda b: found.data[b]
    )


# --- Zarr of others -------------------------------------------------------------------------------


def ngff_04(path, data, axes, scale, more=None):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    array = group.create_array("s0", shape=data.shape, dtype=data.dtype, chunks=(4,) * data.ndim)
    array[...] = data
    level = {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    if more:
        level["coordinateTransformations"].append({"type": "translation", "translation": more})
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


def space(names="zyx", unit="micrometer"):
    return [{"name": name, "type": "space", "unit": unit} for name in names]


def test_ngff_04_in_micrometers(tmp_path):
    data = cube()
    ngff_04(tmp_path / "v.zarr", data, space(), [0.04, 0.02, 0.01], [1, 2, 3])
    found = read_volume(tmp_path / "v.zarr")
    np.testing.assert_array_equal(found.data, data)
    np.testing.assert_allclose(found.frame.voxel_nm, (40, 20, 10))
    np.testing.assert_allclose(found.frame.origin_nm, (1000, 2000, 3000))
    assert found.frame.handedness == UNKNOWN


def test_other_axes_and_orders(tmp_path):
    data = cube(shape=(1, 1, 9, 7, 5))
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *space("xyz")]
    ngff_04(tmp_path / "v.zarr", data, axes, [1, 1, 0.01, 0.02, 0.04])
    found = read_volume(tmp_path / "v.zarr")
    np.testing.assert_array_equal(found.data, data[0, 0].transpose(2, 1, 0))
    np.testing.assert_allclose(found.frame.voxel_nm, (40, 20, 10))
    np.testing.assert_array_equal(open_volume(tmp_path / "v.zarr")[1:2, 2:4], found.data[1:2, 2:4])


@pytest.mark.parametrize("unit", [None, "parsec"])
def test_a_lost_voxel_size_is_told_and_can_be_given(tmp_path, unit):
    ngff_04(tmp_path / "v.zarr", cube(), space(unit=unit), [1, 1, 1])
    with pytest.raises(SpaceError, match="--voxel-nm"):
        open_volume(tmp_path / "v.zarr")
    assert open_volume(tmp_path / "v.zarr", (3, 2, 1)).frame.voxel_nm == (3, 2, 1)


def test_several_channels_are_refused(tmp_path):
    axes = [{"name": "c", "type": "channel"}, *space()]
    ngff_04(tmp_path / "v.zarr", cube(shape=(2, 5, 5, 5)), axes, [1, 1, 1, 1])
    with pytest.raises(SpaceError, match="axis c has 2"):
        open_volume(tmp_path / "v.zarr")


def test_an_image_cannot_name_an_array_elsewhere(tmp_path):
    ngff_04(tmp_path / "v.zarr", cube(), space(), [1, 1, 1])
    attributes = tmp_path / "v.zarr" / ".zattrs"
    text = attributes.read_text(encoding="utf-8").replace('"s0"', '"../other"')
    attributes.write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError, match="other"):
        open_volume(tmp_path / "v.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_plain_arrays_say_their_resolution(tmp_path, version):
    data = cube()
    group = zarr.open_group(str(tmp_path / "v.zarr"), mode="w", zarr_format=version)
    array = group.create_array("volumes/raw", shape=data.shape, dtype=data.dtype, chunks=(4, 4, 4))
    array[...] = data
    with pytest.raises(SpaceError, match="no image"):
        open_volume(tmp_path / "v.zarr")
    path = tmp_path / "v.zarr" / "volumes" / "raw"
    with pytest.raises(SpaceError, match="--voxel-nm"):
        open_volume(path)
    array.attrs["resolution"], array.attrs["offset"] = [40, 4, 4], [80, 0, 8]
    found = read_volume(path)
    np.testing.assert_array_equal(found.data, data)
    assert found.frame.voxel_nm == (40, 4, 4)
    assert found.frame.origin_nm == (80, 0, 8)


# --- N5 -------------------------------------------------------------------------------------------


def write_n5(path, data, side, compression, attributes):
    """Write an array as N5's description says: x first, big-endian, blocks cut off at the end."""
    path.mkdir(parents=True)
    told = {
        "dimensions": list(data.shape[::-1]),
        "blockSize": list(side[::-1]),
        "dataType": data.dtype.name,
        "compression": compression,
        **attributes,
    }
    (path / "attributes.json").write_text(json.dumps(told), encoding="utf-8")
    for block in blocks_of(data.shape, side):
        raw = data[block.slices].astype(data.dtype.newbyteorder(">")).tobytes()
        z, y, x = block.shape
        head = struct.pack(">HHIII", 0, 3, x, y, z)
        at = [str(first // one) for first, one in zip(block.start, side)][::-1]
        file = path.joinpath(*at)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(head + packed(raw, compression))


def packed(raw, compression):
    import numcodecs

    kind = compression["type"]
    if kind == "gzip":
        return zlib.compress(raw) if compression.get("useZlib") else gzip.compress(raw)
    return {
        "raw": lambda: raw,
        "zstd": lambda: numcodecs.Zstd().encode(raw),
        "blosc": lambda: numcodecs.Blosc().encode(raw),
    }[kind]()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "compression",
    [
        {"type": "raw"},
        {"type": "gzip", "level": -1},
        {"type": "gzip", "useZlib": True},
        {"type": "zstd"},
        {"type": "blosc"},
    ],
)
def test_n5_is_read(tmp_path, dtype, compression):
    data = cube(dtype)
    write_n5(tmp_path / "v.n5" / "raw", data, (2, 3, 4), compression, {"resolution": [1, 2, 4]})
    (tmp_path / "v.n5" / "attributes.json").write_text('{"n5": "4.0.0"}', encoding="utf-8")
    with pytest.raises(SpaceError, match="raw"):
        open_volume(tmp_path / "v.n5")
    found = read_volume(tmp_path / "v.n5" / "raw")
    np.testing.assert_array_equal(found.data, data)
    assert found.frame.voxel_nm == (4, 2, 1)
    part = open_volume(tmp_path / "v.n5" / "raw")[1:4, 2:5, 3:]
    np.testing.assert_array_equal(part, data[1:4, 2:5, 3:])


@pytest.mark.parametrize(
    ("attributes", "voxel"),
    [
        ({"pixelResolution": {"dimensions": [1, 2, 4], "unit": "um"}}, (4000, 2000, 1000)),
        (
            {
                "transform": {
                    "axes": ["z", "y", "x"],
                    "ordering": "C",
                    "scale": [5.24, 4.0, 4.0],
                    "translate": [0.0, 0.0, 0.0],
                    "units": ["nm", "nm", "nm"],
                }
            },
            (5.24, 4, 4),
        ),
    ],
)
def test_n5_says_its_resolution_in_one_of_the_ways_in_use(tmp_path, attributes, voxel):
    write_n5(tmp_path / "v", cube(), (4, 4, 4), {"type": "raw"}, attributes)
    assert open_volume(tmp_path / "v").frame.voxel_nm == voxel


def test_n5_blocks_that_are_not_there_are_zero_and_damaged_ones_are_told(tmp_path):
    data = cube()
    write_n5(tmp_path / "v", data, (4, 4, 4), {"type": "gzip"}, {"resolution": [1, 1, 1]})
    (tmp_path / "v" / "0" / "0" / "0").unlink()
    data[:4, :4, :4] = 0
    np.testing.assert_array_equal(read_volume(tmp_path / "v").data, data)
    block = tmp_path / "v" / "1" / "0" / "0"
    block.write_bytes(block.read_bytes()[:-12])
    with pytest.raises(SpaceError, match="block"):
        read_volume(tmp_path / "v")


# --- MRC and TIFF of others -----------------------------------------------------------------------

REFUSED = {
    "mode101.mrc": "4 bits",
    "trunc.mrc": "cut off",
    "tif.mrc": "TIFF",
    "zero.mrc": "--voxel-nm",
    "mx0.mrc": "--voxel-nm",
}


@pytest.mark.parametrize("name", [name for name in MRC_FILES if name not in REFUSED])
def test_odd_mrc_files_are_read(name):
    found = read_volume(DATA / "mrc" / name)
    assert found.data.shape[1:] == (40, 50)
    assert found.data.dtype.isnative


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_others_are_refused_in_words(name):
    with pytest.raises(SpaceError, match=REFUSED[name]):
        open_volume(DATA / "mrc" / name)


def test_anisotropic_cells_are_in_our_order():
    assert open_volume(DATA / "mrc" / "aniso.mrc").frame.voxel_nm == pytest.approx((1, 2, 1))


def test_a_file_whose_sections_are_x_is_turned(tmp_path):
    data = cube("int16")
    write_mrc(tmp_path / "v.mrc", data, FRAME)
    raw = bytearray((tmp_path / "v.mrc").read_bytes())
    struct.pack_into("<3i", raw, 64, 3, 2, 1)  # columns are z, sections are x
    (tmp_path / "v.mrc").write_bytes(raw)
    np.testing.assert_array_equal(read_volume(tmp_path / "v.mrc").data, data.transpose(2, 1, 0))


def test_a_folder_of_sections_in_the_order_of_their_numbers(tmp_path):
    data = cube(shape=(12, 7, 9))
    for at, section in enumerate(data):
        tifffile.imwrite(tmp_path / f"s{at}.tif", section, compression="zlib" if at % 2 else None)
    with pytest.raises(SpaceError, match="--voxel-nm"):
        open_volume(tmp_path)
    np.testing.assert_array_equal(read_volume(tmp_path, (5, 4, 4)).data, data)
    opened = open_volume(tmp_path, (5, 4, 4))
    np.testing.assert_array_equal(opened[9:11, :3], data[9:11, :3])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_tiff_stacks_of_others(tmp_path, options):
    data = cube("uint16")
    tifffile.imwrite(tmp_path / "v.tif", data, **options)
    with pytest.raises(SpaceError, match="--voxel-nm"):
        open_volume(tmp_path / "v.tif")
    opened = open_volume(tmp_path / "v.tif", (1, 1, 1))
    np.testing.assert_array_equal(opened[2:4, 1:], data[2:4, 1:])
    assert opened[2:2].shape == (0, 7, 9)


def test_ome_tiff_says_its_voxels(tmp_path):
    sizes = {"PhysicalSizeX": 0.01, "PhysicalSizeY": 20, "PhysicalSizeZ": 0.04}
    units = {"PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(
        tmp_path / "v.ome.tif", cube(), ome=True, metadata={"axes": "ZYX", **sizes, **units}
    )
    assert open_volume(tmp_path / "v.ome.tif").frame.voxel_nm == pytest.approx((40, 20, 10))


def test_colours_are_no_volume(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((4, 8, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(SpaceError, match="channels"):
        open_volume(tmp_path / "v.tif", (1, 1, 1))


def test_what_is_none_is_told(tmp_path):
    for name in ("missing.mrc", "a.docx"):
        with pytest.raises(SpaceError):
            open_volume(tmp_path / name)
    with pytest.raises(SpaceError, match="no volume in this folder"):
        open_volume(tmp_path)


def test_right_is_what_a_frame_says_if_nobody_says_otherwise():
    assert Frame((1, 1, 1)).handedness == RIGHT
