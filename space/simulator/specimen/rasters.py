"""Painted lamellae, kept while they are in use.

A lamella is painted once at 10 nm for pictures of single lamellae and once at 80 nm for those of
many. Painting takes seconds, a fine raster some 60 MB: only those looked at last are kept, and
one that comes back is painted again, the same as before. `keep` says how many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from .canvas import Raster
from .lamella import paint
from .site import Site

FINE_UM = 0.010
COARSE_UM = 0.080
KEPT_FINE = 5
KEPT_COARSE = 96
KEPT_REDUCED = 8

Made = TypeVar("Made")


class _Kept(Generic[Made]):
    """What was made last, up to so many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._made: OrderedDict[Hashable, Made] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what was made for a key, or make it."""
        if key not in self._made:
            self._made[key] = make()
            while len(self._made) > self.most:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    def forget(self) -> None:
        self._made.clear()


_fine: _Kept[Raster] = _Kept(KEPT_FINE)
_coarse: _Kept[Raster] = _Kept(KEPT_COARSE)
_reduced: _Kept[np.ndarray] = _Kept(KEPT_REDUCED)


def painted(site: Site, pixel_um: float) -> Raster:
    """Raster for pictures of a pixel size."""
    if pixel_um >= COARSE_UM:
        return _coarse.get(site, lambda: paint(site, COARSE_UM))
    return _fine.get(site, lambda: paint(site, FINE_UM))


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
    array = raster.transmission
    if factor > 1:
        key = (site, raster.pixel_um, factor)
        array = _reduced.get(key, lambda: _averaged(raster.transmission, factor))
    return array, raster.pixel_um * factor, raster.corner_um


def _averaged(array: np.ndarray, factor: int) -> np.ndarray:
    rows, cols = (n // factor * factor for n in array.shape)
    blocks = array[:rows, :cols].reshape(rows // factor, factor, cols // factor, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def keep(lamellae: int) -> None:
    """Keep so many fine rasters, where more lamellae than usual are looked at in turn.

    Parameters
    ----------
    lamellae : int
        Each takes some 60 MB, and a third of that for its copies.
    """
    _fine.most, _reduced.most = max(KEPT_FINE, lamellae), max(KEPT_REDUCED, 2 * lamellae)


def forget() -> None:
    """Give the memory of all rasters back."""
    for kept in (_fine, _coarse, _reduced):
        kept.forget()
