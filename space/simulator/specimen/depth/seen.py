"""A slab as a picture sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from space.simulator.specimen import grain, texture

from .cloud import Cloud
from .projecting import project
from .slab import Slab
from .tiles import Tile, tile, tiles_near

Drawing = Callable[[np.ndarray, tuple[int, int]], np.ndarray]

PAINT_UM = 0.005
"""Pitch on which what is painted is drawn through the thickness."""

_SOFT_NM = 45.0  # of what is painted: the detail below it is that of the contents
_FLECKS = 0.06
"""Standard deviation of denser and thinner parts, as a part of the optical depth.

Alignment holds on to them where there is nothing else. They are wider than any particle: what
crowds the cytosol at the size of a ribosome is small proteins, so many of them behind each other
that their number changes little from place to place.
"""

_FLECK_NM, _FLECK_HIGH_NM = 80.0, 50.0
_COMMON = 0.06  # the same of what coarser pictures show, too; it lies in the middle
_COMMON_NM, _COMMON_SOFT_NM = 40.0, 10.0  # its height, and of its detail what coarse pixels leave

_FLECK_SEED, _LAYER_SEED = 61, 1000
_GRAIN_LAYERS = 4
_HILLS = ((170.0, 0.3), (110.0, 2.4), (230.0, 4.1))  # wavelength (nm) and direction of undulations


@dataclass(frozen=True)
class Sight:
    """How a picture looks at a slab.

    Attributes
    ----------
    slab : Slab
    to_px : (2, 4) array
        From (s, t, w, 1), nm in the frame of the slab, to (column, row), pixel centres at +0.5.
    shape : (rows, columns)
    pixel_um : float
    """

    slab: Slab
    to_px: np.ndarray
    shape: tuple[int, int]
    pixel_um: float

    @property
    def center_nm(self) -> np.ndarray:
        """Place (s, t) on the middle plane in the centre of the picture."""
        rows, columns = self.shape
        return np.linalg.solve(
            self.to_px[:, :2], np.array([columns / 2, rows / 2]) - self.to_px[:, 3]
        )

    def rectangle_nm(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest (s, t) of what the picture can show."""
        rows, columns = self.shape
        corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], float)
        back = np.linalg.inv(self.to_px[:, :2])
        seen = [
            (corners - self.to_px[:, 3] - self.to_px[:, 2] * w) @ back.T
            for w in (-self.slab.half_nm, self.slab.half_nm)
        ]
        every = np.concatenate(seen)
        return every.min(axis=0), every.max(axis=0)

    def tiles(self) -> list[Tile]:
        """All tiles that can be seen."""
        return [tile(self.slab, i, j) for i, j in tiles_near(*self.rectangle_nm())]

    def potential(self) -> np.ndarray:
        """Potential along the beam above that of amorphous matter, (rows, columns), V nm."""
        cloud = Cloud.joined([part.cloud for part in self.tiles()])
        return project(cloud, self.to_px, self.shape, 1e3 * self.pixel_um)

    def through(self, draw: Drawing, common: Drawing) -> np.ndarray:
        """Transmission of what is painted, drawn out through the thickness.

        The paint stands for columns that lean as the slab does where the picture's centre is.

        Parameters
        ----------
        draw : callable
            Gives the transmission that is painted, for the (2, 3) map from pixel indices
            (column, row, 1) to (s, t) in nm on the middle plane and a shape.
        common : callable
            Gives in the same way a texture that coarser pictures show as well, brighter where
            it is positive, with a standard deviation of 1.
        """
        step = max(1, int(PAINT_UM / self.pixel_um))
        column = np.array([*self.slab.lean(self.center_nm[None])[0], 1.0])
        along_px = self.to_px[:, :3] @ column * self.slab.thickness_nm / step
        soft_px = 1e-3 * _SOFT_NM / (self.pixel_um * step)
        pad = int(np.ceil(np.abs(along_px).max() / 2 + 3 * soft_px)) + 2
        lattice = texture.lattice_shape(self.shape, step) if step > 1 else self.shape
        padded = (lattice[0] + 2 * pad, lattice[1] + 2 * pad)
        m = self._plane_map(step, pad)
        depth = -np.log(np.maximum(draw(m, padded), np.float32(0.003)))
        depth = _averaged_along(depth, along_px, soft_px)
        shared_px = 1e-3 * _COMMON_SOFT_NM / (self.pixel_um * step)
        shared = _averaged_along(common(m, padded), self._rising_px(m, _COMMON_NM), shared_px)
        depth *= np.maximum(1.0 + self._flecks(m, padded) - np.float32(_COMMON) * shared, 0.0)
        inner = np.exp(-depth)[pad : pad + lattice[0], pad : pad + lattice[1]]
        inner = np.ascontiguousarray(inner, np.float32)
        return texture.enlarge(inner, step, self.shape) if step > 1 else inner

    def _plane_map(self, step: int, pad: int) -> np.ndarray:
        """(2, 3) map from indexes of a lattice of pixels to (s, t) on the middle plane."""
        back = np.linalg.inv(self.to_px[:, :2])
        offset = back @ (np.array([0.5, 0.5]) - pad * step - self.to_px[:, 3])
        return np.column_stack([back * step, offset])

    def _rising_px(self, m: np.ndarray, up_nm: float) -> np.ndarray:
        """How far what rises by so much is drawn out on the lattice of a map, (columns, rows)."""
        return np.linalg.solve(m[:, :2], -self._aside()) * up_nm

    def _aside(self) -> np.ndarray:
        """By how much (s, t) the line of sight moves for each nm of w."""
        return -np.linalg.solve(self.to_px[:, :2], self.to_px[:, 2])

    def _flecks(self, m: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Denser and thinner parts, in layers, as a part of the optical depth."""
        layers = max(1, round(self.slab.thickness_nm / _FLECK_HIGH_NM))
        total = np.zeros(shape, np.float32)
        for layer in range(layers):
            w = ((layer + 0.5) / layers - 0.5) * self.slab.thickness_nm
            at = 1e-3 * np.column_stack([m[:, :2], m[:, 2] + w * self._aside()])
            seed = self.slab.site.seed + _FLECK_SEED + _LAYER_SEED * layer
            total += texture.sample(at, shape, 1e-3 * _FLECK_NM, seed)
        # Each layer reaches up to the next.
        total = _averaged_along(total, self._rising_px(m, self.slab.thickness_nm / layers), 0.0)
        total *= np.float32(_FLECKS / np.sqrt(layers))
        return total

    def grain(self, seed: int) -> np.ndarray:
        """White noise of power density 1 nm² (see `specimen.grain`) from all of the thickness.

        It lies in a few layers that go up and down, so that they fill the slab and no plane of a
        tomogram holds more of it than another.
        """
        back = np.linalg.inv(self.to_px[:, :2])
        m = 1e-3 * np.column_stack([back, -back @ self.to_px[:, 3]])
        aside = self._aside()
        spacing = self.slab.thickness_nm / _GRAIN_LAYERS
        total = np.zeros(self.shape, np.float32)
        for layer in range(_GRAIN_LAYERS):
            w = (layer + 0.5) * spacing - self.slab.half_nm
            hills = self._hills(w, 0.5 * spacing, float(layer))
            total += grain.sample(m, self.shape, seed + _LAYER_SEED * layer, (hills, 1e-3 * aside))
        total *= np.float32(1.0 / np.sqrt(_GRAIN_LAYERS))
        return total

    def _hills(self, middle_nm: float, high_nm: float, turn: float) -> np.ndarray:
        """Height of an undulating layer where each line of sight meets it, nm."""
        step = 8
        lattice = texture.lattice_shape(self.shape, step)
        m, aside = self._plane_map(step, 0), self._aside()
        columns, rows = np.meshgrid(np.arange(lattice[1]), np.arange(lattice[0]))
        plane = m[:, :1, None] * columns + m[:, 1:2, None] * rows + m[:, 2:, None]
        w = np.full(lattice, middle_nm)
        for _ in range(8):
            s, t = plane + aside[:, None, None] * w
            waves = [
                np.sin(2 * np.pi / length * (np.cos(a) * s + np.sin(a) * t) + 2 * turn)
                for length, a in ((length, a + turn) for length, a in _HILLS)
            ]
            w = middle_nm + high_nm * np.sum(waves, axis=0) / np.sqrt(len(_HILLS))
        return texture.enlarge(w.astype(np.float32), step, self.shape)


def _averaged_along(values: np.ndarray, along_px: np.ndarray, soft_px: float) -> np.ndarray:
    """Mean over a line (columns, rows) that is centred on each pixel, and over a soft disc.

    The edges wrap around.
    """
    size = values.shape
    rows = fft.fftfreq(size[0]).astype(np.float32)[:, None]
    columns = fft.rfftfreq(size[1]).astype(np.float32)[None, :]
    waves = fft.rfft2(values.astype(np.float32))
    waves *= np.sinc(columns * np.float32(along_px[0]) + rows * np.float32(along_px[1]))
    waves *= np.exp(np.float32(-2 * (np.pi * soft_px) ** 2) * (rows**2 + columns**2))
    return np.asarray(fft.irfft2(waves, s=size), np.float32)
