"""Specimens for the scripts, and where things are on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from space.simulator.specimen import Grid
from space.simulator.specimen.film import NORMAL


def plunged_grid(seed: int = 11) -> Grid:
    """A grid with holes and no lamellae, as for single particles."""
    return Grid.make(seed, 0, milled=False)


def clean_square_um(grid: Grid, rank: int = 0) -> tuple[float, float]:
    """Centre of one of the squares near the middle that have the least on them."""
    half = grid.film.half
    places = [(i, j) for i in range(-3, 4) for j in range(-3, 4)]
    whole = [p for p in places if grid.film.states[p[0] + half, p[1] + half] == NORMAL]
    whole.sort(key=lambda p: grid.film.coverage[p[0] + half, p[1] + half])
    return grid.film.square_center_um(*whole[rank])


def from_lattice_um(points, pitch_um: float, angle_deg: float) -> np.ndarray:
    """Distance of points (n, 2) from the nearest point of a square lattice around the origin."""
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    steps = np.asarray(points, dtype=float) @ turn.T / pitch_um
    return np.hypot(*((steps - np.rint(steps)) * pitch_um).T)


def from_holes_um(grid: Grid, points) -> np.ndarray:
    """Distance of points from the nearest hole of the film."""
    return from_lattice_um(points, grid.film.hole_pitch_um, grid.film.hole_deg)


def from_squares_um(grid: Grid, points) -> np.ndarray:
    """Distance of points from the middle of the nearest square."""
    return from_lattice_um(points, grid.film.mesh_pitch_um, grid.film.mesh_deg)


def middle_um(item) -> np.ndarray:
    """Middle of a polygon's or map's outline."""
    points = np.array(item.points_um)
    return (points.min(axis=0) + points.max(axis=0)) / 2


def binned_more(session, letters: str, binning: int = 8) -> None:
    """Give camera sets a higher binning for good: quicker, and enough to see what matters."""
    for letter in letters:
        session.camera.sets[letter] = replace(session.camera.sets[letter], binning=binning)
