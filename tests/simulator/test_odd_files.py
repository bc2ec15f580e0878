"""Navigator files and mdocs that other programs, older versions or people have written."""

from __future__ import annotations

import pytest
from hypothesis import given

from space.simulator.formats import autodoc, mdoc, navfile
from space.simulator.formats.navfile import NavFile
from space.simulator.program.navigator import Navigator, NavigatorError
from tests.foreign_files import DATA, damaged

ITEM = "StageXYZ = 1.5 -2 3\nNumPts = 1\nRegis = 1\nType = 0\nMapID = 5\nPtsX = 1.5\nPtsY = -2\n"
HEAD = "AdocVersion = 2.00\nLastSavedAs = C:\\d\\n.nav\n\n"
ODD = {
    "entries in another order": HEAD
    + "[Item = 1]\nPtsY = -2\nPtsX = 1.5\nType = 0\nMapID = 5\nRegis = 1\nStageXYZ = 1.5 -2 3\n",
    "no header": f"[Item = 1]\n{ITEM}",
    "no LastSavedAs": f"AdocVersion = 2.00\n\n[Item = 1]\n{ITEM}",
    "unknown keys": f"{HEAD}Mine = a b\n\n[Item = 1]\n{ITEM}UserValue7 = x = y\nTail =\n",
    "unknown sections": f"{HEAD}[Strange = a]\nK = 1\n\n[Item = 1]\n{ITEM}\n[TSParam = 0]\nA = 2\n",
    "labels with spaces": f"{HEAD}[Item = square 4 b]\n{ITEM}",
    "label that repeats": f"{HEAD}[Item = 1]\n{ITEM}\n[Item = 1]\n{ITEM}",
    "empty label": f"{HEAD}[Item = ]\n{ITEM}",
    "brackets in a label": f"{HEAD}[Item = a[3]]\n{ITEM}",
    "comments": f"# by hand\n{HEAD}[Item = 1]\n{ITEM}# the end\n",
    "characters beyond ASCII": f"{HEAD}[Item = Ähre]\nNote = 5 µm, été, 山\n{ITEM}",
    "no blank lines": HEAD.rstrip("\n") + f"\n[Item = 1]\n{ITEM}[Item = 2]\n{ITEM}",
    "spaces around": f"AdocVersion=2.00\n\n [ Item=1 ]\n  {ITEM}",
}


ODD_NAV = ODD["unknown sections"].replace("K = 1", "K = Mü")
XML = (DATA / "cp1252_xml.nav").read_bytes().decode("cp1252")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ODD)
def test_odd_navigator_files_are_kept(tmp_path, name, newline):
    path = tmp_path / "a.nav"
    path.write_bytes(ODD[name].replace("\n", newline).encode("utf-8"))
    contents = navfile.read(path)
    assert contents.items and contents.newline == newline
    item = contents.items[0]
    assert item.stage_um == (1.5, -2.0, 3.0) and item.points_um == ((1.5, -2.0),)
    navfile.write(path, contents)
    again = navfile.read(path)
    assert again == contents
    for one, other in zip(contents.items, again.items):
        assert list(one.values.items()) == list(other.values.items())
    data = path.read_bytes()
    assert data.count(b"\r\n") == (data.count(b"\n") if newline == "\r\n" else 0)


@pytest.mark.parametrize("name", sorted(set(ODD) - {"no header", "comments"}))
def test_odd_navigator_files_as_xml(name):
    contents = navfile.parse(ODD[name])
    xml = navfile.render(NavFile(contents.header, contents.items, contents.others, xml=True))
    again = navfile.parse(xml)
    assert (again.header, again.items, again.others) == (
        contents.header,
        contents.items,
        contents.others,
    )


@pytest.mark.parametrize(
    "encoding, kept",
    [
        ("utf-8", "Ähre"),
        ("latin-1", "Ähre"),
        ("utf-8-sig", "Ähre"),
        ("cp1252", "5 € – „Œ“"),
        ("latin-1", "Ähre \x81"),
    ],
)
def test_encoding_stays(tmp_path, encoding, kept):
    path = tmp_path / "a.nav"
    path.write_bytes(f"{HEAD}[Item = {kept}]\n{ITEM}".encode(encoding))
    before = path.read_bytes()
    contents = navfile.read(path)
    assert contents.items[0].label == kept
    navfile.write(path, contents)
    assert path.read_bytes() == before


def test_an_xml_file_that_says_utf_8_and_is_not():
    (item,) = navfile.read(DATA / "cp1252_xml.nav").items
    assert (item.label, item.note, item.kind) == ("L01", "Mü & b", navfile.MAP)


@pytest.mark.parametrize("declared", ["utf-8", "UTF-8", "windows-1252", "ISO-8859-1"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-8-sig"])
def test_an_xml_file_is_read_in_the_encoding_that_it_has(tmp_path, declared, encoding):
    path = tmp_path / "a.nav"
    text = XML.replace("utf-8", declared).replace("b</Note>", "b – 5 €</Note>")
    path.write_bytes(text.encode(encoding))
    assert navfile.read(path).items[0].note == "Mü & b – 5 €"


@given(data=damaged((DATA / "cp1252_xml.nav").read_bytes()) | damaged(ODD_NAV.encode("cp1252")))
def test_damage_to_a_navigator_file_gives_items_or_a_refusal(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.nav"
    path.write_bytes(data)
    try:
        contents = navfile.read(path)
    except navfile.NavFileError:
        return
    navfile.problems(contents)
    assert all(len(item.stage_um) == 3 for item in contents.items)


def test_label_that_the_encoding_lacks_is_written_all_the_same(tmp_path):
    path = tmp_path / "a.nav"
    path.write_bytes(f"{HEAD}[Item = Ähre]\n{ITEM}".encode("latin-1"))
    contents = navfile.read(path)
    extra = navfile.NavItem("山", contents.items[0].values)
    navfile.write(path, NavFile(contents.header, (extra,), encoding=contents.encoding))
    assert navfile.read(path).items[0].label == "山"


def test_table_keeps_what_it_does_not_know(tmp_path):
    path = tmp_path / "a.nav"
    path.write_bytes(ODD["unknown sections"].replace("[Item = 1]", "[Item = 7 x]").encode())
    navigator = Navigator(seed=1)
    navigator.load(path)
    navigator.update(1, {"Note": "n"})
    navigator.save()
    contents = navfile.read(path)
    assert contents.items[0].note == "n" and contents.items[0].label == "7 x"
    assert {section.kind for section in contents.others} == {"Strange", "TSParam"}
    assert contents.newline == "\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "just words\n",
        "AdocVersion 2.00\n",
        "[ZValue = 0]\nTiltAngle = 3\n",
        "<?xml version='1.0'?><navigator><Item name='1'>",
        "\x00\x01\x02",
    ],
)
def test_what_is_no_navigator_file_leaves_the_table_alone(tmp_path, text):
    path = tmp_path / "a.nav"
    path.write_text(text, encoding="utf-8")
    navigator = Navigator(seed=1)
    good = tmp_path / "good.nav"
    good.write_text(f"{HEAD}[Item = 1]\n{ITEM}", encoding="utf-8")
    navigator.load(good)
    with pytest.raises(NavigatorError):
        navigator.load(path)
    assert len(navigator.items) == 1 and navigator.path == good


@pytest.mark.parametrize(
    "wrong",
    [
        "StageXYZ = 1 2",
        "NumPts = 4",
        "StageXYZ = a b c",
        "PtsX = nan",
    ],
)
def test_strict_reading_names_what_is_wrong(wrong):
    key = wrong.split(" = ")[0]
    lines = [line for line in ITEM.splitlines() if not line.startswith(f"{key} ")]
    text = HEAD + "[Item = 9]\n" + "\n".join([*lines, wrong]) + "\n"
    assert navfile.parse(text).items
    with pytest.raises(navfile.NavFileError, match="9"):
        navfile.parse(text, strict=True)
    assert navfile.parse(f"{HEAD}[Item = 9]\n{ITEM}", strict=True).items


ODD_MDOCS = {
    "no titles": "PixelSpacing = 1\n\n[ZValue = 0]\nTiltAngle = 3\n",
    "unknown keys": "PixelSpacing = 1\n\n[ZValue = 0]\nTiltAngle = 3\nMyKey = 1 2 x\nEmpty = \n",
    "unknown sections": "A = 1\n\n[FrameSet = 0]\nB = 2\n\n[ZValue = 0]\nTiltAngle = 3\n",
    "numbers out of order": "A = 1\n\n[ZValue = 4]\nTiltAngle = 3\n\n[ZValue = 0]\nTiltAngle = 3\n",
    "titles at the end": "A = 1\n\n[ZValue = 0]\nTiltAngle = 3\n\n[T = last words]\n",
    "beyond ASCII": "A = 5 Å\n\n[T = Grün]\n\n[ZValue = 0]\nTiltAngle = 3\nNote = µ\n",
    "backslashes and equal signs": "A = C:\\x = y\\\n\n[ZValue = 0]\nTiltAngle = 3\nS = a=b\n",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ODD_MDOCS)
def test_odd_mdocs_are_kept_to_the_byte(tmp_path, name, newline):
    path = tmp_path / "a.mrc.mdoc"
    before = ODD_MDOCS[name].replace("\n", newline).encode("utf-8")
    path.write_bytes(before)
    document = mdoc.read(path)
    assert document.image(0).number("TiltAngle") == 3.0
    mdoc.write(path, document)
    assert path.read_bytes() == before


def test_an_mdoc_of_another_program_is_kept_to_the_byte(tmp_path):
    before = (DATA / "odd_values.mrc.mdoc").read_bytes()
    path = tmp_path / "a.mrc.mdoc"
    path.write_bytes(before)
    document = mdoc.read(path)
    picture = document.image(0)
    assert picture.number("TiltAngle") == -11.03
    assert picture.floats("StagePosition") == (775.35, -128.74)
    assert picture.values["SubFramePath"] == r"\\192.168.12.2\DoseFractions\~_fractions.tiff"
    for key in ("CountsPerElectron", "CameraLength", "ChannelName"):
        assert picture.floats(key) == () and picture.number(key, 5.0) == 5.0, key
    mdoc.write(path, document)
    assert path.read_bytes() == before


@given(data=damaged((DATA / "odd_values.mrc.mdoc").read_bytes()))
def test_damage_to_an_mdoc_is_survived_and_once_written_it_stays(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.mrc.mdoc"
    path.write_bytes(data)
    document = mdoc.read(path)
    mdoc.write(path, document)
    again = mdoc.read(path)
    assert again.titles == document.titles and len(again.images) == len(document.images)


def test_numbers_that_are_none_do_not_stop_the_reading():
    section = autodoc.parse("[ZValue = 0]\nTiltAngle = n/a\nBinning = inf\n").sections[0]
    assert section.number("TiltAngle", -1.0) == -1.0 and section.floats("Binning") == ()
