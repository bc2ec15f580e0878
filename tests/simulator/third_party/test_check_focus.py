"""A script that focuses and checks the optics: its numbers against the true ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulator import Simulation
from tests.simulator.third_party.places import binned_more, clean_square_um, plunged_grid

SCRIPT = (Path(__file__).parent / "scripts" / "check_focus.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["krios_k3", "talos_ceta"])  # of either voltage
def checked(request, tmp_path_factory):
    grid = plunged_grid()
    simulation = Simulation(
        tmp_path_factory.mktemp("focus"),
        seed=6,
        grids={1: grid},
        instrument=request.param,
        time_scale=0.0,
    )
    binned_more(simulation.session, "VS")
    scope = simulation.session.scope
    scope.set_low_dose(True)
    scope.stage.move_to(*clean_square_um(grid), 7.0)
    result = simulation.run(SCRIPT, "check_focus.py")
    assert result.ok, result.error
    return simulation


@pytest.fixture
def numbers(checked):
    """First word of a line of the report → its last numbers."""
    text = (checked.session.directory / "focus_check.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    found = {}
    for words in lines:
        key = " ".join(words[:2]) if words[0] == "coma" else words[0]
        found[key] = [float(w) for w in words[1:] if w.lstrip("-").replace(".", "", 1).isdigit()]
    return found


def records(simulation):
    return [e for e in simulation.exposures if e.area == "R"]


def test_height_is_that_of_the_specimen(checked):
    session = checked.session
    x, y = records(checked)[0].center_um
    assert session.scope.stage.position_um[2] == pytest.approx(
        -session.grid.height_um(x, y), abs=0.4
    )


def test_focus_is_within_a_tenth_of_a_micrometre(checked, numbers):
    focus = [e for e in checked.exposures if e.area == "F"][-1]
    assert focus.defocus_um == pytest.approx(-3.0, abs=0.1)
    assert numbers["focus"][0] == pytest.approx(-3.0, abs=0.1)
    # The Focus area may lie beside Record, on a specimen that is not flat.
    record = records(checked)[0]
    uphill = record.height_um - focus.height_um
    assert record.defocus_um - uphill == pytest.approx(-3.0, abs=0.1)


@pytest.mark.parametrize("program", ["ctfplotter", "ctffind"])
def test_fits_give_the_true_defocus(checked, numbers, program):
    picture = records(checked)[["ctfplotter", "ctffind"].index(program)]
    defocus, astigmatism = numbers[program]
    assert defocus == pytest.approx(picture.defocus_um, abs=0.1)
    assert 0.0 <= astigmatism < 0.15


def test_without_coma_the_direction_of_the_beam_tilt_does_not_matter(numbers):
    assert abs(numbers["coma x"][0]) < 0.1 and abs(numbers["coma y"][0]) < 0.1


def test_fits_follow_the_focus(numbers):
    assert numbers["slope"][0] == pytest.approx(1.0, abs=0.1)


def test_picture_of_the_display(checked):
    assert (checked.session.directory / "last_view.jpg").read_bytes()[:2] == b"\xff\xd8"
