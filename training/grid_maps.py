"""Whole-grid maps of simulated grids with the boxes of their lamellae, and crops of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from space.pictures import resized
from space.simulator.specimen import KINDS, Grid, Lamella, Site
from space.simulator.specimen.film import Film, make_film

from .formats import Box
from .grid_pictures import Display, boxes_in, draw_display
from .grid_sites import draw_geometry, draw_kinds, milled_otherwise
from .lookalikes import Mark, draw_marks, with_marks
from .recording import (
    Tile,
    assembled,
    draw_tiles,
    exposed,
    one_tile,
    scattered,
    view,
    with_tile_faults,
)

MODEL_PIXEL_NM = 400.0
CROP_PX = 320
GRID_RADIUS_UM = 1050.0
CROPS_PER_GRID = 26
CROPS_PER_UNMILLED_GRID = 16
#: So many lamellae get crops of their own; where several lie in a square, others are on them.
LAMELLAE_PER_GRID = 12
UNMILLED_SHARE = 0.15
#: From here on in every hundred thousand seeds, grids are of the new kinds (`KINDS_OF_GRIDS`).
FIRST_NEW_SEED = 60_000
#: ``usual``: milled by the simulator's recipe, recorded as it is. ``new``: other geometries and
#: neighbours (`training.grid_sites`), pictures as they reach a screen (`training.grid_pictures`),
#: and parts of a grid whose edge cuts lamellae.
KINDS_OF_GRIDS = ("usual", "new")
EDGE_SHARE = 0.2
#: Standard deviation of the noise in vacuum, as a fraction.
NOISE = 0.02

#: Hole pitch and radius (µm) of common films: R1.2/1.3, R2/1, R2/2, R2/4, R3.5/1.
HOLES_UM = ((2.5, 0.62), (3.1, 1.0), (4.25, 1.02), (6.0, 1.0), (4.6, 1.75))
#: Pitch and bar width (µm) of 200 and 300 mesh.
MESHES_UM = ((129.0, 34.0), (85.0, 26.0))


@dataclass(frozen=True)
class Conditions:
    """How a whole-grid map was recorded.

    Attributes
    ----------
    noise : float
        Factor on the usual noise.
    magnification : float
        True over nominal pixel size.
    rotation_deg : float
        Direction of the columns in the grid frame.
    mirrored : bool
    blur_px : float
        Point spread far from focus.
    haze : float
        Share of scattered electrons that no energy filter removed.
    tile_um : (rows, columns)
    faulty : bool
        Stitching faults.
    native_nm : float
        Pixel size of the picture that was taken; one coarser than the map's is enlarged.
    """

    noise: float = 1.0
    magnification: float = 1.0
    rotation_deg: float = 0.0
    mirrored: bool = False
    blur_px: float = 0.0
    haze: float = 0.0
    tile_um: tuple[float, float] = (400.0, 560.0)
    faulty: bool = False
    native_nm: float = MODEL_PIXEL_NM


def draw_conditions(rng) -> Conditions:
    """Draw conditions over the whole stated range."""
    upright = rng.choice([0, 90, 180, 270]) + rng.normal(0, 10)
    return Conditions(
        noise=float(np.exp(rng.uniform(np.log(0.3), np.log(4.0)))),
        magnification=float(rng.uniform(0.9, 1.1)),
        rotation_deg=float(rng.uniform(0, 360) if rng.random() < 0.25 else upright),
        mirrored=bool(rng.random() < 0.5),
        blur_px=float(rng.choice([0.0, rng.uniform(0.3, 1.5)], p=[0.4, 0.6])),
        haze=float(rng.choice([0.0, rng.uniform(0.02, 0.25)], p=[0.5, 0.5])),
        tile_um=(float(rng.uniform(250, 600)), float(rng.uniform(250, 800))),
        faulty=bool(rng.random() < 0.4),
    )


def draw_film(rng, milled: bool) -> Film:
    """Mesh and film of one of the common geometries."""
    film = make_film(rng, milled)
    pitch, bar = MESHES_UM[int(rng.random() < 0.25)]
    hole_pitch, hole_radius = HOLES_UM[rng.integers(len(HOLES_UM))]
    return replace(
        film,
        mesh_pitch_um=pitch * rng.uniform(0.95, 1.04),
        bar_um=bar * rng.uniform(0.85, 1.15),
        mesh_deg=rng.uniform(-45, 45),
        hole_pitch_um=hole_pitch * rng.uniform(0.97, 1.03),
        hole_radius_um=hole_radius * rng.uniform(0.9, 1.1),
        film_transmission=film.film_transmission * (rng.uniform(0.6, 3.0) if milled else 1.0),
        hole_transmission=min(0.97, film.hole_transmission * rng.uniform(0.6, 1.25)),
    )


def draw_grid(rng, seed: int, milled: bool) -> Grid:
    """A grid with up to a dozen lamellae of all kinds, or with none."""
    n = int(rng.integers(6, 13)) if milled else 0
    grid = Grid.make(seed, n, film=draw_film(rng, milled and rng.random() > 0.05))
    slits, narrow = rng.random() < 0.85, rng.uniform(0.8, 1.0)
    sites = [_varied(rng, lamella.site, slits, narrow) for lamella in grid.lamellae]
    return replace(grid, lamellae=tuple(Lamella.at(site) for site in sites))


def _varied(rng, site: Site, slits: bool, narrow: float) -> Site:
    """A site milled by another recipe: other slits or none, shorter windows, a narrower lamella."""
    return replace(
        site,
        width_um=site.width_um * narrow,
        window_um=(rng.uniform(5, 30), rng.uniform(5, 26)),
        slit_gap_um=rng.uniform(1.5, 4.5),
        slit_width_um=rng.uniform(0.5, 1.5) if slits and rng.random() < 0.9 else 0.0,
        slit_length_um=rng.uniform(12, 34),
    )


@dataclass(frozen=True)
class Recorded:
    """A picture of a grid.

    Attributes
    ----------
    transmission : (rows, columns) float32 array
        With noise and faults.
    px_to_grid : (2, 3) affine map from (column, row, 1) to the grid frame (µm)
    boxes : list of Box
        Of all lamellae, also of those outside the picture; not of those that a missing tile hides.
    """

    transmission: np.ndarray
    px_to_grid: np.ndarray
    boxes: list[Box]


@dataclass(frozen=True)
class GridMap:
    """A grid as it was recorded.

    Attributes
    ----------
    grid : Grid
    marks : list of Mark
    conditions : Conditions
    level : (black, white)
        Transmitted fractions that become grey 0 and 255.
    display : Display, optional
        What befell the picture afterwards.
    """

    grid: Grid
    marks: list[Mark]
    conditions: Conditions
    level: tuple[float, float]
    display: Display | None = None

    def recorded(
        self, rng, center_um, shape: tuple[int, int], tiles: list[Tile] | None = None
    ) -> Recorded:
        """Record a part of the grid; the tiles of its montage are drawn if not given."""
        c = self.conditions
        pixel_um = MODEL_PIXEL_NM * 1e-3 * c.magnification
        m = view(center_um, pixel_um, shape, c.rotation_deg, c.mirrored)
        if tiles is None:
            tile_px = tuple(max(64, round(t / pixel_um)) for t in c.tile_um)
            tiles = draw_tiles(rng, shape, tile_px, c.faulty)

        def render(part, size):
            return with_marks(self.grid.transmission(part, size, pixel_um), part, self.marks)

        seen = assembled(tiles, m, shape, render)
        if c.blur_px > 0:
            seen = ndimage.gaussian_filter(seen, c.blur_px)
        seen = scattered(seen, c.haze, 30.0)
        seen = np.nan_to_num(with_tile_faults(seen, tiles))
        ratio = min(1.0, MODEL_PIXEL_NM / c.native_nm)
        seen = exposed(rng, resized(seen, [round(n * ratio) for n in shape]), c.noise * NOISE)
        boxes = self._boxes(m, tiles)
        if self.display:
            small = [(kind, *(v * ratio for v in frame)) for kind, *frame in boxes]
            seen = self.display.shown(rng, seen, small, self.level)
        return Recorded(resized(seen, shape), m, boxes)

    def _boxes(self, m: np.ndarray, tiles: list[Tile]) -> list[Box]:
        """Box of every lamella where the tile that shows its middle shows it."""
        back = np.linalg.inv(m[:, :2])
        result = []
        for lamella in self.grid.lamellae:
            px = (outline_um(lamella.site) - m[:, 2]) @ back.T
            x, y = px.mean(axis=0)
            shows = [
                tile
                for tile in tiles
                if tile.cols[0] <= x - tile.shift_px[0] < tile.cols[1]
                and tile.rows[0] <= y - tile.shift_px[1] < tile.rows[1]
            ]
            if shows and all(tile.missing for tile in shows):
                continue
            if shows:
                px -= next(tile for tile in shows if not tile.missing).shift_px
            (x0, y0), (x1, y1) = px.min(axis=0), px.max(axis=0)
            result.append((KINDS.index(lamella.kind), x0, y0, x1, y1))
        return result

    def to_bytes(self, picture: np.ndarray) -> np.ndarray:
        """Grey levels as the detector gets them from a whole map."""
        black, white = self.level
        scaled = (picture - black) * (255 / (white - black))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def kinds_of(seed: int) -> str:
    """Which of `KINDS_OF_GRIDS` a seed draws where nobody asks for one."""
    return KINDS_OF_GRIDS[int(seed % 100_000 >= FIRST_NEW_SEED)]


def draw_map(
    seed: int, milled: bool | None = None, kinds: str | None = None, **fixed
) -> tuple[GridMap, np.random.Generator]:
    """Draw a grid and its recording.

    Parameters
    ----------
    seed : int
    milled : bool, optional
        Whether there are lamellae; drawn if not given.
    kinds : str, optional
        One of `KINDS_OF_GRIDS`; that of the seed if not given.
    **fixed
        Fields of `Conditions` that are given instead of drawn.
    """
    if (kinds or kinds_of(seed)) == "new":
        return _draw_new_map(seed, milled, fixed)
    rng = np.random.default_rng([202, seed])
    drawn = bool(rng.random() > UNMILLED_SHARE)
    milled = drawn if milled is None else milled
    grid = draw_grid(rng, seed, milled)
    level = (rng.uniform(0.0, 0.04), rng.uniform(0.8, 1.2))
    conditions = replace(draw_conditions(rng), **fixed)
    return GridMap(grid, draw_marks(rng, grid), conditions, level), rng


def _draw_new_map(
    seed: int, milled: bool | None, fixed: dict
) -> tuple[GridMap, np.random.Generator]:
    rng = np.random.default_rng([205, seed])
    drawn = bool(rng.random() > UNMILLED_SHARE)
    milled = drawn if milled is None else milled
    geometry = draw_geometry(rng)
    n = int(rng.integers(5, 13)) if milled else 0
    film = draw_film(rng, rng.random() > (0.12 if milled else 0.5))
    grid = Grid.make(seed, n, kinds=draw_kinds(rng, n), film=film)
    grid, own = milled_otherwise(rng, grid, geometry)
    display = draw_display(rng)
    level = (rng.uniform(-0.02, 0.05), rng.uniform(0.75, 1.45))
    coarse = float(np.exp(rng.uniform(np.log(MODEL_PIXEL_NM), np.log(1000.0))))
    conditions = replace(draw_conditions(rng), native_nm=coarse)
    conditions = replace(conditions, **fixed)
    return GridMap(grid, draw_marks(rng, grid) + own, conditions, level, display), rng


def whole_map(
    seed: int, milled: bool | None = None, kinds: str | None = None, **fixed
) -> tuple[Recorded, GridMap]:
    """A whole grid at 400 nm/px, or a part of one that is of the new kinds, and the truth."""
    grid_map, rng = draw_map(seed, milled, kinds, **fixed)
    size = int(2 * GRID_RADIUS_UM / (MODEL_PIXEL_NM * 1e-3 * grid_map.conditions.magnification))
    seen = grid_map.recorded(rng, (0.0, 0.0), (size, size))
    return (_part(rng, seen) if grid_map.display else seen), grid_map


def _part(rng, seen: Recorded) -> Recorded:
    """A part of a picture, half to two thirds of it long; its edges may cut a lamella."""
    rows, cols = seen.transmission.shape
    lengths = (rng.uniform(0.5, 0.67, 2) * (rows, cols)).astype(int)
    r0, c0 = (
        int(rng.uniform(0.25, 0.75) * (n - length)) for n, length in zip((rows, cols), lengths)
    )
    boxes = np.array([box[1:] for box in seen.boxes]).reshape(-1, 4)
    if len(boxes) and rng.random() < 0.5:  # the left edge runs through a lamella
        x0, _, x1, _ = boxes[rng.integers(len(boxes))]
        c0 = int(np.clip(x0 + rng.uniform(-0.2, 0.5) * (x1 - x0), 0, cols - lengths[1]))
    r1, c1 = r0 + int(lengths[0]), c0 + int(lengths[1])
    kept = boxes_in(seen.boxes, (c0, r0, c1, r1))
    moved = [(kind, x0 - c0, y0 - r0, x1 - c0, y1 - r0) for kind, x0, y0, x1, y1 in kept]
    m = seen.px_to_grid.copy()
    m[:, 2] += m[:, :2] @ (c0, r0)
    return Recorded(np.ascontiguousarray(seen.transmission[r0:r1, c0:c1]), m, moved)


def draw_native_nm(rng) -> float:
    """Pixel size for training: every third picture is coarser than the model's pixels."""
    coarse = float(np.exp(rng.uniform(np.log(MODEL_PIXEL_NM), np.log(1000.0))))
    return coarse if rng.random() < 1 / 3 else MODEL_PIXEL_NM


def grid_crops(seed: int) -> Iterator[tuple[np.ndarray, list[Box]]]:
    """Crops around the lamellae of a grid and elsewhere on it: 8-bit pictures and boxes."""
    grid_map, rng = draw_map(seed)
    lamellae = grid_map.grid.lamellae
    reach = 0.42 * CROP_PX * MODEL_PIXEL_NM * 1e-3
    first = lamellae
    if len(lamellae) > LAMELLAE_PER_GRID:
        chosen = rng.choice(len(lamellae), LAMELLAE_PER_GRID, replace=False)
        first = tuple(lamellae[k] for k in chosen)
    centers = [
        np.asarray(lamella.center_um) + rng.uniform(-reach, reach, 2)
        for lamella in first
        for _ in range(2)
    ]
    n = CROPS_PER_GRID if lamellae else CROPS_PER_UNMILLED_GRID
    while len(centers) < n:
        near_mark = bool(grid_map.marks) and rng.random() < 0.5
        middle = (
            grid_map.marks[rng.integers(len(grid_map.marks))].points_um.mean(axis=0)
            if near_mark
            else rng.uniform(-900, 900, 2)
        )
        centers.append(middle + rng.uniform(-reach, reach, 2))
    shape = (CROP_PX, CROP_PX)
    for center in centers:
        tiles = None if grid_map.conditions.faulty and rng.random() < 0.4 else one_tile(shape)
        if grid_map.display is None:
            conditions = replace(grid_map.conditions, native_nm=draw_native_nm(rng))
            seen = replace(grid_map, conditions=conditions).recorded(rng, center, shape, tiles)
            yield grid_map.to_bytes(seen.transmission), seen.boxes
        else:
            shown = replace(grid_map, display=draw_display(rng))
            seen = shown.recorded(rng, center, shape, tiles)
            yield with_edge(rng, shown.to_bytes(seen.transmission), seen.boxes)


def with_edge(rng, picture: np.ndarray, boxes: list[Box]) -> tuple[np.ndarray, list[Box]]:
    """A crop at the edge of a picture, which may run through a lamella; beyond it, median grey."""
    if rng.random() > EDGE_SHARE:
        return picture, boxes
    rows, cols = picture.shape
    inside = [b for b in boxes if 0 < b[1] + b[3] < 2 * cols and 0 < b[2] + b[4] < 2 * rows]
    side = int(rng.integers(4))  # left, top, right, bottom
    low, high = rng.uniform(0.05, 0.4, 2) * (cols, rows)
    part = [0, 0, cols, rows]
    part[side] = int((low, high, cols - low, rows - high)[side])
    if inside:
        box = inside[rng.integers(len(inside))][1:]
        near, far = box[side % 2], box[side % 2 + 2]
        share = rng.uniform(-0.3, 0.5)
        at = near + share * (far - near) if side < 2 else far - share * (far - near)
        part[side] = int(np.clip(at, 0, (cols, rows)[side % 2]))
    c0, r0, c1, r1 = part
    if c1 - c0 < cols / 3 or r1 - r0 < rows / 3:
        return picture, boxes
    result = np.full_like(picture, int(np.median(picture[r0:r1, c0:c1])))
    result[r0:r1, c0:c1] = picture[r0:r1, c0:c1]
    return result, boxes_in(boxes, (c0, r0, c1, r1))


def outline_um(site: Site) -> np.ndarray:
    """Corners (4, 2) in the grid frame of the rectangle that a box is drawn around."""
    half_s, half_t = site.length_um / 2 + 1.0, site.width_um / 2 + 1.5
    st = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_s, half_t)
    to_site = site.site_from_grid
    return (st - to_site[:, 2]) @ np.linalg.inv(to_site[:, :2]).T
