"""A person steps in while Acquire at Items is running: orders are read by the post action."""

from __future__ import annotations

import pytest

from space import orders, settings
from space.settings import Settings
from space.simulation import Bench, script_text
from space.simulator import Policy, Script
from space.steps import telling

HEAD = "#!Python\nimport serialem as sem\n"
PRIMARY = f"{HEAD}sem.ReportNavItem()\nsem.Echo('ACQUIRED ' + str(sem.GetVariable('navNote')))\n"
NOTES = ("G1_L01_tgts.txt", "G1_L02_tgts.txt", "G1_L02_area2_tgts.txt", "G1_L03_tgts.txt")


@pytest.fixture
def acquiring(bench):
    """A grid with four items that are set to be acquired, of lamellae 1, 2, 2 and 3.

    Returns a function that acquires them with a person who writes orders after the first one, and
    gives the notes of those that were acquired.
    """

    def make(*lines: str, **about: object) -> tuple[Bench, list[str]]:
        session = bench(("good",) * 3, **about)
        session.place_lamellae(6.0)
        nav = str(session.directory / "G1.nav")
        session.do("sem.OpenNewFile('views.mrc')")
        for note in NOTES:
            session.do(
                "sem.V()", "sem.S()", f"i = int(sem.NewMap(0, '{note}'))", "sem.SetItemAcquire(i)"
            )
        session.do("sem.CloseFile()", f"sem.SaveNavigator({nav!r})")
        settings.save(Settings(SPACE_DIR=str(session.space_dir)), session.directory)
        orders.give(session.directory, *lines)
        acquire(session)
        return session, acquired(session)

    return make


def acquire(session: Bench) -> None:
    scripts = session.simulation.scripts
    scripts[2] = Script("stand-in", PRIMARY)
    post_action = script_text("SPACEtomo_postAction.py", SPACE_DIR=str(session.space_dir))
    scripts[3] = Script("post", post_action)
    session.simulation.acquire_params(primary=2, after=3)
    session.do("sem.StartNavAcquireAtEnd()")


def acquired(session: Bench) -> list[str]:
    words = "ACQUIRED "
    return [line[len(words) :] for line in session.simulation.log if line.startswith(words)]


def acquire_on(session: Bench) -> list[str]:
    return [item.note for item in session.items() if item.acquire]


def test_a_skipped_lamella_is_not_acquired_until_it_is_taken_again(acquiring):
    session, done = acquiring("skip L02", "skip L09")
    assert done == [NOTES[0], NOTES[3]]
    assert "Acquire of G1_L02_area2_tgts.txt was turned off, as ordered" in session.log()
    assert "has no lamella 9" in session.log()
    assert [item.note for item in session.items() if item.note in NOTES] == list(NOTES)
    assert acquire_on(session) == []
    saved = (session.directory / "G1.nav").read_text(encoding="utf-8")
    assert "Acquire = 1" not in saved


def test_a_stop_ends_the_acquisition_and_the_rest_keeps_its_acquire(acquiring):
    session, done = acquiring("stop")
    assert done == [NOTES[0]]
    assert acquire_on(session) == list(NOTES[1:])
    assert "3 item(s) keep their Acquire" in session.log()
    assert not orders.read_standing(session.directory).stop  # the next run goes on


def test_stop_after_a_lamella_waits_for_all_its_areas(acquiring):
    session, done = acquiring("stop after L02")
    assert done == list(NOTES[:3]) and acquire_on(session) == [NOTES[3]]


def test_a_pause_waits_between_items_and_somebody_is_told(acquiring, monkeypatch):
    told = []
    monkeypatch.setattr(
        "space.steps.steering.tell", lambda *about: told.append((about[2], about[3]))
    )
    session, done = acquiring("pause", policy=Policy(keys=("B", "B")))
    assert done == list(NOTES)
    assert "Paused before the next item" in session.log() and "The pause is over." in session.log()
    assert [occasion for occasion, _ in told] == ["person needed"]
    assert telling._on_their_way == []


def test_the_last_item_leaves_the_order_for_the_run_that_follows(acquiring):
    session, done = acquiring("skip L02", "stop after L03")
    assert done == [NOTES[0], NOTES[3]]
    assert orders.read_standing(session.directory).stop
