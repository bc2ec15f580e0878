"""A tilt series and a map of a grid by scripts in SerialEM's own language, with a library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from space.simulator import Script, Simulation
from space.simulator.commands import nav_changes, nav_points
from space.simulator.formats.mdoc import read as read_mdoc
from space.simulator.formats.navfile import MAP, POLYGON
from space.simulator.specimen import Grid
from tests.simulator.third_party.places import (
    binned_more,
    from_squares_um,
    middle_um,
    plunged_grid,
)

SCRIPTS = Path(__file__).parent / "scripts"
TOOLS = (SCRIPTS / "tools.txt").read_text(encoding="utf-8")
SERIES = (SCRIPTS / "dose_symmetric.txt").read_text(encoding="utf-8")
MAPPING = (SCRIPTS / "map_squares.txt").read_text(encoding="utf-8")
ORDER = [0, 10, -10, -20, 20, 30, -30, -40, 40]


# --- the tilt series ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def acquired(tmp_path_factory):
    simulation = Simulation(
        tmp_path_factory.mktemp("series"),
        seed=9,
        grids={1: Grid.make(21, 2, kinds=("good", "thick"), within_um=300.0)},
        time_scale=0.0,
    )
    session = simulation.session
    session.scope.set_low_dose(True)
    binned_more(session, "RTFV")
    session.navigator.open()
    lamella = session.grid.lamellae[0]
    x, y = lamella.center_um
    for dx, dy in ((-3.0, 1.0), (3.0, -2.0)):
        nav_points.add_stage_pos_as_nav_point(session, x + dx, y + dy, -lamella.height_um + 2.0)
        nav_changes.set_item_acquire(session, -1)
    simulation.scripts[1] = Script("series", SERIES)
    simulation.scripts[2] = Script("tools", TOOLS)
    simulation.acquire_params(primary=1)
    result = simulation.run_acquire()
    assert result.ok, result.error
    return simulation


def series(simulation, label):
    return [e for e in simulation.exposures if Path(e.file).name == f"{label}.mrc"]


@pytest.mark.parametrize("label", ["1", "2"])
def test_every_tilt_is_there_in_the_order_of_dose(acquired, label):
    tilts = [e.tilt_deg for e in series(acquired, label)]
    assert tilts == pytest.approx(ORDER, abs=0.05)
    assert acquired.log.count("order: " + "  ".join(map(str, ORDER))) == 2


@pytest.mark.parametrize("label", ["1", "2"])
def test_the_target_stays_in_the_middle_and_in_focus(acquired, label):
    centers = np.array([e.center_um for e in series(acquired, label)])
    away = np.hypot(*(centers - centers[0]).T)
    assert np.median(away) < 0.06 and away.max() < 0.2
    values = np.array([e.defocus_um for e in series(acquired, label)])
    assert values[0] == pytest.approx(-3.0, abs=0.1)
    assert np.abs(values + 3.0).max() < 0.5


def test_what_the_series_leaves_behind(acquired):
    session = acquired.session
    notes = read_mdoc(session.directory / "tilts" / "1.mrc.mdoc")
    assert [n.number("TiltAngle") for n in notes.images] == pytest.approx(ORDER, abs=0.05)
    moved = [n.number("Moved") for n in notes.images[1:]]
    assert all(0 <= shift_nm < 300 for shift_nm in moved)
    assert not any(item.acquire for item in session.navigator.items)
    assert len(session.files) == 0
    assert sum(line.startswith("== 9 images in ") for line in acquired.log) == 2


def test_a_second_series_gets_a_name_of_its_own(acquired, tmp_path):
    """The library finds a free name, for a script in Python, too."""
    session = acquired.session
    python = (
        "#!Python\nimport serialem as sem\n"
        "sem.CallFunction('Tools::NewName', 'tilts/1')\n"
        "print('free:', sem.GetVariable('freeName'))\n"
        "print('moved', sem.CallFunction('Tools::Track', 'P', 500) >= 0)\n"
    )
    session.scope.set_low_dose(True)
    result = acquired.run(python)
    assert result.ok, result.error
    assert "free: tilts/1_1.mrc" in acquired.log and "moved True" in acquired.log


# --- the map of a grid -------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    simulation = Simulation(
        tmp_path_factory.mktemp("grid"),
        seed=4,
        grids={1: plunged_grid()},
        stage_limit_um=330.0,
        time_scale=0.0,
    )
    simulation.scripts[7] = Script("tools", TOOLS)
    result = simulation.run(MAPPING, "map_squares.txt")
    assert result.ok and result.exited, result.error
    return simulation


def items(simulation, kind):
    return [item for item in simulation.session.navigator.items if item.kind == kind]


def test_files_of_the_mapping(mapped):
    names = {path.name for path in mapped.session.directory.iterdir()}
    assert {"grid.nav", "grid_atlas.mrc", "grid_square01.mrc", "grid_square02.mrc"} <= names
    assert any(line.startswith("Elapsed ") and "2 squares" in line for line in mapped.log)


def test_polygons_lie_on_squares(mapped):
    polygons = items(mapped, POLYGON)
    assert len(polygons) >= 8
    distances = from_squares_um(mapped.session.grid, [middle_um(item) for item in polygons])
    assert np.median(distances) < 2.5


def test_maps_cover_the_squares_that_were_chosen(mapped):
    _, *maps = items(mapped, MAP)
    done = [item for item in items(mapped, POLYGON) if item.integer("Color") == 3]
    assert [item.note[-8:] for item in maps] == ["square 1", "square 2"] and len(done) == 2
    middles = [middle_um(square) for square in maps]
    for polygon in done:
        assert min(np.hypot(*(middle_um(polygon) - middle)) for middle in middles) < 20
    assert all(square.acquire for square in maps)


def test_the_chosen_squares_are_those_of_the_script_in_python(mapped, tmp_path):
    """Both scripts do the same with the same commands."""
    other = Simulation(
        tmp_path, seed=4, grids={1: plunged_grid()}, stage_limit_um=330.0, time_scale=0.0
    )
    script = (SCRIPTS / "map_grid.py").read_text(encoding="utf-8")
    result = other.run(script, "map_grid.py")
    assert result.ok, result.error
    places = [[middle_um(item) for item in items(each, MAP)[1:]] for each in (mapped, other)]
    assert np.allclose(*places, atol=2.0)
