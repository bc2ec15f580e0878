"""Finds the open squares of a grid in a picture of low magnification."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from space.simulator.program.workbench import FoundSquare

WORKING_PIXEL_UM = 1.5
SMOOTHING_UM = 2.0
# Outlines keep to the true edge within this distance.
TOLERANCE_UM = 3.0


def find_squares(
    data: np.ndarray,
    pixel_um: float,
    sizes_um: tuple[float, float],
    relative: float | None = None,
    absolute: float | None = None,
) -> list[FoundSquare]:
    """Outlines of what is bright and has the size of a square.

    Parameters
    ----------
    data : (rows, columns) array
        Picture of the grid.
    pixel_um : float
        Its pixel.
    sizes_um : tuple of float
        Least and largest square root of the area.
    relative : float, optional
        Threshold as a fraction of the way from the dark (1 %) to the bright (99 %) parts.
    absolute : float, optional
        Threshold in counts.

    Returns
    -------
    list of FoundSquare
        From the upper left to the lower right. Squares cut by the edge of the picture are
        left out.
    """
    from scipy import ndimage
    from skimage import filters, measure

    factor = max(1, round(WORKING_PIXEL_UM / pixel_um))
    rows, columns = (n // factor for n in data.shape)
    blocks = data[: rows * factor, : columns * factor].astype(np.float32)
    small = blocks.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    step_um = pixel_um * factor
    smooth = ndimage.gaussian_filter(small, SMOOTHING_UM / step_um)
    if absolute is not None:
        threshold = absolute
    elif relative is not None:
        low, high = np.percentile(smooth, (1.0, 99.0))
        threshold = low + relative * (high - low)
    else:
        # The logarithm keeps a few torn, very bright squares from hiding the others.
        positive = np.log(np.maximum(smooth, 1.0))
        threshold = math.exp(float(filters.threshold_otsu(positive)))
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(smooth > threshold, iterations=2))
    labels, _ = ndimage.label(mask)
    found = []
    for region in measure.regionprops(labels):
        top, left, bottom, right = region.bbox
        size = math.sqrt(region.area) * step_um
        inside = top > 0 and left > 0 and bottom < rows and right < columns
        if inside and sizes_um[0] <= size <= sizes_um[1]:
            found.append((region, size))
    return _described(small, labels, found, step_um, factor)


def _described(
    small: np.ndarray,
    labels: np.ndarray,
    found: list[tuple[Any, float]],
    step_um: float,
    factor: int,
) -> list[FoundSquare]:
    """Squares with their numbers relative to the median square."""
    pixels = [small[labels == region.label] for region, _ in found]
    means = [float(p.mean()) for p in pixels]
    spreads = [float(p.std()) for p in pixels]
    usual = float(np.median(means)) if means else 1.0
    spread = float(np.median(spreads)) if spreads else 1.0
    rows, columns = small.shape
    squares = []
    for (region, size), mean, deviation in zip(found, means, spreads):
        row, col = region.centroid
        border = min(row, col, rows - 1 - row, columns - 1 - col) * step_um
        squares.append(
            FoundSquare(
                corners_px=_outline(region, step_um, factor),
                size_um=size,
                mean=mean / max(usual, 1e-6),
                irregularity=deviation / max(spread, 1e-6),
                border_um=border,
            )
        )
    return squares


def _outline(region: Any, step_um: float, factor: int) -> list[tuple[float, float]]:
    """Few corners around a region, (column, row) in pixels of the whole picture, not closed."""
    from skimage import measure

    padded = np.pad(region.image_filled.astype(np.float32), 2)
    contour = max(measure.find_contours(padded, 0.5), key=len)
    corners = measure.approximate_polygon(contour, TOLERANCE_UM / step_um)[:-1]
    top, left = region.bbox[0] - 2, region.bbox[1] - 2
    return [
        (float((col + left + 0.5) * factor), float((row + top + 0.5) * factor))
        for row, col in corners
    ]
