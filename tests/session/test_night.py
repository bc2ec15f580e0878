"""A short night: two grids, level 5, nobody there, and one thing that goes wrong."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from space import simulation
from space.journal import Kind, read
from space.simulation import Night, make_project
from space.simulator.column import Fault
from space.simulator.specimen import Grid


def test_a_night_ends_by_itself_with_all_grids_acquired(tmp_path):
    grids = {
        slot: Grid.make(7 + slot, 1, name=f"G{slot}", kinds=["good"], within_um=100.0, level=True)
        for slot in (1, 2)
    }
    night = Night(
        tmp_path / "session",
        make_project(tmp_path / "project"),
        grids,
        faults=[Fault("autoloader-failure", 2, 2)],
        settings={"WG_offset_via_IM": False},
        limit_um=180.0,
    )
    outcome = night.run()
    log = "\n".join(outcome.log)
    assert outcome.ended and outcome.runs == 1, log
    assert outcome.struck == ["autoloader-failure@2"]
    assert [(one.grid, one.state) for one in outcome.lamellae] == [("G1", "done"), ("G2", "done")]
    assert outcome.repeated == outcome.double_exposed_px == 0
    assert "Grid 2 was not screened (it is tried once more later)" in log
    loaded = re.findall(r"Loading the grid of slot (\d)", log)
    assert loaded == ["1", "2", "2"]  # G1 is on the stage still when its turn comes
    assert "2 grids: 2 acquired." in outcome.log
    kinds = [event.kind for event in read(night.directory)]
    assert kinds.count(Kind.ACQUISITION_STARTED) == kinds.count(Kind.ACQUISITION_ENDED) == 2
    assert kinds.count(Kind.RUN_STARTED) == kinds.count(Kind.RUN_ENDED) == 3
    assert outcome.starts == 3 + 2  # of the post action for each item, too


def test_of_a_map_that_was_taken_again_the_last_one_counts():
    def pieces(*places):
        return [
            SimpleNamespace(file="G1_L01.mrc", section=number, center_um=(x, 0.0))
            for number, x in enumerate(places)
        ]

    others = [SimpleNamespace(file=name, section=0, center_um=(99, 0)) for name in ("", "G1.mrc")]
    found = simulation.night.maps_of("G1", [*pieces(0.0, 0.0, 0.0), *others, *pieces(4.0, 6.0)])
    assert list(found) == ["G1_L01.mrc"]
    assert found["G1_L01.mrc"] == pytest.approx([5.0, 0.0])
