"""What goes wrong at night costs one lamella or one grid, never the session."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from space import pacetomo, steps
from space.errors import SpaceError
from space.images import write_png
from space.lamellae import Lamella
from space.microscope import Item, StoppedByUserError
from space.settings import Settings
from space.simulation import script_text
from space.simulator import Policy, Script
from space.steps import (
    acquire,
    area_files,
    collect,
    inference,
    lamella_list,
    question,
    refind,
)
from space.steps.session import GridSession
from tests.workflow.bench import cached_grid, make_bench

PRIMARY = (
    "#!Python\nimport serialem as sem\nsem.ReportNavItem()\n"
    "sem.EchoBreakLines('ACQUIRED ' + sem.GetVariable('navNote'))\n"
)


def break_once(monkeypatch, module, name: str, error: Exception, when=lambda *a, **k: True):
    """Let a function of a module fail the first time it is called like that."""
    original, broken = getattr(module, name), []

    def function(*args, **options):
        if not broken and when(*args, **options):
            broken.append(True)
            raise error
        return original(*args, **options)

    monkeypatch.setattr(module, name, function)
    return broken


# --- coordinates ----------------------------------------------------------------------------------


def test_image_shifts_of_the_targets_file_lead_to_the_targets(bench):
    session = bench(stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(4, target_list=["lamella"], max_tilt=40).ok
    targets = pacetomo.parse((session.directory / "G1_L01_tgts.txt").read_text()).targets
    assert len(targets) >= 3
    first = targets[0]
    lines = [
        "sem.GoToImagingState('2')",
        f"sem.MoveStageTo({first.stage_um[0]}, {first.stage_um[1]})",
        "sem.GoToLowDoseArea('R')",
        "sem.SetImageShift(0, 0)",
    ]
    assert len(targets) >= 3
    for target in targets[:3]:
        x, y = target.shift_um
        lines += [f"sem.ImageShiftByMicrons({x}, {y})", "sem.R()"]
        lines += ["sem.SetImageShift(0, 0)"]
    session.do(*lines)
    for target, exposure in zip(targets[:3], session.simulation.exposures[-3:]):
        assert exposure.area == "R"
        assert np.hypot(*np.subtract(exposure.center_um, session.place_um(target))) < 0.05
    assert max(np.hypot(*target.shift_um) for target in targets) > 0.5


def test_targets_that_pacetomo_would_skip_are_told(caplog):
    area_files._warn_of_far_targets("G1_L01", [(0.0, 0.0), (12.0, -15.0), (13.0, 15.0)])
    assert "target(s) 3" in caplog.text and "image_shift_limit" in caplog.text
    caplog.clear()
    area_files._warn_of_far_targets("G1_L01", [(0.0, 0.0), (12.0, -15.0)])
    assert not caplog.text


def test_a_segmentation_with_other_classes_is_read_with_its_own(tmp_path, caplog, monkeypatch):
    path = tmp_path / "G1_L01_seg.png"
    own, other = {"background": 0, "mitos": 1}, {"background": 0, "ice": 1, "mitos": 2}
    monkeypatch.setattr(question, "read_labels", lambda folder: own)
    session = SimpleNamespace(
        settings=Settings(), config=SimpleNamespace(segmentation_model=tmp_path)
    )
    write_png(path, np.full((3, 4), 2, np.uint8), 16.0, "test", labels=json.dumps(other))
    labels, names = inference.read_segmentation(path)
    assert labels[0, 0] == 2 and question.names_of(session, names) == other
    question.tell_of_other_classes(session, other, path)
    assert "other classes" in caplog.text
    caplog.clear()
    write_png(path, np.zeros((3, 4), np.uint8), 16.0, "test")
    assert question.names_of(session, inference.read_segmentation(path)[1]) == own
    question.tell_of_other_classes(session, own, path)
    assert not caplog.text


# --- one failure, one lamella -------------------------------------------------------------------


def test_a_lamella_whose_picture_could_not_be_saved_is_saved_after_the_others(bench, monkeypatch):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    away = OSError("the network folder is away")
    broken = break_once(
        monkeypatch, collect, "save_for_model", away, lambda path, *a, **k: "_L01" in path.name
    )
    result = session.run(3)
    assert result.ok and broken
    assert "the network folder is away" in session.log()
    assert session.names("*_seg.png") == ["G1_L01_seg.png", "G1_L02_seg.png"]
    montages = [item for item in session.items() if item.note == "G1_L01.mrc"]
    assert len(montages) == 1


def test_targets_of_the_others_are_acquired_when_one_set_up_breaks(bench, monkeypatch):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    break_once(monkeypatch, question, "select_targets", ZeroDivisionError("a mistake of ours"))
    session.simulation.scripts[2] = Script("stand-in", PRIMARY)
    session.simulation.acquire_params(primary=2)
    result = session.run(5)
    assert result.ok, result.error
    assert "ZeroDivisionError: a mistake of ours" in session.log()
    acquired = [line for line in session.simulation.log if line.startswith("ACQUIRED")]
    assert acquired == ["ACQUIRED G1_L02_tgts.txt"]


def test_a_folder_that_is_away_after_some_targets_does_not_keep_them_from_being_acquired(
    bench, monkeypatch
):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    session.simulation.scripts[2] = Script("stand-in", PRIMARY)
    session.simulation.acquire_params(primary=2)
    break_once(monkeypatch, acquire, "segmentation_states", OSError("the network folder is away"))
    result = session.run(5)
    assert result.ok, result.error
    assert "ACQUIRED G1_L01_tgts.txt" in session.log()


def test_a_failing_post_action_does_not_end_the_acquisition(bench, monkeypatch):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    assert session.run(4).ok
    session.simulation.scripts[2] = Script("stand-in", PRIMARY)
    session.simulation.scripts[3] = Script(
        "post", script_text("SPACEtomo_postAction.py", SPACE_DIR=str(session.space_dir))
    )
    session.simulation.acquire_params(primary=2, after=3)
    acquiring = session.simulation.session.acquire
    broken = break_once(
        monkeypatch,
        acquire,
        "segmentation_states",
        OSError("disk full"),
        lambda *a, **k: acquiring.acquiring,
    )
    result = session.run(5)
    assert result.ok and broken
    assert "Post action: OSError: disk full" in session.log()
    acquired = [line for line in session.simulation.log if line.startswith("ACQUIRED")]
    assert acquired == ["ACQUIRED G1_L01_tgts.txt", "ACQUIRED G1_L02_tgts.txt"]


def test_a_full_disk_ends_the_session_before_the_next_lamella_is_exposed(bench, monkeypatch):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    full = OSError(errno.ENOSPC, "No space left on device", "G1_L01.png")
    broken = break_once(monkeypatch, collect, "save_for_model", full)
    result = session.run(2)
    assert not result.ok and broken
    assert "The disk is full: No space left on device. [G1_L01.png] -> Free some" in result.error
    assert session.names("G1_L??.mrc") == ["G1_L01.mrc"]
    result = session.run(2)
    assert result.ok, result.error
    assert session.names("G1_L??.png") == ["G1_L01.png", "G1_L02.png"]


def test_an_unforeseen_error_on_one_grid_leaves_the_next_one(bench, monkeypatch):
    session = bench()
    session.place_lamellae()
    session.simulation.session.grids[2] = cached_grid(("good",), 11, "G2")
    mistake = RuntimeError("a mistake of ours")
    break_once(monkeypatch, steps, "find_lamellae", mistake)
    result = session.run(2, grid_list=[2, 1])
    assert result.ok, result.error
    assert "Grid 2 failed: RuntimeError: a mistake of ours" in session.log()
    assert session.names("G1_L01.png") == ["G1_L01.png"]


def test_nobody_is_waited_for_at_each_dark_lamella(bench, monkeypatch):
    session = bench(("good", "good"), policy=Policy(key_after_polls=10**9))
    session.place_lamellae(6.0)
    monkeypatch.setattr(collect, "CENTRE_BY_HAND_TIMEOUT_S", 0.0)
    result = session.run(2, MM_mean_threshold=1e9)
    assert not result.ok
    assert session.log().count("then press B") == 1
    assert "nobody is there to centre lamella 2" in session.log()


# --- states ---------------------------------------------------------------------------------------


def test_a_state_that_is_not_the_one_for_lamellae_is_told_before_a_montage(bench):
    session = bench()
    session.place_lamellae()
    result = session.run(2, MM_image_state=1)
    assert not result.ok and "MM_image_state" in result.error
    assert session.names("G1_L01.mrc") == []


def test_going_on_at_level_4_puts_the_aperture_back(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(3).ok
    session.do("sem.SetApertureSize(2, 0)")  # as a whole-grid map of another grid does
    assert session.run(4).ok
    assert session.simulation.session.scope.apertures_um[2] == 70


def test_levels_1_and_2_need_no_segmentation_model(tmp_path, space_dir, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(space_dir, project)
    shutil.rmtree(project / "models/lamella_segmentation")
    grid = cached_grid(("good",), 11)
    session = make_bench(tmp_path / "session", project, monkeypatch, grid)
    session.place_lamellae()
    result = session.run(2)
    assert result.ok, result.error
    assert session.names("G1_L01.png") == ["G1_L01.png"]
    result = session.run(3)
    assert not result.ok and "segmentation model" in result.error


# --- runs that were cut off -----------------------------------------------------------------------


def test_a_lamella_never_gets_two_maps():
    items = [
        Item(n, label, "", (float(n), 0.0), 0.0, 0)
        for n, label in enumerate(("PL1", "FL2", "FL1", "FL1", "PL2"), start=1)
    ]
    assert [(i.label, i.index) for i in lamella_list.to_visit(items)] == [("FL1", 3), ("FL2", 2)]


def test_a_first_point_left_beside_its_refined_one_goes(bench):
    session = bench()
    session.place_lamellae()
    x, y = session.grid.lamellae[0].center_um
    session.do(
        f"sem.ReadNavFile({str(session.directory / 'G1.nav')!r})",
        f"i = int(sem.AddStagePosAsNavPoint({x}, {y}, 0))",
        "sem.ChangeItemLabel(i, 'PL1')",
        "sem.ChangeItemNote(i, 'good (90%)')",
        "sem.SaveNavigator()",
    )
    exposures = session.count_exposures()
    assert session.run(1).ok
    assert [item.label for item in session.items()] == ["FL1"]
    assert session.count_exposures() == exposures


def test_items_are_not_shifted_twice_when_the_offset_was_not_noted(monkeypatch):
    known = lamella_list.LamellaList(
        tuple(Lamella(n, (100.0 * n, 60.0), (9.0, 9.0), "good", 0.9) for n in (1, 2))
    )
    items = [
        Item(
            1, "FL1", "good (90%)", (112.0, 50.0), 0.0, 0
        ),  # refined and saved after the common shift
        Item(2, "PL2", "good (90%)", (212.0, 50.0), 0.0, 0),
    ]
    monkeypatch.setattr(refind.navigator, "items", lambda: items)
    assert refind._with_offset(known).offset_um == (12.0, -10.0)
    monkeypatch.setattr(refind.navigator, "items", lambda: items[1:])
    assert refind._with_offset(known).offset_um is None


# --- waiting --------------------------------------------------------------------------------------


@pytest.fixture
def waiting(monkeypatch, tmp_path):
    """A session whose microscope lets no time pass, with a key that may be pressed."""
    keys: list[str] = []
    module = SimpleNamespace(
        Delay=lambda amount, unit: None,
        KeyBreak=lambda key: float(bool(keys) and keys.pop(0) == key),
        SEMerror=type("SEMerror", (Exception,), {}),
    )
    monkeypatch.setitem(__import__("sys").modules, "serialem", module)
    settings = Settings(external_map_dir=str(tmp_path))
    session = GridSession(settings, None, Path(tmp_path), Path(tmp_path), "G1")
    return SimpleNamespace(session=session, keys=keys)


def test_waiting_survives_a_folder_that_is_away_for_a_while(waiting, tmp_path, caplog):
    answers = [OSError("network name deleted"), OSError("network name deleted"), None, "there"]

    def look():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    folder = inference.job_folder(waiting.session)
    assert inference.wait_for_jobs(waiting.session, folder, look, "a map", 60.0) == "there"
    assert caplog.text.count("does not answer") == 1


def test_waiting_for_a_folder_that_never_comes_back_has_both_ways_out(waiting):
    def look():
        raise OSError("network name deleted")

    folder = inference.job_folder(waiting.session)
    with pytest.raises(SpaceError, match="Gave up"):
        inference.wait_for_jobs(waiting.session, folder, look, "a map", 0.2)
    waiting.keys[:] = ["", "B"]
    with pytest.raises(StoppedByUserError):
        inference.wait_for_jobs(waiting.session, folder, look, "a map", 60.0)


def test_the_b_key_ends_refinding_instead_of_counting_as_not_seen(waiting, monkeypatch):
    point = Item(1, "PL1", "good (50%)", (0.0, 0.0), 0.0, 0)
    monkeypatch.setattr(refind.navigator, "items", lambda: [point])

    def stopped(*args):
        raise StoppedByUserError("stopped")

    monkeypatch.setattr(refind, "_visit", stopped)
    with pytest.raises(StoppedByUserError):
        refind._visit_all(waiting.session, lamella_list.LamellaList(()), retry=False)
