"""A directory and a grid's name do not make a session; two that share a folder keep apart."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from space import pacetomo
from space.errors import SpaceError
from space.jobs import MAP_PATTERN, JobFolder
from space.simulation import Bench
from space.simulator import Policy
from space.steps import identity
from tests.workflow.bench import cached_grid, make_bench
from tests.workflow.test_moved_session import state

OTHERS = identity.PICTURES


# --- who a session is -----------------------------------------------------------------------------


def test_a_session_keeps_its_id_and_two_have_different_ones(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    assert not identity.is_session(one)
    first = identity.ensure_session_id(one)
    assert identity.ensure_session_id(one) == first and identity.is_session(one)
    assert identity.ensure_session_id(two) != first


def test_a_moved_session_keeps_its_id_and_a_copied_one_gets_its_own(tmp_path, monkeypatch):
    one, moved, copy = tmp_path / "one", tmp_path / "moved", tmp_path / "copy"
    one.mkdir()
    first = identity.ensure_session_id(one)
    one.rename(moved)
    assert identity.ensure_session_id(moved) == first
    shutil.copytree(moved, copy)
    second = identity.ensure_session_id(copy)
    assert second != first
    assert identity.ensure_session_id(copy) == second and identity.ensure_session_id(moved) == first
    # On another computer nobody can see whether the original is still there.
    away = tmp_path / "away"
    shutil.copytree(moved, away)
    shutil.rmtree(moved)
    monkeypatch.setattr(identity.platform, "node", lambda: "elsewhere")
    assert identity.ensure_session_id(away) != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 7}', '{"id": "../x"}', '{"id": ""}'])
def test_a_damaged_identity_is_made_anew(tmp_path, text):
    (tmp_path / identity.SESSION_FILE).write_text(text)
    first = identity.ensure_session_id(tmp_path)
    assert first and identity.ensure_session_id(tmp_path) == first


def test_asking_who_a_session_is_writes_nothing(tmp_path):
    one, copy = tmp_path / "one", tmp_path / "copy"
    one.mkdir()
    assert identity.session_id(one) == "" and not list(one.iterdir())
    own_id = identity.ensure_session_id(one)
    assert identity.session_id(one) == own_id
    shutil.copytree(one, copy)
    before = state(tmp_path)
    assert identity.session_id(copy) == "" and state(tmp_path) == before
    one.rename(tmp_path / "moved")
    before = state(tmp_path)
    assert identity.session_id(tmp_path / "moved") == own_id and state(tmp_path) == before


# --- names in a shared folder ---------------------------------------------------------------------


def test_each_session_has_names_of_its_own_in_a_shared_folder(tmp_path):
    ids = ["a" * 12, "b" * 12, "c" * 12]
    names = [identity.reserve_name(tmp_path, "G01", one, OTHERS) for one in ids]
    assert names == ["G01", "G01_bbbb", "G01_cccc"]
    assert [identity.reserve_name(tmp_path, "G01", one, OTHERS) for one in ids] == names
    assert all(MAP_PATTERN.fullmatch(f"{name}_L01.png") for name in names)


def test_asking_for_a_name_takes_none(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir(), own.mkdir()
    one, two = "a" * 12, "b" * 12
    assert identity.grid_name_in(shared, own, "G01", one) == "" and not list(shared.iterdir())
    assert identity.reserve_grid_name(shared, own, "G01", one) == "G01"
    before = state(shared)
    assert identity.grid_name_in(shared, own, "G01", one) == "G01"
    assert identity.grid_name_in(shared, own, "G01", two) == ""
    assert identity.grid_name_in(own, own, "G01", one) == "G01"
    assert identity.reserve_grid_name(own, own, "G01", one) == "G01" and not list(own.iterdir())
    assert state(shared) == before


@pytest.mark.parametrize(
    "name",
    [
        "G01_L01.png",
        "G01_L01.json",
        "G01_wg.png",
        "G01_PL03_im.png",
        "G01_L01_seg.png",
        "G01_L01_SPACE.log",
        "g01_l02.PNG",
    ],
)
def test_files_that_nobody_owns_are_somebody_elses(tmp_path, name):
    (tmp_path / name).write_bytes(b"somebody's")
    assert identity.reserve_name(tmp_path, "G01", "a" * 12, OTHERS) == "G01_aaaa"
    # In the session's own directory they are its own.
    assert identity.name_in(tmp_path, "G01", "a" * 12, shared=False) == "G01"
    assert [path.name for path in tmp_path.glob("*owner*")] == ["SPACE_owner_G01_aaaa.json"]


def test_names_of_other_grids_are_no_hindrance(tmp_path):
    for name in ("G012_L01.png", "G01_extra_L01.png", "other_G01_L01.png", "G01.txt"):
        (tmp_path / name).write_bytes(b"")
    assert identity.reserve_name(tmp_path, "G01", "a" * 12, OTHERS) == "G01"


def test_ids_that_begin_alike_and_owners_that_cannot_be_read(tmp_path):
    one, two = "abcd11111111", "abcd22222222"
    identity.reserve_name(tmp_path, "G01", "f" * 12, OTHERS)
    assert identity.reserve_name(tmp_path, "G01", one, OTHERS) == "G01_abcd"
    assert identity.reserve_name(tmp_path, "G01", two, OTHERS) == "G01_abcd22222222"
    (tmp_path / "SPACE_owner_G02.json").write_text("")  # being written, or cut off
    assert identity.reserve_name(tmp_path, "G02", one, OTHERS) == "G02_abcd"
    for name in ("G03", "G03_abcd", f"G03_{one}"):
        (tmp_path / f"SPACE_owner_{name}.json").write_text('{"id": "x"}')
    with pytest.raises(SpaceError, match="external_map_dir"):
        identity.reserve_name(tmp_path, "G03", one, OTHERS)


def test_sessions_that_ask_at_the_same_moment_get_different_names(tmp_path):
    ids = [f"{number:02d}" * 6 for number in range(16)]
    barrier = threading.Barrier(len(ids))

    def ask(own_id: str) -> str:
        barrier.wait()
        return identity.reserve_name(tmp_path, "G01", own_id, OTHERS)

    with ThreadPoolExecutor(len(ids)) as pool:
        names = list(pool.map(ask, ids))
    assert len(set(names)) == len(ids)


# --- sessions -------------------------------------------------------------------------------------


def run_with_monitor(session: Bench, shared: Path, level: int):
    """Run with a monitor that does what waits in the shared folder."""
    done = threading.Event()

    def monitor():
        while not done.wait(0.1):
            session.worker(JobFolder(shared), session.space_dir)

    thread = threading.Thread(target=monitor)
    thread.start()
    try:
        result = session.run(level, external_map_dir=str(shared))
    finally:
        done.set()
        thread.join()
    assert result.ok, result.error
    assert "ERROR" not in session.log(), session.log()


def test_two_sessions_with_a_grid_of_the_same_name_share_a_folder(tmp_path, space_dir, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    sessions = [
        make_bench(tmp_path / name, space_dir, monkeypatch, cached_grid(("good",), seed))
        for name, seed in (("one", 11), ("two", 12))
    ]
    one, two = sessions
    one.place_lamellae()
    two.place_lamellae()
    run_with_monitor(one, shared, 4)
    kept = {p: v for p, v in state(shared).items() if not p.startswith(("SPACE_queue", "SPACE_ru"))}
    run_with_monitor(two, shared, 4)
    now = state(shared)
    assert {name: now[name] for name in kept} == kept, "the second wrote over the first"
    root = f"G1_{identity.session_id(two.directory)[:4]}"
    for name in (f"{root}_L01.png", f"{root}_L01.json", f"{root}_L01_seg.png", "G1_L01_seg.png"):
        assert name in now, sorted(now)
    assert "Another session has maps of a grid G1" in two.log()
    for session in sessions:
        lamella = session.grid.lamellae[0]
        text = (session.directory / "G1_L01_tgts.txt").read_text()
        for target in pacetomo.parse(text).targets:
            away = max(abs(a - b) for a, b in zip(target.stage_um, lamella.center_um))
            assert away < 15, "targets of the other session"
    saved = sorted(name for name in now if "_settings" in name and "owner" not in name)
    assert len(saved) == 2 and "SPACE_settings.json" in saved
    # A second run of the first one goes on with its own.
    exposures = one.count_exposures()
    run_with_monitor(one, shared, 4)
    assert one.count_exposures() == exposures
    later = state(shared)
    assert all(later[name] == now[name] for name in now if name.startswith("G1"))


def test_a_copied_session_leaves_the_originals_maps_in_the_shared_folder_alone(
    tmp_path, space_dir, monkeypatch
):
    shared, copy = tmp_path / "shared", tmp_path / "copy"
    shared.mkdir()
    one = make_bench(tmp_path / "one", space_dir, monkeypatch, cached_grid(("good",), 11))
    one.place_lamellae()
    assert one.run(2, external_map_dir=str(shared)).ok
    shutil.copytree(one.directory, copy)
    before = state(shared)
    two = make_bench(copy, space_dir, monkeypatch, one.grid)
    assert two.run(2, external_map_dir=str(shared)).ok
    assert two.count_exposures() == 0
    now = state(shared)
    assert {name: now[name] for name in before} == before
    assert f"G1_{identity.session_id(copy)[:4]}_L01.png" in now


@pytest.mark.parametrize("yes", [True, False])
def test_a_changed_directory_is_asked_about_before_anything_is_taken(bench, tmp_path, yes):
    session = bench(policy=Policy(yes=yes))
    session.place_lamellae()
    assert session.run(2).ok
    exposures, before = session.count_exposures(), state(session.directory)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    session.do(f"sem.SetDirectory({str(elsewhere)!r})")
    session.simulation.session.scope.stage.limits_um = (-60.0, 60.0, -60.0, 60.0)
    result = session.run(1 if not yes else 2, WG_offset_via_IM=False)
    assert result.ok, result.error
    asked = [one for one in session.simulation.session.dialogs if one.kind == "yes/no"]
    assert len(asked) == 1
    assert str(elsewhere) in asked[0].text and str(session.directory) in asked[0].text
    if yes:
        assert session.count_exposures() == exposures
        assert list(elsewhere.iterdir()) == []
        assert Path(session.simulation.session.directory) == session.directory
    else:
        assert session.count_exposures() > exposures and (elsewhere / "G1.nav").is_file()
        now = state(session.directory).items()
        changed = {Path(name) for name, was in now if was != before.get(name)}
        # The camera saves its frames in the folder that it was told when the program began.
        assert {path for path in changed if path.parts[0] != "frames"} <= {Path("G1.log")}


def test_no_question_where_nothing_is_in_doubt(bench, tmp_path):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok  # the directory has a session, or the Navigator is of none
    assert session.run(2).ok
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "SPACE_grids.json").write_text(json.dumps({}))  # a session of an older version
    assert identity.is_session(elsewhere)
    assert not [one for one in session.simulation.session.dialogs if one.kind == "yes/no"]
