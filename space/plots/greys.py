"""Grey values of a map as a picture shows them, and maps made small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.pictures import block_means, contrast_limits, shrinking_factor

LONGEST_PX = 1800
WINDOW = 0.8
"""What is lighter than this (0 black, 1 white) is vacuum, as in milled windows."""

DARKEST_MEAN = 0.2
"""A map that is darker than this on the mean, but for its vacuum, is lifted."""

LEAST_EXPONENT = 0.25
_STEPS = 4095  # between black and white: an exponent spreads the dark ones far apart


def shrink(
    image: np.ndarray, longest_px: int = LONGEST_PX, table: np.ndarray | None = None
) -> np.ndarray:
    """Average blocks of a map until its longer side is at most `longest_px`.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Grey map, mask, or labels where a table is given.
    longest_px : int
    table : ndarray (n, channels), optional
        Colours that the values of `image` stand for: these are averaged, not the values.

    Returns
    -------
    ndarray of float32 (rows, columns) or (rows, columns, channels)
    """
    return block_means(image, shrinking_factor(image.shape, longest_px), table)


def limits(image: np.ndarray) -> tuple[float, float]:
    """Return the grey values that are shown black and white."""
    low, high = contrast_limits(image, 0.5, 99.5)
    return (low, high) if high > low else (low - 1, low + 1)


def shown(image: np.ndarray) -> np.ndarray:
    """Return the brightness (0 to 255, uint8) at which the grey values of a map are drawn."""
    low, high = limits(image)
    steps = np.clip((image - low) * (_STEPS / (high - low)), 0, _STEPS).astype(np.uint16)
    table = np.linspace(0, 1, _STEPS + 1) ** exponent(image, low, high)
    return (255 * table).round().astype(np.uint8)[steps]


@dataclass(frozen=True)
class Layer:
    """A colour over a map.

    Attributes
    ----------
    color : tuple of int
        Red, green, blue.
    opacity : ndarray of float32, shape (rows, columns)
        From 0 to 1, of the pixels of the map as it was made small.
    """

    color: tuple[int, int, int]
    opacity: np.ndarray

    def on(self, painted: np.ndarray) -> np.ndarray:
        """Return a picture of uint8 (rows, columns, 3) with the layer over it."""
        share = self.opacity[..., None]
        mixed = painted * (1 - share) + share * np.array(self.color, np.float32)
        return mixed.round().astype(np.uint8)


def exponent(image: np.ndarray, low: float, high: float) -> float:
    """Return the exponent (at most 1) that makes dark things visible between these limits.

    A milled grid is nearly black but for a few windows that are fifty times as bright as the
    rest; shown as it is, its squares could not be seen. The exponent lifts the mean of all but
    the windows to `DARKEST_MEAN`; a map that is not darker is shown as it is.
    """
    shares = np.clip((image[::2, ::2].astype(np.float32) - low) / (high - low), 0, 1)
    shares = shares[shares < WINDOW]
    if not shares.any() or shares.mean() >= DARKEST_MEAN:
        return 1.0
    least, most = LEAST_EXPONENT, 1.0
    for _ in range(12):  # the mean falls with the exponent
        middle = (least + most) / 2
        if np.power(shares, middle).mean() < DARKEST_MEAN:
            most = middle
        else:
            least = middle
    return least
