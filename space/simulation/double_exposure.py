"""What two tilt series of a simulated session have both exposed, counted on the specimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from space.simulator import Exposure

DOSE_PIXEL_UM = 0.02
"""Pixel in which the specimen is divided to count what two tilt series have exposed."""


@dataclass(frozen=True)
class DoubleExposure:
    """Pixels (of `DOSE_PIXEL_UM`) of the specimen that the beams of two or more targets hit.

    Attributes
    ----------
    by_tilt : dict of int to int
        At one and the same tilt, by tilt in whole degrees; every tilt that was taken has an entry.
    all_tilts : int
        At any tilts: one target's at one tilt, another target's at another.
    """

    by_tilt: dict[int, int] = field(default_factory=dict)
    all_tilts: int = 0

    @property
    def at_one_tilt(self) -> int:
        """Sum over the tilts."""
        return sum(self.by_tilt.values())


def double_exposed(exposures: Sequence[Exposure]) -> DoubleExposure:
    """Count what was exposed for more than one target.

    Parameters
    ----------
    exposures : sequence
        The simulator's exposures of one grid; what is not of a tilt series does not count.
    """
    beams = sorted(
        ((series_of(e), round(e.tilt_deg), e) for e in exposures if series_of(e)),
        key=lambda beam: beam[0],
    )
    numbers = {name: n for n, name in enumerate(dict.fromkeys(name for name, _, _ in beams), 1)}
    whole = _Hits()
    by_tilt = {tilt: _Hits() for tilt in sorted({tilt for _, tilt, _ in beams})}
    for name, tilt, exposure in beams:
        corner, inside = _footprint_px(exposure)
        whole.add(numbers[name], corner, inside)
        by_tilt[tilt].add(numbers[name], corner, inside)
    return DoubleExposure({tilt: hits.twice for tilt, hits in by_tilt.items()}, whole.twice)


class _Hits:
    """Which pixels were hit, by one target or by several; only places that were hit take memory."""

    _TILE_PX = 512

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], np.ndarray] = {}
        self._twice: dict[tuple[int, int], np.ndarray] = {}

    def add(self, number: int, corner: tuple[int, int], inside: np.ndarray) -> None:
        """Add a beam (bool) of a target, numbered from 1 and given one after the other."""
        size = self._TILE_PX
        rows, columns = inside.shape
        for i in range(corner[0] // size, (corner[0] + rows - 1) // size + 1):
            for j in range(corner[1] // size, (corner[1] + columns - 1) // size + 1):
                last = self._last.setdefault((i, j), np.zeros((size, size), np.int32))
                twice = self._twice.setdefault((i, j), np.zeros((size, size), bool))
                top, left = i * size - corner[0], j * size - corner[1]
                part = inside[max(0, top) : top + size, max(0, left) : left + size]
                r, c = max(0, -top), max(0, -left)
                place = (slice(r, r + part.shape[0]), slice(c, c + part.shape[1]))
                twice[place] |= part & (last[place] > 0) & (last[place] != number)
                last[place][part] = number

    @property
    def twice(self) -> int:
        """Pixels that two or more targets hit."""
        return sum(int(tile.sum()) for tile in self._twice.values())


def _footprint_px(exposure: Exposure) -> tuple[tuple[int, int], np.ndarray]:
    """First pixel (x, y) of the box around a beam, and which pixel centres lie in the beam."""
    axes, center = np.array(exposure.beam_axes_um), np.array(exposure.beam_center_um)
    reach = np.linalg.norm(axes, axis=1)
    low = np.floor((center - reach) / DOSE_PIXEL_UM).astype(int)
    high = np.ceil((center + reach) / DOSE_PIXEL_UM).astype(int)
    x, y = (
        (np.arange(first, end) + 0.5) * DOSE_PIXEL_UM - middle
        for first, end, middle in zip(low, high, center)
    )
    (a, b), (c, d) = np.linalg.inv(axes)
    inside = np.hypot(a * x[:, None] + b * y, c * x[:, None] + d * y) < 1.0
    return (int(low[0]), int(low[1])), inside


def series_of(exposure: Exposure) -> str:
    """Name of the tilt series that a picture belongs to, "" for other pictures."""
    name = Path(exposure.file).name if exposure.file else ""
    return name if "_ts_" in name else ""
