"""Below level 5 every lamella gets its targets before the run ends, or the log says why not."""

from __future__ import annotations

from space.microscope import navigator
from space.simulation import Bench
from space.simulator import Policy
from space.steps import acquire, inference


def when_told(session: Bench, words: str, act) -> None:
    """Do something when these words come into the log."""
    original = session.simulation.session.write_log

    def write_log(text):
        if words in str(text):
            act()
        original(text)

    session.simulation.session.write_log = write_log


def test_level_4_waits_for_all_although_one_lamella_is_ready(bench):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    session.worker.held_back.add("G1_L02.png")
    when_told(session, "targets in 1 area(s)", session.worker.held_back.clear)
    result = session.run(4)
    assert result.ok, result.error
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt", "G1_L02_tgts.txt"]
    assert "have no targets" not in session.log()
    assert sum(item.acquire for item in session.items()) == 2


def test_level_4_names_what_has_no_targets_and_why(bench):
    session = bench(("good", "good"), policy=Policy(key_after_polls=3))
    session.place_lamellae(6.0)
    session.worker.held_back.add("G1_L01.png")
    session.worker.failing["G1_L02.png"] = "out of ink"
    result = session.run(4)
    assert result.ok, result.error
    assert session.names("*_tgts.txt") == []
    told = session.log().split("2 of 2 lamellae of grid G1 have no targets:\n")[1].split("\n")
    assert told[0] == "  G1_L01: its segmentation waits in the queue"
    assert told[1].startswith("  G1_L02: it was not segmented: ") and "out of ink" in told[1]


def test_level_4_says_where_no_place_was_chosen(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4, target_list=["cryst"], target_score_threshold=0.9).ok
    assert "1 of 1 lamellae of grid G1 have no targets:\n  G1_L01: no place" in session.log()


def test_how_maps_stand_is_a_question_that_queues_nothing(bench, monkeypatch):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    seen = []
    monkeypatch.setattr(
        acquire,
        "_set_up_all",
        lambda grid, acquiring, settled: seen.append(
            (acquire.segmentation_states(grid), navigator.items())
        ),
    )
    monkeypatch.setattr(inference.JobFolder, "submit", None)  # no step may ask for anything
    monkeypatch.setattr("space.workflow.steps.collect_maps", lambda *args, **options: None)
    assert session.run(4).ok
    assert seen[0][0] == acquire.SegmentationStates(absent=(1,))
