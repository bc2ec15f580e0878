"""How much signal each box of a map holds: lamellae in the order of their signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def signal_in_boxes_um2(
    likely: np.ndarray, pixel_um: float, boxes_map_px: Sequence[tuple[float, float, float, float]]
) -> np.ndarray:
    """Return the expected area of signal in boxes of a map.

    Parameters
    ----------
    likely : ndarray of uint8, shape (rows, columns)
        How likely each pixel has signal, 0 to 255.
    pixel_um : float
    boxes_map_px : sequence of (row, column, row, column)
        First and last of each box; what lies outside of the map holds none.

    Returns
    -------
    ndarray, shape (n,)
        µm².
    """
    rows, columns = likely.shape
    found = np.zeros(len(boxes_map_px))
    for index, (top, left, bottom, right) in enumerate(boxes_map_px):
        r0, r1 = sorted((round(top), round(bottom)))
        c0, c1 = sorted((round(left), round(right)))
        part = likely[max(0, r0) : min(rows, r1), max(0, c0) : min(columns, c1)]
        found[index] = float(part.sum(dtype=np.float64)) / 255 * pixel_um**2
    return found
