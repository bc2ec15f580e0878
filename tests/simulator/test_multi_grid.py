"""A grid that was loaded again is found by its map, and the items move with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import camera, files, multi_grid, nav_maps, nav_points, navigator
from tests.simulator.fakes import textured


@dataclass(frozen=True)
class Reloaded:
    """A grid that lies on the stage turned and shifted."""

    grid: object
    turn_deg: float
    shift_um: tuple[float, float]
    name: str = "texture"
    lamellae: tuple = ()

    def now(self, x, y) -> np.ndarray:
        """Where a point of the grid is now."""
        return self._matrix() @ (x, y) + self.shift_um

    def _matrix(self):
        angle = np.radians(self.turn_deg)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def transmission(self, px_to_grid, shape, pixel_um):
        before = px_to_grid.copy()
        before[:, 2] -= self.shift_um
        return self.grid.transmission(self._matrix().T @ before, shape, pixel_um)

    def height_um(self, x, y):
        return self.grid.height_um(x, y)


POINTS_UM = [(3.0, -2.0), (-2.5, 4.0)]


@pytest.fixture(params=["krios_k3", "talos_ceta"])
def session(make_session, tmp_path, request):
    """A View map of a grid, and points on it."""
    session = make_session(textured(), noise=True, instrument=request.param)
    session.scope.stage.move_to(1.0, 2.0, -3.0)
    navigator.open_navigator(session)
    camera.view(session)
    files.open_new_file(session, "map.mrc")
    files.save_to_file(session)
    nav_maps.new_map(session)
    files.close_file(session)
    for x, y in POINTS_UM:
        nav_points.add_stage_pos_as_nav_point(session, x, y, 0.0)
    return session


def reload(session, turn_deg, shift_um):
    session.grids[1] = Reloaded(session.grids[1], turn_deg, shift_um)
    session.scope.stage.move_to(0.0, 0.0, 0.0)
    return session.grids[1]


def positions(session) -> np.ndarray:
    return np.array([item.stage_um[:2] for item in session.navigator.items])


@pytest.mark.parametrize(("turn_deg", "expected_deg"), [(0.0, 0.0), (6.5, 0.0), (-30.0, -27.0)])
def test_items_go_where_the_grid_is_now(session, turn_deg, expected_deg):
    grid = reload(session, turn_deg, (0.8, -0.5))
    state = session.scope.low_dose, session.scope.area
    multi_grid.realign_reloaded_grid(session, 1, expected_deg, 1, 8.0, 1)
    found = positions(session)
    wanted = [grid.now(1.0, 2.0), *(grid.now(*point) for point in POINTS_UM)]
    assert found == pytest.approx(np.array(wanted), abs=0.1)
    assert session.scope.stage.position_um[2] == pytest.approx(-3.0)
    assert (session.scope.low_dose, session.scope.area) == state
    # The map still shows its points at the pixels where they were.
    nav_maps.load_other_map(session, 1, "P")
    image = session.buffers.get("P")
    from space.simulator.program.nav_items import stage_to_image_px

    shown = stage_to_image_px(image, np.array(wanted))
    rows, columns = image.data.shape
    before = np.array([(1.0, 2.0), *POINTS_UM]) - (1.0, 2.0)
    matrix = session.scope.optics.stage_to_image(image.mag_index, image.binning, 0.0)
    assert shown == pytest.approx((columns / 2, rows / 2) + before @ matrix.T, abs=12.0)


def test_items_stay_without_being_asked_for_and_where_the_grid_is_another(session):
    reload(session, 0.0, (0.8, -0.5))
    before = positions(session)
    multi_grid.realign_reloaded_grid(session, 1, 0.0)
    assert np.array_equal(positions(session), before)
    assert any("turned by" in line for line in session.log)
    session.grids[1] = textured(seed=99)
    with pytest.raises(SEMerror, match="recognized"):
        multi_grid.realign_reloaded_grid(session, 1, 0.0, 0, 0.0, 1)
    assert np.array_equal(positions(session), before)
    with pytest.raises(SEMerror, match="not a map"):
        multi_grid.realign_reloaded_grid(session, 2, 0.0)


def test_alignment_is_refined_in_an_imaging_state(session):
    grid = reload(session, 1.2, (0.4, 0.3))
    states = session.scope.states
    view = next(s for s in states if s.area is not None and s.area.letter == "V")
    session.scope.states = (*states, replace(view, name="fine"))
    with pytest.raises(SEMerror, match="would have moved"):
        multi_grid.refine_grid_map_alignment(session, 1, "fine", 3.0, 0.1)
    multi_grid.refine_grid_map_alignment(session, 1, "fine")
    wanted = [grid.now(1.0, 2.0), *(grid.now(*point) for point in POINTS_UM)]
    assert positions(session) == pytest.approx(np.array(wanted), abs=0.1)
    with pytest.raises(SEMerror, match="no imaging state"):
        multi_grid.refine_grid_map_alignment(session, 1, "none of them")


def test_there_is_no_session_with_several_grids(session):
    with pytest.raises(SEMerror, match="several grids"):
        multi_grid.load_all_grid_maps(session)
    with pytest.raises(SEMerror, match="several grids"):
        multi_grid.report_current_mul_grid_id(session)
