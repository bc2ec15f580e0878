"""The truth about places that are mapped on a grid without lamellae."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.specimen import LABEL, UnmilledFilm

if TYPE_CHECKING:
    from space.simulator.specimen import Grid

_USABLE = ("lamella", "cell", "vesicles")
_PIXEL_UM = 0.02


@dataclass(frozen=True)
class TrueSquare:
    """A square as the judge asks for it, like a lamella.

    Attributes
    ----------
    number : int
        Counts from 1.
    kind : str
    center_um : tuple of float
        Grid frame.
    slope : tuple of float
        (dz/dx, dz/dy) of the film in its middle.
    """

    number: int
    kind: str
    center_um: tuple[float, float]
    slope: tuple[float, float]


def squares_at(grid: Grid, points_um: np.ndarray) -> tuple[TrueSquare, ...]:
    """Return the squares of an unmilled grid that points (n, 2) lie in; none of a milled one."""
    if not isinstance(grid.film, UnmilledFilm):
        return ()
    half_um = grid.film.mesh_pitch_um / 2
    found: list[TrueSquare] = []
    for square in grid.film.squares():
        away = np.hypot(*(points_um - square.center_um).T)
        if (away < half_um).any():
            x, y = square.center_um
            number = len(found) + 1
            found.append(TrueSquare(number, square.kind, (x, y), grid.slope_at(x, y)))
    return tuple(found)


def off_film(grid: Grid, points_um: Sequence[tuple[float, float]]) -> int:
    """Count points where there is nothing to be imaged: bars, vacuum, thick ice, crystals."""
    usable = [LABEL[name] for name in _USABLE]
    off = 0
    for x, y in points_um:
        here = np.array([[_PIXEL_UM, 0, x - _PIXEL_UM / 2], [0, _PIXEL_UM, y - _PIXEL_UM / 2]])
        off += int(grid.label_map(here, (1, 1))[0, 0] not in usable)
    return off
