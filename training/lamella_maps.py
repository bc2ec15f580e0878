"""Maps of simulated lamellae with the class of every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import ndimage

from space.pictures import resized
from space.simulator.specimen import LABEL, Grid, Lamella, Site, draw_appearance

from .recording import (
    NOISE_NM,
    assembled,
    draw_tiles,
    exposed,
    scattered,
    to_bytes,
    uneven_light,
    view,
    with_tile_faults,
)
from .seeds import is_natural

MODEL_PIXEL_NM = 12.0
#: Rare classes are this much more frequent in maps of seeds that are not natural ones.
TRAINING_ABUNDANCE = 3.0
_LONGEST_UM = 36.0
KIND_SHARES = {
    "good": 0.45, "wedge": 0.22, "contaminated": 0.15, "broken": 0.09, "thick": 0.07, "gone": 0.02,
}  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """How a map was recorded.

    Attributes
    ----------
    noise : float
        Factor on the usual noise, 0.5..3. That falls with the pixel's side, for the same dose;
        pictures of low magnification got less of it, and have a factor of up to 10.
    magnification : float
        True over nominal pixel size, 0.9..1.1.
    rotation_deg : float
        Direction of the columns against the milling direction.
    mirrored : bool
    native_nm : float
        Pixel size of the camera picture; one coarser than the map's is enlarged.
    blur_px, sharpen : float
        Focus: width of the point spread in camera pixels, strength of the fringes.
    tile_um : (rows, columns)
        Field of a montage piece.
    faulty : bool
        Stitching and charging faults.
    haze : float
        Share of inelastically scattered electrons that no filter removed.
    pedestal : float
        Grey of what is opaque, as a share of vacuum: bulk is seldom black in displayed pictures.
    light : float
        Change of the illumination over the map; 0.5 is from 0.75 to 1.25.
    smooth_px : float
        Width of the filter of a picture that was denoised or binned, in pixels of the camera.
    clip : (low, high)
        Percentiles between which grey levels are stretched; the rest is black or white.
    headroom : float
        Share of the grey levels above the brightest one that are not used.
    """

    noise: float = 1.0
    magnification: float = 1.0
    rotation_deg: float = 0.0
    mirrored: bool = False
    native_nm: float = 2.3
    blur_px: float = 0.0
    sharpen: float = 0.0
    tile_um: tuple[float, float] = (9.0, 13.0)
    faulty: bool = False
    haze: float = 0.0
    pedestal: float = 0.0
    light: float = 0.0
    smooth_px: float = 0.0
    clip: tuple[float, float] = (0.1, 99.9)
    headroom: float = 0.0


Look = Literal["plain", "real"]
"""How a lamella looks: told by brightness, or as in pictures of real lamellae."""


def draw_conditions(rng) -> Conditions:
    """Draw conditions over the whole stated range."""
    turned = rng.choice([0.0, 90.0, 180.0, 270.0], p=[0.35, 0.15, 0.35, 0.15]) + rng.normal(0, 6)
    any_way = rng.uniform(0, 360)
    coarse = np.exp(rng.uniform(np.log(12), np.log(40)))
    fine = np.exp(rng.uniform(np.log(2), np.log(10)))
    return Conditions(
        noise=float(np.exp(rng.uniform(np.log(0.5), np.log(3.0)))),
        magnification=float(rng.uniform(0.9, 1.1)),
        rotation_deg=float(any_way if rng.random() < 0.35 else turned),
        mirrored=bool(rng.random() < 0.5),
        native_nm=float(coarse if rng.random() < 0.2 else fine),
        blur_px=float(rng.choice([0.0, rng.uniform(0.3, 1.3)], p=[0.4, 0.6])),
        sharpen=float(rng.choice([0.0, rng.uniform(0.1, 0.8)], p=[0.7, 0.3])),
        tile_um=(float(rng.uniform(6, 16)), float(rng.uniform(8, 22))),
        faulty=bool(rng.random() < 0.25),
        haze=float(rng.choice([0.0, rng.uniform(0.02, 0.2)], p=[0.6, 0.4])),
    )


def draw_real_conditions(rng, pixel_nm: float = MODEL_PIXEL_NM) -> Conditions:
    """Draw conditions as pictures of real lamellae have them, those on a screen too."""
    clipped = (rng.uniform(0.0, 3.0), 100 - float(np.exp(rng.uniform(np.log(0.05), np.log(25)))))
    native_nm = float(np.exp(rng.uniform(*np.log((12, 40) if rng.random() < 0.35 else (2, 10)))))
    # Noise of a pixel of vacuum, whatever its size: coarse pictures were taken with less dose.
    noise = float(np.exp(rng.uniform(np.log(0.02), np.log(0.16))))
    return replace(
        draw_conditions(rng),
        noise=noise * max(native_nm, pixel_nm) / NOISE_NM,
        native_nm=native_nm,
        pedestal=float(rng.uniform(0.04, 0.28) if rng.random() < 0.35 else rng.uniform(0, 0.02)),
        light=float(rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else 0.0),
        smooth_px=float(rng.uniform(0.5, 1.3) if rng.random() < 0.2 else 0.0),
        clip=clipped if rng.random() < 0.4 else (0.1, 99.9),
        headroom=float(rng.uniform(0.0, 0.4) if rng.random() < 0.6 else 0.0),
    )


def lamella_map(
    seed: int, pixel_nm: float = MODEL_PIXEL_NM, look: Look = "plain", **fixed
) -> tuple[np.ndarray, np.ndarray]:
    """A map of one lamella.

    Parameters
    ----------
    seed : int
        Decides specimen and conditions, and whether rare things are more frequent than in nature
        (`training.seeds`).
    pixel_nm : float
        Of the map.
    look : str
        ``plain`` or ``real``.
    **fixed
        Fields of `Conditions` that are given instead of drawn.

    Returns
    -------
    picture, labels : (rows, columns) uint8 arrays
    """
    rng = np.random.default_rng([101, seed])
    kind = str(rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values())))
    grid = Grid.make(seed, 1, kinds=[kind])
    site = _drawn_site(rng, grid, seed)
    if look == "real":
        looks = draw_appearance(np.random.default_rng([102, seed]), kind)
        site = replace(site, contrast=1.0, looks=looks)
        conditions = draw_real_conditions(rng, pixel_nm)
    else:
        conditions = draw_conditions(rng)
    grid = replace(grid, lamellae=(Lamella.at(site),))
    conditions = replace(conditions, **fixed)

    margin = rng.uniform((3.0, 2.5), (13.0, 11.0))
    a = np.deg2rad(conditions.rotation_deg)
    long, wide = site.length_um + margin[0], site.width_um + margin[1]
    extent_um = (
        abs(np.sin(a)) * long + abs(np.cos(a)) * wide,
        abs(np.cos(a)) * long + abs(np.sin(a)) * wide,
    )
    extent_um = tuple(min(extent, _LONGEST_UM) for extent in extent_um)
    center = np.asarray(site.center_um) + rng.uniform(-2, 2, 2)
    angle = site.angle_deg + conditions.rotation_deg
    return _recorded(rng, grid, center, angle, extent_um, pixel_nm, conditions)


def _drawn_site(rng, grid: Grid, seed: int) -> Site:
    """The site of the only lamella, in three of four cases with rare things added."""
    site = replace(grid.lamellae[0].site, contrast=float(rng.uniform(0.65, 1.1)))
    if is_natural(seed):
        return site
    return replace(site, abundance=float(rng.choice([1.0, TRAINING_ABUNDANCE], p=[0.25, 0.75])))


def _recorded(rng, grid, center, angle, extent_um, pixel_nm, c: Conditions):
    """Picture and labels of a part of a grid at `pixel_nm`."""
    true_um = pixel_nm * 1e-3 * c.magnification
    shape = tuple(int(np.ceil(extent / true_um)) for extent in extent_um)
    taken_nm = max(pixel_nm, c.native_nm)
    ratio = pixel_nm / taken_nm
    taken_shape = tuple(max(16, round(n * ratio)) for n in shape)
    tile_px = tuple(max(32, round(t * 1e3 / taken_nm)) for t in c.tile_um)
    tiles = draw_tiles(rng, taken_shape, tile_px, c.faulty)
    step_um = true_um * np.divide(shape, taken_shape)  # rows, columns

    def placed(size, rows_um, cols_um):
        m = view((0, 0), 1.0, size, angle, c.mirrored)[:, :2] * (cols_um, rows_um)
        return np.column_stack([m, center - m @ (size[1] / 2, size[0] / 2)])

    m = placed(taken_shape, *step_um)
    seen = assembled(
        tiles, m, taken_shape, lambda part, size: grid.transmission(part, size, step_um.mean())
    )
    seen = _focused(seen, c)
    seen = scattered(seen, c.haze, 1500 / taken_nm)
    seen = with_tile_faults(seen, tiles)
    if c.faulty:
        seen *= uneven_light(rng, taken_shape, 0.06)
    if c.light:
        seen *= _slanting_light(rng, taken_shape, c.light)
    missing = np.isnan(seen)
    seen = c.pedestal + (1 - c.pedestal) * np.nan_to_num(seen)
    seen = exposed(rng, seen, c.noise * NOISE_NM / taken_nm)
    if c.smooth_px:
        seen = ndimage.gaussian_filter(seen, c.smooth_px)
    if missing.any():
        seen[missing] = rng.choice([0.0, np.median(seen)])
    picture = to_bytes(seen, *c.clip, headroom=c.headroom)
    if taken_shape != shape:
        picture = resized(picture, shape)
    # The same tiles on the map's own pixels.
    scale = np.divide(shape, taken_shape)
    same = [
        replace(
            tile,
            rows=tuple(round(v * scale[0]) for v in tile.rows),
            cols=tuple(round(v * scale[1]) for v in tile.cols),
            shift_px=(tile.shift_px[0] * scale[1], tile.shift_px[1] * scale[0]),
        )
        for tile in tiles
    ]
    labels = assembled(same, placed(shape, true_um, true_um), shape, grid.label_map)
    for tile in same:
        if tile.missing:
            labels[slice(*tile.rows), slice(*tile.cols)] = LABEL["background"]
    return (picture, labels) if rng.random() < 0.7 else _framed(rng, picture, labels)


def _slanting_light(rng, shape: tuple[int, int], change: float) -> np.ndarray:
    """Illumination that rises from one side of the map to the other."""
    angle = rng.uniform(0, 2 * np.pi)
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    cols = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None]
    along = rows * np.float32(np.sin(angle)) + cols * np.float32(np.cos(angle))
    return 1 + np.float32(change) * along


def _focused(seen: np.ndarray, c: Conditions) -> np.ndarray:
    if c.blur_px > 0:
        seen = ndimage.gaussian_filter(seen, c.blur_px)
    if c.sharpen > 0:
        seen = seen + np.float32(c.sharpen) * (seen - ndimage.gaussian_filter(seen, 1.5))
    return np.maximum(seen, 0.0)


def _framed(rng, picture, labels):
    """A montage overview is a rectangle; where no piece lies it holds one grey value."""
    fill = int(rng.choice([picture.min(), 0, int(picture.mean())]))
    for axis in (0, 1):
        width = int(rng.uniform(0, 0.12) * picture.shape[axis])
        if width:
            at = [slice(None), slice(None)]
            at[axis] = slice(None, width) if rng.random() < 0.5 else slice(-width, None)
            picture = picture.copy()
            picture[tuple(at)] = fill
            labels[tuple(at)] = LABEL["background"]
    return picture, labels
