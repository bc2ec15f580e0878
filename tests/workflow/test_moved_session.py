"""A session's folder can be moved or copied: work goes on in the new place, and only there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from space import pacetomo
from space.microscope import read_navigator_file
from space.microscope.moving import brought_here
from tests.workflow.bench import make_bench


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and times of all that is in a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def map_files(navigator_file: Path) -> set[Path]:
    items = read_navigator_file(navigator_file)
    return {Path(item.values["MapFile"]).parent for item in items if item.is_map}


@pytest.fixture
def copied(bench):
    """A session after level 2 and its copy."""
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    copy = session.directory.parent / "elsewhere" / "copy of session"
    shutil.copytree(session.directory, copy)
    return session, copy


@pytest.mark.parametrize("original", ["stays", "is gone"])
def test_a_copied_or_moved_session_goes_on_where_it_lies(copied, original, monkeypatch):
    session, copy = copied
    before = state(session.directory)
    if original == "is gone":
        shutil.rmtree(session.directory)
    second = make_bench(copy, session.space_dir, monkeypatch, session.grid)
    result = second.run(4)
    assert result.ok, result.error
    assert "ERROR" not in second.log()
    assert second.count_exposures() == 0, "what was done is done again"
    assert pacetomo.parse((copy / "G1_L01_tgts.txt").read_text()).targets
    assert map_files(copy / "G1.nav") == {copy}
    if original == "stays":
        assert state(session.directory) == before


def test_the_same_program_goes_on_in_the_copy_and_leaves_the_original_alone(copied):
    session, copy = copied
    before = state(session.directory)
    session.do(f"sem.SetDirectory({str(copy)!r})")
    exposures = session.count_exposures()
    result = session.run(4)
    assert result.ok, result.error
    after = state(session.directory)
    # The program's open log ends with the next one's beginning, as SerialEM does.
    assert {name for name in before if after[name] != before[name]} <= {"G1.log"}
    assert set(after) == set(before)
    assert session.count_exposures() == exposures
    assert (copy / "G1_L01_tgts.txt").is_file() and map_files(copy / "G1.nav") == {copy}
    assert not list(copy.glob("before_SPACEtomo*"))


def test_a_copy_that_a_person_has_opened_is_mended_too(copied, monkeypatch):
    session, copy = copied
    shutil.rmtree(session.directory)
    second = make_bench(copy, session.space_dir, monkeypatch, session.grid)
    second.do("sem.OpenNavigator()", "sem.CloseNavigator()")
    second.do(f"sem.ReadNavFile({str(copy / 'G1.nav')!r})", "sem.SaveNavigator()")
    assert second.run(2).ok
    assert map_files(copy / "G1.nav") == {copy}


HEAD = "AdocVersion = 2.00\r\nLastSavedAs = {saved}\r\n\r\n[Item = L01]\r\nType = 2\r\n"


@pytest.mark.parametrize(
    ("saved", "name", "moved"),
    [
        (r"D:\old\G1.nav", r"D:\old\any.mrc", "any.mrc"),
        (r"D:\old\G1.nav", r"D:\old\maps\deep.mrc", "maps/deep.mrc"),
        ("D:/old/G1.nav", "d:/OLD/any.mrc", "any.mrc"),  # Windows sees no difference
        ("/old/G1.nav", "/old/any.mrc", "any.mrc"),
        (r"\\server\old\G1.nav", r"\\server\old\any.mrc", "any.mrc"),
        (r"E:\new\G1.nav", r"D:\old\G1_L01.mrc", "G1_L01.mrc"),  # saved since, but ours by name
        (r"E:\new\G1.nav", r"D:\old\G1.mrc", "G1.mrc"),
        (r"E:\new\G1.nav", r"D:\old\any.mrc", None),  # may be anybody's
        (r"E:\new\G1.nav", r"D:\old\G12.mrc", None),
        (r"D:\old\G1.nav", r"D:\older\any.mrc", None),
        (r"D:\old\G1.nav", r"D:\old\missing.mrc", None),
        (r"D:\old\G1.nav", "any.mrc", None),  # found beside the Navigator file as it is
    ],
)
@pytest.mark.parametrize("xml", [False, True])
def test_only_paths_of_what_was_moved_with_the_file_are_changed(tmp_path, saved, name, moved, xml):
    (tmp_path / "maps").mkdir()
    for there in ("any.mrc", "maps/deep.mrc", "G1.mrc", "G1_L01.mrc", "G12.mrc"):
        (tmp_path / there).write_bytes(b"")
    text = HEAD.format(saved=saved) + f"MapFile = {name}\r\nNote = MapFile\r\n"
    if xml:
        text = (
            f'<?xml version="1.0"?>\n<navigator>\n <PreData><LastSavedAs>{saved}</LastSavedAs>'
            f'</PreData>\n <Item name="L01"><MapFile>{name}</MapFile></Item>\n</navigator>\n'
        )
    changed, count = brought_here(text, tmp_path / "G1.nav")
    assert count == (moved is not None)
    assert changed == (text.replace(name, str(tmp_path / moved)) if moved else text)
    assert brought_here(changed, tmp_path / "G1.nav") == (changed, 0)
