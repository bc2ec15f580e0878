"""Which cells of a lamella are fluorescent, and how much each place in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from space.simulator.specimen import LABEL, Lamella, painted

_PAINT_UM = 0.1  # the coarse paint serves: light does not see more
_LEAST_UM2 = 1.0
_PARTS = (
    "cell", "cellwall", "nucleus", "vacuole", "mitos", "lipiddroplets", "vesicles",
    "multivesicles", "membranes",
)  # fmt: skip
_GLOWING = {"vacuole": 0.5, "lipiddroplets": 1.0, "cell": 0.1, "nucleus": 0.1, "ice": 0.25}


@dataclass(frozen=True)
class Stain:
    """A label of some cells.

    Attributes
    ----------
    seed : int
        Decides which cells have it.
    share : float
        Of the cells.
    organelle : str
        What is brightest in them; the rest of the cell glows by `cytosol`.
    cytosol : float
    """

    seed: int
    share: float = 0.4
    organelle: str = "mitos"
    cytosol: float = 0.6


def stained(
    lamella: Lamella, stain: Stain, px_to_grid: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What fluoresces of a lamella on the pixels of a picture.

    Parameters
    ----------
    lamella : Lamella
    stain : Stain
    px_to_grid : (2, 3) array
        From (column, row, 1), pixel centres at +0.5, to the grid frame.
    shape : (rows, columns)

    Returns
    -------
    signal : (rows, columns) float32
        Brightness of the label, 0..1.
    other : (rows, columns) float32
        Of what glows by itself.
    cells : (rows, columns) uint8
        1 where there is a cell, 2 where it is a fluorescent one.
    """
    labels, numbers, corner_um, pixel_um = _cells(lamella)
    rng = np.random.default_rng([33, stain.seed, lamella.number])
    chosen = np.concatenate([[False], rng.random(int(numbers.max())) < stain.share])
    fluorescent = chosen[numbers]
    signal = np.float32(stain.cytosol) * fluorescent
    signal[fluorescent & (labels == LABEL[stain.organelle])] = 1.0
    glow = np.zeros(256, np.float32)
    for name, value in _GLOWING.items():
        glow[LABEL[name]] = value
    cells = (numbers > 0).astype(np.uint8) + fluorescent
    m = lamella.site.site_from_grid
    whole = np.column_stack([m[:, :2] @ px_to_grid[:, :2], m[:, :2] @ px_to_grid[:, 2] + m[:, 2]])
    # From (row, column) numbers of the picture to those of the paint.
    matrix = whole[::-1, 1::-1] / pixel_um
    start = whole @ (0.5, 0.5, 1.0)
    offset = (start[::-1] - corner_um[::-1]) / pixel_um - 0.5

    def seen(values: np.ndarray) -> np.ndarray:
        return np.asarray(
            ndimage.affine_transform(values, matrix, offset, output_shape=shape, order=1)
        )

    at = ndimage.affine_transform(cells, matrix, offset, output_shape=shape, order=0)
    return seen(signal), seen(glow[labels]), np.asarray(at)


def _cells(lamella: Lamella) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Labels of a lamella's paint, the number of the cell at each pixel, and where it lies."""
    raster = painted(lamella.site, _PAINT_UM)
    family = np.isin(raster.labels, [LABEL[name] for name in _PARTS])
    # Cells that touch are told apart by their middles.
    depth = ndimage.distance_transform_edt(family) * raster.pixel_um
    cores, count = ndimage.label(depth > 0.5)
    nearest = ndimage.distance_transform_edt(
        cores == 0, return_distances=False, return_indices=True
    )
    numbers = np.where(family, cores[tuple(nearest)], 0)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1) * raster.pixel_um**2
    numbers[sizes[numbers] < _LEAST_UM2] = 0
    return raster.labels, numbers, np.array(raster.corner_um), raster.pixel_um
