"""What a microscope does to a picture of the specimen: tiles, faults, noise, grey levels.

Pictures are transmitted fractions (0 opaque, 1 vacuum) as float32 until `to_bytes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Standard deviation of the noise in vacuum, as a fraction, of a pixel of 1 nm; it falls with the
#: pixel's side. 17-26 % were measured at 2.3 nm, 8 % at 39 nm in pictures binned for display.
NOISE_NM = 0.6


def view(center_um, pixel_um: float, shape, angle_deg: float, mirror: bool = False) -> np.ndarray:
    """Affine map (2, 3) from picture (column, row, 1) to the grid frame (µm)."""
    a = np.deg2rad(angle_deg)
    turn = pixel_um * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if mirror:
        turn = turn @ np.diag([1.0, -1.0])
    middle = turn @ (shape[1] / 2, shape[0] / 2)
    return np.column_stack([turn, np.asarray(center_um) - middle])


def exposed(rng, transmission: np.ndarray, relative_noise: float) -> np.ndarray:
    """Add counting noise; `relative_noise` is its standard deviation in vacuum."""
    noise = rng.standard_normal(transmission.shape, dtype=np.float32)
    return transmission + relative_noise * np.sqrt(np.maximum(transmission, 0.002)) * noise


def to_bytes(
    picture: np.ndarray, low: float = 0.1, high: float = 99.9, headroom: float = 0.0
) -> np.ndarray:
    """Stretch between two percentiles to 0..255, as maps are saved for a model.

    `headroom` is the share of these grey levels above the second one.
    """
    lo, hi = np.percentile(picture[::4, ::4], [low, high])
    if headroom:  # all other maps stay the same to the last bit
        hi = lo + (hi - lo) / (1 - headroom)
    scaled = (picture - lo) * (255.0 / max(hi - lo, 1e-6))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Tile:
    """A piece of a montage.

    Attributes
    ----------
    rows, cols : (first, last) in the montage, px
    shift_px : (columns, rows)
        How far what it shows lies from where it should.
    gain : float
    slope : (along rows, along columns)
        Change of brightness from one side to the other.
    missing : bool
    smear_px : (length, direction in degrees)
        Drift during the exposure.
    """

    rows: tuple[int, int]
    cols: tuple[int, int]
    shift_px: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    slope: tuple[float, float] = (0.0, 0.0)
    missing: bool = False
    smear_px: tuple[float, float] = (0.0, 0.0)


def one_tile(shape: tuple[int, int]) -> list[Tile]:
    """A picture that is no montage."""
    return [Tile((0, shape[0]), (0, shape[1]))]


def draw_tiles(rng, shape: tuple[int, int], tile_px: tuple[int, int], faulty: bool) -> list[Tile]:
    """Draw the tiles of a montage at random.

    Parameters
    ----------
    tile_px : (rows, columns)
    faulty : bool
        Whether pieces are displaced, smeared, missing or much darker than their neighbours.
    """
    first = [-int(rng.integers(0, n)) for n in tile_px]
    tiles = []
    for r0 in range(first[0], shape[0], tile_px[0]):
        for c0 in range(first[1], shape[1], tile_px[1]):
            rows = (max(r0, 0), min(r0 + tile_px[0], shape[0]))
            cols = (max(c0, 0), min(c0 + tile_px[1], shape[1]))
            shift = rng.normal(0, 0.01 * tile_px[0] if faulty else 0.5, 2)
            gain = rng.normal(1, 0.02)
            if faulty and rng.random() < 0.15:
                gain *= rng.uniform(0.75, 0.95)
            smear = (0.0, 0.0)
            if faulty and rng.random() < 0.12:
                smear = (rng.uniform(4, 14), rng.uniform(0, 180))
            tiles.append(
                Tile(
                    rows,
                    cols,
                    (float(shift[0]), float(shift[1])),
                    float(gain),
                    tuple(rng.normal(0, 0.02, 2)),
                    bool(faulty and rng.random() < 0.04),
                    smear,
                )
            )
    return tiles


def assembled(
    tiles: Sequence[Tile],
    m: np.ndarray,
    shape: tuple[int, int],
    render: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
) -> np.ndarray:
    """Render a montage: each tile shows what lies where it was really taken.

    Parameters
    ----------
    m : (2, 3) affine map from montage (column, row, 1) to the specimen
    render : callable
        ``render(map, shape)`` draws a picture of the specimen.

    Returns
    -------
    (rows, columns) array of the kind that `render` returns; 0 where tiles are missing
    """
    result = None
    for tile in tiles:
        size = (tile.rows[1] - tile.rows[0], tile.cols[1] - tile.cols[0])
        part = np.asarray(m, dtype=float).copy()
        corner = np.add((tile.cols[0], tile.rows[0]), tile.shift_px)
        part[:, 2] += part[:, :2] @ corner
        seen = render(part, size)
        if result is None:
            result = np.zeros(shape, seen.dtype)
        if not tile.missing:
            result[slice(*tile.rows), slice(*tile.cols)] = seen
    return result


def with_tile_faults(picture: np.ndarray, tiles: Sequence[Tile]) -> np.ndarray:
    """Brightness, smear and missing pieces of each tile; missing ones become NaN."""
    result = picture.astype(np.float32)
    for tile in tiles:
        at = (slice(*tile.rows), slice(*tile.cols))
        if tile.missing:
            result[at] = np.nan
            continue
        part = result[at]
        if tile.smear_px[0] > 1:
            part = ndimage.convolve(part, _line_kernel(*tile.smear_px), mode="nearest")
        down, across = (
            np.linspace(-0.5, 0.5, n, dtype=np.float32) * np.float32(slope)
            for n, slope in zip(part.shape, tile.slope)
        )
        result[at] = part * (np.float32(tile.gain) + down[:, None] + across[None])
    return result


def _line_kernel(length_px: float, direction_deg: float) -> np.ndarray:
    half = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    a = np.deg2rad(direction_deg)
    for step in np.linspace(-length_px / 2, length_px / 2, 4 * half + 1):
        kernel[half + round(step * np.sin(a)), half + round(step * np.cos(a))] = 1.0
    return kernel / kernel.sum()


def uneven_light(rng, shape: tuple[int, int], strength: float) -> np.ndarray:
    """Slow changes of brightness over a picture, as charging makes them; around 1."""
    coarse = rng.normal(0, strength, (4, 5)).astype(np.float32)
    zoom = [n / c for n, c in zip(shape, coarse.shape)]
    field = ndimage.zoom(coarse, zoom, order=1, grid_mode=True, mode="nearest")
    return 1 + field[: shape[0], : shape[1]]


def scattered(picture: np.ndarray, share: float, blur_px: float) -> np.ndarray:
    """Add what an energy filter would have removed: a blurred copy that fills the darkness."""
    if share <= 0:
        return picture
    step = max(1, int(blur_px / 4))
    haze = ndimage.gaussian_filter(picture[::step, ::step], blur_px / step)
    rows = np.minimum(np.arange(picture.shape[0]) // step, haze.shape[0] - 1)
    cols = np.minimum(np.arange(picture.shape[1]) // step, haze.shape[1] - 1)
    haze = ndimage.uniform_filter(haze, 3)[rows][:, cols]
    return picture * np.float32(1 - share) + np.float32(share) * haze
