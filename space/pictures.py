"""Grey values and pixels of pictures: stretched to 8 bits, resampled, averaged in blocks.

Pure functions of arrays, row 0 on top. A picture is stretched once, when it is saved for a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BLACK_PERCENT, WHITE_PERCENT = 0.1, 99.9
"""Pixels below and above these percentiles of a map become black and white."""

_SAMPLE_PX = 4_000_000
_STRIP_PX = 4_000_000
_MOST_ROWS_IN_16_BITS = 257  # sums of so many 8-bit values fit


def contrast_limits(
    data: np.ndarray, low: float = BLACK_PERCENT, high: float = WHITE_PERCENT
) -> tuple[float, float]:
    """Return the grey values that become black and white.

    Percentiles, so that hot pixels do not matter; where nearly all pixels are equal (a map
    that is mostly dark), the extremes. Large images are sampled.
    """
    step = max(1, int(np.sqrt(data.size / _SAMPLE_PX)))
    sample = data[::step, ::step]
    bottom, top = (float(value) for value in np.percentile(sample, (low, high)))
    if top > bottom:
        return bottom, top
    return float(data.min()), float(data.max())


def to_8_bit(data: np.ndarray) -> np.ndarray:
    """Stretch an image of any real type to 0..255 between its contrast limits.

    Pixels that are no numbers become as dark as the darkest one. A flat image becomes black.
    """
    data = without_gaps(data)
    bottom, top = contrast_limits(data)
    if top <= bottom:
        return np.zeros(data.shape, np.uint8)
    scaled = (data.astype(np.float32) - bottom) * (255.0 / (top - bottom))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def without_gaps(data: np.ndarray) -> np.ndarray:
    """Return an image whose pixels that are no numbers are as dark as its darkest one."""
    if data.dtype.kind != "f" or (finite := np.isfinite(data)).all():
        return data
    return np.where(finite, data, data[finite].min() if finite.any() else 0)


def resized(data: np.ndarray, shape: Sequence[int], nearest: bool = False) -> np.ndarray:
    """Return an image drawn with another number of pixels.

    Parameters
    ----------
    data : ndarray, shape (rows, columns)
        Grey values, or labels.
    shape : sequence of int
        (rows, columns) wanted.
    nearest : bool
        Take the nearest pixel, as labels need it. Otherwise pixels are interpolated, and averaged
        where the image shrinks.

    Returns
    -------
    ndarray
        Of uint8 if `data` is, else of float32.
    """
    from PIL import Image

    kind = np.uint8 if data.dtype == np.uint8 else np.float32
    values = np.ascontiguousarray(data, dtype=kind)
    if tuple(data.shape) == tuple(shape):
        return values
    # Pillow widens the filter when shrinking, so that nothing is skipped.
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), how))


def block_sums(data: np.ndarray, factor: int, table: np.ndarray | None = None) -> np.ndarray:
    """Sum square blocks of an image; those at the far edges hold what is left.

    Parameters
    ----------
    data : ndarray, shape (rows, columns)
    factor : int
        Side of a block in pixels (> 0).
    table : ndarray, shape (n, channels), optional
        Values that those of `data`, whole numbers, stand for; these are summed.

    Returns
    -------
    ndarray of float32, shape (rows, columns) or (rows, columns, channels)
        One value for each block.
    """
    if factor == 1:
        return (data if table is None else table[data]).astype(np.float32)
    rows, columns = data.shape
    starts = np.arange(0, columns, factor)
    sums = np.empty((-(-rows // factor), len(starts), *_channels(table)), np.float32)
    # Strip by strip: a large map must not be copied as a whole.
    blocks = max(1, _STRIP_PX // max(1, columns * factor))
    for first in range(0, len(sums), blocks):
        strip = data[first * factor : (first + blocks) * factor]
        lines = _summed_rows(strip if table is None else table[strip], factor)
        sums[first : first + blocks] = np.add.reduceat(lines, starts, axis=1)
    return sums


def block_means(data: np.ndarray, factor: int, table: np.ndarray | None = None) -> np.ndarray:
    """Average square blocks of an image; parameters and result as those of `block_sums`."""
    heights, widths = (np.minimum(factor, n - np.arange(0, n, factor)) for n in data.shape)
    counts = np.multiply.outer(heights, widths).astype(np.float32)
    counts = counts.reshape(*counts.shape, *(1 for _ in _channels(table)))
    return block_sums(data, factor, table) / counts


def shrinking_factor(shape: Sequence[int], longest_px: int) -> int:
    """Return the side of blocks after whose averaging no side is longer than `longest_px`."""
    return max(1, math.ceil(max(shape, default=0) / longest_px))


def _channels(table: np.ndarray | None) -> tuple[int, ...]:
    return () if table is None else table.shape[1:]


def _summed_rows(strip: np.ndarray, factor: int) -> np.ndarray:
    """Sum every `factor` rows, and those that are left."""
    is_small = strip.dtype in (np.uint8, np.bool_) and factor <= _MOST_ROWS_IN_16_BITS
    kind = np.uint16 if is_small else np.float64
    whole = len(strip) // factor * factor
    lines = strip[:whole].reshape(-1, factor, *strip.shape[1:]).sum(axis=1, dtype=kind)
    if whole < len(strip):
        lines = np.concatenate([lines, strip[whole:].sum(axis=0, dtype=kind)[None]])
    return lines.astype(np.float32) if is_small else lines
