"""A whole grid with its lamellae, seen through any affine map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from . import rasters, shadow, texture
from .depth import Sight, slab_of
from .film import NORMAL, Film, make_film
from .interface import Inside
from .labels import KINDS, LABEL
from .site import BULK_TRANSMISSION, Site, make_site
from .stand import LEVEL, draw_stands, inclination_deg

if TYPE_CHECKING:
    from space.simulator.specimen.canvas import Window
    from space.simulator.specimen.labels import LamellaKind
    from space.simulator.specimen.shadow import Wall

FINEST_UM = 0.002  # pitch of the finest texture: closer pixels are interpolated
_BOW_RADIUS_UM = 1000.0
FILM_UM = 0.030  # the same for what is outside of lamellae
_ORDER: tuple[LamellaKind, ...] = (
    "good", "broken", "wedge", "contaminated", "thick", "gone",
    "good", "wedge", "good", "broken", "thick", "good",
)  # fmt: skip
_THRESHOLD_WHITE = 0.2  # between film with cells on it and the thickest ice in its holes


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Affine (2, 3) map that applies `inner` first."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def _pixel_index_map(px_to_plane: np.ndarray) -> np.ndarray:
    """The same map for integer pixel indices (centres at +0.5)."""
    m = np.asarray(px_to_plane, dtype=float).copy()
    m[:, 2] += m[:, :2] @ (0.5, 0.5)
    return m


@dataclass(frozen=True)
class Lamella:
    """A lamella as the truth knows it.

    Attributes
    ----------
    site : Site
    """

    site: Site

    @classmethod
    def at(cls, site: Site) -> Lamella:
        """The lamella on a site; it is painted when first looked at."""
        return cls(site)

    @property
    def number(self) -> int:
        """Counts from 1."""
        return self.site.number

    @property
    def kind(self) -> LamellaKind:
        """Category at low magnification."""
        return self.site.kind

    @property
    def center_um(self) -> tuple[float, float]:
        """Grid frame (x, y)."""
        return self.site.center_um

    @property
    def box_um(self) -> tuple[float, float, float, float]:
        """Grid frame (x0, y0, x1, y1)."""
        return self.site.box_um

    @property
    def angle_deg(self) -> float:
        """Milling direction in the grid frame."""
        return self.site.angle_deg

    @property
    def height_um(self) -> float:
        """Of its middle above the eucentric plane at stage Z = 0."""
        return self.site.height_um

    @property
    def slope(self) -> tuple[float, float]:
        """(dz/dx, dz/dy) of its plane, grid frame."""
        return self.site.slope_at(*self.center_um)

    @property
    def normal(self) -> tuple[float, float, float]:
        """Unit vector that stands on its plane, grid frame; z points up."""
        dx, dy = self.slope
        length = float(np.sqrt(1.0 + dx**2 + dy**2))
        return -dx / length, -dy / length, 1.0 / length

    @property
    def pretilt_deg(self) -> float:
        """Inclination with the sign that PACEtomo gives it, see `inclination_deg`.

        For a stage that is turned by 180 degrees to specimen coordinates, which is usual.
        """
        return inclination_deg(self.slope)[0]

    @property
    def rotation_deg(self) -> float:
        """Angle between milling direction and the perpendicular of the tilt axis, as above."""
        return inclination_deg(self.slope)[1]

    def label_map(self, px_to_grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Labels (rows, columns) uint8 of a picture; 0 outside of the painted region.

        Parameters
        ----------
        px_to_grid : (2, 3) affine map from (column, row, 1) of pixel coordinates, pixel
            centres at +0.5, to the grid frame.
        shape : (rows, columns)
        """
        result = np.zeros(shape, np.uint8)
        pixel_um = float(np.sqrt(abs(np.linalg.det(np.asarray(px_to_grid)[:, :2]))))
        raster = rasters.painted(self.site, pixel_um)
        m = _compose(self.site.site_from_grid, _pixel_index_map(px_to_grid))
        found = _region(m, raster.corner_um, raster.pixel_um, raster.labels.shape, shape)
        if found is None:
            return result
        at, matrix, offset = found
        part = ndimage.affine_transform(
            raster.labels, matrix, offset, output_shape=_size(at), order=0, cval=0
        )
        result[at] = part
        return result


def _size(at: tuple[slice, slice]) -> tuple[int, int]:
    return at[0].stop - at[0].start, at[1].stop - at[1].start


def _region(
    m: np.ndarray,
    corner_um: tuple[float, float],
    pixel_um: float,
    raster_shape: tuple[int, ...],
    shape: tuple[int, ...],
) -> tuple[Window, np.ndarray, np.ndarray] | None:
    """Part of a picture that shows a raster, and the map into the raster there.

    Returns slices, matrix and offset for scipy's affine_transform, or None.
    """
    # raster index (row, column) as a function of picture index (column, row)
    to_col = (m[0] - np.array([0, 0, corner_um[0]])) / pixel_um
    to_row = (m[1] - np.array([0, 0, corner_um[1]])) / pixel_um
    to_col[2] -= 0.5
    to_row[2] -= 0.5
    forward = np.array([to_col[:2], to_row[:2]])
    back = np.linalg.inv(forward)
    corners = np.array(
        [[-1, -1], [raster_shape[1], -1], [-1, raster_shape[0]], [raster_shape[1], raster_shape[0]]]
    )
    seen = (corners - [to_col[2], to_row[2]]) @ back.T
    c0, r0 = np.floor(seen.min(axis=0)).astype(int)
    c1, r1 = np.ceil(seen.max(axis=0)).astype(int) + 1
    c0, r0, c1, r1 = max(c0, 0), max(r0, 0), min(c1, shape[1]), min(r1, shape[0])
    if c0 >= c1 or r0 >= r1:
        return None
    matrix = np.array([[to_row[1], to_row[0]], [to_col[1], to_col[0]]])
    start = np.array(
        [to_row[0] * c0 + to_row[1] * r0 + to_row[2], to_col[0] * c0 + to_col[1] * r0 + to_col[2]]
    )
    return (slice(r0, r1), slice(c0, c1)), matrix, start


@dataclass(frozen=True)
class Grid:
    """A grid on its cartridge; (x, y) are the stage coordinates that centre a point.

    Attributes
    ----------
    name : str
    seed : int
    film : Film
    lamellae : tuple of Lamella
    slope : tuple of float
        Of the grid as a whole.
    bumps_um : tuple of tuple of float
        Height, wave vector and phase of waves in the film.
    bow_um : float
        How much higher the grid stands 1 mm from its middle than in the middle.
    """

    name: str
    seed: int
    film: Film
    lamellae: tuple[Lamella, ...]
    slope: tuple[float, float]
    bumps_um: tuple[tuple[float, float, float, float], ...]
    bow_um: float = 0.0

    @classmethod
    def make(
        cls,
        seed: int,
        n_lamellae: int,
        name: str = "G1",
        milled: bool = True,
        kinds: Sequence[LamellaKind] | None = None,
        within_um: float = 720.0,
        film: Film | None = None,
        level: bool = False,
    ) -> Grid:
        """Draw a grid; the same seed gives the same grid.

        Parameters
        ----------
        seed : int
        n_lamellae : int
            Up to 24; at most one to a square.
        name : str
        milled : bool
            False gives a clean grid as for plunge-frozen particles.
        kinds : sequence of str, optional
            Categories of the lamellae; by default all six occur in turn.
        within_um : float
            Lamellae lie in squares whose centres are this near the centre of the grid.
        film : Film, optional
            Mesh and film to mill; by default drawn at random too.
        level : bool
            Lamellae lie level in the film and the grid does not bow; by default they stand in
            their trenches as they are milled.
        """
        rng = np.random.default_rng([3, seed])
        film = film or make_film(rng, milled)
        slope = tuple(rng.normal(0, 0.004, 2))
        bumps = tuple(
            (rng.uniform(1.5, 4.0), *rng.uniform(-0.012, 0.012, 2), rng.uniform(0, 6.28))
            for _ in range(3)
        )
        chosen = list(kinds) if kinds is not None else [_ORDER[k % 12] for k in range(n_lamellae)]
        unknown = sorted(set(chosen) - set(KINDS))
        if unknown:
            raise ValueError(f"unknown lamella kinds {unknown}; known are {KINDS}")
        if kinds is None:
            rng.shuffle(chosen)
        bow_um, stands = (0.0, [LEVEL] * len(chosen)) if level else draw_stands(seed, len(chosen))
        grid = cls(name, seed, film, (), slope, bumps, bow_um)
        milling_deg = 96 + rng.normal(0, 4)
        squares = _squares(rng, film, len(chosen), within_um)
        lamellae = []
        for number, (kind, (i, j), stand) in enumerate(zip(chosen, squares, stands), 1):
            x, y = film.square_center_um(i, j)
            center = (x + rng.uniform(-12, 12), y + rng.uniform(-12, 12))
            angle = milling_deg + rng.normal(0, 1.0)
            height_um = grid.film_height_um(*center) + stand.off_film_um
            site = make_site(rng, number, kind, center, angle, height_um, stand)
            lamellae.append(Lamella.at(site))
        for i, j in squares:
            film.states[i + film.half, j + film.half] = NORMAL
        return replace(grid, lamellae=tuple(lamellae))

    def height_um(self, x: float, y: float) -> float:
        """Height of the specimen above the eucentric plane when stage Z is 0."""
        site = self._site_at(x, y)
        return site.height_at_um(x, y) if site is not None else self.film_height_um(x, y)

    def slope_at(self, x: float, y: float) -> tuple[float, float]:
        """(dz/dx, dz/dy) of the specimen at a point."""
        site = self._site_at(x, y)
        return site.slope_at(x, y) if site is not None else self._film_slope(x, y)

    def film_height_um(self, x: float, y: float) -> float:
        """Height of the film above the same, as if nothing had been milled."""
        bumps = sum(a * np.sin(p * x + q * y + phase) for a, p, q, phase in self.bumps_um)
        bow = self.bow_um * (x**2 + y**2) / _BOW_RADIUS_UM**2
        return float(self.slope[0] * x + self.slope[1] * y + bumps + bow)

    def _film_slope(self, x: float, y: float) -> tuple[float, float]:
        steep = [(a * np.cos(p * x + q * y + phase), p, q) for a, p, q, phase in self.bumps_um]
        bow = 2.0 * self.bow_um / _BOW_RADIUS_UM**2
        dx = self.slope[0] + sum(a * p for a, p, _ in steep) + bow * x
        dy = self.slope[1] + sum(a * q for a, _, q in steep) + bow * y
        return float(dx), float(dy)

    def _site_at(self, x: float, y: float) -> Site | None:
        sites = (lamella.site for lamella in self.lamellae)
        return next((site for site in sites if site.holds(x, y)), None)

    def transmission(
        self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> np.ndarray:
        """Transmitted fraction of the beam on the pixels of a picture.

        Parameters
        ----------
        px_to_grid : (2, 3) array
            Affine map from (column, row, 1), pixel centres at +0.5, row 0 on top, to the
            grid frame in µm.
        shape : (rows, columns)
        pixel_um : float
            Pixel size, for the softness of edges and the detail that is drawn.

        Returns
        -------
        (rows, columns) float32 array, 0..1
        """

        def seen(m: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            return self._seen(m, size, pixel_um)

        result = _interpolated(seen, _pixel_index_map(px_to_grid), shape, pixel_um, FINEST_UM)
        return np.clip(result, 0.003, 1.0, out=result)

    def _seen(self, m: np.ndarray, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
        result = self._painted(m, shape, pixel_um)
        if pixel_um < 0.02:
            self._draw_grain(result, m, shape, pixel_um)
        return result

    def _painted(self, m: np.ndarray, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
        near = [lamella for lamella in self.lamellae if _near(lamella.site, m, shape)]
        inside = [lamella for lamella in near if _wholly_inside(lamella.site, m, shape)]

        def around(m: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            result = self.film.transmission(m, size, pixel_um)
            for lamella in near:
                self._draw_surroundings(lamella.site, result, m, pixel_um)
            return result

        if inside:
            result = np.full(shape, BULK_TRANSMISSION, np.float32)
            self._draw_raster(inside[0], result, m, pixel_um)
        else:
            result = _interpolated(around, m, shape, pixel_um, FILM_UM)
            for lamella in near:
                self._draw_raster(lamella, result, m, pixel_um)
        return result

    def inside(
        self, to_px: np.ndarray, shape: tuple[int, int], pixel_um: float, seed: int
    ) -> Inside | None:
        """What is in the lamella in the middle of a picture, None where there is none.

        Parameters
        ----------
        to_px : (2, 4) array
            From (x, y, height, 1), grid frame in µm, to (column, row), pixel centres at +0.5.
        shape : (rows, columns)
        pixel_um : float
        seed : int
            Of the grain.
        """
        sight = self.sight(to_px, shape, pixel_um)
        if sight is None:
            return None
        site = sight.slab.site
        to_grid = np.linalg.inv(np.vstack([site.site_from_grid, [0.0, 0.0, 1.0]]))[:2]

        def draw(m: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            pitch_um = 1e-3 * float(np.sqrt(abs(np.linalg.det(m[:, :2]))))
            return self._painted(_compose(to_grid, 1e-3 * m), size, pitch_um)

        def common(m: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            return self._texture(_compose(to_grid, 1e-3 * m), size)

        seen = np.clip(sight.through(draw, common), 0.003, 1.0)
        return Inside(seen, sight.potential(), sight.grain(seed))

    def sight(self, to_px: np.ndarray, shape: tuple[int, int], pixel_um: float) -> Sight | None:
        """How a picture looks at the lamella in its middle, None where there is none.

        Parameters as for `inside`.
        """
        rows, columns = shape
        middle = np.array([columns / 2, rows / 2])
        for site in (lamella.site for lamella in self.lamellae):
            slab = slab_of(site)
            place = (0.0, 0.0)
            for _ in range(3):
                m = to_px @ np.vstack([slab.tangent(place), [0.0, 0.0, 0.0, 1.0]])
                s, t = np.linalg.solve(m[:, :2], middle - m[:, 3])
                place = (float(s), float(t))
            if site.kind != "gone" and site.on_it(*place):
                return Sight(slab, m, shape, pixel_um)
        return None

    def shade(
        self,
        px_to_grid: np.ndarray,
        shape: tuple[int, int],
        pixel_um: float,
        lean: tuple[float, float],
    ) -> np.ndarray | None:
        """Largest transmission that the walls of trenches leave to the pixels of a picture.

        Parameters
        ----------
        px_to_grid, shape, pixel_um
            As in `transmission`.
        lean : (dx, dy)
            How far the beam's path goes sideways for each micrometre that it rises.

        Returns
        -------
        (rows, columns) float32 array, or None when nothing in the picture is shaded
        """
        m = _pixel_index_map(px_to_grid)
        result = None
        for site in (lamella.site for lamella in self.lamellae):
            if not _near(site, m, shape):
                continue
            walls = shadow.walls_seen(site, _compose(site.site_from_grid, m), shape, lean)
            if not walls:
                continue
            draw = partial(_passing, site, pixel_um, walls)
            passing = _interpolated(draw, m, shape, pixel_um, FILM_UM)
            result = passing if result is None else np.minimum(result, passing)
        return result

    def label_map(self, px_to_grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Labels (rows, columns) uint8; outside of lamellae those of the film."""
        pixel_um = float(np.sqrt(abs(np.linalg.det(np.asarray(px_to_grid)[:, :2]))))
        result = self.film.labels(px_to_grid, shape, max(pixel_um, 0.02))
        if result is None:
            seen = self.transmission(px_to_grid, shape, max(pixel_um, 0.02))
            is_white = seen > _THRESHOLD_WHITE
            result = np.where(is_white, LABEL["white"], LABEL["black"]).astype(np.uint8)
        for lamella in self.lamellae:
            if _near(lamella.site, _pixel_index_map(px_to_grid), shape):
                labels = lamella.label_map(px_to_grid, shape)
                np.copyto(result, labels, where=labels > 0)
        return result

    def _draw_surroundings(
        self, site: Site, result: np.ndarray, m: np.ndarray, pixel_um: float
    ) -> None:
        c0, c1, r0, r1 = _seen_square(m, site.center_um, site.reach_um, result.shape)
        if c0 >= c1 or r0 >= r1:
            return
        at = (slice(r0, r1), slice(c0, c1))
        part = _compose(site.site_from_grid, m)
        part[:, 2] += part[:, :2] @ (c0, r0)
        around, weight = site.surroundings(part, _size(at), pixel_um)
        result[at] += (around - result[at]) * weight

    def _draw_raster(
        self, lamella: Lamella, result: np.ndarray, m: np.ndarray, pixel_um: float
    ) -> None:
        array, px, corner = rasters.transmission(lamella.site, pixel_um)
        found = _region(_compose(lamella.site.site_from_grid, m), corner, px, array.shape,
                        result.shape)  # fmt: skip
        if found is None:
            return
        at, matrix, offset = found
        part = ndimage.affine_transform(
            array, matrix, offset, output_shape=_size(at), order=1, cval=-1.0
        )
        np.copyto(result[at], part, where=part >= 0)

    def _draw_grain(
        self, result: np.ndarray, m: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> None:
        """Molecular texture below the rasters' resolution, what alignment holds on to."""
        grain = 0.10 * self._texture(m, shape)
        if pixel_um < 0.004:
            grain += 0.12 * texture.sample(m, shape, 0.008, self.seed + 62)
        # Proportional to -ln T: vacuum stays empty.
        weight = np.clip(1.1 * (1 - result), 0, 1)
        result *= np.clip(1 + grain * weight, 0, 2)

    def _texture(self, m: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        return texture.sample(m, shape, 0.03, self.seed + 61)


def _passing(
    site: Site, pixel_um: float, walls: Sequence[Wall], m: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    return shadow.passing(site, _compose(site.site_from_grid, m), shape, pixel_um, walls)


def _interpolated(
    draw: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
    m: np.ndarray,
    shape: tuple[int, int],
    pixel_um: float,
    pitch_um: float,
) -> np.ndarray:
    """What `draw(map, shape)` draws, from a lattice no coarser than `pitch_um`."""
    step = int(pitch_um / pixel_um)
    if step < 2:
        return draw(m, shape)
    wide = m.copy()
    wide[:, :2] *= step
    return texture.enlarge(draw(wide, texture.lattice_shape(shape, step)), step, shape)


def _seen_square(
    m: np.ndarray, center_um: tuple[float, float], half_um: float, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    back = np.linalg.inv(m[:, :2])
    mid = back @ (np.asarray(center_um) - m[:, 2])
    reach = half_um * 1.5 * np.abs(back).sum(axis=1)
    c0, r0 = np.maximum(np.floor(mid - reach), 0).astype(int)
    c1, r1 = (np.ceil(mid + reach) + 1).astype(int)
    return c0, min(c1, shape[1]), r0, min(r1, shape[0])


def _near(site: Site, m: np.ndarray, shape: tuple[int, int]) -> bool:
    c0, c1, r0, r1 = _seen_square(m, site.center_um, site.reach_um, shape)
    return c0 < c1 and r0 < r1


def _wholly_inside(site: Site, m: np.ndarray, shape: tuple[int, int]) -> bool:
    corners = np.array(
        [[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]], float
    )
    st = corners @ _compose(site.site_from_grid, m).T
    return bool(
        np.all(np.abs(st[:, 0]) < site.length_um / 2 + 4.5)
        and np.all(np.abs(st[:, 1]) < site.width_um / 2 + 7.0)
    )


def _squares(
    rng: np.random.Generator, film: Film, n: int, within_um: float
) -> list[tuple[int, int]]:
    """Squares for the lamellae: in a few rows across the centre, off the dark corner."""
    cx, cy, radius = film.dark_corner_um
    places = []
    for i in range(-5, 6):
        for j in range(-2, 3):
            x, y = film.square_center_um(i, j)
            if np.hypot(x, y) < within_um and np.hypot(x - cx, y - cy) > radius + 90:
                places.append((i, j))
    if n > len(places):
        raise ValueError(f"{n} lamellae asked for, a grid has room for {len(places)}")
    chosen = rng.permutation(len(places))[:n]
    return [places[k] for k in chosen]
