"""A tomogram from aligned pictures, in slabs of rows that do not depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from space.tomograms import operators
from space.tomograms.geometry import Alignment, Grid, Stack, stretched

Method = Literal["wbp", "sirt"]

_K_AT_ONCE = 64
SLAB_BYTES = 150_000_000
"""Of the largest array that a slab needs; together they are some four times as much."""


@dataclass(frozen=True)
class Plan:
    """What is reconstructed, and how.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x) in voxels; voxels are cubes with the side of the pictures' pixel.
    method : {"wbp", "sirt"}
    iterations : int
        Of SIRT.
    """

    shape: tuple[int, int, int]
    method: Method = "wbp"
    iterations: int = 20

    def columns(self, tilts_deg: np.ndarray) -> int:
        """Return the width of stretched pictures: no layer wraps around into the tomogram."""
        from scipy import fft

        lean = float(np.abs(np.tan(np.radians(tilts_deg))).max())
        wide = int(
            fft.next_fast_len(self.shape[2] + math.ceil(self.shape[0] * lean) + 2, real=True)
        )
        while (wide - self.shape[2]) % 2:  # the middle stays the middle
            wide = int(fft.next_fast_len(wide + 1, real=True))
        return wide

    def slabs(self, tilts_deg: np.ndarray) -> list[slice]:
        """Return the rows of each slab."""
        row_bytes = self.shape[0] * self.columns(tilts_deg) * 4
        height = max(1, min(self.shape[1], SLAB_BYTES // max(1, row_bytes)))
        starts = range(0, self.shape[1], height)
        return [slice(start, min(start + height, self.shape[1])) for start in starts]


class Reconstruction:
    """Everything that slabs have in common: weights and spline coefficients, worked out once.

    With `in_place`, the coefficients take the place of the pictures of the stack.
    """

    def __init__(
        self,
        stack: Stack,
        alignment: Alignment,
        plan: Plan,
        device: str = "cpu",
        in_place: bool = False,
    ) -> None:
        from scipy import ndimage

        self.stack, self.alignment, self.plan, self.device = stack, alignment, plan, device
        tilts = alignment.tilts_deg
        self.grid = Grid(plan.shape[1], plan.columns(tilts), stack.pixel_nm)
        self.k = operators.frequencies(self.grid.columns)
        self.weights = (
            operators.wbp_weights(tilts, self.k, plan.shape[0])
            if plan.method == "wbp"
            else operators.sirt_weights(tilts, self.k, plan.shape[0], plan.iterations)
        ).astype(np.float32)
        self._splines = stack.data if in_place else np.empty_like(stack.data)
        for picture, spline in zip(stack.data, self._splines):
            spline[:] = ndimage.spline_filter(picture, 3, output=np.float32)

    def slab(self, rows: slice) -> np.ndarray:
        """Return some rows of the tomogram, shape (z, rows, x), float32."""
        from scipy import fft

        pictures = np.stack(
            [
                stretched(one, self.stack, self.alignment, index, self.grid, rows)
                for index, one in enumerate(self._splines)
            ]
        )
        spectra = fft.rfft(pictures, axis=2).transpose(2, 0, 1)  # (k, n, rows)
        volume = self._back(np.ascontiguousarray(spectra))
        begin = (self.grid.columns - self.plan.shape[2]) // 2
        return np.ascontiguousarray(volume[:, :, begin : begin + self.plan.shape[2]])

    def _back(self, spectra: np.ndarray) -> np.ndarray:
        """Weight and back-project: (k, n, rows) to (z, rows, columns)."""
        from scipy import fft

        if self.device != "cpu":
            return self._back_on_device(spectra)
        layers, rows = self.plan.shape[0], spectra.shape[2]
        found = np.empty((layers, rows, len(self.k)), np.complex64)
        for part in self._parts():
            weighted = self.weights[part] @ spectra[part]
            phases = operators.back_projection(self.alignment.tilts_deg, self.k[part], layers)
            found[:, :, part] = (phases @ weighted).transpose(1, 2, 0)
        return np.asarray(fft.irfft(found, self.grid.columns, axis=2, overwrite_x=True))

    def _back_on_device(self, spectra: np.ndarray) -> np.ndarray:
        """Do the same with PyTorch, on a graphics card."""
        import torch

        layers, rows = self.plan.shape[0], spectra.shape[2]
        found = torch.empty((layers, rows, len(self.k)), dtype=torch.complex64, device=self.device)
        for part in self._parts():
            phases = operators.back_projection(self.alignment.tilts_deg, self.k[part], layers)
            weights = torch.from_numpy(self.weights[part]).to(self.device, torch.complex64)
            weighted = weights @ torch.from_numpy(spectra[part]).to(self.device)
            product = torch.from_numpy(phases).to(self.device) @ weighted
            found[:, :, part] = product.permute(1, 2, 0)
        return np.asarray(torch.fft.irfft(found, self.grid.columns, dim=2).cpu().numpy())

    def _parts(self) -> Iterator[slice]:
        for first in range(0, len(self.k), _K_AT_ONCE):
            yield slice(first, min(first + _K_AT_ONCE, len(self.k)))


def reconstruct(
    stack: Stack,
    alignment: Alignment,
    plan: Plan,
    device: str = "cpu",
    done: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return a whole tomogram, shape (z, y, x): for small ones, which memory holds."""
    work = Reconstruction(stack, alignment, plan, device)
    slabs = plan.slabs(alignment.tilts_deg)
    volume = np.empty(plan.shape, np.float32)
    for number, rows in enumerate(slabs, start=1):
        volume[:, rows] = work.slab(rows)
        if done:
            done(number, len(slabs))
    return volume
