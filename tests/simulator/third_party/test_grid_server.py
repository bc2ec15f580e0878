"""A server outside of SerialEM that loads grids and works through a list of jobs."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from space.simulator import Simulation
from space.simulator.commands import all_commands
from space.simulator.external import external_python
from tests.simulator.fakes import textured
from tests.simulator.third_party.places import binned_more

SERVER = Path(__file__).parent / "scripts" / "grid_server.py"
JOBS = [
    {"do": "cassette"},
    {"do": "load", "with": [2]},
    {"do": "atlas", "with": ["atlas2.mrc", 2]},
    {"do": "load", "with": [7]},
    {"do": "load", "with": [2]},
    {"do": "again", "with": [1]},
    {"do": "square", "with": [3.0, -4.0, "squares.mrc"]},
    {"do": "hole", "with": ["holes.mrc"]},
    {"do": "square", "with": [1.0, 2.0, "squares.mrc"]},
    {"do": "exposure", "with": [-2.0, 0.4, -0.3]},
    {"do": "optics"},
    {"do": "again", "with": [99]},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    grids = {1: textured(1, name="first"), 2: textured(2, pixel_um=0.06, name="second")}
    simulation = Simulation(
        folder, seed=3, grids=grids, loaded=1, time_scale=0.0, instrument="krios_k3"
    )
    binned_more(simulation.session, "VSR")
    (folder / "jobs.json").write_text(json.dumps(JOBS), encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setattr(sys, "argv", [str(SERVER)])
    with patch.context(), external_python(simulation.session, all_commands()):
        runpy.run_path(str(SERVER), run_name="__main__")
    patch.undo()
    done = json.loads((folder / "jobs_done.json").read_text(encoding="utf-8"))
    return simulation, done


def result(served, number):
    entry = served[1][number]
    assert "problem" not in entry, entry
    return entry["result"]


def test_grids_are_loaded_when_dewars_and_pump_allow(served):
    session = served[0].session
    assert result(served, 0) == {"2": "second"}  # the other one is on the stage
    assert result(served, 1)["waited"] >= 5 and result(served, 1)["valve"] == 1.0
    assert served[1][3]["problem"] == "slot 7: code 1"
    assert session.loaded_slot == 2 and not session.scope.valve_open


def test_the_atlas_has_its_pieces_and_its_place(served):
    atlas = result(served, 2)
    assert atlas["pieces"] == 4.0 and atlas["map"] == 1.0
    assert atlas["middle"] == pytest.approx([0.0, 0.0], abs=2.0)
    assert (served[0].session.directory / "atlas2.mrc").is_file()


def test_pictures_go_into_the_files_that_they_belong_to(served):
    files = [Path(exposure.file).name for exposure in served[0].exposures if exposure.file]
    assert files.count("squares.mrc") == 2 and files.count("holes.mrc") == 1


def test_what_was_measured_is_so(served):
    hole = result(served, 7)
    assert hole["code"] == 0.0 and np.hypot(*hole["shift"]) < 100
    exposure = result(served, 9)
    taken = [e for e in served[0].exposures if e.area == "P"][-1]
    assert exposure["counts"] > 0 and Path(exposure["frames"]).parent.name == "frames"
    focused = [e for e in served[0].exposures if e.area == "F"][-1]
    assert exposure["defocus"] == pytest.approx(focused.defocus_um, abs=0.5)
    assert taken.defocus_um == pytest.approx(exposure["defocus"], abs=1.0)


def test_the_state_of_the_optics_is_told(served):
    areas = result(served, 10)["areas"]
    scope = served[0].session.scope
    for letter, values in areas.items():
        assert values[0] == scope.areas[letter].mag_index
    assert "out of the range" in served[1][11]["problem"]
