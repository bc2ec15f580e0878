"""Several grids in one night: their order, what is tried again, and when nothing more starts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from space import grids, levels, orders, overview, steps
from space.errors import SpaceError
from space.journal import Keeper, Kind, read
from space.overview import GridFacts, LamellaFacts, SessionFacts, closing_table
from space.settings import Settings
from space.steps import GridSession, Night, night
from tests.microscope import fake_serialem

NUMBERS = {"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}


def lamella(number: int, probability: float, state: str = "mapped", **more) -> LamellaFacts:
    mapped = None if state == "found" else Path("map.mrc")
    more = {"picture": None if state == "found" else Path("map.png"), **more}
    return LamellaFacts(number, "good", probability, (0, 0), (9, 9), state, map_file=mapped, **more)


def grid(slot: int, *lamellae: LamellaFacts) -> GridFacts:
    return GridFacts(
        f"G{slot}", str(slot), Path("G.nav"), None, Path("l.json"), lamellae=tuple(lamellae)
    )


@pytest.fixture
def sem(monkeypatch):
    """SerialEM's memory, with nothing left to acquire."""
    return fake_serialem.install(
        monkeypatch,
        ReportNumNavAcquire=lambda: (0.0, 0.0),
        ReportIfNavOpen=lambda: 0.0,
        YesNoBox=lambda text: 1.0,
        KeyBreak=lambda key: 0.0,
        Delay=lambda *time: None,
    )


class Grids:
    """Grids that are screened and run as the test says; `done` has what was done in its order."""

    def __init__(self, directory: Path, monkeypatch, facts: tuple[GridFacts, ...] = ()) -> None:
        self.directory, self.done, self.failing, self.acquiring = directory, [], set(), set()
        self.facts = facts
        monkeypatch.setattr(
            grids,
            "_session_of",
            lambda s, c, d, slot, names: GridSession(s, c, d, d, f"G{slot}"),
        )
        monkeypatch.setattr(levels, "run_grid", lambda session, slot: self._do("run", slot))
        monkeypatch.setattr(levels, "screen_grid", lambda session, slot: self._do("screen", slot))
        monkeypatch.setattr(
            overview, "read_session", lambda d: SessionFacts(d, None, d, self.facts)
        )

    def _do(self, what: str, slot: int) -> bool:
        self.done.append(f"{what} {slot}")
        if (what, slot) in self.failing:
            raise SpaceError("No grid there.")
        return what == "run" and slot in self.acquiring

    def run(self, **settings) -> grids.GridsOutcome:
        self.done.clear()
        values = {"automation_level": 5, "grid_list": (1, 2, 3), **settings}
        chosen = Settings(**values)
        return grids.run_grids(chosen, None, self.directory, Keeper(self.directory))


@pytest.fixture
def session(tmp_path, monkeypatch, sem):
    steps.ensure_session_id(tmp_path)
    return Grids(tmp_path, monkeypatch)


def test_a_person_skips_a_grid_and_stops_before_another(session, tmp_path):
    orders.give(tmp_path, "skip grid 2")
    session.run(automation_level=4)
    assert session.done == ["run 1", "run 3"]
    orders.give(tmp_path, "take grid 2", "stop after grid")
    session.run(automation_level=4)
    assert session.done == ["run 1"]
    assert steps.was_stopped(tmp_path)
    session.run(automation_level=4)
    assert session.done == ["run 1", "run 2", "run 3"]


def test_all_grids_are_screened_before_one_is_acquired(session):
    session.acquiring = {1}
    outcome = session.run(screen_first=True)
    assert session.done == ["screen 1", "screen 2", "screen 3", "run 1"]
    assert outcome.acquiring and not outcome.failures


def test_below_targets_there_is_nothing_to_screen_for(session):
    session.run(screen_first=True, automation_level=3)
    assert session.done == ["run 1", "run 2", "run 3"]


def test_grids_that_have_maps_are_not_loaded_to_be_screened(session):
    session.facts = (grid(1, lamella(1, 0.9)), grid(2, lamella(1, 0.9, "found")), grid(3))
    session.run(screen_first=True)
    assert session.done == ["screen 2", "run 1", "run 2", "run 3"]


def test_a_map_without_its_picture_gets_it_before_the_grid_is_loaded_again(session):
    session.facts = (
        grid(1, lamella(1, 0.9), lamella(2, 0.9, picture=None)),
        grid(2, lamella(1, 0.9, "acquired", picture=None)),
        grid(3, lamella(1, 0.9)),
    )
    session.run(screen_first=True)
    assert session.done == ["screen 1", "run 1", "run 2", "run 3"]


@pytest.mark.parametrize(
    ("order", "expected"), [((), [1, 2, 3]), ((3, 1), [3, 1, 2]), ("best", [2, 1, 3])]
)
def test_the_order_of_grids(session, order, expected):
    session.facts = (
        grid(1, lamella(1, 0.9), lamella(2, 0.9, "found")),
        grid(2, lamella(1, 0.6), lamella(2, 0.6)),
    )
    settings = Settings(grid_list=(1, 2, 3), grid_order=order, screen_first=True)
    assert grids.order_of_grids(settings, session.directory) == expected


def test_a_grid_that_fails_is_left_out_until_a_person_runs_the_script(session, sem):
    session.failing, session.acquiring = {("run", 1)}, {2}
    outcome = session.run(script_numbers=NUMBERS)
    assert session.done == ["run 1", "run 2"] and len(outcome.failures) == 1
    night.note_started(session.directory)
    session.acquiring = set()
    session.run(script_numbers=NUMBERS)  # by SerialEM
    assert session.done == ["run 2", "run 3"]
    assert steps.load_night(session.directory).ended == {"1": "No grid there.", "2": "", "3": ""}
    session.run(script_numbers=NUMBERS)  # by a person
    assert session.done == ["run 1", "run 2", "run 3"]
    skipped = [event for event in read(session.directory) if event.kind is Kind.GRID_SKIPPED]
    assert (skipped[0].grid, skipped[0].text) == ("G1", "No grid there.")


def test_after_an_acquisition_that_left_something_all_is_tried_again(session, sem):
    session.failing, session.acquiring = {("run", 1)}, {2}
    session.run()
    night.note_started(session.directory)
    sem.ReportNumNavAcquire = lambda: (2.0, 0.0)  # it was stopped
    session.run()
    assert session.done == ["run 1", "run 2"]


@pytest.mark.parametrize(
    ("ours", "left", "begun", "asked"),
    [(True, 2, 0, 1), (True, 2, 1, 1), (True, 1, 1, 0), (True, 0, 0, 0), (False, 2, 0, 0)],
)
def test_what_a_person_left_is_acquired_only_when_somebody_says_so(
    session, sem, monkeypatch, ours, left, begun, asked
):
    questions, told = [], []
    sem.YesNoBox = lambda text: questions.append(text) or 0.0
    monkeypatch.setattr(night, "tell", lambda *about: told.append(about[2:]))
    items = [SimpleNamespace(index=n, note=f"G1_L{n:02d}_tgts.txt") for n in range(1, left + 1)]
    sem.ReportNumNavAcquire = lambda: (float(left), 0.0)
    monkeypatch.setattr(night.navigator, "items", lambda: items)
    monkeypatch.setattr(night.navigator, "acquire_is_on", lambda index: True)
    for n in range(1, begun + 1):
        (session.directory / f"G1_L{n:02d}_tgts.txt").touch()
        (session.directory / f"G1_L{n:02d}_tgts_run01.txt").touch()
    if ours:
        night.note_started(session.directory)
    if not asked:
        night.confirm_going_on(Settings(), session.directory)
    for _ in range(2 if asked else 0):  # a No is asked about again
        with pytest.raises(SpaceError, match="keep their Acquire"):
            night.confirm_going_on(Settings(), session.directory)
    assert len(questions) == 2 * asked
    assert len(told) == len(questions)  # before the box, which waits for ever
    for (occasion, text), question in zip(told, questions):
        assert occasion == "person needed" and text.endswith(question)
    sem.YesNoBox = lambda text: 1.0
    night.confirm_going_on(Settings(), session.directory)


def test_a_grid_that_could_not_be_screened_gets_a_second_chance(session):
    session.failing = {("screen", 2)}
    outcome = session.run(screen_first=True)
    assert session.done == ["screen 1", "screen 2", "screen 3", "run 1", "run 2", "run 3"]
    assert not outcome.failures


def test_without_script_numbers_a_person_is_told_what_to_run(session, caplog):
    session.acquiring = {1}
    session.run()
    assert "Run the script again afterwards for grid(s) 2, 3" in caplog.text


def test_an_acquisition_that_comes_to_nothing_is_not_started_for_ever(sem):
    starts = [night.may_start("G1", ["a", "b"]) for _ in range(4)]
    assert starts == [True, True, False, True]
    assert night.may_start("G1", ["b"]) and night.may_start("G1", ["a", "b"])


def test_script_numbers_are_confirmed_once_by_a_person(sem):
    asked = []
    sem.YesNoBox = lambda text: asked.append(text) or 1.0
    for _ in range(2):
        night.confirm_scripts(Settings(script_numbers=NUMBERS))
    assert len(asked) == 1 and "2 = PACEtomo" in asked[0]
    sem.YesNoBox = lambda text: asked.append(text) or 0.0
    with pytest.raises(SpaceError, match="nothing was moved"):
        night.confirm_scripts(Settings(script_numbers={**NUMBERS, "PACEtomo": 4}))
    night.confirm_scripts(Settings())
    assert len(asked) == 2


@pytest.mark.parametrize(
    "content", ["", "[]", '{"screened": 1}', '{"screened": [], "ended": []}', "{"]
)
def test_an_odd_file_of_the_night_is_a_new_night(tmp_path, content):
    (tmp_path / night.NIGHT_FILE).write_text(content, encoding="utf-8")
    assert steps.load_night(tmp_path) == Night()


def test_the_night_is_read_as_it_was_saved(tmp_path):
    saved = Night().with_screened(1).with_ended(2, "too thick")
    steps.save_night(tmp_path, saved)
    assert steps.load_night(tmp_path) == saved
    assert json.loads((tmp_path / night.NIGHT_FILE).read_text("utf-8"))["screened"] == ["1"]


def test_the_table_at_the_end_says_what_became_of_each():
    facts = SessionFacts(
        Path(),
        None,
        Path(),
        (
            grid(1, lamella(1, 0.9, "acquired"), lamella(2, 0.8, "failed", reason="too dark")),
            GridFacts("", "2"),
        ),
    )
    table = closing_table(facts, {"2": "The slot is empty."})
    assert table.splitlines() == [
        "2 grids: 1 failed, 1 acquired.",
        "Grid G1 (slot 1): 1 failed, 1 acquired",
        "  L01  acquired    good (90%)",
        "  L02  failed      good (80%), too dark",
        "Grid - (slot 2): skipped: The slot is empty.",
    ]
