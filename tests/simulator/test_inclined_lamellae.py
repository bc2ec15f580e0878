"""Lamellae as they are milled: inclined, turned, bent, in a trench; and their pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import load_instrument
from space.simulator.imaging import View, px_to_grid
from space.simulator.imaging import camera as camera_model
from space.simulator.specimen import Grid, shadow
from space.simulator.specimen.stand import inclination_deg
from tests.simulator.fakes import SpotGrid, brightest

SEED = 900_101
KRIOS = load_instrument("krios_300kv").optics(3)
SLOPES = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
TILTS = st.floats(-60.0, 60.0)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid.make(SEED, 2, kinds=["good", "thick"])


@dataclass(frozen=True)
class Inclined(SpotGrid):
    """A plane of spots that rises from the origin."""

    slope: tuple[float, float] = (0.0, 0.0)
    optical_depth: float | None = None

    def transmission(self, px_to_grid, shape, pixel_um):
        if self.optical_depth is None:
            return super().transmission(px_to_grid, shape, pixel_um)
        return np.full(shape, math.exp(-self.optical_depth), np.float32)

    def height_um(self, x, y):
        return self.height + self.slope[0] * x + self.slope[1] * y

    def slope_at(self, x, y):
        return self.slope

    def shade(self, px_to_grid, shape, pixel_um, lean):
        return None


# --- the truth ------------------------------------------------------------------------------------


def test_lamellae_of_a_grid_lean_to_one_side_by_8_to_12_degrees():
    signs = set()
    for seed in range(8):
        grid = Grid.make(seed, 6)
        pretilts = [lamella.site.stand.pretilt_deg for lamella in grid.lamellae]
        assert all(8.0 <= abs(pretilt) <= 12.0 for pretilt in pretilts)
        assert len({pretilt > 0 for pretilt in pretilts}) == 1
        signs.add(pretilts[0] > 0)
        assert all(abs(lamella.site.stand.bend_um) <= 0.1 for lamella in grid.lamellae)
    assert signs == {True, False}


def test_the_front_of_a_lamella_with_positive_pretilt_stands_higher(grid):
    for lamella in grid.lamellae:
        site = lamella.site
        ends = np.linalg.inv(site.site_from_grid[:, :2]) @ [[-5.0, 5.0], [0.0, 0.0]]
        front, back = (grid.height_um(*(site.center_um + end)) for end in ends.T)
        fall = 10.0 * math.sin(math.radians(site.stand.pretilt_deg))
        assert front - back == pytest.approx(fall) and fall > 1.0
        assert np.hypot(*ends[:, 0]) == pytest.approx(
            5.0 * math.cos(math.radians(site.stand.pretilt_deg))
        )


def test_nothing_else_of_a_grid_is_drawn_otherwise(grid):
    """Streams of their own: what seeds gave before stays."""
    level = Grid.make(SEED, 2, kinds=["good", "thick"], level=True)
    assert (level.slope, level.bumps_um, level.film.seed) == (
        grid.slope,
        grid.bumps_um,
        grid.film.seed,
    )
    for flat, lamella in zip(level.lamellae, grid.lamellae):
        assert flat.pretilt_deg == 0.0 and flat.normal == (0.0, 0.0, 1.0)
        same = replace(lamella.site, height_um=flat.height_um, stand=flat.site.stand)
        assert same == flat.site
        x, y = flat.center_um
        assert level.height_um(x, y) == level.height_um(x + 2, y - 3) == flat.height_um


def test_a_grid_bows_by_some_micrometres():
    bows = [Grid.make(seed, 0).bow_um for seed in range(8)]
    assert all(4.0 <= abs(bow) <= 25.0 for bow in bows) and min(bows) < 0.0 < max(bows)
    grid, level = Grid.make(3, 0), Grid.make(3, 0, level=True)
    assert grid.height_um(0.0, 0.0) == level.height_um(0.0, 0.0)
    assert grid.height_um(600.0, -800.0) - level.height_um(600.0, -800.0) == pytest.approx(
        grid.bow_um
    )


@given(x=st.floats(-8, 8), y=st.floats(-8, 8), lamella=st.sampled_from([0, 1, None]))
def test_the_slope_is_that_of_the_height(grid, x, y, lamella):
    x0, y0 = grid.lamellae[lamella].center_um if lamella is not None else (400.0, -300.0)
    x, y, step = x0 + x, y0 + y, 1e-3
    by_steps = (
        (grid.height_um(x + step, y) - grid.height_um(x - step, y)) / (2 * step),
        (grid.height_um(x, y + step) - grid.height_um(x, y - step)) / (2 * step),
    )
    assert grid.slope_at(x, y) == pytest.approx(by_steps, abs=1e-4)


@given(slope=SLOPES, turn=st.floats(-0.03, 0.03), mirror=st.booleans(), aside=st.tuples(
    st.floats(-10, 10), st.floats(-10, 10)))  # fmt: skip
def test_pretilt_and_rotation_are_those_of_pacetomo(slope, turn, mirror, aside):
    """Height of what an image shift centres, above what stands there without it."""
    c, s = math.cos(turn), math.sin(turn)
    to_specimen = np.array([[-1.01 * c, s], [-s, -0.98 * c]]) @ np.diag([-1 if mirror else 1, 1])
    pretilt, rotation = np.radians(inclination_deg(slope, to_specimen.tolist()))
    height = float(np.dot(slope, np.linalg.inv(to_specimen) @ aside))
    x, y = aside
    expected = math.tan(pretilt) * (math.cos(rotation) * y - math.sin(rotation) * x)
    assert height == pytest.approx(expected, abs=1e-9)
    assert abs(rotation) <= math.pi / 2 + 1e-9


def test_the_truth_about_a_lamella_is_that_of_its_heights(grid):
    for lamella in grid.lamellae:
        x0, y0 = lamella.center_um
        pretilt, rotation = math.radians(lamella.pretilt_deg), math.radians(lamella.rotation_deg)
        assert abs(lamella.pretilt_deg) == pytest.approx(abs(lamella.site.stand.pretilt_deg))
        assert lamella.rotation_deg == pytest.approx(lamella.angle_deg - 90.0)
        for x, y in ((0.5, 0.0), (0.0, 0.5), (-0.3, 0.2)):
            # Specimen coordinates are those of the stage turned by 180 degrees.
            rise = math.cos(rotation) * -y - math.sin(rotation) * -x
            there = grid.height_um(x0 + x, y0 + y) - lamella.height_um
            assert there == pytest.approx(math.tan(pretilt) * rise, abs=1e-3)
        assert np.dot(lamella.normal, (1.0, 0.0, lamella.slope[0])) == pytest.approx(0.0)
        assert np.linalg.norm(lamella.normal) == pytest.approx(1.0)


# --- pictures -------------------------------------------------------------------------------------


@given(
    slope=SLOPES,
    tilt=TILTS,
    z=st.floats(-5, 5),
    point=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    anchor=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_points_of_a_plane_are_seen_where_the_tilt_model_says(slope, tilt, z, point, anchor):
    view = View(
        26, 4.0, (100, 120), (2.0, -1.0), (0.5, 0.3), 0.4, tilt, z, slope=slope, anchor_um=anchor
    )
    if camera_model.path(KRIOS, view) > 10.0:
        return  # seen all but edge on
    affine = px_to_grid(KRIOS, view)
    column, row = np.linalg.solve(affine[:, :2], point - affine[:, 2])
    height = z + np.dot(slope, np.subtract(point, anchor))
    x, y = KRIOS.stage_to_specimen() @ (np.array(point) - view.stage_um)
    angle, axis = math.radians(tilt), KRIOS.tilt_axis_offset_um
    y = axis + (y - axis) * math.cos(angle) - height * math.sin(angle)
    aside = KRIOS.entry(26).center_um
    seen = np.array([x - 0.5 - aside[0], y - 0.3 - 0.4 - aside[1]])
    right, up = KRIOS.specimen_to_camera(26) @ seen / 4.0
    assert (column - 60.0, 50.0 - row) == pytest.approx((right, up), abs=1e-5)


@given(slope=SLOPES)
def test_pictures_at_zero_tilt_do_not_know_of_heights(slope):
    view = View(26, 4.0, (100, 120), (2.0, -1.0), (0.5, 0.3))
    inclined = replace(view, slope=slope, height_um=3.0, anchor_um=(1.0, 1.0))
    assert px_to_grid(KRIOS, inclined) == pytest.approx(px_to_grid(KRIOS, view), abs=1e-12)
    assert camera_model.path(KRIOS, inclined) == 1.0


@pytest.mark.parametrize("rise", [math.tan(math.radians(10.0)), -math.tan(math.radians(8.0))])
def test_a_lamella_is_thinnest_when_the_beam_stands_on_it(make_session, rise):
    across = (KRIOS.stage_to_specimen().T @ (0.0, rise)).tolist()
    session = make_session(Inclined(slope=tuple(across), optical_depth=1.0))
    dark = {}
    for tilt_deg in np.arange(-20.0, 21.0, 2.0):
        session.scope.tilt_to(tilt_deg)
        dark[tilt_deg] = -math.log(session.take("V").data.mean() / 1000.0)
    level = math.degrees(math.atan(rise))
    thinnest = min(dark, key=dark.__getitem__)
    assert thinnest == pytest.approx(-level, abs=2.1)
    more = 1.0 / math.cos(math.radians(30.0)) - 1.0
    session.scope.tilt_to(-level + 30.0)
    thick = -math.log(session.take("V").data.mean() / 1000.0)
    normal = math.cos(math.radians(level))  # the optical depth is that at zero tilt
    assert thick - dark[thinnest] == pytest.approx(more * normal, abs=0.02)


@pytest.mark.parametrize("tilt_deg", [40.0, -40.0])
def test_a_lamella_is_foreshortened_by_its_own_angle_to_the_beam(make_session, tilt_deg):
    rise = math.tan(math.radians(10.0))
    across = tuple((KRIOS.stage_to_specimen().T @ (0.0, rise)).tolist())
    length_um = 6.0  # at zero tilt
    _, y = KRIOS.specimen_to_stage() @ (0.0, length_um / 2)
    seen = []
    for spot in ((0.0, y), (0.0, -y)):
        session = make_session(Inclined(spots_um=(spot,), slope=across))
        session.scope.tilt_to(tilt_deg)
        image = session.take("V")
        seen.append(np.array(brightest(image.data)) * image.pixel_um)
    angle = math.radians(tilt_deg)
    expected = length_um * abs(math.cos(angle) - rise * math.sin(angle))
    assert np.hypot(*(seen[0] - seen[1])) == pytest.approx(expected, abs=0.02)


def test_the_truth_of_a_picture_is_that_of_its_centre(make_session, grid):
    session = make_session(grid)
    optics, lamella = session.scope.optics, grid.lamellae[0]
    session.scope.stage.move_to(*lamella.center_um, -lamella.height_um)
    for tilt_deg in (0.0, 45.0, -60.0):
        session.scope.tilt_to(tilt_deg)
        for shift in ((2.0, -3.0), (-1.0, 6.0)):
            session.scope.shift_image_by_um(*shift)
            session.take("R", binning=16)
            exposure = session.exposures[-1]
            center = np.array(exposure.center_um)
            z0 = grid.height_um(*center) - lamella.height_um
            aside = optics.stage_to_specimen() @ (center - exposure.true_stage_um)
            y0 = float(aside[1]) - optics.tilt_axis_offset_um
            angle = math.radians(tilt_deg)
            height = y0 * math.sin(angle) + z0 * math.cos(angle)
            assert exposure.height_um == pytest.approx(height, abs=1e-6)
            assert exposure.slope == grid.slope_at(*center)
            session.scope.shift_image_by_um(-shift[0], -shift[1])


def test_the_beam_covers_what_it_is_seen_to_cover(make_session):
    """Corners of a beam's footprint are seen on a circle, whatever the specimen's slope."""
    session = make_session(Inclined(slope=(0.05, -0.17)))
    scope = session.scope
    scope.tilt_to(50.0)
    scope.beam_shift = (0.3, -0.2)
    session.take("R", binning=16)
    exposure = session.exposures[-1]
    view = session.geometry(1.0, (100, 100))
    back = np.linalg.inv(px_to_grid(scope.optics, view)[:, :2])
    for angle in np.linspace(0.0, 6.0, 7):
        edge = np.array(exposure.beam_axes_um) @ (math.cos(angle), math.sin(angle))
        seen_um = np.hypot(*(back @ edge)) * scope.pixel_um(view.mag_index)
        assert seen_um == pytest.approx(exposure.radius_um, rel=1e-6)


def test_a_specimen_that_tells_no_slope_is_level(make_session):
    session = make_session(SpotGrid(height=2.0))
    session.scope.tilt_to(30.0)
    session.take("V")
    assert session.exposures[-1].slope == (0.0, 0.0)


# --- the trench -----------------------------------------------------------------------------------


def lean_of(tilt_deg: float) -> tuple[float, float]:
    return camera_model.lean(KRIOS, View(26, 1.0, (10, 10), (0.0, 0.0), tilt_deg=tilt_deg))


def test_walls_throw_no_shadow_at_zero_tilt_and_more_at_higher_tilts(grid):
    """To one side the beam comes nearly as the milling beam came, and little stands in its way."""
    for lamella in grid.lamellae:
        assert shadow.reach_um(lamella.site, (0.0, 0.0)) == (0.0, 0.0)
        farthest = []
        for side in (1.0, -1.0):
            reaches = [sum(shadow.reach_um(lamella.site, lean_of(side * t))) for t in (20, 40, 60)]
            assert reaches == sorted(reaches)
            farthest.append(reaches[-1])
        assert max(farthest) > min(farthest) + 5.0


@given(tilt=TILTS, where=st.floats(-40.0, 40.0), number=st.sampled_from([0, 1]))
def test_a_point_is_shaded_when_its_line_of_sight_meets_a_wall(grid, tilt, where, number):
    """The line is followed through the bulk in steps, in the frame of the grid."""
    site = grid.lamellae[number].site
    lean = np.array(lean_of(tilt))
    back = np.linalg.inv(site.site_from_grid[:, :2])
    point = np.array(site.center_um) + back @ (where, 0.0)
    height = site.height_at_um(*point)
    film = site.height_um - site.stand.off_film_um
    above, below = site.stand.bulk_um
    front, end = shadow.ends_um(site)
    if not front < where < end:
        return
    is_shaded = False
    for z in np.linspace(film - below, film + above, 400):
        s, _ = site.site_from_grid @ (*(point + (z - height) * lean), 1.0)
        is_shaded |= not front < s < end
    by_front, by_back = shadow.reach_um(site, tuple(lean.tolist()))
    margin = min(abs(where - front - by_front), abs(end - by_back - where))
    if margin > 0.1:
        assert is_shaded == (where < front + by_front or where > end - by_back)


def test_a_window_is_seen_narrower_when_a_wall_shades_it(make_session, grid):
    session = make_session(grid, low_dose=False)
    scope, site = session.scope, grid.lamellae[0].site
    scope.set_mag_index(11)
    scope.stage.move_to(*site.center_um, -site.height_um)
    _, end = shadow.ends_um(site)
    by_tilt = {}
    for tilt_deg in (0.0, 60.0, -60.0):
        scope.tilt_to(tilt_deg)
        image = session.take("R", binning=4)
        affine = px_to_grid(scope.optics, session.geometry(4.0, image.data.shape))
        back = np.linalg.inv(site.site_from_grid[:, :2])
        bright = []
        for s in np.arange(site.length_um / 2 + 2.0, end + 3.0, 0.25):
            point = np.array(site.center_um) + back @ (s, 0.0)
            column, row = np.linalg.solve(affine[:, :2], point - affine[:, 2]).astype(int)
            bright.append(image.data[row, column] > 0.5 * image.data.max())
        by_tilt[tilt_deg] = 0.25 * sum(bright)
    reach = {t: shadow.reach_um(site, camera_model.lean(scope.optics, replace(
        session.geometry(1.0, (4, 4)), tilt_deg=t)))[1] for t in by_tilt}  # fmt: skip
    assert max(reach.values()) > 5.0 and min(reach.values()) == 0.0
    for tilt_deg, seen_um in by_tilt.items():
        expected = max(0.0, by_tilt[0.0] - reach[tilt_deg])
        assert seen_um == pytest.approx(expected, abs=2.5)


def test_a_level_grid_has_no_shadows():
    grid = Grid.make(SEED, 1, level=True)
    x, y = grid.lamellae[0].center_um
    affine = np.array([[0.05, 0.0, x - 25.0], [0.0, 0.05, y - 25.0]])
    assert grid.shade(affine, (1000, 1000), 0.05, (0.0, -1.7)) is None


def test_a_simulation_can_be_had_with_level_lamellae(tmp_path):
    made = Simulation(tmp_path, lamellae=2, level=True).grids[1]
    assert all(lamella.pretilt_deg == 0.0 for lamella in made.lamellae)
