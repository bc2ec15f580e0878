"""A grid lies on the stage another way each time it is loaded; what was done to it stays on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column import InstrumentError, LoadModel, Lying, load_instrument
from space.simulator.column.instrument_file import INSTRUMENT_FOLDER
from space.simulator.column.lying import lying
from space.simulator.commands import camera
from space.simulator.commands.scope import load_cartridge, unload_cartridge
from space.simulator.imaging import camera as camera_model
from space.simulator.judging import double_exposed
from space.simulator.keeping import Setup, open_session
from space.simulator.specimen import Grid
from tests.simulator.fakes import textured

KRIOS = load_instrument("krios_k3")
LYING = Lying(7.0, (12.0, -30.0))


def reload(session):
    unload_cartridge(session)
    load_cartridge(session, 1)
    session.scope.valve_open = True


def test_first_load_is_as_drawn_and_each_later_one_another_way():
    model = LoadModel()
    assert lying(model, 1, "G1", 1) == Lying()
    ways = {lying(model, seed, name, n) for seed in (1, 2) for name in "AB" for n in (2, 3)}
    assert len(ways) == 8
    assert lying(model, 1, "A", 2) == lying(LoadModel(), 1, "A", 2)
    assert lying(replace(model, first_too=True), 1, "G1", 1) != Lying()


def test_loads_differ_as_much_as_the_instrument_says():
    model = LoadModel(turn_deg=2.0, shift_um=45.0)
    ways = [lying(model, seed, "G1", 2) for seed in range(400)]
    assert np.std([way.turned_deg for way in ways]) == pytest.approx(2.0, rel=0.1)
    assert np.std([way.moved_um for way in ways]) == pytest.approx(45.0, rel=0.1)
    far = replace(model, far_share=0.25, far_turn_deg=(10.0, 20.0))
    turned = np.abs([lying(far, seed, "G1", 2).turned_deg for seed in range(400)])
    assert 0.18 < (turned >= 10.0).mean() < 0.32 and turned.max() <= 20.0


def test_the_way_to_the_stage_and_back():
    points = np.array([(0.0, 0.0), (100.0, -40.0)])
    there = LYING.to_stage(points)
    assert there[0] == pytest.approx(LYING.moved_um)
    assert np.degrees(np.arctan2(*(there[1] - there[0])[::-1])) == pytest.approx(
        np.degrees(np.arctan2(-40.0, 100.0)) + 7.0
    )
    assert LYING.to_grid(there) == pytest.approx(points)


@pytest.mark.parametrize("tilt_deg", [0.0, 40.0])
def test_a_picture_shows_the_same_place_where_it_lies_now(make_session, tilt_deg):
    session = make_session(textured(), instrument="krios_k3")
    place = np.array((2.0, 3.0))

    def seen_from_the_place():
        """Affine map of a picture to distances from the place, stage frame."""
        session.scope.stage.tilt_to(0.0)
        session.scope.stage.move_to(*session.lying.to_stage(place))
        session.scope.stage.tilt_to(tilt_deg)
        view = session.geometry(4.0, (200, 300))
        seen = camera_model.px_to_grid(session.scope.optics, view)
        seen[:, 2] -= place
        return session.lying.rows @ seen

    before = seen_from_the_place()
    reload(session)
    assert session.lying != Lying()
    assert seen_from_the_place() == pytest.approx(before, abs=1e-6)
    if not tilt_deg:
        view = session.geometry(4.0, (200, 300))
        assert camera_model.center_um(session.scope.optics, view) == pytest.approx(place)


def test_height_of_a_place_at_a_tilt_follows_the_grid(make_session):
    grid = Grid.make(4, 1, within_um=200.0)
    session = make_session(grid, instrument="krios_k3")
    place = np.array(grid.lamellae[0].center_um)
    reload(session)
    session.scope.stage.move_to(*session.lying.to_stage(place))
    untilted_um = session.height_um()
    assert untilted_um == pytest.approx(grid.height_um(*place), abs=0.05)
    to_specimen = session.scope.optics.stage_to_specimen() @ session.lying.rows
    slope = np.linalg.inv(to_specimen).T @ grid.lamellae[0].slope
    view = session.geometry(4.0, (100, 100))
    assert camera_model.path(session.scope.optics, replace(view, tilt_deg=30.0)) == pytest.approx(
        1.0 / (np.cos(np.radians(30.0)) - slope[1] * np.sin(np.radians(30.0)))
    )


def test_damage_and_double_exposure_stay_on_the_specimen(make_session):
    session = make_session(textured(), instrument="krios_k3")
    place = np.array((1.0, -2.0))

    def expose(name):
        session.scope.stage.move_to(*session.lying.to_stage(place))
        camera.record(session)
        session.exposures[-1] = replace(session.exposures[-1], file=name)

    expose("a_ts_001.mrc")
    reload(session)
    assert np.hypot(*session.lying.moved_um) > 5.0
    expose("b_ts_001.mrc")
    first, second = session.exposures
    assert second.lying == session.lying and first.lying == Lying()
    assert second.beam_center_um == pytest.approx(first.beam_center_um, abs=1e-6)
    dose = session.darkroom.damage.dose_map(first.grid, session.exposures)
    px_to_grid = np.array([[0.01, 0.0, place[0]], [0.0, 0.01, place[1]]])
    assert dose.sample(px_to_grid, (4, 4)).mean() == pytest.approx(
        first.dose_e_A2 + second.dose_e_A2, rel=0.01
    )
    hit = double_exposed(session.exposures)
    assert hit.at_one_tilt > 0.9 * np.pi * first.radius_um**2 / 0.02**2


def test_a_kept_session_knows_how_its_grid_lies(tmp_path):
    setup = Setup(seed=5)
    grids = {1: textured()}
    with open_session(tmp_path, setup, grids=grids, time_scale=0.0) as simulation:
        reload(simulation.session)
        way = simulation.session.lying
    with open_session(tmp_path, setup, grids=grids, time_scale=0.0) as simulation:
        assert simulation.session.lying == way != Lying()
        reload(simulation.session)
        assert simulation.session.lying not in (way, Lying())


def test_an_instrument_file_says_how_grids_are_loaded(tmp_path):
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"

    def model(*change):
        path.write_text(text.replace(*change), encoding="utf-8")
        return load_instrument(path).loading

    assert model("first_too = false", "first_too = true").first_too
    assert KRIOS.loading == LoadModel()
    for wrong in ("far_share = 1.5", "far_share = -1"):
        with pytest.raises(InstrumentError, match="far_share"):
            model("far_share = 0.0", wrong)
    with pytest.raises(InstrumentError, match="range of angles"):
        model("[10.0, 20.0]", "[20.0, 10.0]")
    # A file of before grids were loaded so.
    start, end = text.index("[loading]"), text.index("[controls]")
    path.write_text(text[:start] + text[end:], encoding="utf-8")
    assert load_instrument(path).loading == LoadModel()
