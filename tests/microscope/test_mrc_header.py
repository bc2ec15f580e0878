"""What an MRC header says, or what is wrong with the file."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.microscope import mrc
from tests.foreign_files import DATA, MRC_FILES, REFUSED, damaged


@pytest.mark.parametrize("name", [name for name in MRC_FILES if name not in REFUSED])
def test_the_shape_of_any_stack_is_read(name):
    header = mrc.read_header(DATA / "mrc" / name)
    assert header.shape == (40, 50)
    assert header.sections == (1 if name == "one.mrc" else 2)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_the_reason(name):
    with pytest.raises(SpaceError, match=REFUSED[name]) as refused:
        mrc.read_header(DATA / "mrc" / name)
    assert name in refused.value.where and refused.value.do


def header(columns=50, rows=40, sections=2, mode=1, extended=0, order="<"):
    """A file of a header and as many zeros as its pictures need."""
    raw = bytearray(1024)
    struct.pack_into(f"{order}4i", raw, 0, columns, rows, sections, mode)
    struct.pack_into(f"{order}i", raw, 92, extended)
    return bytes(raw) + bytes(max(0, extended) + 16000)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "0 in all"),
        (b"MAP ", "4 in all"),
        (header(mode=77), "mode 77"),
        (header(columns=0), "0 x 40"),
        (header(rows=-40), "50 x -40"),
        (header(sections=0), "0 pictures"),
        (header(sections=2**31 - 1), "cut off"),
        (header(columns=2**31 - 1, rows=2**31 - 1), "cut off"),
        (header(extended=10**6)[:20000], "cut off"),
        (header(mode=77, order=">")[:212] + b"\x11\x11" + bytes(9000), "mode 77"),
        (b"MM\0*" + bytes(2000), "TIFF"),
    ],
)
def test_each_reason_is_told(tmp_path, data, told):
    path = tmp_path / "bad.mrc"
    path.write_bytes(data)
    with pytest.raises(SpaceError, match=told):
        mrc.read_header(path)


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    for path in (tmp_path / "missing.mrc", tmp_path):
        with pytest.raises(SpaceError, match="cannot be read"):
            mrc.read_header(path)


@given(data=st.data())
def test_damage_gives_a_header_that_fits_the_file_or_a_refusal(data, tmp_path_factory):
    name = data.draw(st.sampled_from(MRC_FILES))
    path = tmp_path_factory.getbasetemp() / "damaged.mrc"
    path.write_bytes(data.draw(damaged((DATA / "mrc" / name).read_bytes(), within=224)))
    try:
        found = mrc.read_header(path)
    except SpaceError:
        return
    rows, columns = found.shape
    assert min(rows, columns, found.sections) > 0
    assert rows * columns * found.sections / 2 <= path.stat().st_size
