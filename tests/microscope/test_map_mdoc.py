"""Mdocs of SerialEM and of other programs: read without loss, missing numbers told as missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.microscope import autodoc, mdoc
from tests.foreign_files import DATA, damaged

ODD = DATA / "odd_values.mrc.mdoc"
SERIALEM = """PixelSpacing = 76
ImageFile = G1_L01.mrc
Montage = 1

[T = SerialEM: Titan                              05-Feb-20  14:41:21]

[T =     Tilt axis angle = 90.6, binning = 4  spot = 8  camera = 0]

[ZValue = 0]
PieceCoordinates = 0 0 0
StagePosition = 1.5 -2
Binning = 4

[ZValue = 1]
PieceCoordinates = 1080 0 0
StagePosition = 9.7 -2
Binning = 4

[MontSection = 0]
StagePosition = 5.6 -2
FullMontSize = 2520 1023
"""


def test_what_other_programs_write_is_read():
    document = mdoc.read(ODD)
    assert document.header.values == {
        "T": "Tomography_5.24.0.10938: TITAN52337740    07-Jan-2026  18:19:19]"
    }
    (picture,) = mdoc.images(document)
    assert picture.number("TiltAngle") == -11.03
    assert picture.numbers("StagePosition") == (775.35, -128.74)
    assert picture.values["SubFramePath"] == r"\\192.168.12.2\DoseFractions\~_fractions.tiff"
    for key in ("CountsPerElectron", "CameraLength", "ChannelName", "SubFramePath", "Binning"):
        assert picture.number(key) is None and picture.numbers(key) == (), key


def test_what_serialem_writes_is_read():
    document = autodoc.parse(SERIALEM.encode())
    first, second = mdoc.images(document)
    assert (first.name, second.name) == ("0", "1")
    assert second.numbers("PieceCoordinates") == (1080, 0, 0)
    assert document.of_kind("MontSection")[0].numbers("FullMontSize") == (2520, 1023)
    assert [title.name[:8] for title in document.of_kind("T")] == ["SerialEM", "Tilt axi"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("text", [ODD.read_text(encoding="utf-8"), SERIALEM, "", "\n\n", "Ä = 1"])
def test_a_file_written_again_is_the_same_to_the_byte(tmp_path, text, encoding, newline):
    data = (text + "\nNote = Mü & b\n").replace("\n", newline).encode(encoding)
    path = tmp_path / "a.mrc.mdoc"
    path.write_bytes(data)
    document = mdoc.read(path)
    assert document.sections[-1].values["Note"] == "Mü & b"
    mdoc.write(path, document)
    assert path.read_bytes() == data


def test_a_file_that_is_not_there_holds_nothing(tmp_path):
    document = mdoc.read(mdoc.path_of(tmp_path / "a.mrc"))
    assert mdoc.images(document) == () and document.header.values == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5 -2", (1.5, -2.0)),
        (" 3 ", (3.0,)),
        ("+.5 1. 1e-3", (0.5, 1.0, 0.001)),
        ("", ()),
        ("NaN", ()),
        ("-nan(ind)", ()),
        ("1.#QNAN", ()),
        ("1 inf", ()),
        ("1e999", ()),
        ("1_000", ()),
        ("1,5", ()),
        ("0x10", ()),
        ("12 mm", ()),
    ],
)
def test_numbers_that_are_none_are_missing(text, expected):
    assert autodoc.numbers(text) == expected


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
VALUES = st.lists(WORDS, min_size=1).map(" ".join)
KEYS = st.from_regex(r"[A-Z][A-Za-z0-9]{0,12}", fullmatch=True)


@given(
    header=st.dictionaries(KEYS, VALUES, max_size=4),
    picture=st.dictionaries(KEYS, VALUES, max_size=6),
)
def test_what_is_composed_is_read_again(header, picture):
    document = autodoc.parse(mdoc.compose(header, "a title", picture).to_bytes())
    assert document.header.values == header
    assert [section.values for section in mdoc.images(document)] == [picture]


@given(data=damaged(ODD.read_bytes() + SERIALEM.encode()))
def test_any_damage_is_read_and_kept(data):
    document = autodoc.parse(data)
    assert document.to_bytes() == data
    for section in document.sections:
        for key in section.values:
            section.number(key)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_and_kept(data):
    assert autodoc.parse(data).to_bytes() == data
