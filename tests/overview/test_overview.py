"""What a session's directory says, on saved states."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.errors import SpaceError
from space.overview import LAMELLA_STATES, read_session
from space.steps import NAMES_FILE, Listing, find_files
from tests.overview.cases import CASES
from tests.overview.folders import Folder, with_targets


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_saved_states_are_read_and_stay_as_they_are(tmp_path, case):
    case.make(tmp_path / "session")
    before = contents(tmp_path)
    session = read_session(tmp_path / "session")
    assert tuple(grid.state for grid in session.grids) == case.grids
    assert tuple(one.state for grid in session.grids for one in grid.lamellae) == case.lamellae
    assert {one.state for grid in session.grids for one in grid.lamellae} <= set(LAMELLA_STATES)
    assert contents(tmp_path) == before


def test_a_lamella_has_its_files_places_and_series(tmp_path):
    folder = with_targets(Folder(tmp_path).named(), 3).series(3, highest=57)
    folder.ready(3, targets=1, area=2)
    (lamella,) = read_session(tmp_path).grids[0].lamellae
    assert (lamella.label, lamella.position_um, lamella.size_um) == ("L03", (30, 5), (12, 8))
    assert (lamella.segmentation, lamella.labels) == ("done", tmp_path / "G1_L03_seg.png")
    assert lamella.map_file == tmp_path / "G1_L03.mrc" and lamella.choice_file is None
    first, second = lamella.areas
    assert (first.targets, first.geometry_points, second.targets) == (2, 1, 1)
    assert first.newest_file.name == "G1_L03_tgts_run01.txt"
    assert (first.begun, first.acquired, second.begun, lamella.left_to_acquire) == (1, 0, 0, 2)
    assert [one.name for one in lamella.series] == ["G1_L03_ts_001.mrc", "G1_L03_ts_002.mrc"]
    series = lamella.series[1]
    assert (series.target, series.pictures, series.score) == (2, 40, 0.5)
    assert (series.lowest_deg, series.highest_deg) == (-60.01, 57.01)


def test_an_area_is_acquired_when_serialem_has_turned_its_acquire_off(tmp_path):
    folder = with_targets(Folder(tmp_path).named(), 1).series(1)
    assert read_session(tmp_path).grids[0].lamellae[0].state == "begun"
    folder.acquire_off(1)
    assert read_session(tmp_path).grids[0].lamellae[0].state == "acquired"
    (tmp_path / "G1_L01_ts_002.mrc").unlink()
    assert read_session(tmp_path).grids[0].lamellae[0].state == "begun"


def test_points_are_taken_as_the_steps_take_them(tmp_path):
    """A refined point before a first one, one that a person added after one of SPACEtomo."""
    folder = Folder(tmp_path).named().found(1, "PL").found(1, "FL", "thick")
    folder.items.append("[Item = FL1]\nStageXYZ = 99 9 0\nType = 0\nNote = ")
    folder.items.append("[Item = FL2]\nStageXYZ = 70 8 0\nType = 0\nNote = ")
    folder.items.append("[Item = PL3]\nStageXYZ = 70 8 0\nType = 0\nNote = my own")
    folder.found(4, "PL")
    lamellae = read_session(tmp_path).grids[0].visited
    assert [(one.number, one.by_hand) for one in lamellae] == [(1, False), (2, True), (4, False)]
    assert lamellae[1].position_um == (70, 8)


def test_a_shared_folder_that_is_away_leaves_segmentations_unknown(tmp_path):
    away = tmp_path / "away"
    Folder(tmp_path / "s", external_map_dir=str(away)).named().found(1).mapped(1)
    (grid,) = read_session(tmp_path / "s").grids
    assert grid.lamellae[0].segmentation == "unknown" and "map folder" in grid.problems[0]
    # Seen from another computer, the folder has another path.
    (grid,) = read_session(tmp_path / "s", tmp_path / "s").grids
    assert grid.lamellae[0].segmentation == "none" and not grid.problems


def test_what_is_no_session_is_refused(tmp_path):
    with pytest.raises(SpaceError, match="no session in this folder"):
        read_session(tmp_path)
    with pytest.raises(SpaceError, match="no such folder"):
        read_session(tmp_path / "missing")


def test_a_grid_whose_name_leads_elsewhere_is_left_out(tmp_path):
    Folder(tmp_path).named().named(7, "../up")
    session = read_session(tmp_path)
    assert [grid.name for grid in session.grids] == ["G1"] and "'../up'" in session.problems[0]


def test_settings_that_cannot_be_read_are_a_problem_and_no_end(tmp_path):
    Folder(tmp_path).named().found(1)
    (tmp_path / "SPACE_settings.json").write_text("{", encoding="utf-8")
    session = read_session(tmp_path)
    assert session.settings is None and "cannot be read" in session.problems[0]
    assert [grid.name for grid in session.grids] == ["G1"]


def test_names_of_grids_that_cannot_be_read_are_told(tmp_path):
    Folder(tmp_path).named().found(1)
    assert not read_session(tmp_path).problems
    (tmp_path / NAMES_FILE).write_text("{", encoding="utf-8")
    (problem,) = read_session(tmp_path).problems
    assert "SPACE_grids.json cannot be read" in problem and "Bring it back" in problem


@pytest.mark.parametrize(
    "pattern",
    ["G1_L01_tgts.txt", "G1_L01_area[0-9]_tgts.txt", "G1_L01_tgts_run[0-9][0-9].txt", "*_tgts.txt",
     "G1_L01*", "G[1]_L0?_tgts.txt", "nothing*", "*", "[[]a[]]*"],
)  # fmt: skip
def test_a_listing_finds_what_the_folder_itself_has(tmp_path, pattern):
    for name in ("G1_L01_tgts.txt", "G1_L010_tgts.txt", "G1_L01_area2_tgts.txt", "G1_L02_tgts.txt",
                 "G1_L01_tgts_run01.txt", "G1_L01_tgts_run10.txt", ".G1_L01_tgts.txt",
                 "[a]_tgts.txt", "G1", "\u00e4_tgts.txt"):  # fmt: skip
        (tmp_path / name).touch()
    assert Listing(tmp_path).find(pattern) == find_files(tmp_path, pattern)
    assert find_files(tmp_path, pattern, Listing(tmp_path / "away")) == []
