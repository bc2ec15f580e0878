"""Paths of SerialEM's computer and of this one."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.microscope import moving, sem
from space.microscope.line import in_place_of_serialem
from space.microscope.requirements import COMMANDS
from space.microscope.translation import (
    PATH_ANSWERS,
    PATH_ARGUMENTS,
    UNTRANSLATED,
    PathTranslation,
    SharedFolder,
)
from space.simulator.python import command_table

NAMES = st.lists(
    st.text("abcXYZ019_-. äß", min_size=1, max_size=8).filter(lambda t: t.strip(". ") == t),
    max_size=4,
)


@pytest.fixture
def here(tmp_path):
    return tmp_path.resolve()


def translation(here, there="C:\\data"):
    return PathTranslation.of([SharedFolder.of(there, str(here), "test")])


@pytest.mark.parametrize("there", ["C:\\data", "c:/DATA/", "\\\\K2\\share\\data", "/cifs/data"])
@settings(max_examples=30)
@given(parts=NAMES)
def test_a_path_there_and_back_is_the_same(there, parts):
    here = Path("/mnt/data").absolute()
    paths = translation(here, there)
    path = here.joinpath(*parts)
    assert paths.here(paths.there(path), must=True) == str(path)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("C:\\data\\G1.nav", "G1.nav"),
        ("c:\\DATA\\a\\b.mrc", "a/b.mrc"),
        ("C:/data/a/b.mrc", "a/b.mrc"),
        ("C:\\data", "."),
    ],
)
def test_case_and_slashes_of_windows_do_not_matter(here, name, inside):
    assert translation(here).here(name, must=True) == str(here / inside)


@pytest.mark.parametrize("name", ["C:\\data2\\G1.nav", "D:\\data\\G1.nav", "/srv/G1.nav"])
def test_what_is_elsewhere_is_refused_where_it_matters(here, name):
    assert translation(here).here(name) == name
    with pytest.raises(SpaceError, match="none of the shared folders"):
        translation(here).here(name, must=True)


def test_a_file_that_serialem_cannot_see_is_refused(here, tmp_path_factory):
    with pytest.raises(SpaceError, match="does not see this file"):
        translation(here / "shared").there(here / "other" / "G1.nav")


def test_a_folder_within_another_counts_first(here):
    paths = PathTranslation.of(
        [
            SharedFolder("C:\\data", here / "a"),
            SharedFolder("C:\\data\\frames", here / "b"),
        ]
    )
    assert paths.here("C:\\data\\frames\\1.tif") == str(here / "b" / "1.tif")
    assert paths.there(here / "b" / "1.tif") == "C:\\data\\frames\\1.tif"
    assert paths.here("C:\\data\\1.tif") == str(here / "a" / "1.tif")


def test_relative_names_and_untranslated_ones_stay(here):
    assert translation(here).there("G1.mrc") == translation(here).here("G1.mrc") == "G1.mrc"
    assert UNTRANSLATED.there(here / "G1.mrc") == str(here / "G1.mrc")
    assert UNTRANSLATED.here("C:\\data") == "C:\\data"


def test_commands_and_answers(here):
    paths = translation(here)
    args = paths.arguments("OpenNewMontage", (2, 3, str(here / "m.mrc")))
    assert args == (2, 3, "C:\\data\\m.mrc")
    assert paths.arguments("SaveNavigator", ()) == ()
    assert paths.arguments("Echo", (str(here),)) == (str(here),)
    parts = ("C:\\data\\G1", ".nav", "C:\\data\\", "G1")
    assert paths.answer("ReportNavFile", parts) == (str(here / "G1"), ".nav", str(here), "G1")
    assert paths.answer("ReportFrameSavingPath", "X:\\frames") == "X:\\frames"
    assert paths.answer("ReportTiltAngle", 3.0) == 3.0


def test_no_command_that_is_used_with_a_path_is_forgotten():
    words = ("File", "Dir", "Nav", "Log", "Montage")
    texts = {
        name
        for name in COMMANDS
        if "s" in getattr(command_table().get(name), "keys", "").lower()
        and any(word in name for word in words)
    }
    without_paths = {"NavAcqAtEndUseParams", "NavIndexWithNote", "SetNavAcqAtEndParams"}
    without_paths |= {"AddImagePosAsNavPoint", "CloseFile", "ReadFile"}
    assert texts - without_paths <= PATH_ARGUMENTS.keys()
    asked = {n for n in COMMANDS if n.startswith("Report") and any(w in n for w in ("Path", "Dir"))}
    assert asked <= PATH_ANSWERS.keys()


@pytest.mark.parametrize("text", ["C:\\data", "data=/mnt/data", "C:\\data=mnt", "="])
def test_pairs_that_are_none_are_refused(text):
    with pytest.raises(SpaceError, match="as both computers see it"):
        SharedFolder.read(text, "--path")


def test_maps_in_a_moved_navigator_file_lead_to_where_serialem_sees_them(here):
    import types

    (here / "G1.mrc").write_bytes(b"")
    module = types.ModuleType("serialem")
    module.path_translation = translation(here)
    text = "LastSavedAs = D:\\old\\G1.nav\n[Item = 1]\nMapFile = D:\\old\\G1.mrc\n"
    with in_place_of_serialem(module):
        changed, count = moving.brought_here(text, here / "G1.nav")
        again = moving.brought_here(changed, here / "G1.nav")
        assert sem.path_translation() == translation(here)
    assert count == 1 and "MapFile = C:\\data\\G1.mrc" in changed and again == (changed, 0)
    assert PureWindowsPath("C:\\data\\G1.mrc").name == "G1.mrc"
    assert sem.path_translation() == UNTRANSLATED
