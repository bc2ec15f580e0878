"""Screening of all grids in the autoloader, one of them missing and one refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from space.simulator import Simulation
from space.simulator.column import INSTRUMENT_FOLDER
from space.simulator.formats.navfile import MAP, POLYGON
from space.simulator.formats.navfile import read as read_nav
from space.simulator.specimen import Grid
from tests.simulator.third_party.places import binned_more, from_squares_um, middle_um

SCRIPT = (Path(__file__).parent / "scripts" / "screen_grids.py").read_text(encoding="utf-8")


def screened(folder, **options):
    # An empty slot between, and a name that is no name for a folder.
    grids = {
        1: Grid.make(11, 0, name="good one", milled=False),
        2: Grid.make(12, 0, name="B/2", milled=False),
        4: Grid.make(13, 0, name="G4", milled=False),
    }
    # The script loads the grid that is on the stage once more: it shall lie as before.
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    text = text.replace("turn_deg = 2.0", "turn_deg = 0.0")
    still = folder / "still.toml"
    still.write_text(text.replace("shift_um = 45.0", "shift_um = 0.0"), encoding="utf-8")
    simulation = Simulation(
        folder, seed=8, grids=grids, loaded=2, time_scale=0.0, instrument=still, **options
    )
    binned_more(simulation.session, "S")
    result = simulation.run(SCRIPT, "screen_grids.py")
    assert result.ok, result.error
    with open(folder / "screening.csv", encoding="utf-8", newline="") as file:
        return simulation, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return screened(tmp_path_factory.mktemp("screening"))


def test_report_has_every_grid_with_what_it_has(everything):
    simulation, rows = everything
    assert sorted((int(r["slot"]), r["name"]) for r in rows) == [
        (1, "good_one"), (2, "B_2"), (4, "G4"),
    ]  # fmt: skip
    counts = [int(r["squares"]) for r in rows]
    assert counts == sorted(counts, reverse=True) and counts[-1] >= 2
    for row in rows:
        assert 20 < float(row["nm"]) < 600
        assert float(row["lm counts"]) > 0
    assert not simulation.session.scope.valve_open
    assert simulation.session.loaded_slot == 4


@pytest.mark.parametrize(("slot", "name"), [(1, "good_one"), (2, "B_2"), (4, "G4")])
def test_each_navigator_shows_squares_of_its_own_grid(everything, slot, name):
    session = everything[0].session
    grid = session.grids[slot]
    items = read_nav(session.directory / name / f"{name}.nav").items
    polygons = [item for item in items if item.kind == POLYGON]
    offset = session.scope.optics.low_mag_offset_um
    centers = np.array([middle_um(item) + offset for item in polygons])
    assert np.median(from_squares_um(grid, centers)) < 3.0
    maps = [item for item in items if item.kind == MAP]
    assert len(maps) == 3
    for item in maps:
        assert (session.directory / name / Path(item.values["MapFile"]).name).is_file()
    shown = {e.grid for e in session.exposures if Path(e.file).parent.name == name}
    assert shown == {grid.name}


def test_user_is_told_at_the_end(everything):
    mails = [d for d in everything[0].session.dialogs if d.kind == "mail"]
    assert mails[-1].text == "Screening: 3 grids screened, 0 failed."


def test_a_grid_that_does_not_load_is_left_out(tmp_path):
    simulation, rows = screened(tmp_path, faults=["autoloader-failure@1"])
    assert len(rows) == 2
    mails = [d for d in simulation.session.dialogs if d.kind == "mail"]
    assert mails[-1].text == "Screening: 2 grids screened, 1 failed."
