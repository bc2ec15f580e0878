"""What two tilt series of a simulated session have both exposed, counted on the specimen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.judging.series import by_series

if TYPE_CHECKING:
    from space.simulator.imaging import Exposure

DOSE_PIXEL_UM = 0.02
"""Pixel in which the specimen is divided to count what two tilt series have exposed."""

FINE_UP_TO_UM = 10.0
"""Where a beam reaches farther, pixels of shared areas are larger in proportion."""


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


@dataclass(frozen=True)
class SharedArea:
    """Area of the specimen that a series has exposed and another one as well.

    Attributes
    ----------
    at_one_tilt_um2 : float
        At one and the same tilt, summed over the tilts.
    all_tilts_um2 : float
        At any tilts.
    """

    at_one_tilt_um2: float = 0.0
    all_tilts_um2: float = 0.0


def double_exposed(exposures: Sequence[Exposure]) -> DoubleExposure:
    """Count what was exposed for more than one target.

    Parameters
    ----------
    exposures : sequence
        The simulator's exposures of one grid; what is not of a tilt series does not count.
    """
    whole, by_tilt = _all_hits(by_series(exposures), DOSE_PIXEL_UM)
    return DoubleExposure({tilt: hits.twice for tilt, hits in by_tilt.items()}, whole.twice)


def shared_areas(series: Mapping[str, Sequence[Exposure]]) -> dict[str, SharedArea]:
    """Measure what each series has exposed that another one has exposed, too.

    Parameters
    ----------
    series : mapping
        Name → the simulator's exposures, all of one grid.
    """
    reach_um = [np.abs(e.beam_axes_um).max() for pictures in series.values() for e in pictures]
    pixel_um = DOSE_PIXEL_UM * max(1.0, max(reach_um, default=0.0) / FINE_UP_TO_UM)
    whole, by_tilt = _all_hits(series, pixel_um)
    result = {}
    for name, pictures in series.items():
        own, own_by_tilt = _all_hits({name: pictures}, pixel_um)
        at_one = sum(own_by_tilt[tilt].shared_with(by_tilt[tilt]) for tilt in own_by_tilt)
        result[name] = SharedArea(at_one * pixel_um**2, own.shared_with(whole) * pixel_um**2)
    return result


def _all_hits(
    series: Mapping[str, Sequence[Exposure]], pixel_um: float
) -> tuple[_Hits, dict[int, _Hits]]:
    """What series hit at any tilt, and at each tilt in whole degrees, lowest first."""
    tilts = {round(exposure.tilt_deg) for pictures in series.values() for exposure in pictures}
    whole, by_tilt = _Hits(), {tilt: _Hits() for tilt in sorted(tilts)}
    for number, pictures in enumerate(series.values(), 1):
        for exposure in pictures:
            corner, inside = _footprint_px(exposure, pixel_um)
            whole.add(number, corner, inside)
            by_tilt[round(exposure.tilt_deg)].add(number, corner, inside)
    return whole, by_tilt


class _Hits:
    """Which pixels were hit, by one target or by several; only places that were hit take memory."""

    _TILE_PX = 128

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

    def shared_with(self, everything: _Hits) -> int:
        """Pixels that were hit here, and by two or more targets in `everything`."""
        return sum(
            int(((last > 0) & everything._twice[place]).sum()) for place, last in self._last.items()
        )


def _footprint_px(exposure: Exposure, pixel_um: float) -> tuple[tuple[int, int], np.ndarray]:
    """First pixel (x, y) of the box around a beam, and which pixel centres lie in the beam."""
    axes, center = np.array(exposure.beam_axes_um), np.array(exposure.beam_center_um)
    reach = np.linalg.norm(axes, axis=1)
    low = np.floor((center - reach) / pixel_um).astype(int)
    high = np.ceil((center + reach) / pixel_um).astype(int)
    x, y = (
        (np.arange(first, end) + 0.5) * pixel_um - middle
        for first, end, middle in zip(low, high, center)
    )
    (a, b), (c, d) = np.linalg.inv(axes)
    inside = np.hypot(a * x[:, None] + b * y, c * x[:, None] + d * y) < 1.0
    return (int(low[0]), int(low[1])), inside
