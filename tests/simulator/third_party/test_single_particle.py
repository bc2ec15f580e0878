"""A script for single particles: holes, focus, dose, Records at a pattern of holes."""

from __future__ import annotations

import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from space.simulator import Policy, Simulation
from tests.simulator.third_party.places import (
    binned_more,
    clean_square_um,
    from_holes_um,
    plunged_grid,
)

SCRIPT = (Path(__file__).parent / "scripts" / "single_particle.py").read_text(encoding="utf-8")


class User:
    """Drags the nearest hole into the middle, seeing what is on the screen."""

    def __init__(self) -> None:
        self.session = None

    def respond(self, kind: str, text: str):
        if kind == "ok" and "Drag the hole" in text:
            scope, film = self.session.scope, self.session.grid.film
            here = np.array(self.session.exposures[-1].center_um)
            angle = np.radians(film.hole_deg)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            steps = turn @ here / film.hole_pitch_um
            away = turn.T @ ((np.rint(steps) - steps) * film.hole_pitch_um)
            scope.shift_image_by_um(*(scope.optics.stage_to_specimen() @ away))
        return None


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    grid, user = plunged_grid(), User()
    simulation = Simulation(
        tmp_path_factory.mktemp("spa"),
        seed=3,
        grids={1: grid},
        policy=Policy(respond=user.respond),
        time_scale=0.0,
    )
    user.session = simulation.session
    binned_more(user.session, "VS")
    user.session.scope.stage.move_to(*clean_square_um(grid))
    user.session.workbench.multishot.counts = (2, 2)
    result = simulation.run(SCRIPT, "single_particle.py")
    assert result.ok, result.error
    return simulation.session


def saved_in(session, name):
    return [e for e in session.exposures if Path(e.file).name == name]


def logged(session, pattern):
    found = [re.search(pattern, line) for line in session.log]
    return next(match for match in found if match)


def test_points_lie_in_holes(session):
    places = [item.stage_um[:2] for item in session.navigator.items]
    assert len(places) >= 6
    # The stage error of the Search image is in all of them.
    assert np.median(from_holes_um(session.grid, places)) < 1.0


def test_records_by_hand_are_in_holes(session):
    shots = saved_in(session, "spa_manual.mrc")
    assert len(shots) == 4
    away = from_holes_um(session.grid, [e.center_um for e in shots])
    assert away.max() < 0.12
    steps = np.diff([e.center_um for e in shots], axis=0)
    assert np.hypot(*steps.T).min() > 4.0


def test_records_of_the_multi_shot_pattern_are_on_the_lattice_of_holes(session):
    shots = saved_in(session, "spa_multishot.mrc")
    assert len(shots) == 4
    points = np.array([e.center_um for e in shots])
    pitch = session.grid.film.hole_pitch_um
    assert np.hypot(*np.diff(points, axis=0).T) == pytest.approx([pitch] * 3, rel=0.01)
    # Two by two holes around one: the pattern's middle is a hole, its corners lie between.
    assert from_holes_um(session.grid, points.mean(axis=0)[None]).max() < 0.12


def test_defocus_is_the_target_and_follows_it(session):
    shots = saved_in(session, "spa_manual.mrc")
    # Without what the holes differ in height from the place where autofocus looked.
    focus = [e for e in session.exposures if e.area == "F" and e.index < shots[0].index][-1]
    values = [e.defocus_um - (e.height_um - focus.height_um) for e in shots]
    # Ice in a hole shows autofocus little, least of all when it begins near focus.
    assert values[0] == pytest.approx(-0.8, abs=0.2)
    assert np.diff(values) == pytest.approx([-0.8, -0.8, 1.6], abs=0.05)


def test_dose_of_a_record_is_the_wanted_one(session):
    rate = float(logged(session, r"dose rate ([\d.]+)")[1])
    record = next(e for e in session.exposures if e.area == "R")
    # A hole lets most electrons pass.
    assert 0.75 * record.dose_e_A2 < rate <= 1.02 * record.dose_e_A2
    dose = saved_in(session, "spa_manual.mrc")[0].dose_e_A2
    assert dose == pytest.approx(30.0, rel=0.3)


def test_drift_and_arithmetic(session):
    assert float(logged(session, r"drift ([\d.]+) nm/s$")[1]) < 1.0
    assert float(logged(session, r"ratio ([\d.]+)")[1]) == pytest.approx(1.0, abs=0.02)


def test_files_are_whole(session):
    for name in ("spa_manual.mrc", "spa_multishot.mrc"):
        path = session.directory / name
        with mrcfile.open(path) as stack:
            assert stack.data.shape[0] == 4
        text = path.with_name(name + ".mdoc").read_text(encoding="utf-8")
        assert text.count("[ZValue") == 4
    assert text.count("MultishotHoleAndPosition") == 4
