"""A person steps in: orders in a file or by a key, obeyed between lamellae and items."""

from __future__ import annotations

import pytest

from space import journal, orders
from space.journal import Kind
from space.lamellae import Lamella
from space.microscope import Item, StoppedByUserError, navigator
from space.settings import Settings
from space.simulation import Bench
from space.simulator import Policy
from space.steps import (
    Course,
    GridSession,
    acquire,
    inference,
    lamella_list,
    steering,
)
from tests.microscope import fake_serialem
from tests.workflow.test_waiting_for_targets import when_told


def order_when(session: Bench, words: str, *lines: str) -> None:
    """Have a person write orders when these words come into the log, once."""
    written = []

    def write() -> None:
        if not written:
            written.append(True)
            orders.give(session.directory, *lines)

    when_told(session, words, write)


def test_orders_between_lamellae(three, maps):
    order_when(three, "Saved G1_L01.png", "skip L02", "skip L07", "pase", "pause", "stop after L03")
    order_when(three, "Paused before", "go on", "stop after L03")
    assert three.run(2).ok
    log = three.log()
    assert maps == [1, 3]
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
    assert maps == [1, 3]
    orders.give(three.directory, "take L02")
    assert three.run(2).ok
    assert maps == [1, 3, 2]


def test_a_stop_ends_a_run_before_the_next_lamella(three, maps):
    order_when(three, "Saved G1_L01.png", "stop")
    assert three.run(4).ok
    assert maps == [1] and three.names("*_tgts.txt") == []
    assert "The run has stopped, as ordered" in three.log()


def test_a_key_pauses_after_the_lamella_and_another_goes_on(bench, maps):
    session = bench(("good", "good"), policy=Policy(keys=("P", "B", "B")))  # one B is forgotten
    session.place_lamellae(6.0)
    assert session.run(2).ok
    assert "Key P: pause." in session.log() and "The pause is over." in session.log()
    assert maps == [1, 2]


def test_a_pause_that_nobody_ends_stops_the_run(three, maps, monkeypatch):
    monkeypatch.setattr(steering, "LONGEST_PAUSE_S", 0.2)
    orders.give(three.directory, "pause")
    assert three.run(2).ok
    assert "Nobody ended the pause." in three.log() and maps == []
    assert three.run(2).ok
    assert maps == [1, 2, 3]


def test_a_grid_is_skipped_and_the_run_ends_well(three, maps):
    orders.give(three.directory, "skip grid 1")
    assert three.run(2).ok
    assert maps == [] and "Grid G1 is skipped, as ordered" in three.log()
    orders.give(three.directory, "take grid 1")
    assert three.run(2).ok
    assert maps == [1, 2, 3]


def test_lamellae_added_and_removed_by_hand_count_at_once(three, maps):
    place = three.grid.lamellae[1].center_um
    three.do("sem.DeleteNavigatorItem(2)", "sem.SaveNavigator()")
    changed = []

    def change() -> None:
        if not changed:
            changed.append(True)
            index = navigator.add_stage_point(*place, 0.0)
            navigator.describe(index, label="FL2")

    when_told(three, "Saved G1_L01.png", change)
    assert three.run(2).ok
    assert "Added meanwhile: lamella 2." in three.log() and maps == [1, 3, 2]


@pytest.fixture
def waiting(monkeypatch, tmp_path):
    """A session whose microscope lets no time pass, with three lamellae."""
    fake_serialem.install(monkeypatch, Delay=lambda *time: None, KeyBreak=lambda key: 0.0)
    points = [Item(n, f"FL{n}", "", (0.0, 0.0), 0.0, 0) for n in (1, 2, 3)]
    monkeypatch.setattr(navigator, "items", lambda: points)
    settings = Settings(external_map_dir=str(tmp_path))
    return GridSession(settings, None, tmp_path, tmp_path, "G1")


def test_a_wait_ends_by_an_order(waiting, tmp_path):
    polls = []

    def poll() -> None:
        polls.append(True)
        if len(polls) == 2:
            orders.give(tmp_path, "skip L02", "stop")

    folder = inference.job_folder(waiting)
    with pytest.raises(StoppedByUserError, match="stopped as ordered in SPACE_control.txt"):
        inference.wait_for_jobs(waiting, folder, poll, "a map", 60.0)
    assert steering.skipped(waiting) == {2} and steering.run_stops(tmp_path)
    assert list(steering.visits(waiting, [1, 2, 3])) == []


def test_what_is_skipped_is_not_set_up(waiting, tmp_path, monkeypatch):
    monkeypatch.setattr(acquire, "map_item", lambda session, number: True)
    for number in (1, 2, 3):
        waiting.map_png(number).write_bytes(b"")
    assert acquire.segmentation_states(waiting).absent == (1, 2, 3)
    orders.give(tmp_path, "skip L02")
    assert steering.checkpoint(waiting, 2) is Course.SKIP
    assert steering.checkpoint(waiting, 3) is Course.GO_ON
    assert acquire.segmentation_states(waiting).absent == (1, 3)
    assert "as ordered in SPACE_control.txt" in acquire._why_no_targets(waiting, 2, "")


def test_a_class_changed_by_hand_leaves_a_lamella_out_until_it_is_changed_back(
    waiting, monkeypatch
):
    known = tuple(Lamella(n, (0.0, 0.0), (9.0, 9.0), "good", 0.9) for n in (1, 2))
    broken = Lamella(3, (0.0, 0.0), (9.0, 9.0), "broken", 0.9)  # not yet excluded then
    lamella_list.save(waiting.lamellae_file, lamella_list.LamellaList((*known, broken)))
    notes = {1: "good (90%)", 2: "broken (90%)", 3: "broken (90%)", 4: ""}

    def items():
        return [Item(n, f"FL{n}", note, (0.0, 0.0), 0.0, 0) for n, note in notes.items()]

    monkeypatch.setattr(navigator, "items", items)
    monkeypatch.setattr(acquire, "map_item", lambda session, number: True)
    for number in notes:
        waiting.map_png(number).write_bytes(b"")
    assert steering.left_out(waiting) == {2}
    assert acquire.segmentation_states(waiting).absent == (1, 3, 4)
    assert "excluded class" in acquire._why_no_targets(waiting, 2, "")
    notes[2] = "good (90%)"
    assert steering.left_out(waiting) == set()


def test_an_order_after_which_to_stop_that_is_past_waits_for_the_next_step(waiting, tmp_path):
    orders.give(tmp_path, "stop after L01")
    assert list(steering.visits(waiting, [2, 3])) == [2, 3]
    assert list(steering.visits(waiting, [1, 2, 3])) == [1]


def test_a_run_stops_after_a_grid_and_not_in_it(waiting, tmp_path):
    orders.give(tmp_path, "stop after grid")
    assert list(steering.visits(waiting, [1, 2])) == [1, 2]
    assert steering.before_grid(waiting, 1) is Course.GO_ON
    other = GridSession(waiting.settings, None, tmp_path, tmp_path, "G2")
    assert steering.before_grid(other, 2) is Course.STOP
    assert steering.was_stopped(tmp_path) and not steering.was_stopped(tmp_path)


def test_orders_that_cannot_be_saved_are_obeyed_now(waiting, tmp_path, caplog, monkeypatch):
    def refuse(*about):
        raise PermissionError("in use by a scanner")

    monkeypatch.setattr(orders, "write_standing", refuse)
    orders.give(tmp_path, "skip L02")
    for _ in range(2):
        assert steering.checkpoint(waiting, 2) is Course.SKIP
    assert "The orders were not saved" in caplog.text
