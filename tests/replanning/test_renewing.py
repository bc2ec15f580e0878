"""A plan made from a session's files, and where people read it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from space import journal, orders, overview, planning, report, settings, steps
from space.cli import main
from space.journal import Kind
from space.orders import Standing
from space.replanning import renew
from space.steps import Night
from tests.overview.folders import Folder, with_targets
from tests.replanning.mdocs import write_mdoc


@pytest.fixture
def session(tmp_path):
    """Lamella 1 has two areas, of which the first was acquired and lost; lamella 2 and 3 are ready.

    Four hours of ten are over.
    """
    folder = with_targets(Folder(tmp_path, night_hours=10).named(), 1, 2, 3)
    folder.ready(1, area=2).series(1).acquire_off(1)
    for target in (1, 2):
        write_mdoc(tmp_path / f"G1_L01_ts_{target:03d}.mrc.mdoc", lost=True)
    began = datetime.now(timezone.utc) - timedelta(hours=4)
    steps.save_night(tmp_path, Night(began_utc=began.isoformat()))
    return folder


def made(session: Folder) -> planning.Plan:
    assert renew(settings.load(session.directory), session.directory) is not None
    return planning.read_plan(session.directory)


def test_the_rest_of_a_lamella_that_was_lost_comes_last(session):
    plan = made(session)
    assert [entry.name for entry in plan.entries] == ["G1 L02", "G1 L03", "G1 L01 area 2"]
    assert plan.left_s == pytest.approx(6 * 3600, abs=60)
    assert "0 of its first 2 series came out well" in plan.entries[2].how
    assert any("0 of 2 tilt series so far came out well" in note for note in plan.notes)


def test_the_journal_and_the_log_tell_of_a_plan_once(session, caplog):
    caplog.set_level("INFO", "space.workflow")
    made(session)
    made(session)
    told = [e for e in journal.read(session.directory) if e.kind is Kind.PLANNED]
    assert len(told) == 1 and caplog.text.count("Plan: ") == 1
    orders.write_standing(session.directory, Standing(pinned=(("G1", 3),)))
    assert made(session).entries[0].why == "pinned by a person"
    assert caplog.text.count("Plan: ") == 2


def test_what_the_plan_turned_off_needs_nobody(session, capsys):
    session.acquire_off(3)
    path = session.directory
    orders.write_standing(path, Standing(skipped={("G1", 2)}, turned_off={"G1_L03_tgts.txt"}))
    made(session)
    facts = overview.read_session(path)
    assert facts.lamellae[2].planned == "it comes later in the plan"
    assert overview.attention(facts) == ()
    assert main(["status", str(path)]) == 0
    said = capsys.readouterr().out
    assert "L03  ready" in said and "it comes later in the plan" in said
    assert "Plan: " in said and "G1 L02: value" in said
    assert "forbidden by a person (skip G1_L02)" in said
    assert main(["status", str(path), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["plan"]
    assert [entry["lamella"] for entry in table["entries"]] == [3, 1]


def test_the_report_shows_the_plan(session):
    made(session)
    report.update(session.directory)
    page = (session.directory / report.REPORT_FILE).read_text(encoding="utf-8")
    assert "<h2>Plan</h2>" in page and "G1 L01 area 2" in page


def test_without_hours_nothing_is_shown(tmp_path):
    folder = with_targets(Folder(tmp_path).named(), 1)
    assert renew(settings.load(tmp_path), tmp_path) is None
    planning.write_plan(tmp_path, planning.Plan("2026", 8.0))  # of an earlier run
    assert overview.plan_of(overview.read_session(folder.directory)) is None
