"""The plan of the night on the page."""

from __future__ import annotations

from space import planning
from space.page.session import Session
from space.page.state import state_of
from space.planning import Job, Problem, Ways
from tests.overview.folders import Folder


def shown(folder: Folder) -> dict[str, object] | None:
    session = Session(folder.directory, None, folder.directory)
    return state_of(session.look(), None, True)["plan"]


def test_the_plan_is_shown_with_what_is_left_out(tmp_path):
    jobs = tuple(Job("1", number, 1, 3, 2.0 / number, 3600.0) for number in (1, 2, 3))
    made = planning.make_plan(Problem(jobs, Ways(), 7500.0), 9.0, "2026", {"1": "G1"}, ("a note",))
    folder = Folder(tmp_path, night_hours=9).named()
    planning.write_plan(tmp_path, made)
    plan = shown(folder)
    assert [row[1] for row in plan["entries"]] == ["G1 L01", "G1 L02"]
    assert [row[1] for row in plan["left_out"]] == ["G1 L03"]
    assert "of 9 h" in plan["summary"] and plan["notes"] == ["a note"]


def test_without_hours_no_plan_is_shown(tmp_path):
    folder = Folder(tmp_path).named()
    planning.write_plan(tmp_path, planning.Plan("2026", 9.0))
    assert shown(folder) is None
