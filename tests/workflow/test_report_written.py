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


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), RecursionError(), OSError(28)])
def test_no_failure_of_the_report_reaches_the_session(tmp_path, monkeypatch, caplog, error):
    Folder(tmp_path).named().found(1)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("space.report.writing.page", fail)
    report.update(Path(tmp_path))
    assert "The report was not written" in caplog.text
