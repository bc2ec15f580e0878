"""The cut at mid-height that all of a slab follows: labels of the painted lamella, in nm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.simulator.specimen import rasters
from space.simulator.specimen.labels import LABEL
from space.simulator.specimen.site import Site

IN_CELL = (
    "cell", "nucleus", "vacuole", "mitos", "lipiddroplets", "vesicles", "multivesicles",
    "membranes",
)  # fmt: skip
EMPTY = ("background", "white", "black", "crack")
"""Where there is no lamella."""


@dataclass(frozen=True)
class Ground:
    """Labels on pixels.

    Attributes
    ----------
    labels : (rows, columns) uint8
        Columns along s, rows along t.
    pixel_nm : float
    corner_nm : (s, t)
        Outer corner of the first pixel.
    """

    labels: np.ndarray
    pixel_nm: float
    corner_nm: tuple[float, float]

    @classmethod
    def of(cls, site: Site) -> Ground:
        """That of a lamella, from what is painted for fine pictures."""
        raster = rasters.painted(site, rasters.FINE_UM)
        s, t = raster.corner_um
        return cls(raster.labels, 1e3 * raster.pixel_um, (1e3 * s, 1e3 * t))

    def at(self, st_nm: np.ndarray) -> np.ndarray:
        """Labels (n,) at places (n, 2); 0 outside."""
        px = np.floor((np.asarray(st_nm) - self.corner_nm) / self.pixel_nm).astype(np.int64)
        rows, columns = self.labels.shape
        inside = (px[:, 0] >= 0) & (px[:, 0] < columns) & (px[:, 1] >= 0) & (px[:, 1] < rows)
        px[~inside] = 0
        return np.where(inside, self.labels[px[:, 1], px[:, 0]], np.uint8(0))

    def cut(self, low_nm: tuple[float, float], high_nm: tuple[float, float]) -> Ground:
        """The part between two corners (s, t), in whole pixels; what lies outside is left out."""
        first = np.floor((np.asarray(low_nm) - self.corner_nm) / self.pixel_nm).astype(int)
        last = np.ceil((np.asarray(high_nm) - self.corner_nm) / self.pixel_nm).astype(int)
        size = np.array(self.labels.shape[::-1])
        first, last = np.clip(first, 0, size), np.clip(last, 0, size)
        s, t = self.corner_nm + first * self.pixel_nm
        part = self.labels[first[1] : last[1], first[0] : last[0]]
        return Ground(part, self.pixel_nm, (float(s), float(t)))

    def finer(self, times: int) -> Ground:
        """The same on smaller pixels."""
        labels = self.labels.repeat(times, axis=0).repeat(times, axis=1)
        return Ground(labels, self.pixel_nm / times, self.corner_nm)

    def mask(self, *names: str) -> np.ndarray:
        """Pixels with one of these labels."""
        return np.isin(self.labels, [LABEL[name] for name in names])
