"""Grey levels as the segmentation network was trained to see them.

nnU-Net normalises an image by statistics of the whole image. A map is predicted in parts,
so the statistics are taken from the whole map first; parts normalised one by one would
differ from each other and show as seams.
"""

from __future__ import annotations

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
    image: np.ndarray, scheme: type, use_mask: bool, intensities: dict[str, float]
) -> Normalisation | None:
    """Build the table for a map from the model's normalisation scheme.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, cols)
    scheme : type
        The nnU-Net normalisation class that the model's plans name.
    use_mask : bool
        Whether only the area with data is normalised (and the rest stays 0).
    intensities : dict
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
    outside = None
    counts = grey_counts(part)
    if use_mask:
        from scipy.ndimage import binary_fill_holes

        outside = ~binary_fill_holes(part != 0)
        counts = counts.copy()
        counts[0] -= int(outside.sum())
    levels = np.arange(256, dtype=np.float64)
    if scheme.__name__ == "ZScoreNormalization":
        total = counts.sum()
        mean = float((counts * levels).sum() / total)
        deviation = float(np.sqrt((counts * (levels - mean) ** 2).sum() / total))
        table = (levels - mean) / max(deviation, 1e-8)
    else:
        # The other schemes depend on a pixel's value and the extremes alone, so the levels
        # that occur are enough.
        present = np.flatnonzero(counts)
        inside = np.zeros((1, present.size), np.int8)
        run = scheme(use_mask_for_norm=use_mask, intensityproperties=intensities)
        values = run.run(present[None].astype(np.float32), inside)
        table = np.zeros(256)
        table[present] = np.asarray(values)[0]
    return Normalisation(table.astype(np.float32), bounds, outside)
