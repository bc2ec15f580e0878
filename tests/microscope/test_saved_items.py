"""Reading Navigator files in both of SerialEM's formats."""

from __future__ import annotations

import pytest
from hypothesis import given

from space.microscope import read_navigator_file
from tests.foreign_files import DATA, damaged

AUTODOC = """AdocVersion = 2.00
LastSavedAs = C:\\data\\G1.nav

[Item = FL1]
Color = 1
StageXYZ = 1 2 3
NumPts = 1
Type = 0
Note = good (90%) = nice
PtsX = 1
PtsY = 2

[Item = L01]
Type = 2
Note = G1_L01.mrc
Acquire = 1
MapScaleMat = 10 -130 -131 -9.5
MapWidthHeight = 1440 1020

[MontParam = 0]
Type = 7
"""

XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<navigator>
<PreData><AdocVersion>2.00</AdocVersion></PreData>
<Item name="FL1"><Type>0</Type><Note>good (90%) = nice</Note></Item>
<Item name="L01"><Type>2</Type><Note>G1_L01.mrc</Note><Acquire>1</Acquire>
<MapScaleMat>10 -130 -131 -9.5</MapScaleMat><MapWidthHeight>1440 1020</MapWidthHeight></Item>
</navigator>
"""


@pytest.mark.parametrize("text", [AUTODOC, AUTODOC.replace("\n", "\r\n"), XML])
def test_both_formats_tell_the_same(tmp_path, text):
    path = tmp_path / "G1.nav"
    path.write_bytes(text.encode())
    point, lamella_map = read_navigator_file(path)
    assert (point.label, point.note, point.is_map, point.acquire) == (
        "FL1",
        "good (90%) = nice",
        False,
        False,
    )
    assert (lamella_map.label, lamella_map.note, lamella_map.is_map, lamella_map.acquire) == (
        "L01",
        "G1_L01.mrc",
        True,
        True,
    )
    assert lamella_map.stage_to_px((1020, 1440)) == ((10, -130), (-131, -9.5))
    assert lamella_map.stage_to_px((510, 720)) == ((5, -65), (-65.5, -4.75))
    assert point.stage_to_px((10, 10)) is None


def test_unreadable_files_raise_what_callers_expect(tmp_path):
    (tmp_path / "bad.nav").write_text("<?xml version='1.0'?><navigator>")
    with pytest.raises(ValueError, match="."):
        read_navigator_file(tmp_path / "bad.nav")
    (tmp_path / "empty.nav").write_text("")
    assert read_navigator_file(tmp_path / "empty.nav") == ()


def test_an_xml_file_that_says_utf_8_and_is_not():
    (item,) = read_navigator_file(DATA / "cp1252_xml.nav")
    assert (item.label, item.note, item.is_map) == ("L01", "Mü & b", True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("text", [AUTODOC, XML, XML.replace("ISO-8859-1", "utf-8")])
def test_a_file_is_read_in_the_encoding_that_it_has(tmp_path, text, encoding):
    path = tmp_path / "G1.nav"
    path.write_bytes(text.replace("nice", "Mü – 5 €").encode(encoding))
    assert read_navigator_file(path)[0].note == "good (90%) = Mü – 5 €"


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\x0b", "\x1c"])
def test_only_line_ends_end_a_line(tmp_path, character):
    path = tmp_path / "G1.nav"
    path.write_bytes(AUTODOC.replace("nice", f"a{character}b = c").encode())
    assert read_navigator_file(path)[0].note == f"good (90%) = a{character}b = c"


@pytest.mark.parametrize("label", ["a[3]", "[x]", "a = b", "square 4 b", ""])
def test_labels_are_kept(tmp_path, label):
    path = tmp_path / "G1.nav"
    path.write_text(AUTODOC.replace("FL1", label), encoding="utf-8")
    assert read_navigator_file(path)[0].label == label


@pytest.mark.parametrize("scale", ["1 2 3", "1 2 3 nan", "1 2 3 x", ""])
def test_a_scale_that_is_none_is_told_as_missing(tmp_path, scale):
    path = tmp_path / "G1.nav"
    path.write_text(AUTODOC.replace("10 -130 -131 -9.5", scale), encoding="utf-8")
    assert read_navigator_file(path)[1].stage_to_px((10, 10)) is None


@given(data=damaged((DATA / "cp1252_xml.nav").read_bytes()) | damaged(AUTODOC.encode()))
def test_damage_gives_items_or_a_refusal(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.nav"
    path.write_bytes(data)
    try:
        items = read_navigator_file(path)
    except ValueError:
        return
    for item in items:
        item.stage_to_px((10, 10))
