"""Navigator files of both forms."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator.formats import navfile
from space.simulator.formats.navfile import NavFile, NavItem

TEXT = """AdocVersion = 2.00
LastSavedAs = C:\\data\\nav.nav

[Item = 12-A]
Color = 2
StageXYZ = 75.8717 11.681 -39.8515
NumPts = 5
Regis = 1
Type = 2
Note = Sec 0 - MMM_01.mrc -
MapFile = C:\\x y\\\\a.mrc
MapID = 1338070642
PtsX = 52.0719 94.8906 99.6714 56.8527 52.0719
PtsY = 31.925 37.0783 -8.56303 -13.7163 31.925
Unheard = of

[Item = 176]
Color = 0
StageXYZ = 63.1081 26.1926 -39.8515
NumPts = 1
Regis = 2
Type = 0
Acquire = 1
MapID = 192163443
PtsX = 63.1081
PtsY = 26.1926

[MontParam = 0]
Foo = 1
"""


def test_text_round_trip():
    contents = navfile.parse(TEXT)
    assert navfile.render(contents) == TEXT
    one, two = contents.items
    assert (one.label, one.kind, one.map_id, one.acquire) == ("12-A", 2, 1338070642, False)
    assert one.points_um[1] == (94.8906, 37.0783)
    assert two.acquire and two.registration == 2 and two.stage_um[2] == -39.8515
    assert contents.others[0].kind == "MontParam"


def test_windows_line_ends_and_backup(tmp_path):
    path = tmp_path / "a.nav"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    contents = navfile.read(path)
    navfile.write(path, contents)
    assert path.read_bytes() == TEXT.replace("\n", "\r\n").encode()
    navfile.write(path, NavFile(contents.header, contents.items[:1]))
    assert (tmp_path / "a.nav~").read_bytes() == TEXT.replace("\n", "\r\n").encode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nav", "a.nav~"]


def test_xml_round_trip():
    contents = navfile.parse(TEXT)
    xml = navfile.render(NavFile(contents.header, contents.items, contents.others, xml=True))
    assert xml.startswith("<?xml")
    again = navfile.parse(xml)
    assert again.xml
    assert (again.header, again.items) == (contents.header, contents.items)
    assert again.others == contents.others


def test_new_keys_take_their_place():
    item = navfile.parse(TEXT).items[0].updated({"Acquire": "1", "MapBinning": "4", "Draw": "0"})
    keys = list(item.values)
    assert keys.index("NumPts") < keys.index("Draw") < keys.index("Regis")
    assert keys.index("Note") < keys.index("Acquire") < keys.index("MapFile")
    assert keys.index("MapID") < keys.index("MapBinning") < keys.index("PtsX")
    assert keys[-1] == "Unheard"
    assert "Acquire" not in item.updated({"Acquire": None}).values


def test_other_files_are_refused():
    with pytest.raises(navfile.NavFileError):
        navfile.parse("hello\nworld = 1\n")
    with pytest.raises(navfile.NavFileError):
        navfile.parse("<?xml version='1.0'?><other/>")
    with pytest.raises(navfile.NavFileError):
        navfile.parse("<?xml version='1.0'?><navigator>")


text = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="]"),
    min_size=1,
    max_size=10,
)
keys = st.from_regex(r"\A[A-Za-z]\w{0,8}\Z", fullmatch=True).filter(str.isascii)


@given(
    items=st.lists(st.tuples(text, st.dictionaries(keys, text, max_size=4)), max_size=4),
    xml=st.booleans(),
)
def test_any_items_round_trip(items, xml):
    contents = NavFile(
        {"AdocVersion": "2.00"}, tuple(NavItem(label, values) for label, values in items), xml=xml
    )
    assert navfile.parse(navfile.render(contents)).items == contents.items


REAL = os.environ.get("SPACETOMO_REAL_DATA", "")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_real_files_round_trip(tmp_path):
    files = sorted(Path(REAL, "navigator").glob("*.nav"))
    assert files
    for path in files:
        contents = navfile.read(path)
        assert contents.items
        copy = tmp_path / path.name
        navfile.write(copy, contents)
        assert navfile.read(copy) == contents
        assert navfile.problems(contents) == ()
        for one, again in zip(contents.items, navfile.read(copy).items):
            assert list(one.values.items()) == list(again.values.items())
        if not contents.xml:
            assert copy.read_bytes().rstrip() == path.read_bytes().rstrip(), path.name
        other = replace(contents, xml=not contents.xml)
        navfile.write(copy, other)
        assert replace(navfile.read(copy), encoding=other.encoding) == other, path.name
