"""A short night with a plan: the better grid comes first, and all of it ends by itself."""

from __future__ import annotations

import json

from space import planning
from space.journal import Kind, read
from space.simulation import Night, make_project
from space.simulator.specimen import Grid


def test_the_better_grid_is_acquired_first_and_the_other_one_after_it(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("space.noticing.start", lambda settings, directory: started.append(1))
    kinds = {1: "thick", 2: "good"}
    grids = {
        slot: Grid.make(7 + slot, 1, name=f"G{slot}", kinds=[kind], within_um=100.0, level=True)
        for slot, kind in kinds.items()
    }
    night = Night(
        tmp_path / "session",
        make_project(tmp_path / "project"),
        grids,
        settings={"WG_offset_via_IM": False, "night_hours": 50, "max_targets": 2},
        limit_um=180.0,
    )
    outcome = night.run()
    log = "\n".join(outcome.log)
    assert outcome.ended and outcome.runs == 1, log
    assert [(one.grid, one.state) for one in outcome.lamellae] == [("G1", "done"), ("G2", "done")]
    assert outcome.repeated == outcome.double_exposed_px == 0
    events = read(night.directory)
    acquired = [event.grid for event in events if event.kind is Kind.ACQUISITION_STARTED]
    assert acquired == ["G2", "G1"] and len(started) == 2
    plans = [event for event in events if event.kind is Kind.PLANNED]
    assert plans[0].text.split(",")[0].endswith("on 2 lamellae of 2 grids")
    assert plans[0].numbers["value"] > 0
    last = json.loads((night.directory / planning.PLAN_FILE).read_text(encoding="utf-8"))
    assert last["entries"] == last["left_out"] == []  # all of it was done
    assert any(note.startswith("tilt series: as 2 areas") for note in last["notes"])
    assert "2 grids: 2 acquired." in outcome.log
