"""The plan of the night is followed: which grid comes next, and which items are acquired."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from space import grids, orders, planning, replanning, settings, steps
from space.journal import Kind, read
from space.planning import Entry, Plan
from space.settings import Settings
from space.steps import GridSession, Night, planned
from tests.microscope import fake_serialem
from tests.workflow.test_night import NUMBERS, Grids, grid, lamella
from tests.workflow.test_steering_acquisition import (
    NOTES,
    acquire,
    acquire_on,
    acquired,
)

PLANNING = {"automation_level": 5, "night_hours": 8}


def entry(number: int, area: int = 1, grid: str = "G1", value: float = 1.0, **more) -> Entry:
    values = {"why": "1.0 an hour", "seconds": 3600.0, **more}
    return Entry(grid[1:], grid, number, area, 3, value, 0.0, 0.0, values["seconds"], values["why"])


def plan(*entries: Entry, out: tuple[Entry, ...] = ()) -> Plan:
    return Plan("2026-01-01", 8.0, 3600.0, entries, out)


# --- items ----------------------------------------------------------------------------------------


def items(*notes: str) -> list[tuple[SimpleNamespace, int]]:
    return [(SimpleNamespace(note=note), int(note[4:6])) for note in notes]


@pytest.mark.parametrize(
    ("made", "numbers", "off"),
    [
        (plan(entry(1), entry(2), out=(entry(2, 2), entry(3))), {}, NOTES[2:]),
        (plan(entry(1), entry(2), entry(2, 2), out=(entry(3, grid="G2"),)), NUMBERS, ()),
        # What comes after another grid is done when the script has run again, if it will.
        (plan(entry(1), entry(1, grid="G2"), entry(2), entry(3)), NUMBERS, (NOTES[1], NOTES[3])),
        (plan(entry(1), entry(1, grid="G2"), entry(2), entry(3)), {}, ()),
        # The Navigator's order is kept where it costs little ...
        (plan(entry(3, value=1.2), entry(2), entry(1)), NUMBERS, ()),
        # ... and not where something is far more valuable, or pinned.
        (plan(entry(3), entry(1, value=0.2), entry(2, value=0.9)), NUMBERS, (NOTES[0],)),
        (plan(entry(2, why=planning.plan.PINNED), entry(1), entry(3)), NUMBERS, (NOTES[0],)),
        (plan(entry(3), entry(1, value=0.2)), {}, ()),
        (plan(entry(1, grid="G2"), entry(1)), NUMBERS, (NOTES[0],)),
    ],
)
def test_what_is_not_acquired_now(tmp_path, made, numbers, off):
    planning.write_plan(tmp_path, made)
    chosen = Settings(**PLANNING, script_numbers=numbers)
    session = GridSession(chosen, None, tmp_path, tmp_path, "G1")
    assert sorted(planned.turned_off(session, items(*NOTES))) == sorted(off)
    for changed in ({"night_hours": 0}, {"planner": False}):
        other = replace(session, settings=replace(chosen, **changed))
        assert planned.turned_off(other, items(*NOTES)) == {}


def test_targets_are_set_up_in_the_order_of_the_plan(tmp_path):
    planning.write_plan(tmp_path, plan(entry(3), entry(7, grid="G2"), entry(1)))
    session = GridSession(Settings(**PLANNING), None, tmp_path, tmp_path, "G1")
    assert planned.in_planned_order(session, [1, 2, 3, 4]) == [3, 1, 2, 4]
    assert planned.wants(session)
    assert not planned.wants(replace(session, grid="G3"))


@pytest.fixture
def acquiring(bench, monkeypatch):
    """A grid with four items that are set to be acquired; the plan is renewed as the test says."""

    def make(*plans: Plan):
        session = bench(("good",) * 3)
        session.place_lamellae(6.0)
        nav = str(session.directory / "G1.nav")
        session.do("sem.OpenNewFile('views.mrc')")
        for note in NOTES:
            session.do(
                "sem.V()", "sem.S()", f"i = int(sem.NewMap(0, '{note}'))", "sem.SetItemAcquire(i)"
            )
        session.do("sem.CloseFile()", f"sem.SaveNavigator({nav!r})")
        settings.save(Settings(SPACE_DIR=str(session.space_dir), **PLANNING), session.directory)
        left = list(plans)

        def renew(settings, directory):
            planning.write_plan(directory, left.pop(0) if len(left) > 1 else left[0])

        monkeypatch.setattr("space.workflow.renew", renew)
        acquire(session)
        return session

    return make


def test_what_the_plan_leaves_out_is_not_acquired(acquiring):
    session = acquiring(plan(entry(3), out=(entry(2), entry(2, 2, why="its series were lost"))))
    assert acquired(session) == [NOTES[0], NOTES[3]]
    assert "Acquire of G1_L02_area2_tgts.txt was turned off, as planned: its series were lost" in (
        session.log()
    )
    assert acquire_on(session) == []


def test_a_plan_that_changes_its_mind_begins_nothing_among_what_is_acquired(acquiring):
    session = acquiring(
        plan(entry(3), out=(entry(2),)), plan(entry(3), out=(entry(2),)), plan(entry(2), entry(3))
    )
    assert acquired(session) == [NOTES[0], NOTES[2], NOTES[3]]
    # Behind those that were passed it would be left with Acquire on: the next run takes it.
    assert acquire_on(session) == []
    assert orders.read_standing(session.directory).turned_off == {NOTES[1]}


# --- grids ----------------------------------------------------------------------------------------


@pytest.fixture
def run_of_grids(tmp_path, monkeypatch):
    """Grids that are run as the test says; SerialEM has nothing left to acquire."""
    fake_serialem.install(
        monkeypatch,
        ReportNumNavAcquire=lambda: (0.0, 0.0),
        ReportIfNavOpen=lambda: 0.0,
        YesNoBox=lambda text: 1.0,
        KeyBreak=lambda key: 0.0,
        Delay=lambda *time: None,
    )
    steps.ensure_session_id(tmp_path)
    return Grids(tmp_path, monkeypatch)


def test_grids_come_in_the_order_of_the_plan_which_is_made_anew(run_of_grids, monkeypatch):
    ordered = iter([[3, 1], [1, 2], []])
    monkeypatch.setattr(grids, "order_of_slots", lambda settings, directory: next(ordered))
    run_of_grids.run(**PLANNING)
    assert run_of_grids.done == ["run 3", "run 1"]


def test_a_grid_that_the_plan_leaves_for_another_one_has_its_turn(run_of_grids, monkeypatch):
    ordered = iter([[1, 2], [2, 1], [1], []])
    monkeypatch.setattr(grids, "order_of_slots", lambda settings, directory: next(ordered))
    planning.write_plan(run_of_grids.directory, plan(entry(1), entry(1, grid="G3")))
    run_of_grids.run(**PLANNING)
    assert run_of_grids.done == ["run 1", "run 2", "run 1"]
    assert "1" not in steps.load_night(run_of_grids.directory).ended
    assert steps.load_night(run_of_grids.directory).ended == {"2": ""}
    done = [e.grid for e in read(run_of_grids.directory) if e.kind is Kind.GRID_DONE]
    assert done == ["G2"]


def test_the_hours_count_from_the_run_that_a_person_starts(run_of_grids, tmp_path):
    run_of_grids.acquiring = {1, 2, 3}
    run_of_grids.facts = tuple(grid(k, lamella(1, 0.9), lamella(2, 0.9)) for k in (1, 2, 3))
    run_of_grids.run(**PLANNING, script_numbers=NUMBERS)
    began = steps.night_began(tmp_path)
    assert abs(began - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert run_of_grids.done == ["run 1"]
    made = planning.read_plan(tmp_path)
    assert made.slots() == ("1", "2", "3") and made.left_s == pytest.approx(8 * 3600, abs=60)
    # SerialEM runs it again when the hours are over: nothing more is begun.
    steps.save_night(tmp_path, Night(began_utc=(began - timedelta(hours=9)).isoformat()))
    steps.night.note_started(tmp_path)
    run_of_grids.run(**PLANNING, script_numbers=NUMBERS)
    assert run_of_grids.done == []
    over = planning.read_plan(tmp_path)
    assert not over.entries and all(one.why.startswith("it needs") for one in over.left_out)
    planned_events = [event for event in read(tmp_path) if event.kind is Kind.PLANNED]
    assert len(planned_events) == 2 and planned_events[0].numbers["value"] > 0


def test_without_hours_there_is_no_plan(run_of_grids, tmp_path):
    run_of_grids.run()
    assert run_of_grids.done == ["run 1", "run 2", "run 3"]
    assert planning.read_plan(tmp_path) is None


def test_a_plan_that_is_only_written_changes_no_order(run_of_grids, tmp_path):
    run_of_grids.facts = (grid(1, lamella(1, 0.1)), grid(2, lamella(1, 0.9), lamella(2, 0.9)))
    run_of_grids.run(**PLANNING, planner=False, grid_list=(1, 2))
    assert run_of_grids.done == ["run 1", "run 2"]
    assert planning.read_plan(tmp_path).slots()[0] == "2"


def test_a_plan_that_cannot_be_made_leaves_none_that_is_old(run_of_grids, tmp_path, monkeypatch):
    planning.write_plan(tmp_path, plan(entry(3)))

    def fail(*about):
        raise ValueError("odd")

    monkeypatch.setattr(replanning.renewing, "became", fail)
    run_of_grids.run(**PLANNING)
    assert run_of_grids.done == ["run 1", "run 2", "run 3"]
    assert planning.read_plan(tmp_path) is None


def test_what_is_pinned_and_forbidden_is_obeyed(run_of_grids, tmp_path):
    run_of_grids.facts = tuple(grid(k, lamella(1, 0.9), lamella(2, 0.9)) for k in (1, 2, 3))
    standing = orders.Standing(skipped_grids={"1"}, pinned=(("G3", 2),))
    orders.write_standing(tmp_path, standing)
    run_of_grids.run(**PLANNING)
    assert run_of_grids.done == ["run 3", "run 2"]
