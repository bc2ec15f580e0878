"""A tomogram as a person looks at it first: the middle slice, and the specimen from the side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.plots.canvas import canvas, draw_map, save, scale_bar

_SEAM_PX = 4
_DARK_PERCENT, _BRIGHT_PERCENT = 0.3, 99.7


def plot_tomogram(
    path: Path, level: np.ndarray, side: np.ndarray, pixel_nm: float, title: str
) -> None:
    """Draw two slices, one above the other, with a scale bar.

    Parameters
    ----------
    path : Path
    level : ndarray, shape (y, x)
        A slice at one height; row 0 is drawn at the bottom, as IMOD does.
    side : ndarray, shape (z, x)
        A slice across the tilt axis; the source of electrons is above.
    pixel_nm : float
    title : str
    """
    parts = [_grey(level[::-1]), np.zeros((_SEAM_PX, level.shape[1]), np.uint8), _grey(side[::-1])]
    picture = np.concatenate(parts)
    figure, (axes,) = canvas(picture.shape, title)
    draw_map(axes, picture)
    scale_bar(axes, picture.shape, pixel_nm)
    save(figure, path, pixel_nm)


def _grey(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (_DARK_PERCENT, _BRIGHT_PERCENT))
    if high <= low:
        return np.full(values.shape, 128, np.uint8)
    return np.clip((values - low) / (high - low) * 255, 0, 255).astype(np.uint8)
