"""A grid that nobody has milled: squares of several kinds, ice of some thickness, cells on film.

Everything but holes and bars attenuates by its thickness, as inelastic scattering with an
aperture or an energy filter does: exp(-thickness / `FREE_PATH_NM`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from . import texture
from .film import GRID_RADIUS_UM, NORMAL, Film, Places
from .grid import Grid
from .labels import LABEL

FREE_PATH_NM = 300.0
SQUARE_KINDS = ("intact", "broken", "thick ice", "empty", "contaminated")
SquareKind = Literal["intact", "broken", "thick ice", "empty", "contaminated"]
INTACT, BROKEN, THICK, EMPTY, CONTAMINATED = range(5)

INTACT_ICE_NM, THICK_ICE_NM = (45.0, 230.0), (750.0, 2200.0)
_BULK = 0.2
"""What lets less through is too thick to image at high tilt."""
_VESICLE_CELL_UM, _VESICLE_SHELL_UM = 3.0, 0.03
_FINEST_UM = 0.2
"""Vesicles are not drawn on larger pixels."""
#: Pitch and width of bars (µm) of 200 and 300 mesh; pitch and radius of holes of common films.
_MESHES_UM = ((129.0, 34.0), (84.0, 25.0))
_HOLES_UM = ((2.5, 0.62), (3.1, 1.0), (4.25, 1.02), (4.6, 1.75))


@dataclass(frozen=True)
class Square:
    """A square of an unmilled grid, as the truth knows it.

    Attributes
    ----------
    index : tuple of int
        Steps of the mesh from the square at the origin.
    center_um : tuple of float
        Grid frame.
    kind : str
    ice_nm : float
        Mean thickness of the ice.
    """

    index: tuple[int, int]
    center_um: tuple[float, float]
    kind: SquareKind
    ice_nm: float


@dataclass(frozen=True)
class UnmilledFilm(Film):
    """A mesh with a holey film, ice and what lies on it.

    `film_transmission` is that of the bare film; holes are open where there is no ice.

    Attributes
    ----------
    kinds : (n, n) array
        Index of each square into `SQUARE_KINDS`.
    ice_nm : (n, n) array
        Mean thickness of ice in each square.
    crystals : (n, n) array
        Share of each square that is littered, 0..1.
    cells_um : float
        Thickness that a cell reaches 10 µm from its edge.
    vesicles : float
        Share of the places for a vesicle that have one.
    """

    kinds: np.ndarray
    ice_nm: np.ndarray
    crystals: np.ndarray
    cells_um: float
    vesicles: float

    def squares(self) -> tuple[Square, ...]:
        """All squares that are wholly to be seen, or wholly in the dark corner.

        What lies wholly under the ice of the dark corner is of thick ice; what is in part is left
        out.
        """
        found = []
        reach = self.half_open_um * np.sqrt(2)
        n = self.half
        cx, cy, radius = self.dark_corner_um
        for i, j in ((i, j) for i in range(-n, n + 1) for j in range(-n, n + 1)):
            x, y = self.square_center_um(i, j)
            from_corner = np.hypot(x - cx, y - cy)
            covered = from_corner < radius - reach - 40
            if np.hypot(x, y) + reach > self.radius_um:
                continue
            if from_corner < radius + reach + 40 and not covered:
                continue
            kind = THICK if covered else int(self.kinds[i + n, j + n])
            ice_nm = float("inf") if covered else float(self.ice_nm[i + n, j + n])
            found.append(Square((i, j), (x, y), SQUARE_KINDS[kind], ice_nm))  # type: ignore[arg-type]  # one of them
        return tuple(found)

    def holes_um(self, center_um: tuple[float, float], within_um: float) -> np.ndarray:
        """Middles (n, 2) of the holes of the film around a place, whatever lies over them."""
        a = np.radians(self.hole_deg)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * self.hole_pitch_um
        first = np.rint(np.linalg.solve(turn, center_um))
        reach = int(np.ceil(within_um * np.sqrt(2) / self.hole_pitch_um)) + 1
        steps = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T + first
        places = steps @ turn.T
        near: np.ndarray = (np.abs(places - center_um) <= within_um).all(axis=1)
        return np.asarray(places[near])

    def labels(self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
        """Labels (rows, columns) uint8.

        `white` is vacuum, `black` bars and what is too thick, `ice` what litters the film; cells
        and vesicles have their own names, and film with ice the name of what can be imaged
        (`lamella`).
        """
        at = self.places(px_to_grid, shape, pixel_um)
        result = np.full(shape, LABEL["lamella"], np.uint8)
        cell_um = self._cell_um(at)
        result[cell_um > 0.02] = LABEL["cell"]
        if pixel_um <= _FINEST_UM:
            result[self._vesicle_um(at) > 0] = LABEL["vesicles"]
        ice_nm = self._ice_nm(at)
        holes = self.holes(at.x, at.y, at.edge_um)
        result[(holes > 0.5) & (ice_nm <= 0) & (cell_um <= 0.02)] = LABEL["white"]
        result[self._crystal_um(px_to_grid, at) > 0.1] = LABEL["ice"]
        result[np.exp(-(ice_nm + 1e3 * cell_um) / FREE_PATH_NM) < _BULK] = LABEL["black"]
        result[self._torn(at) > 0.5] = LABEL["white"]
        result[(at.inside_um < 1.0) | self.hidden(at)] = LABEL["black"]
        return result

    def _body(self, px_to_grid: np.ndarray, at: Places) -> np.ndarray:
        film = self.film_transmission * (1 + 0.02 * at.lobes)
        through = film + (1 - film) * self.holes(at.x, at.y, at.edge_um)
        thickness_nm = self._ice_nm(at) + 1e3 * self._cell_um(at)
        thickness_nm += 1e3 * self._crystal_um(px_to_grid, at)
        if max(at.edge_um, 0.02) <= _FINEST_UM:
            thickness_nm += 1e3 * self._vesicle_um(at)
        through = through * np.exp(-thickness_nm / np.float32(FREE_PATH_NM))
        torn = self._torn(at)
        return np.asarray(through + (1 - through) * torn)

    def _ice_nm(self, at: Places) -> np.ndarray:
        return np.maximum(self.ice_nm[at.i, at.j] * (1 + 0.15 * at.wide), 0)

    def _cell_um(self, at: Places) -> np.ndarray:
        """Thickness of cells: flat at their edges, thick in their middle."""
        coverage = self.coverage[at.i, at.j]
        level = 1.6 * (2 * coverage - 1) + 0.75 * at.wide + 0.2 * at.lobes
        return np.where(coverage > 0, np.maximum(level, 0) * np.float32(self.cells_um), 0)

    def _crystal_um(self, px_to_grid: np.ndarray, at: Places) -> np.ndarray:
        """Thickness of ice crystals that fell on the film: many, some micrometres wide."""
        share = self.crystals[at.i, at.j]
        grains = texture.sample(px_to_grid, at.x.shape, 2.2, self.seed + 2)
        heaps = texture.sample(px_to_grid, at.x.shape, 14.0, self.seed + 3)
        over = grains + 0.5 * heaps - (2.6 - 2.2 * share)
        return np.where(share > 0, np.clip(over, 0, 1) * np.float32(2.5), 0)

    def _torn(self, at: Places) -> np.ndarray:
        tear = self.tears_um[at.i, at.j]
        torn_um = tear[..., 2] - np.hypot(at.u - tear[..., 0], at.v - tear[..., 1])
        edge = texture.smooth_step(torn_um + 2.0 * at.lobes, at.edge_um)
        return np.where(self.kinds[at.i, at.j] == BROKEN, edge, 0).astype(np.float32)

    def _vesicle_um(self, at: Places) -> np.ndarray:
        """Thickness that vesicles add: filled spheres with a denser rim, apart from each other."""
        p, q = at.x / np.float32(_VESICLE_CELL_UM), at.y / np.float32(_VESICLE_CELL_UM)
        a, b = np.floor(p).astype(np.int32), np.floor(q).astype(np.int32)
        drawn = _hashed(a, b, self.seed)
        radius = (0.15 + 0.45 * drawn[1] ** 2) * np.float32(1.0)
        room = (_VESICLE_CELL_UM / 2 - radius) / _VESICLE_CELL_UM
        away = _VESICLE_CELL_UM * np.hypot(
            p - a - 0.5 - room * (2 * drawn[2] - 1), q - b - 0.5 - room * (2 * drawn[3] - 1)
        )
        ice = self.ice_nm[at.i, at.j]
        there = (drawn[0] < self.vesicles) & (away < radius) & (ice > 0) & (ice < 600)
        rim = np.where(radius - away < _VESICLE_SHELL_UM, 0.06, 0.02)
        return np.where(there, rim, 0).astype(np.float32)


def _hashed(a: np.ndarray, b: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Four numbers of 0..1 for each pair of whole numbers: the same for the same pair."""
    state = (a.astype(np.uint32) * np.uint32(73856093)) ^ (
        b.astype(np.uint32) * np.uint32(19349663)
    )
    state ^= np.uint32(seed & 0xFFFFFFFF)
    numbers = []
    for _ in range(4):  # steps of a xorshift generator, mixed by a multiplication
        state = state ^ (state << np.uint32(13))
        state = state ^ (state >> np.uint32(17))
        state = state ^ (state << np.uint32(5))
        mixed = state * np.uint32(2654435761)
        numbers.append((mixed >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24))
    return tuple(numbers)


def make_unmilled_film(rng: np.random.Generator) -> UnmilledFilm:
    """Draw an unmilled grid at random.

    Torn, empty and thick squares come in patches, as blotting leaves them; contamination is
    heavier towards one side.
    """
    pitch, bar = _MESHES_UM[int(rng.random() < 0.3)]
    pitch *= rng.uniform(0.96, 1.04)
    bar *= rng.uniform(0.85, 1.15)
    n = 2 * int(np.ceil(1080.0 / pitch)) + 1
    hole_pitch, hole_radius = _HOLES_UM[rng.integers(len(_HOLES_UM))]
    kinds = _drawn_kinds(rng, n)
    corner = rng.uniform(0, 2 * np.pi)
    open_um = pitch - bar
    coverage = np.where(rng.random((n, n)) < 0.6, rng.uniform(0.12, 0.42, (n, n)), 0)
    return UnmilledFilm(
        seed=int(rng.integers(1 << 30)),
        mesh_pitch_um=float(pitch),
        bar_um=float(bar),
        mesh_deg=rng.uniform(-45, 45),
        hole_deg=rng.uniform(0, 90),
        hole_pitch_um=hole_pitch * rng.uniform(0.98, 1.02),
        hole_radius_um=hole_radius * rng.uniform(0.92, 1.08),
        film_transmission=rng.uniform(0.72, 0.86),
        hole_transmission=1.0,
        states=np.full((n, n), NORMAL),
        coverage=np.where(kinds == EMPTY, 0, coverage).astype(np.float32),
        tears_um=_drawn_tears(rng, n, open_um),
        dark_corner_um=(950 * np.cos(corner), 950 * np.sin(corner), rng.uniform(150, 420)),
        radius_um=GRID_RADIUS_UM,
        kinds=kinds,
        ice_nm=_drawn_ice_nm(rng, kinds),
        crystals=np.where(kinds == CONTAMINATED, rng.uniform(0.45, 0.9, (n, n)),
                          rng.uniform(0.0, 0.12, (n, n))).astype(np.float32),
        cells_um=rng.uniform(1.5, 4.0),
        vesicles=rng.uniform(0.1, 0.4),
    )  # fmt: skip


def unmilled_grid(seed: int, name: str = "G1") -> Grid:
    """Draw a grid that nobody has milled; the same seed gives the same grid."""
    film = make_unmilled_film(np.random.default_rng([8, seed]))
    return Grid.make(seed, 0, name=name, film=film)


def _drawn_kinds(rng: np.random.Generator, n: int) -> np.ndarray:
    patches = []
    for _ in range(4):
        field = ndimage.gaussian_filter(rng.standard_normal((n, n)), 1.2)
        patches.append(field / field.std() + 0.7 * rng.standard_normal((n, n)))
    kinds = np.full((n, n), INTACT)
    for kind, field in zip((CONTAMINATED, EMPTY, THICK, BROKEN), patches):
        kinds[field > np.quantile(field, 1 - rng.uniform(0.06, 0.18))] = kind
    return kinds


def _drawn_ice_nm(rng: np.random.Generator, kinds: np.ndarray) -> np.ndarray:
    """Thickness of ice: usual squares of one grid are alike, and change from side to side."""
    n = len(kinds)
    low, high = INTACT_ICE_NM
    ramp = np.add.outer(np.linspace(-1, 1, n) * rng.normal(), np.linspace(-1, 1, n) * rng.normal())
    usual = rng.uniform(80, 160) * np.exp(0.25 * ramp + 0.15 * rng.standard_normal((n, n)))
    low_log, high_log = np.log(THICK_ICE_NM)
    thick = np.exp(rng.uniform(low_log, high_log, (n, n)))
    ice = np.clip(usual, low, high)
    return np.where(kinds == THICK, thick, np.where(kinds == EMPTY, 0, ice)).astype(np.float32)


def _drawn_tears(rng: np.random.Generator, n: int, open_um: float) -> np.ndarray:
    """Middle and radius of what is torn out: a part of the film, or nearly all of it."""
    whole = rng.random((n, n)) < 0.25
    radius = np.where(
        whole, open_um * rng.uniform(0.7, 1.0, (n, n)), open_um * rng.uniform(0.16, 0.4, (n, n))
    )
    off = np.where(whole, 0.05, 0.25) * open_um
    middle = rng.uniform(-1, 1, (2, n, n)) * off
    return np.stack([middle[0], middle[1], radius], axis=-1).astype(np.float32)
