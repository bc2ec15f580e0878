"""The grid around the lamellae: bars, film with holes, ice, torn and covered squares."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from . import texture

NORMAL, FRAME, COVERED, TORN = range(4)

GRID_RADIUS_UM = 1030.0
BAR_TRANSMISSION, BEYOND_TRANSMISSION = 0.018, 0.012


@dataclass(frozen=True)
class Places:
    """The places on the grid that the pixels of a picture show, arrays of the picture's shape.

    Attributes
    ----------
    x, y : µm, grid frame.
    i, j : index of the square, into the arrays of a film.
    u, v : µm, from the middle of the square along its sides.
    lobes, wide : smooth random fields of 9 and 30 µm.
    inside_um : how far inside of the square's opening.
    edge_um : width of edges that are sharp.
    """

    x: np.ndarray
    y: np.ndarray
    i: np.ndarray
    j: np.ndarray
    u: np.ndarray
    v: np.ndarray
    lobes: np.ndarray
    wide: np.ndarray
    inside_um: np.ndarray
    edge_um: float


@dataclass(frozen=True)
class Film:
    """A mesh with a holey film.

    Attributes
    ----------
    seed : int
    mesh_pitch_um, bar_um : float
        Lattice constant of the mesh and width of its bars.
    mesh_deg, hole_deg : float
        Directions of the mesh and of the hole lattice in the grid frame.
    hole_pitch_um, hole_radius_um : float
    film_transmission, hole_transmission : float
        Transmission of film (with what grows on it) and of ice in a hole.
    states : (n, n) array
        What became of each square; the middle element is the square at the origin.
    coverage : (n, n) array
        Fraction of each square that is covered with cells.
    tears_um : (n, n, 3) array
        Centre (in the square's frame) and radius of the hole in torn squares.
    dark_corner_um : tuple
        x, y and radius of a part of the grid that lies under thick ice.
    radius_um : float
        Of the grid.
    """

    seed: int
    mesh_pitch_um: float
    bar_um: float
    mesh_deg: float
    hole_deg: float
    hole_pitch_um: float
    hole_radius_um: float
    film_transmission: float
    hole_transmission: float
    states: np.ndarray
    coverage: np.ndarray
    tears_um: np.ndarray
    dark_corner_um: tuple[float, float, float]
    radius_um: float

    @property
    def half(self) -> int:
        """Index of the square at the origin."""
        return self.states.shape[0] // 2

    @property
    def half_open_um(self) -> float:
        """Half the width of a square between its bars."""
        return (self.mesh_pitch_um - self.bar_um) / 2

    def square_center_um(self, i: int, j: int) -> tuple[float, float]:
        """Centre of square (i, j) in the grid frame; (0, 0) is the one at the origin."""
        a = radians(self.mesh_deg)
        u, v = i * self.mesh_pitch_um, j * self.mesh_pitch_um
        return u * cos(a) - v * sin(a), u * sin(a) + v * cos(a)

    def transmission(
        self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> np.ndarray:
        """Transmitted fraction on the pixels of a picture, (rows, columns) float32."""
        at = self.places(px_to_grid, shape, pixel_um)
        opening = texture.smooth_step(at.inside_um - 1.0, max(at.edge_um, 2.5))
        body = self._body(px_to_grid, at)
        dark = np.float32(BAR_TRANSMISSION) * (1 + 0.3 * at.wide)
        result = dark + (body - dark) * opening
        result[self.hidden(at)] = BEYOND_TRANSMISSION
        return result.astype(np.float32)

    def labels(
        self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> np.ndarray | None:
        """Labels (rows, columns) uint8; None where brightness alone tells what is there."""
        return None

    def places(self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float) -> Places:
        """Where the pixels of a picture are, in the grid and in its squares."""
        m = np.asarray(px_to_grid, dtype=np.float32)
        cols = np.arange(shape[1], dtype=np.float32)[None, :]
        rows = np.arange(shape[0], dtype=np.float32)[:, None]
        x = m[0, 0] * cols + m[0, 1] * rows + m[0, 2]
        y = m[1, 0] * cols + m[1, 1] * rows + m[1, 2]

        i, j, u, v = self._mesh(x, y)
        corner = 8.0
        qu = np.abs(u) - np.float32(self.half_open_um - corner)
        qv = np.abs(v) - np.float32(self.half_open_um - corner)
        outside = np.hypot(np.maximum(qu, 0), np.maximum(qv, 0)) - corner
        inside_um = -(outside + np.minimum(np.maximum(qu, qv), 0))
        lobes = texture.sample(m, shape, 9.0, self.seed)
        wide = texture.sample(m, shape, 30.0, self.seed + 1)
        return Places(x, y, i, j, u, v, lobes, wide, inside_um, max(pixel_um, 0.02))

    def hidden(self, at: Places) -> np.ndarray:
        """Where nothing can be seen: under the thick ice of the dark corner, beyond the grid."""
        cx, cy, radius = self.dark_corner_um
        in_corner = np.hypot(at.x - cx, at.y - cy) < radius + 20 * at.lobes
        beyond: np.ndarray = np.hypot(at.x, at.y) > self.radius_um
        return in_corner | beyond

    def _body(self, px_to_grid: np.ndarray, at: Places) -> np.ndarray:
        """Transmitted fraction of what is in the openings of the mesh."""
        state = self.states[at.i, at.j]
        cover = self._cells(state, self.coverage[at.i, at.j], at.u, at.v, at.lobes, at.wide,
                            self.half_open_um)  # fmt: skip

        film = self.film_transmission * (1 + 0.08 * at.lobes)
        holes = self.holes(at.x, at.y, at.edge_um)
        ice = self.hole_transmission * (1 + 0.25 * at.wide)
        body = film + (np.clip(ice, 0.05, 0.95) - film) * holes
        body *= 1 - cover
        body += cover * np.float32(0.02)

        tear = self.tears_um[at.i, at.j]
        torn_um = tear[..., 2] - np.hypot(at.u - tear[..., 0], at.v - tear[..., 1])
        torn = np.where(state == TORN, texture.smooth_step(torn_um + 3.0 * at.lobes, at.edge_um), 0)
        body += (1.0 - body) * torn
        return np.asarray(body)

    def _mesh(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        a = radians(self.mesh_deg)
        u = x * np.float32(cos(a)) + y * np.float32(sin(a))
        v = y * np.float32(cos(a)) - x * np.float32(sin(a))
        pitch = np.float32(self.mesh_pitch_um)
        i, j = np.rint(u / pitch), np.rint(v / pitch)
        u -= i * pitch
        v -= j * pitch
        last = self.states.shape[0] - 1
        i = np.clip(i.astype(np.int32) + self.half, 0, last)
        j = np.clip(j.astype(np.int32) + self.half, 0, last)
        return i, j, u, v

    def _cells(
        self,
        state: np.ndarray,
        coverage: np.ndarray,
        u: np.ndarray,
        v: np.ndarray,
        lobes: np.ndarray,
        wide: np.ndarray,
        half_open: float,
    ) -> np.ndarray:
        """Where cells lie on the film, 0..1."""
        level = 1.6 * (2 * coverage - 1) + 0.75 * wide + 0.3 * lobes
        cells = texture.smooth_step(level, 0.15)
        radius = np.float32(half_open * 0.82) + 3.0 * lobes
        disc = texture.smooth_step(radius - np.hypot(u, v), 1.0)
        cells = np.where(state == FRAME, disc, cells)
        return np.where(state == COVERED, 1.0, cells).astype(np.float32)

    def holes(self, x: np.ndarray, y: np.ndarray, edge: float) -> np.ndarray:
        """How much of each place (µm, grid frame) is in a hole of the film, 0..1."""
        a = radians(self.hole_deg)
        pitch = np.float32(self.hole_pitch_um)
        p = (x * np.float32(cos(a)) + y * np.float32(sin(a))) / pitch
        q = (y * np.float32(cos(a)) - x * np.float32(sin(a))) / pitch
        p -= np.rint(p)
        q -= np.rint(q)
        inside = np.float32(self.hole_radius_um) - pitch * np.hypot(p, q)
        return texture.smooth_step(inside, max(edge, 0.15))


def make_film(rng: np.random.Generator, milled: bool = True) -> Film:
    """Draw a grid at random.

    Ranges follow pictures of real grids: 200 mesh at some angle, R2/1 or R2/2 film at
    another, cells over 20-80 % of a square, torn squares clustered along one side.
    """
    n = 21
    half = n // 2
    index = np.arange(n) - half
    direction = rng.uniform(0, 2 * np.pi)
    ii, jj = np.meshgrid(index, index, indexing="ij")
    toward = (ii * np.cos(direction) + jj * np.sin(direction)) / half
    draw = rng.random((n, n))
    states = np.full((n, n), NORMAL)
    states[draw < 0.28] = FRAME
    states[draw < 0.08] = COVERED
    states[rng.random((n, n)) < np.where(toward > 0.35, 0.28, 0.05)] = TORN
    coverage = np.clip(rng.normal(0.5, 0.22, (n, n)), 0.0, 1.0)
    tears = np.stack(
        [rng.uniform(-15, 15, (n, n)), rng.uniform(-15, 15, (n, n)), rng.uniform(18, 38, (n, n))],
        axis=-1,
    )
    corner = rng.uniform(0, 2 * np.pi)
    if not milled:
        coverage *= 0.4
    return Film(
        seed=int(rng.integers(1 << 30)),
        mesh_pitch_um=rng.uniform(124, 135),
        bar_um=rng.uniform(30, 38),
        mesh_deg=rng.uniform(-30, 30),
        hole_deg=rng.uniform(0, 90),
        hole_pitch_um=rng.choice([3.1, 4.25]),
        hole_radius_um=rng.uniform(0.95, 1.1),
        film_transmission=rng.uniform(0.02, 0.06) if milled else rng.uniform(0.7, 0.85),
        hole_transmission=rng.uniform(0.4, 0.75) if milled else rng.uniform(0.9, 0.97),
        states=states,
        coverage=coverage.astype(np.float32),
        tears_um=tears.astype(np.float32),
        dark_corner_um=(950 * np.cos(corner), 950 * np.sin(corner), rng.uniform(250, 420)),
        radius_um=GRID_RADIUS_UM,
    )
