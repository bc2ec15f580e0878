"""A script that sets a microscope up for the night: its report, and the truth."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from space.simulator import Simulation
from tests.simulator.test_aberrations import Amorphous

SCRIPT = (Path(__file__).parent / "scripts" / "set_up_scope.py").read_text(encoding="utf-8")
IDLE_H = 50.0
OFF_EV = 6.0


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    """A microscope that nobody has looked after for a while."""
    simulation = Simulation(
        tmp_path_factory.mktemp("setup"),
        seed=4,
        grids={1: Amorphous()},
        instrument="krios_falcon4",
        time_scale=0.0,
    )
    session, scope = simulation.session, simulation.session.scope
    session.clock.advance(3600.0 * IDLE_H)
    scope.filter_offset_ev += scope.zero_loss_ev() - OFF_EV
    scope.stigmator, scope.beam_tilt = (0.05, 0.1), (1.5, -1.0)
    scope.defocus_um = scope.focus_zero_um - 3.0
    assert scope.gun_current() < 0.92
    result = simulation.run(SCRIPT, "set_up_scope.py")
    assert result.ok, result.error
    return simulation


@pytest.fixture
def report(simulation):
    text = (simulation.session.directory / "setup_report.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    return {words[0]: [float(word) for word in words[1:]] for words in lines}


def test_a_gun_that_has_decayed_is_flashed(simulation, report):
    assert report["advised"] == [0.0, 0.0]
    assert simulation.session.scope.gun_current() > 0.99


def test_the_zero_loss_peak_is_back_in_the_slit(simulation, report):
    before, after, again = report["zlp"]
    assert before < 0.1 * after and again == 0.0
    assert simulation.session.scope.zero_loss_ev() == pytest.approx(0.0, abs=0.3)
    assert simulation.session.scope.slit_width_ev == 20.0


def test_coma_is_taken_out(simulation, report):
    x, y, new_x, new_y, change_x, change_y = report["coma"]
    assert (x + change_x, y + change_y) == pytest.approx((new_x, new_y), abs=1e-3)
    assert math.hypot(*simulation.session.scope.coma_tilt_mrad()) < 0.3


def test_astigmatism_is_taken_out(simulation, report):
    x, y, new_x, new_y, needed_x, needed_y = report["stigmator"]
    assert (new_x - x, new_y - y) == pytest.approx((needed_x, needed_y), abs=0.02)
    assert math.hypot(*simulation.session.scope.astigmatism_um()) < 0.05
    start, end, defocus = report["astigmatism"]
    assert end < 0.1 < start
    assert defocus == pytest.approx(simulation.exposures[-1].defocus_um, abs=0.05)
