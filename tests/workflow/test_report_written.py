"""The report is written as the session goes, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from space import grids, report, workflow
from space.errors import SpaceError
from space.journal import Keeper
from space.settings import Settings
from space.steps import Night
from tests.overview.folders import Folder


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def written(monkeypatch) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(report, "update", lambda where, grid="": found.append((where.name, grid)))
    monkeypatch.setattr(report, "update_grid", lambda where, grid: found.append(("alone", grid)))
    return found


def test_a_run_ends_with_a_report(tmp_path, written):
    with workflow._run_noted(tmp_path, Settings()):
        assert written == []
    assert written == [(tmp_path.name, "")]


@pytest.mark.parametrize(("error", "count"), [(SpaceError("no"), 1), (Killed(), 0)])
def test_a_run_that_failed_reports_too_unless_it_was_killed(tmp_path, written, error, count):
    with pytest.raises(type(error)):
        with workflow._run_noted(tmp_path, Settings()):
            raise error
    assert len(written) == count


@pytest.mark.parametrize(("slots", "count"), [((1,), 0), ((1, 2), 1)])
def test_each_of_several_grids_is_reported_when_it_ends(
    tmp_path, written, monkeypatch, slots, count
):
    run = grids._Run(Settings(grid_list=slots), None, tmp_path, Keeper(tmp_path), Night())
    monkeypatch.setattr(grids._Run, "session_of", lambda self, slot: None)
    monkeypatch.setattr(grids.levels, "run_grid", lambda session, slot: False)
    run.keeper.grid = "G1"
    grids._run_one(run, 1, grids.GridsOutcome())
    assert written == [(tmp_path.name, "G1")] * count


def test_a_grid_that_is_acquired_is_reported_alone_since_the_run_ends(
    tmp_path, written, monkeypatch
):
    run = grids._Run(Settings(grid_list=(1, 2)), None, tmp_path, Keeper(tmp_path), Night())
    monkeypatch.setattr(grids._Run, "session_of", lambda self, slot: None)
    monkeypatch.setattr(grids.levels, "run_grid", lambda session, slot: True)
    monkeypatch.setattr(grids.steps, "before_grid", lambda session, slot: grids.Course.GO_ON)
    run.keeper.grid = "G1"
    grids._run_one(run, 1, grids.GridsOutcome())
    assert written == [("alone", "G1")]


@pytest.mark.parametrize(
    ("slots", "left", "alone"), [((1,), 3, False), ((1, 2), 3, True), ((1, 2), 0, False)]
)
def test_after_an_item_its_grid_is_reported(tmp_path, written, monkeypatch, slots, left, alone):
    monkeypatch.setattr(workflow.navigator, "left_to_acquire", lambda: left)
    workflow._report_item(Settings(grid_list=slots), tmp_path, "G1")
    assert written == [("alone" if alone else tmp_path.name, "G1")]


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), RecursionError(), OSError(28)])
def test_no_failure_of_the_report_reaches_the_session(tmp_path, monkeypatch, caplog, error):
    Folder(tmp_path).named().found(1)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("space.report.writing.page", fail)
    report.update(Path(tmp_path))
    assert "The report was not written" in caplog.text
