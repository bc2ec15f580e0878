"""A script that times and measures the microscope: its numbers against the true ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from space.simulator import Simulation
from tests.simulator.third_party.places import binned_more, clean_square_um, plunged_grid

SCRIPT = (Path(__file__).parent / "scripts" / "performance.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    grid = plunged_grid()
    folder = tmp_path_factory.mktemp("performance")
    simulation = Simulation(folder, seed=6, grids={1: grid}, time_scale=0.0, instrument="krios_k3")
    binned_more(simulation.session, "VS")
    simulation.session.scope.set_low_dose(True)
    simulation.session.scope.stage.move_to(*clean_square_um(grid), 3.0)
    result = simulation.run(SCRIPT, "performance.py")
    assert result.ok and result.exited, result.error
    lines = [line.split() for line in (folder / "performance.txt").read_text().splitlines()]
    return simulation, {name: [float(word) for word in words] for name, *words in lines}


def test_what_takes_longer_is_timed_longer(measured):
    numbers = measured[1]
    assert 0 < numbers["shift_0.3"][0] < 5
    assert numbers["stage_1.0"][0] >= numbers["stage_0.3"][0] > 0
    longer = numbers["exposure_2"][0] - numbers["exposure_0.5"][0]
    assert longer == pytest.approx(1.5, abs=0.01)
    assert numbers["autofocus"][0] > numbers["exposure_0.5"][0]


def test_shifts_and_moves_go_as_far_as_they_should(measured):
    numbers = measured[1]
    for name in ("shift_error_0.3", "shift_error_0.8"):
        assert numbers[name][0] == pytest.approx(0.0, abs=0.05)
    for name in ("stage_0.3", "stage_1.0"):
        assert abs(numbers[name][1]) < 1.5  # the stage has play


def test_the_camera_is_as_it_says(measured):
    session, numbers = measured[0].session, measured[1]
    assert tuple(numbers["area"]) == session.camera.size_px
    assert numbers["halves"][0] == pytest.approx(0.5, abs=0.02)
    assert numbers["halves"][1:] == [0.0, session.camera.model.counts_per_electron]


def test_the_lattice_is_that_of_the_film(measured):
    session, numbers = measured[0].session, measured[1]
    film = session.grid.film
    assert numbers["lattice"][:2] == pytest.approx([film.hole_pitch_um] * 2, rel=0.02)
    x, y = numbers["lattice_on_stage"]
    assert np.hypot(x, y) == pytest.approx(film.hole_pitch_um, rel=0.02)
    away = (np.degrees(np.arctan2(y, x)) - film.hole_deg + 45.0) % 90.0 - 45.0
    assert away == pytest.approx(0.0, abs=1.5)


def test_pictures_agree_across_magnifications(measured):
    numbers = measured[1]
    assert numbers["search_to_view"] == pytest.approx([1.0, 0.0], abs=0.3)
    assert numbers["search_to_view"][0] == pytest.approx(1.0, abs=0.01)
    assert numbers["turned"][0] == pytest.approx(0.0, abs=0.2)


def test_focus_is_the_eucentric_one_and_an_offset_does_not_count(measured):
    numbers = measured[1]
    truth = measured[0].session.true_defocus_um()
    assert numbers["autofocus"][1] == pytest.approx(truth, abs=0.6)
    assert numbers["with_offset"][0] == pytest.approx(truth, abs=0.6)
    assert numbers["shell"] == [1.0]
