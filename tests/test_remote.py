"""The workflow from outside: what follows when it ends, is lost, is stopped, or starts items."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from space import workflow
from space.errors import SpaceError
from space.microscope import LineLostError, external
from space.microscope.sem import serialem
from space.project import AFTER_EXTERNAL, project_folder
from space.remote import Remote, Rhythm
from space.simulation import with_settings
from space.simulator import Script, Simulation
from space.simulator.program import Drive
from space.simulator.serving import AFTER, Cut, Server, client_module
from tests.simulator.fakes import SpotGrid, without_frame_files

SETTINGS = {"SPACE_DIR": "here", "script_numbers": {"PACEtomo": 1}}


class Outside:
    """A served microscope, and a person at this computer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.simulation = Simulation(
            folder, grids={1: SpotGrid()}, noise=False, stage_error_um=0.0, time_scale=0.0
        )
        without_frame_files(self.simulation.session)
        self.said: list[str] = []
        self.cuts: list[Cut] = []
        self.paths = external.PathTranslation()

    def run(self, acquiring: Path | None = None) -> bool:
        """Run the remote workflow; SerialEM is served by this thread."""
        server = Server(self.simulation, cuts=self.cuts)
        line = external.Line(
            client_module(), external.Address(port=server.port), self.paths, 5.0, self.said.append
        )
        remote = Remote(line, SETTINGS, self.said.append, Rhythm(0.02, 0.2))
        found: list[bool | BaseException] = []

        def work() -> None:
            try:
                found.append(remote.run(acquiring))
            except BaseException as error:
                found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            server.serve(until=lambda: not thread.is_alive())
        finally:
            server.close()
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def prepare_items(self, primary: str = "sem.R()") -> None:
        """Let Acquire at Items take a picture of each item."""
        after = with_settings(
            (project_folder() / AFTER_EXTERNAL).read_text(encoding="utf-8"),
            {"FOLDER": str(self.folder / external.RELAY), "WAIT_S": 10},
        )
        head = "#!Python\nimport serialem as sem\n"
        self.simulation.scripts[1] = Script("primary", f"{head}{primary}\n")
        self.simulation.scripts[2] = Script("after", after)
        self.simulation.acquire_params(primary=1, after=2)


@pytest.fixture
def outside(tmp_path):
    return Outside(tmp_path)


def start_items(count: int):
    """Return a workflow that starts the acquisition of items in its first run."""
    runs = []

    def run(settings):
        sem = serialem()
        sem.NoMessageBoxOnError(1)
        runs.append(settings)
        if len(runs) > 1:
            return
        sem.OpenNavigator()
        for number in range(count):
            sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(number, 2, 0)), 1)
        sem.SaveNavigator(str(Path(sem.ReportDirectory()) / "G1.nav"))
        sem.StartNavAcquireAtEnd()

    return run, runs


def test_a_run_that_starts_nothing_is_the_end(outside, monkeypatch):
    monkeypatch.setattr(workflow, "run", lambda settings: serialem().EchoBreakLines("here"))
    assert outside.run()
    assert "here" in outside.simulation.log


def test_after_each_item_the_post_action_runs_here_and_then_the_next_grid(outside, monkeypatch):
    run, runs = start_items(2)
    outside.prepare_items()
    monkeypatch.setattr(workflow, "run", run)

    def post_action(space_dir):
        assert space_dir == "here" and serialem().ReportIfNavAcquiring()[0]
        serialem().EchoBreakLines(f"left {serialem().ReportNumNavAcquire()[0]:.0f}")

    monkeypatch.setattr(workflow, "run_post_action_script", post_action)
    assert outside.run()
    assert [line for line in outside.simulation.log if line.startswith("left")] == [
        "left 1",
        "left 0",
    ]
    assert len(runs) == 2 and len(outside.simulation.exposures) == 2


def test_items_that_are_left_end_it_and_nothing_starts_by_itself(outside, monkeypatch):
    run, runs = start_items(2)
    outside.prepare_items("raise RuntimeError('the camera is hot')")
    monkeypatch.setattr(workflow, "run", run)
    assert not outside.run()
    assert "2 item(s) left" in outside.said[-1] and len(runs) == 1


def test_a_serialem_that_was_started_anew_is_not_taken_for_the_end(outside, monkeypatch):
    run, runs = start_items(2)
    monkeypatch.setattr(workflow, "run", run)
    # Nothing is acquired, and the Navigator is closed as SerialEM has it at its start.
    assert not outside.run(acquiring=outside.folder)
    assert "started anew" in outside.said[-1] and not runs


def test_one_can_go_on_with_items_that_are_acquired_already(outside, monkeypatch):
    outside.prepare_items()
    monkeypatch.setattr(workflow, "run", lambda settings: None)
    outside.simulation.session.navigator.open()
    assert outside.run(acquiring=outside.folder)
    assert (outside.folder / external.RELAY).is_dir()


def test_a_run_that_was_lost_begins_anew(outside, monkeypatch):
    runs = []

    def run(settings):
        runs.append(settings)
        if len(runs) == 1:
            serialem().TiltBy(1.0)

    outside.cuts = [Cut(5, AFTER)]  # after the version, a mark, the directory and a file in it
    monkeypatch.setattr(workflow, "run", run)
    assert outside.run()
    assert len(runs) == 2
    assert any("lost at TiltBy" in text and "begins anew" in text for text in outside.said)


def test_one_that_is_lost_again_and_again_ends_with_a_message(outside, monkeypatch):
    def run(settings):
        raise LineLostError("The line was lost at V")

    monkeypatch.setattr(workflow, "run", run)
    with pytest.raises(SpaceError, match="too often"):
        outside.run()


def test_stop_in_serialem_ends_it(outside, monkeypatch):
    def run(settings):
        raise serialem().SEMexited("User STOP")

    monkeypatch.setattr(workflow, "run", run)
    assert not outside.run()
    assert "Stopped in SerialEM" in outside.said[-1]


def test_a_problem_is_in_serialems_log_as_well(outside, monkeypatch):
    def run(settings):
        raise SpaceError("The grid is upside down.")

    monkeypatch.setattr(workflow, "run", run)
    with pytest.raises(SpaceError, match="upside down"):
        outside.run()
    assert any(
        "SPACEtomo stopped: The grid is upside down." in one for one in outside.simulation.log
    )


@pytest.mark.parametrize(
    ("there", "here", "problem"),
    [
        ("D:\\other", "session", "in none of the shared folders"),
        ("C:\\data", "elsewhere", "does not see a file that was just written"),
        ("C:\\data", "nowhere", "does not see SerialEM's directory"),
    ],
)
def test_folders_that_are_not_shared_are_told_before_anything_moves(
    tmp_path, monkeypatch, there, here, problem
):
    (tmp_path / "elsewhere").mkdir()
    outside = Outside(tmp_path / "session")
    outside.simulation.session.drive = Drive("C:\\data", tmp_path / "session")
    folder = external.SharedFolder.of(there, str(tmp_path / here), "test")
    outside.paths = external.PathTranslation.of([folder])
    monkeypatch.setattr(workflow, "run", lambda settings: pytest.fail("it was run"))
    with pytest.raises(SpaceError, match=problem):
        outside.run()
    assert not outside.simulation.exposures and not list((tmp_path / "elsewhere").iterdir())


def test_shared_folders_are_found_to_be_the_same(tmp_path, monkeypatch):
    outside = Outside(tmp_path)
    outside.simulation.session.drive = Drive("C:\\data", tmp_path)
    outside.paths = external.PathTranslation.of([external.SharedFolder("C:\\data", tmp_path)])
    seen = []
    monkeypatch.setattr(workflow, "run", lambda settings: seen.append(serialem().ReportDirectory()))
    assert outside.run() and seen == [str(tmp_path)]
