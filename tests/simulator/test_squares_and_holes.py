"""Squares and holes that are found where the specimen has them, and Records at a pattern."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import files, holes, image_shift, nav_montage, nav_points
from space.simulator.specimen import Grid
from space.simulator.specimen.film import NORMAL
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture(scope="module")
def grid():
    return Grid.make(11, 0, milled=False)


@pytest.fixture
def session(make_session, grid):
    session = make_session(grid, noise=True, low_dose=False, time_scale=0.0)
    session.navigator.open()
    return session


def good_square_um(grid) -> tuple[float, float]:
    """Centre of a square with little on it."""
    half = grid.film.half
    places = [(i, j) for i in range(-3, 4) for j in range(-3, 4)]
    clean = [p for p in places if grid.film.states[p[0] + half, p[1] + half] == NORMAL]
    best = min(clean, key=lambda p: grid.film.coverage[p[0] + half, p[1] + half])
    return grid.film.square_center_um(*best)


def away_from_lattice_um(points, pitch_um, angle_deg) -> np.ndarray:
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    steps = np.asarray(points) @ turn.T / pitch_um
    return np.hypot(*((steps - np.rint(steps)) * pitch_um).T)


def test_polygons_at_squares_lie_on_squares_of_the_grid(session, grid):
    session.take("R")
    nav_montage.auto_contour_grid_squares(session, "A", 0.0, 60.0)
    count = nav_montage.make_polygons_at_squares(session)
    assert count >= 4
    offset = np.array(session.scope.optics.low_mag_offset_um)
    centers = []
    for item in session.navigator.items:
        outline = np.array(item.points_um)
        assert item.points_um[0] == item.points_um[-1] and len(outline) >= 5
        centers.append((outline.min(axis=0) + outline.max(axis=0)) / 2 + offset)
    film = grid.film
    assert away_from_lattice_um(centers, film.mesh_pitch_um, film.mesh_deg).max() < 6.0
    groups = {item.integer("GroupID") for item in session.navigator.items}
    assert len(groups) == 1 and 0 not in groups


def test_limits_leave_squares_out(session):
    session.take("R")
    with pytest.raises(SEMerror):
        nav_montage.make_polygons_at_squares(session)
    nav_montage.auto_contour_grid_squares(session, "A", -1.0, 60.0)
    every = nav_montage.make_polygons_at_squares(session)
    means = sorted(s.mean for s in session.workbench.squares.squares)
    limit = (means[0] + means[1]) / 2
    assert nav_montage.make_polygons_at_squares(session, limit) == every - 1
    assert nav_montage.make_polygons_at_squares(session, -1.0, limit) == 1.0
    assert nav_montage.make_polygons_at_squares(session, -1, -1, 500.0) == 0.0
    assert nav_montage.make_polygons_at_squares(session, -1, -1, -1, -1, 5000.0) == 0.0
    nav_montage.auto_contour_grid_squares(session, "A", -1.0, 300.0, 900.0)
    assert session.workbench.squares.squares == []


def test_montage_over_a_polygon(make_session, tmp_path):
    session = make_session(SpotGrid(), time_scale=0.0)
    session.navigator.open()
    session.scope.go_to_area("V")
    session.variables.set("x", "100\n140\n100")
    session.variables.set("y", "-20\n-20\n20")
    index = int(nav_points.add_stage_points_as_polygon(session, "x", "y", 0.0))
    nav_montage.setup_polygon_montage(session, index, 0.1, "p.mrc")
    layout = session.files.current.montage.layout
    assert session.scope.stage.position_um[:2] == pytest.approx((120.0, 0.0), abs=2.0)
    total = layout.counts[0] * layout.counts[1]
    # Half of the square around a right triangle is outside it.
    assert 0.15 * total < len(layout.skipped) < 0.5 * total
    nav_montage.skip_pieces_outside_item(session, -1)
    assert not session.files.current.montage.layout.skipped
    nav_montage.skip_pieces_outside_item(session, index)
    assert session.files.current.montage.layout.skipped == layout.skipped
    nav_points.add_stage_pos_as_nav_point(session, 1, 2, 0)
    with pytest.raises(SEMerror):
        nav_montage.setup_polygon_montage(session, 2, 0.1, "q.mrc")
    session.variables.set("x", "500\n540\n500")
    far = int(nav_points.add_stage_points_as_polygon(session, "x", "y", 0.0))
    with pytest.raises(SEMerror):
        nav_montage.skip_pieces_outside_item(session, far)


def test_points_at_holes_lie_in_holes(session, grid):
    film = grid.film
    session.scope.set_low_dose(True)
    session.scope.go_to_area("S")
    session.scope.stage.move_to(*good_square_um(grid))
    session.take("S")
    with pytest.raises(SEMerror):
        holes.make_nav_points_at_holes(session)
    holes.set_hole_finder_params(session, 2.0, 4.2, 0)
    assert holes.report_hole_finder_params(session) == (2.0, 4.2, 0.0, 0.0, "", "")
    holes.set_hole_finder_params(session, 2.0, 4.2, 0, 0.05, "2.4 3.6", "1.5 2 3")
    everything = (2.0, 4.2, 0.0, 0.05, "2.4 3.6", "1.5 2 3")
    assert holes.report_hole_finder_params(session) == everything
    holes.set_hole_finder_params(session, 2.0, 4.2, 0)
    assert holes.report_hole_finder_params(session) == everything
    holes.find_holes(session, "A")
    count = holes.make_nav_points_at_holes(session)
    assert count >= 6 and count == len(session.navigator.items)
    places = [item.stage_um[:2] for item in session.navigator.items]
    assert away_from_lattice_um(places, film.hole_pitch_um, film.hole_deg).max() < 0.1
    assert holes.make_nav_points_at_holes(session, 0, 5.0) == 0.0
    inner = holes.make_nav_points_at_holes(session, 0, 0, 0, 0, 0, film.hole_pitch_um)
    assert 0 < inner < count
    holes.use_hole_vectors_for_multi(session)
    for vector in session.workbench.multishot.vectors_um:
        assert np.hypot(*vector) == pytest.approx(film.hole_pitch_um, rel=0.01)
    to_stage = session.scope.optics.specimen_to_stage()
    around = np.array(session.workbench.multishot.positions_um()) @ to_stage.T + places[0]
    assert away_from_lattice_um(around, film.hole_pitch_um, film.hole_deg).max() < 0.15
    holes.clear_hole_finder(session)
    with pytest.raises(SEMerror):
        holes.use_hole_vectors_for_multi(session)
    with pytest.raises(SEMerror):
        holes.set_hole_finder_params(session, 4.0, 2.0, 0)


def test_no_holes_are_found_where_there_are_none(make_session):
    session = make_session(textured(pixel_um=0.02), time_scale=0.0)
    session.take("V", binning=8)
    with pytest.raises(SEMerror):
        holes.find_holes(session)


def test_records_at_a_pattern_are_where_it_says(make_session, tmp_path):
    session = make_session(SpotGrid(), time_scale=0.0)
    bench = session.workbench.multishot
    bench.vectors_um, bench.counts = ((2.0, 0.5), (-0.5, 2.0)), (3, 2)
    session.scope.go_to_area("R")
    session.scope.shift_image_by_um(0.3, 0.2)
    start = session.scope.image_shift
    session.camera.change("R", binning=8)
    files.open_new_file(session, "shots.mrc")
    holes.multiple_records(session)
    assert image_shift.report_image_shift(session)[:2] == pytest.approx(start)
    assert session.scope.saved_beam_tilt is None
    shots = np.array([e.center_um for e in session.exposures])
    wanted = np.array(bench.positions_um()) + (0.3, 0.2)
    assert shots == pytest.approx(wanted @ session.scope.optics.specimen_to_stage().T, abs=2e-3)
    steps = np.hypot(*np.diff(shots, axis=0).T)
    assert steps.max() < 2.2
    assert len({e.beam_tilt_mrad for e in session.exposures}) == 6
    with mrcfile.open(tmp_path / "shots.mrc") as stack:
        assert stack.data.shape[0] == 6
    text = (tmp_path / "shots.mrc.mdoc").read_text(encoding="utf-8")
    assert "MultishotHoleAndPosition = 6 0" in text
    holes.image_shift_to_last_multi_hole(session)
    assert session.scope.specimen_shift_um() == pytest.approx(tuple(wanted[-1]), abs=1e-6)
    with pytest.raises(SEMerror):
        holes.multiple_records(session, 4)
    bench.vectors_um = ((20.0, 0.0), (0.0, 20.0))
    with pytest.raises(SEMerror):
        holes.multiple_records(session)


def test_stage_goes_to_the_last_hole(make_session):
    session = make_session(SpotGrid(), time_scale=0.0)
    with pytest.raises(SEMerror):
        holes.stage_to_last_multi_hole(session)
    session.workbench.multishot.last_um = (1.0, -2.0)
    holes.stage_to_last_multi_hole(session)
    assert session.scope.stage.position_um[:2] == pytest.approx((-1.0, 2.0), rel=0.01)
