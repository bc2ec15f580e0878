"""Reading Navigator files in both of SerialEM's formats."""

from __future__ import annotations

import pytest

from space.microscope.navfile import read_navigator_file

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
