"""Sessions on microscopes that lack one thing each: one warning, and the work goes on."""

from __future__ import annotations

import pytest

from space.simulator.column import INSTRUMENT_FOLDER

TALOS_TEXT = (INSTRUMENT_FOLDER / "talos_ceta.toml").read_text(encoding="utf-8")


@pytest.fixture
def microscope(tmp_path):
    """Write the second instrument with small pictures and one key changed."""

    def write(old: str = "", new: str = "") -> str:
        assert old in TALOS_TEXT
        text = TALOS_TEXT.replace(old, new, 1)
        text = text.replace("{ binning = 4", "{ binning = 16").replace("4, 8]", "4, 8, 16]")
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def warnings(session) -> list[str]:
    """Lines of SerialEM's log that warn."""
    return [line for line in session.simulation.log if line.startswith("WARNING")]


FEW = {"target_list": ["lamella"], "max_targets": 2, "beam_diameter": 1.8}


@pytest.mark.parametrize(
    ("old", "new", "settings", "told"),
    [
        ("valves = true", "valves = false", {}, "column valves of this microscope"),
        ("apertures = true", "apertures = false", {}, "apertures of this microscope"),
        ("condensers = 2", "condensers = 1", {"beam_diameter": 0}, "illuminated area"),
        ('["rough", "fine", "focus"]', "[]", {}, "cannot find the eucentric height"),
        ("range_deg = [-90.0, 90.0]", "range_deg = [0.0, 0.0]", {}, "refuses to tilt to -5.0"),
        (
            "autoloader_names = true",
            "autoloader_names = false",
            {"grid_default_name": "G1"},
            "slot 1 no name: it is called G1",
        ),
    ],
    ids=["valves", "apertures", "one condenser", "eucentricity", "tilt", "names"],
)
def test_what_is_missing_is_told_once_and_all_lamellae_get_targets(
    bench, microscope, old, new, settings, told
):
    session = bench(("good", "good"), instrument=microscope(old, new), loaded=None)
    session.place_lamellae(6.0)
    result = session.run(4, **{**FEW, **settings})
    assert result.ok, result.error
    about = [line for line in warnings(session) if told in line]
    assert len(about) == 1, warnings(session)
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt", "G1_L02_tgts.txt"]
    lit = [exposure.dose_e_A2 > 0 for exposure in session.simulation.exposures]
    assert lit and all(lit)


def test_without_an_autoloader_slots_are_refused_before_anything_moves(bench, microscope):
    session = bench(instrument=microscope("autoloader_slots = 12", "autoloader_slots = 0"))
    before = session.simulation.session.clock.seconds
    result = session.run(1, grid_list=[1, 2])
    assert not result.ok
    assert "no autoloader; nothing was moved" in result.error
    assert "grid_list = [1, 2]" in result.error and '["stage"]' in result.error
    assert session.simulation.session.clock.seconds == before
    assert session.count_exposures() == 0 and session.names("*.nav") == []


def test_without_an_autoloader_the_grid_on_the_stage_is_done(bench, microscope):
    session = bench(instrument=microscope("autoloader_slots = 12", "autoloader_slots = 0"))
    session.place_lamellae(6.0)
    result = session.run(2, grid_list=["stage"], grid_default_name="G1")
    assert result.ok, result.error
    assert session.names("G1_L0?.mrc") == ["G1_L01.mrc"]
    assert warnings(session) == []


def test_an_autoloader_that_refuses_a_slot_costs_this_grid_only(bench, microscope):
    session = bench(instrument=microscope("autoloader_slots = 12", "autoloader_slots = 3"))
    session.place_lamellae(6.0)
    result = session.run(2, grid_list=["stage", 12], grid_default_name="G1")
    assert result.ok, result.error
    assert "Grid 12 failed: The autoloader does not answer" in session.log()
    assert session.names("G1_L0?.mrc") == ["G1_L01.mrc"]


def test_valves_by_hand_that_nobody_opened_are_seen_by_their_dark_pictures(bench, microscope):
    session = bench(instrument=microscope("valves = true", "valves = false"))
    session.place_lamellae(6.0)
    session.simulation.session.scope.valve_open = False
    result = session.run(2)
    assert not result.ok
    assert "Open them by hand" in session.log()
    assert "The View picture failed twice: 100 % of its pixels have the value 0" in session.log()
    assert session.names("G1_L0?.png") == []
