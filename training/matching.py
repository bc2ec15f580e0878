"""Which boxes of a detector are lamellae."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from space.lamellae import Box
from space.simulation import match


def middles_px(truth: np.ndarray, boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Middles (x, y) of true lamellae and of boxes.

    Parameters
    ----------
    truth : (n, 5) array
        Category, x0, y0, x1, y1.
    """
    centers = np.column_stack([truth[:, [1, 3]].mean(axis=1), truth[:, [2, 4]].mean(axis=1)])
    return centers, np.array([b.center_px[::-1] for b in boxes]).reshape(-1, 2)


def matched(
    truth: np.ndarray, boxes: Sequence[Box], pixel_um: float
) -> list[tuple[int, int, float]]:
    """Pairs of true lamella and box, with their distance in µm, as the judge counts them."""
    centers, found = middles_px(truth, boxes)
    return match(centers * pixel_um, found * pixel_um)
