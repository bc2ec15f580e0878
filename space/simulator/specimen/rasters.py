"""Painted lamellae, kept while they are in use.

A lamella is painted once at 10 nm for pictures of single lamellae and once at 80 nm for those of
many. Painting takes seconds, a fine raster some 60 MB: only those looked at last are kept, and
one that comes back is painted again, the same as before.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .canvas import Raster
from .lamella import paint
from .site import Site

FINE_UM = 0.010
COARSE_UM = 0.080
KEPT_FINE = 5
KEPT_COARSE = 96
KEPT_REDUCED = 8


def painted(site: Site, pixel_um: float) -> Raster:
    """Raster for pictures of a pixel size."""
    return _coarse(site) if pixel_um >= COARSE_UM else _fine(site)


def transmission(site: Site, pixel_um: float) -> tuple[np.ndarray, float, tuple[float, float]]:
    """The coarsest copy of a raster that is at least as fine as a picture.

    Parameters
    ----------
    site : Site
    pixel_um : float
        Pixel of the picture.

    Returns
    -------
    array, its pixel (µm), (s, t) of the outer corner of its first pixel
    """
    raster = painted(site, pixel_um)
    factor = 1
    while raster.pixel_um * factor * 2 <= pixel_um * 1.01:
        factor *= 2
    array = raster.transmission if factor == 1 else _reduced(site, raster.pixel_um, factor)
    return array, raster.pixel_um * factor, raster.corner_um


@lru_cache(maxsize=KEPT_FINE)
def _fine(site: Site) -> Raster:
    return paint(site, FINE_UM)


@lru_cache(maxsize=KEPT_COARSE)
def _coarse(site: Site) -> Raster:
    return paint(site, COARSE_UM)


@lru_cache(maxsize=KEPT_REDUCED)
def _reduced(site: Site, base_um: float, factor: int) -> np.ndarray:
    array = painted(site, base_um).transmission
    rows, cols = (n // factor * factor for n in array.shape)
    blocks = array[:rows, :cols].reshape(rows // factor, factor, cols // factor, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def forget() -> None:
    """Give the memory of all rasters back."""
    for kept in (_fine, _coarse, _reduced):
        kept.cache_clear()
