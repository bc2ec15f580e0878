"""SerialEM dies at a few points of a session of two grids; `benchmarks/resume.py` has more."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from space.simulation import (
    DOINGS,
    EndState,
    KeptDeaths,
    NightOutcome,
    Resuming,
    differences,
    spread,
)
from space.simulator.specimen import Grid

POINTS = (650, 1800)


def test_a_session_that_serialem_left_at_any_command_ends_as_one_that_ran_through(tmp_path):
    grids = {
        slot: Grid.make(20 + slot, 1, name=f"G{slot}", kinds=["good"], within_um=100.0, level=True)
        for slot in (1, 2)
    }
    settings = {"WG_offset_via_IM": False}
    session = Resuming(tmp_path, grids, limit_um=180.0, settings=settings)
    deaths = session.begin(POINTS)
    assert [death.number for death in deaths] == list(POINTS)
    assert len({death.doing for death in deaths}) == len(POINTS)
    for death in deaths:
        assert death.doing in DOINGS
        assert session.resume(death).problems == (), death


LAMELLA = "G1_L01"
TARGETS, SERIES = f"{LAMELLA}_tgts.txt", f"{LAMELLA}_ts_001.mrc"
WHOLE = EndState(
    files=frozenset({f"{LAMELLA}.mrc", TARGETS, SERIES, f"{SERIES}.mdoc", "SPACE_night.json"}),
    kept=frozenset(),
    items=Counter({("G1", "L01", f"{LAMELLA}.mrc", "2", ""): 1}),
    lamellae=frozenset({("G1", 1, "good")}),
    targets={TARGETS: 1},
    series={SERIES: (0, 30, -30)},
    taken={f"{LAMELLA}.mrc": 1, SERIES: 1},
    unsaved=0,
    night={"1": ""},
    open_jobs="",
    events=Counter({("run_started", "", None): 2, ("run_ended", "", None): 2,
                    ("lamella_mapped", "G1", 1): 1}),
)  # fmt: skip
AT_DEATH = replace(
    WHOLE,
    files=frozenset({f"{LAMELLA}.mrc", TARGETS}),
    series={},
    taken={f"{LAMELLA}.mrc": 1},
    events=Counter({("run_started", "", None): 1}),
)
ENDED = NightOutcome(ended=True)
CUT = {"series": {SERIES: (0,)}}


@pytest.mark.parametrize(
    ("found", "at_death", "outcome", "says"),
    [
        ({}, {}, ENDED, ""),
        ({}, {}, NightOutcome(ended=False), "it has not ended"),
        (CUT, {"files": WHOLE.files, **CUT}, ENDED, ""),
        (CUT, {}, ENDED, "cut"),
        ({}, {"files": WHOLE.files, **CUT}, ENDED, "cut"),
        ({"taken": {**WHOLE.taken, SERIES: 2}}, {}, ENDED, "tilt series taken twice"),
        ({"taken": {**WHOLE.taken, f"{LAMELLA}.mrc": 2}}, {}, ENDED, "taken again"),
        ({"taken": {**WHOLE.taken, f"{LAMELLA}.mrc": 2}}, {"items": Counter()}, ENDED, ""),
        ({"files": WHOLE.files | {".a.0123abcd.part"}}, {}, ENDED, "files too many"),
        ({"files": WHOLE.files - {TARGETS}}, {}, ENDED, "files missing"),
        ({"items": WHOLE.items + WHOLE.items}, {}, ENDED, "items too many"),
        ({"lamellae": frozenset()}, {}, ENDED, "lamellae missing"),
        ({"targets": {TARGETS: 2}}, {}, ENDED, "2 targets, not 1"),
        ({"unsaved": 1}, {}, ENDED, "1 Record pictures in no file"),
        ({"night": {}}, {}, ENDED, "the night"),
        ({"open_jobs": "a map\n"}, {}, ENDED, "left in the queue"),
        ({"events": WHOLE.events - Counter([("lamella_mapped", "G1", 1)])}, {}, ENDED,
         "does not tell: lamella_mapped"),
        ({}, {}, NightOutcome(ended=True, double_exposed_px=3), "3 pixels exposed twice"),
        ({}, {}, NightOutcome(ended=True, off_lamella=1), "beside any lamella"),
    ],
)  # fmt: skip
def test_what_differs_from_the_session_that_ran_through_is_named(found, at_death, outcome, says):
    told = differences(WHOLE, replace(WHOLE, **found), replace(AT_DEATH, **at_death), outcome)
    assert bool(told) is bool(says), told
    assert says in "; ".join(told)


def test_points_are_spread_over_all_commands():
    points = spread(3000, 300, seed=1)
    assert [(point - 1) // 10 for point in points] == list(range(300))
    assert points != spread(3000, 300, seed=2)


def test_a_death_is_kept_when_its_command_was_carried_out():
    kept = []
    faults = KeptDeaths({2}, kept.append)
    for name in ("V", "S", "R"):
        faults.command_begins(name)
        faults.strikes("serialem-death")
    assert [(death.number, death.command) for death in kept] == [(2, "S")]
    assert faults.carried_out == 3
