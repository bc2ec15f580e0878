"""A person steps in: orders in a file or by a key, obeyed between lamellae and items."""

from __future__ import annotations

import pytest

from space import journal, orders
from space.journal import Kind
from space.simulation import Bench
from space.simulator import Policy
from space.steps import steering
from tests.workflow.test_waiting_for_targets import when_told

POST_ACTION = "SPACEtomo_postAction.py"


def order_when(session: Bench, words: str, *lines: str) -> None:
    """Have a person write orders when these words come into the log, once."""
    written = []

    def write() -> None:
        if not written:
            written.append(True)
            orders.give(session.directory, *lines)

    when_told(session, words, write)


@pytest.fixture
def three(bench):
    """A session with three lamellae, of which nothing is done yet."""
    session = bench(("good",) * 3)
    session.place_lamellae(6.0)
    return session


def test_orders_between_lamellae(three):
    order_when(three, "Saved G1_L01.png", "skip L02", "skip L07", "pase", "pause", "stop after L03")
    order_when(three, "Paused before", "go on", "stop after L03")
    assert three.run(2).ok
    log = three.log()
    assert three.names("*_L0?.png") == ["G1_L01.png", "G1_L03.png"]
    for words in (
        "Order: skip L02. G1_L02 is skipped",
        "has no lamella 7 (it has L01, L02, L03)",
        "'pase' is no order and was not obeyed. Did you mean an order like: pause?",
        "Paused before G1_L02. To go on, press B, or write a line with the words: go on, into ",
        "The pause is over.",
        "Lamella 2 is skipped, as ordered.",
        "The run stops after G1_L03, as ordered.",
        "The run has stopped, as ordered. Run the script again to go on",
    ):
        assert words in log
    assert "SPACEtomo has finished" not in log
    kinds = [event.kind for event in journal.read(three.directory)]
    assert {Kind.PAUSED, Kind.RESUMED, Kind.LAMELLA_SKIPPED} <= set(kinds)
    done = (three.directory / orders.DONE_FILE).read_text(encoding="utf-8")
    assert done.count("\n") == 7 and "pase  ->  'pase' is no order" in done

    # The next run goes on; what is skipped stays so until it is taken again.
    assert three.run(2).ok
    assert "still hold: skip G1_L02." in three.log()
    assert "SPACEtomo has finished" in three.log()
    assert three.names("*_L0?.png") == ["G1_L01.png", "G1_L03.png"]
    orders.give(three.directory, "take L02")
    assert three.run(4).ok
    assert three.names("*_L0?_tgts.txt") == [f"G1_L0{n}_tgts.txt" for n in (1, 2, 3)]


def test_a_stop_ends_a_run_before_the_next_lamella_and_the_next_grid(three):
    order_when(three, "Saved G1_L01.png", "stop")
    assert three.run(4).ok
    assert three.names("*_L0?.png") == ["G1_L01.png"]
    assert three.names("*_tgts.txt") == []
    assert "The run has stopped, as ordered" in three.log()


def test_a_key_pauses_after_the_lamella_and_another_goes_on(bench):
    session = bench(("good", "good"), policy=Policy(keys=("P", "B", "B")))  # the first is forgotten
    session.place_lamellae(6.0)
    assert session.run(2).ok
    assert "Key P: pause." in session.log() and "The pause is over." in session.log()
    assert session.names("*_L0?.png") == ["G1_L01.png", "G1_L02.png"]


def test_a_pause_that_nobody_ends_stops_the_run(three, monkeypatch):
    monkeypatch.setattr(steering, "LONGEST_PAUSE_S", 0.2)
    orders.give(three.directory, "pause")
    assert three.run(2).ok
    assert "Nobody ended the pause." in three.log() and three.names("*_L0?.png") == []
    assert three.run(2).ok
    assert len(three.names("*_L0?.png")) == 3


def test_a_wait_for_the_models_ends_by_an_order(three):
    three.worker.held_back.update({"G1_L02.png", "G1_L03.png"})
    order_when(three, "Waiting for the next of 2", "skip L02")
    order_when(three, "Order: skip L02", "stop")
    assert three.run(4).ok
    assert "Waiting for the next of" in three.log()
    assert "was stopped as ordered in SPACE_control.txt" in three.log()
    assert three.names("*_tgts.txt") == ["G1_L01_tgts.txt"]
    told = three.log().split("have no targets:\n")[1]
    assert "G1_L02: it is skipped, as ordered in SPACE_control.txt" in told


def test_a_grid_is_skipped_and_the_run_ends_well(three):
    orders.give(three.directory, "skip grid 1")
    assert three.run(2).ok
    assert three.names("*_L0?.png") == [] and "Grid G1 is skipped, as ordered" in three.log()
    orders.give(three.directory, "take grid 1")
    assert three.run(2).ok
    assert len(three.names("*_L0?.png")) == 3
