"""MRC files of the simulated microscope, checked against an independent reader."""

from __future__ import annotations

import io
import struct

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator.formats import mrc


def make(path, dtype=np.int16, shape=(5, 8), **options):
    mrc.create(path, shape, np.dtype(dtype), 21.3, ["SerialEM: test", "    second"], **options)
    return path


def images(dtype, count, shape=(5, 8), seed=1):
    rng = np.random.default_rng(seed)
    return [(rng.random(shape) * 200).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_round_trip_and_independent_reader(tmp_path, dtype):
    path = make(tmp_path / "a.mrc", dtype)
    stack = images(dtype, 3)
    for number, image in enumerate(stack):
        assert mrc.append(path, image) == number
    for number, image in enumerate(stack):
        got = mrc.read_section(path, number)
        assert got.dtype == image.dtype
        np.testing.assert_array_equal(got, image)
    report = io.StringIO()
    assert mrcfile.validate(path, print_file=report), report.getvalue()
    with mrcfile.open(path, "r+") as other:
        assert other.voxel_size.x == pytest.approx(21.3, rel=1e-5)
        offset = 128 if dtype == np.uint8 else 0
        expected = np.flipud(stack[1]).astype(float) - offset
        np.testing.assert_array_equal(other.data[1].astype(float), expected)


def test_valid_before_and_after_first_section(tmp_path):
    path = make(tmp_path / "a.mrc")
    mrc.append(path, images(np.int16, 1)[0])
    assert mrcfile.validate(path, print_file=io.StringIO())


def test_bytes_that_scripts_look_at(tmp_path):
    path = make(tmp_path / "a.mrc")
    mrc.append(path, images(np.int16, 1)[0], mrc.SectionInfo(tilt_deg=-12.34, intensity=0.5))
    raw = path.read_bytes()
    assert raw[104:108] == b"SERI"
    assert struct.unpack_from("<2h", raw, 128) == (4, 17)
    assert struct.unpack_from("<2i", raw, 152)[0] == 1146047817
    assert struct.unpack_from("<i", raw, 92)[0] % 1024 == 0
    assert struct.unpack_from("<2h", raw, 1024) == (-1234, 12500)


def test_extended_header_holds_everything(tmp_path):
    path = make(tmp_path / "a.mrc", flags=63)
    info = mrc.SectionInfo(30.5, (1200, 40000, 2), (-101.0, 55.4), 53000.0, 0.25, 3.5)
    mrc.append(path, images(np.int16, 1)[0])
    mrc.append(path, images(np.int16, 1)[0], info)
    assert mrc.read_info(path, 1) == info
    assert mrc.read_info(path, 0) == mrc.SectionInfo()


def test_limits(tmp_path):
    path = make(tmp_path / "a.mrc", max_sections=256)
    with pytest.raises(mrc.MrcError, match="does not fit"):
        mrc.append(path, np.zeros((4, 8), np.int16))
    with pytest.raises(mrc.MrcError, match="float"):
        mrc.append(path, np.zeros((5, 8), np.float32))
    with pytest.raises(mrc.MrcError, match="no section"):
        mrc.read_section(path, 0)
    for _ in range(256):
        mrc.append(path, np.zeros((5, 8), np.int16))
    with pytest.raises(mrc.MrcError, match="room"):
        mrc.append(path, np.zeros((5, 8), np.int16))


def test_statistics_and_renaming_while_in_use(tmp_path):
    path = make(tmp_path / "a.mrc")
    stack = images(np.int16, 2)
    for image in stack:
        mrc.append(path, image)
    path = path.rename(tmp_path / "b.mrc")  # fails on Windows if the file were open
    header = mrc.read_header(path)
    assert header.minimum == min(i.min() for i in stack)
    assert header.maximum == max(i.max() for i in stack)
    assert header.mean == pytest.approx(np.mean(stack), rel=1e-6)


def test_file_of_another_program(tmp_path):
    path = tmp_path / "other.mrc"
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    mrcfile.write(path, data, voxel_size=5.0)
    np.testing.assert_array_equal(mrc.read_section(path, 1), np.flipud(data[1]))
    assert mrc.read_header(path).pixel_A == pytest.approx(5.0)
    assert mrc.append(path, np.flipud(data[0]).copy()) == 2
    with pytest.raises(mrc.MrcError):
        (tmp_path / "no.mrc").write_bytes(b"x" * 2000)
        mrc.read_header(tmp_path / "no.mrc")


def test_crash_before_header_leaves_old_sections(tmp_path):
    path = make(tmp_path / "a.mrc")
    first = images(np.int16, 1)[0]
    mrc.append(path, first)
    with open(path, "ab") as stream:
        stream.write(b"\1" * 33)
    second = images(np.int16, 1, seed=2)[0]
    assert mrc.append(path, second) == 1
    np.testing.assert_array_equal(mrc.read_section(path, 0), first)
    np.testing.assert_array_equal(mrc.read_section(path, 1), second)


@settings(max_examples=25)
@given(tilt=st.floats(-80, 80), x=st.integers(0, 65535), y=st.integers(0, 65535))
def test_montage_info_round_trip(tmp_path_factory, tilt, x, y):
    path = make(tmp_path_factory.mktemp("m") / "a.mrc", montage=True)
    mrc.append(path, np.zeros((5, 8), np.int16), mrc.SectionInfo(tilt, (x, y, 0)))
    info = mrc.read_info(path, 0)
    assert info.piece == (x, y, 0)
    assert info.tilt_deg == pytest.approx(tilt, abs=0.0051)


def test_header_of_another_program_is_kept_when_images_are_added(tmp_path):
    path = make(tmp_path / "a.mrc")
    image = images(np.int16, 1)[0]
    mrc.append(path, image)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3f", raw, 196, 1.5, -2.5, 3.5)  # origin
    raw[160:168] = b"\x07" * 8
    path.write_bytes(raw)
    mrc.append(path, image)
    after = path.read_bytes()
    changed = {n for n in range(1024) if after[n] != raw[n]}
    counts_and_statistics = {*range(8, 12), *range(36, 40), *range(48, 52), *range(76, 88)}
    assert changed and changed <= counts_and_statistics
    assert mrcfile.validate(path, print_file=io.StringIO())


@pytest.mark.parametrize("place, value", [(0, 0), (4, -5), (8, -1), (92, -4), (12, 101)])
def test_sizes_that_cannot_be_are_refused(tmp_path, place, value):
    path = make(tmp_path / "a.mrc")
    raw = bytearray(path.read_bytes())
    struct.pack_into("<i", raw, place, value)
    path.write_bytes(raw)
    with pytest.raises(mrc.MrcError):
        mrc.read_header(path)


@pytest.mark.parametrize("flags", [1, 2, 3, 17, 19, 32, 36, 63])
def test_reserved_space_is_for_the_sections_asked_for(tmp_path, flags):
    path = make(tmp_path / "a.mrc", flags=flags, max_sections=300)
    header = mrc.read_header(path)
    assert header.extended_bytes % 1024 == 0
    assert 300 <= header.capacity < 300 + 1024 // header.bytes_per_section + 1
    mrc.append(path, images(np.int16, 1)[0])
    assert mrcfile.validate(path, print_file=io.StringIO())


def test_extended_header_of_an_old_file_is_understood(tmp_path):
    path = make(tmp_path / "a.mrc", montage=True)
    info = mrc.SectionInfo(-3.25, (100, 200, 0), intensity=0.5)
    mrc.append(path, images(np.int16, 1)[0], info)
    raw = bytearray(path.read_bytes())
    raw[104:108] = bytes(4)  # before the kind was named there
    path.write_bytes(raw)
    assert mrc.read_info(path, 0) == info
    assert mrc.append(path, images(np.int16, 1)[0], info) == 1
    assert mrc.read_info(path, 1) == info
    raw[104:108] = b"FEI1"
    path.write_bytes(raw)
    assert mrc.read_info(path, 0) == mrc.SectionInfo()
