"""Squares of drawn and of simulated grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from space.errors import SpaceError
from space.pictures import to_8_bit
from space.simulator.specimen import unmilled_grid
from space.squares import BROKEN, CONTAMINATED, EMPTY, INTACT, THICK, find_squares

SIDE_PX = 420
FILM, BARE, VACUUM = 0.5, 0.8, 1.0


def drawn(
    angle_deg: float = 17.0,
    pitch_um: float = 120.0,
    pixel_um: float = 2.5,
    origin_px: tuple[float, float] = (200.0, 212.0),
    kinds: dict[tuple[int, int], str] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of a mesh; middles and steps of the squares that are wholly in it."""
    pitch = pitch_um / pixel_um
    angle = np.radians(angle_deg)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plane = np.stack(np.mgrid[:SIDE_PX, :SIDE_PX] + 0.5, axis=-1) - origin_px
    along = plane @ axes.T / pitch
    steps = np.rint(along).astype(int)
    u, v = np.moveaxis(along - steps, -1, 0)
    open_share = 0.36
    is_open = (np.abs(u) < open_share) & (np.abs(v) < open_share)
    body = np.full(u.shape, FILM)
    rng = np.random.default_rng(seed)
    spots = rng.random(u.shape) < 0.03
    spots |= np.roll(spots, 1, 0) | np.roll(spots, 1, 1)
    for step, kind in (kinds or {}).items():
        at = (steps == step).all(axis=-1)
        painted = {
            BROKEN: np.where(np.hypot(u - 0.1, v) < 0.2, VACUUM, FILM),
            THICK: 0.03,
            EMPTY: BARE,
            CONTAMINATED: np.where(spots, 0.02, FILM),
        }
        body = np.where(at, painted.get(kind, FILM), body)
    picture = np.where(is_open, body, 0.0) + 0.01 * rng.standard_normal(u.shape)
    reach = np.arange(-12, 13)
    every = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    middles = origin_px + every * pitch @ axes
    whole = ((middles > 0.6 * pitch) & (middles < SIDE_PX - 0.6 * pitch)).all(axis=1)
    return picture, middles[whole], every[whole]


def classes_at(found, middles: np.ndarray) -> list[str]:
    centers = np.array([square.center_px for square in found.squares])
    away, nearest = cKDTree(centers).query(middles)
    assert away.max() < 4.0
    return [found.squares[k].look.category for k in nearest]


@settings(max_examples=12, deadline=None)
@given(
    angle_deg=st.floats(-45, 45),
    pitch_um=st.floats(62, 150),
    pixel_um=st.floats(1.5, 3.0),
    shift=st.tuples(st.floats(0, 60), st.floats(0, 60)),
)
def test_a_mesh_of_any_pitch_and_direction_is_found(angle_deg, pitch_um, pixel_um, shift):
    picture, middles, _ = drawn(angle_deg, pitch_um, pixel_um, (180 + shift[0], 180 + shift[1]))
    found = find_squares(picture, pixel_um)
    centers = np.array([square.center_px for square in found.squares])
    assert cKDTree(centers).query(middles)[0].max() < 1.0
    assert found.mesh.pitch_px * pixel_um == pytest.approx(pitch_um, rel=0.01)
    assert found.mesh.open_px == pytest.approx(0.72 * pitch_um / pixel_um, rel=0.08)
    turned = (found.mesh.angle_deg + angle_deg + 45) % 90 - 45  # it is counted the other way
    assert abs(turned) < 0.3


def test_each_square_is_called_what_it_is():
    steps = drawn()[2]
    cycle = [INTACT, INTACT, BROKEN, INTACT, THICK, EMPTY, INTACT, CONTAMINATED]
    kinds = {tuple(step): cycle[k % len(cycle)] for k, step in enumerate(steps.tolist())}
    picture, middles, _ = drawn(kinds=kinds)
    found = find_squares(to_8_bit(picture), 2.5)
    assert classes_at(found, middles) == [kinds[tuple(step)] for step in steps.tolist()]
    scores = [square.look.score for square in found.squares]
    assert scores == sorted(scores, reverse=True)
    assert found.squares[0].look.category == INTACT
    usual = [s.look.transmission for s in found.squares if s.look.category == INTACT]
    assert usual == pytest.approx([FILM] * len(usual), abs=0.05)


def test_without_vacuum_to_compare_with_nothing_is_called_broken():
    picture, middles, steps = drawn(kinds={(0, 0): EMPTY, (1, 0): EMPTY, (0, 1): EMPTY})
    found = find_squares(picture, 2.5)
    assert found.levels.vacuum is None
    wanted = [EMPTY if tuple(s) in {(0, 0), (1, 0), (0, 1)} else INTACT for s in steps.tolist()]
    assert classes_at(found, middles) == wanted


def test_squares_under_thick_ice_among_others_are_squares():
    dark = {(i, j): THICK for i in (-1, 0, 1) for j in (-1, 0)}
    picture, middles, steps = drawn(kinds=dark)
    called = classes_at(find_squares(picture, 2.5), middles)
    assert [k == THICK for k in called] == [tuple(s) in dark for s in steps.tolist()]


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((300, 300)),
        np.random.default_rng(1).random((300, 300)),
        np.pad(np.ones((100, 100)), 100),
        np.ones((40, 40)),
    ],
    ids=["dark", "noise", "one square", "small"],
)
def test_no_squares_are_found_where_there_is_no_mesh(picture):
    assert find_squares(picture, 2.5) is None


@pytest.mark.parametrize(("shape", "pixel_um"), [((30, 30, 3), 1.0), ((30, 30), 0.0), ((9, 9), 30)])
def test_what_is_no_picture_of_a_grid_is_refused(shape, pixel_um):
    with pytest.raises(SpaceError, match="Squares are looked for"):
        find_squares(np.zeros(shape), pixel_um)


def test_squares_of_a_simulated_grid():
    grid, pixel_um, side = unmilled_grid(31), 1.6, 1300
    corner = -pixel_um * side / 2
    m = np.array([[pixel_um, 0, corner], [0, pixel_um, corner]])
    seen = grid.transmission(m, (side, side), pixel_um)
    seen = seen + 0.02 * np.random.default_rng(3).standard_normal(seen.shape)
    found = find_squares(to_8_bit(seen), pixel_um)
    truth = grid.film.squares()
    places = (np.array([square.center_um for square in truth]) - corner)[:, ::-1] / pixel_um
    centers = np.array([square.center_px for square in found.squares])
    away, nearest = cKDTree(centers).query(places)
    assert (away * pixel_um < 5).mean() > 0.98
    called = [found.squares[k].look.category for k in nearest]
    assert np.mean([square.kind == look for square, look in zip(truth, called)]) > 0.93
