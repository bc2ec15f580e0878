"""A script that maps a grid: atlas, squares, maps of the best ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from space.simulator import Simulation
from space.simulator.formats.navfile import MAP, POLYGON
from tests.simulator.third_party.places import from_squares_um, middle_um, plunged_grid

SCRIPT = (Path(__file__).parent / "scripts" / "map_grid.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    simulation = Simulation(
        tmp_path_factory.mktemp("grid"),
        seed=4,
        grids={1: plunged_grid()},
        stage_limit_um=330.0,
        time_scale=0.0,
    )
    result = simulation.run(SCRIPT, "map_grid.py")
    assert result.ok and result.exited, result.error
    return simulation


def items(simulation, kind):
    return [item for item in simulation.session.navigator.items if item.kind == kind]


def test_files_of_the_session(mapped):
    folder = mapped.session.directory
    names = {path.name for path in folder.iterdir()}
    assert {"grid.nav", "grid.log", "grid_atlas.mrc", "grid_atlas.mrc.mdoc"} <= names
    assert {"grid_square01.mrc", "grid_square02.mrc"} <= names
    saved = (folder / "grid.nav").read_text(encoding="utf-8")
    assert saved.count("[Item = ") == len(mapped.session.navigator.items)
    assert any("squares found" in line for line in mapped.log)
    assert any(line.startswith("Elapsed: ") for line in mapped.log)


def test_atlas_shows_the_stage_range(mapped):
    atlas = items(mapped, MAP)[0]
    points = np.array(atlas.points_um)
    assert atlas.label == "grid" and atlas.note == "grid_atlas.mrc"
    assert (points.max(axis=0) - points.min(axis=0)).min() > 600.0


def test_polygons_lie_on_squares_as_seen_at_medium_magnification(mapped):
    polygons = items(mapped, POLYGON)
    assert len(polygons) >= 8
    distances = from_squares_um(mapped.session.grid, [middle_um(item) for item in polygons])
    # The offset of low magnification (8 to 15 um) has been taken out.
    assert np.median(distances) < 2.5
    assert np.hypot(*mapped.session.scope.optics.low_mag_offset_um) > 8.0


def test_maps_cover_the_brightest_squares(mapped):
    atlas, *maps = items(mapped, MAP)
    assert len(maps) == 2
    done = [item for item in items(mapped, POLYGON) if item.integer("Color") == 3]
    assert len(done) == 2
    for number, (square, polygon) in enumerate(zip(maps, done), start=1):
        assert square.acquire and square.note.endswith(f"square {number}")
        inside = np.array(square.points_um)
        corners = np.array(polygon.points_um)
        assert (inside.min(axis=0) - 1 <= corners.min(axis=0)).all()
        assert (inside.max(axis=0) + 1 >= corners.max(axis=0)).all()


def test_height_of_the_squares_is_that_of_the_specimen(mapped):
    session = mapped.session
    for square in items(mapped, MAP)[1:]:
        x, y = middle_um(square)
        assert square.stage_um[2] == pytest.approx(-session.grid.height_um(x, y), abs=1.0)
