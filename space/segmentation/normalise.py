"""Grey levels as the segmentation network was trained to see them.

nnU-Net normalises an image by statistics of the whole image. A map is predicted in parts,
so the statistics are taken from the whole map first; parts normalised one by one would
differ from each other and show as seams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Normalisation:
    """A table of the network's input value for each of the 256 grey levels.

    `bounds` is (row0, row1, col0, col1) of the part that holds data (nnU-Net cuts off black
    borders before anything else); `outside` marks, where given, pixels inside these bounds
    that stay exactly 0.
    """

    table: np.ndarray
    bounds: tuple[int, int, int, int]
    outside: np.ndarray | None = None

    def apply(self, image: np.ndarray, rows: slice, cols: slice) -> np.ndarray:
        """Return float32 input for a part, given in coordinates of the cropped map."""
        row0, row1, col0, col1 = self.bounds
        part = self.table[image[row0:row1, col0:col1][rows, cols]]
        if self.outside is not None:
            part[self.outside[rows, cols]] = 0.0
        return part


def data_bounds(image: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return (row0, row1, col0, col1) of the smallest part with all non-zero pixels."""
    rows = np.flatnonzero(image.any(axis=1))
    if rows.size == 0:
        return None
    cols = np.flatnonzero(image.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1


def grey_counts(image: np.ndarray, rows_at_once: int = 1024) -> np.ndarray:
    """Return how often each of the 256 grey levels occurs, shape (256,)."""
    counts = np.zeros(256, np.int64)
    for row in range(0, image.shape[0], rows_at_once):
        counts += np.bincount(image[row : row + rows_at_once].ravel(), minlength=256)
    return counts


def normalisation(
    image: np.ndarray, scheme: str, use_mask: bool, intensities: Mapping[str, float]
) -> Normalisation | None:
    """Build the table for a map from the model's normalisation scheme.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, cols)
    scheme : str
        The nnU-Net normalisation that the model's plans name, one of `space.models.SCHEMES`.
    use_mask : bool
        Whether only the area with data is normalised (and the rest stays 0).
    intensities : mapping
        The plans' intensity properties of this channel (CT-like normalisation uses them).

    Returns
    -------
    Normalisation or None
        None for a map without any data.
    """
    bounds = data_bounds(image)
    if bounds is None:
        return None
    row0, row1, col0, col1 = bounds
    part = image[row0:row1, col0:col1]
    counts = grey_counts(part)
    outside = None
    if use_mask and scheme == "ZScoreNormalization":  # the others take no notice of it
        # nnU-Net fills holes in the mask, but of a volume of one slice, in which nothing is one.
        outside = part == 0
        counts[0] = 0
    table = _TABLES[scheme](counts, intensities)
    return Normalisation(table.astype(np.float32), bounds, outside)


_LEVELS = np.arange(256, dtype=np.float64)
_SMALLEST = 1e-8
"""No grey levels are divided by less."""


def _z_scores(counts: np.ndarray, intensities: Mapping[str, float]) -> np.ndarray:
    total = counts.sum()
    mean = float((counts * _LEVELS).sum() / total)
    deviation = float(np.sqrt((counts * (_LEVELS - mean) ** 2).sum() / total))
    return (_LEVELS - mean) / max(deviation, _SMALLEST)


def _ct(counts: np.ndarray, intensities: Mapping[str, float]) -> np.ndarray:
    lowest, highest = intensities["percentile_00_5"], intensities["percentile_99_5"]
    clipped = np.clip(_LEVELS, lowest, highest)
    return (clipped - intensities["mean"]) / max(intensities["std"], _SMALLEST)


def _rescaled(counts: np.ndarray, intensities: Mapping[str, float]) -> np.ndarray:
    present = np.flatnonzero(counts)
    return (_LEVELS - present[0]) / max(float(present[-1] - present[0]), _SMALLEST)


_TABLES: dict[str, Callable[[np.ndarray, Mapping[str, float]], np.ndarray]] = {
    "ZScoreNormalization": _z_scores,
    "CTNormalization": _ct,
    "NoNormalization": lambda counts, intensities: _LEVELS,
    "RescaleTo01Normalization": _rescaled,
    "RGBTo01Normalization": lambda counts, intensities: _LEVELS / 255.0,
}
"""Network's input for each grey level, by scheme, from how often each level occurs."""
