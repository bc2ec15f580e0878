"""Tilt series of a simulated session held against the truth: their focus, and what they are on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from space.simulator.judging import by_series, defocus_at_um

if TYPE_CHECKING:
    from space.simulator import Exposure
    from space.simulator.specimen import Lamella

Point = tuple[float, float]

NOTHING = ("background", "white", "black")
"""Classes of the truth where there is no lamella: vacuum, film, bulk."""

CRACK, COATING = "crack", "coating"
"""They join pieces of a lamella. There is nothing in the coating that a series could show."""

SHRED_SHARE = 0.1
"""A piece with less than this share of the largest one's area is a shred, not the lamella."""

_GONE = "gone"
_PIXEL_UM = 0.02
_AROUND_UM = 3.0


def defocus_errors_um(
    exposures: Iterable[Exposure], stage_to_specimen: Sequence[Sequence[float]]
) -> tuple[float, ...]:
    """How far each picture of the tilt series was from the defocus that the script asked for.

    It is judged at the target's place, where the series' first picture was taken.

    Parameters
    ----------
    exposures : iterable
        The simulator's exposures of one grid; what is not of a tilt series does not count.
    stage_to_specimen : 2 x 2
        Stage to specimen, in which Y runs across the tilt axis.
    """
    return tuple(
        abs(
            defocus_at_um(picture, taken[0].center_um, stage_to_specimen)
            - picture.target_defocus_um
        )
        for taken in by_series(exposures).values()
        for picture in taken
    )


def off_lamella(
    points_um: Sequence[Point], lamellae: Iterable[Lamella], names: Sequence[str]
) -> int:
    """Count points that lie on no lamella.

    On a lamella is what the truth, at zero tilt, calls neither vacuum, film or bulk (`NOTHING`) nor
    coating, on a piece of it with at least a tenth of the largest piece's area. A crack joins
    what it parts and counts as lamella. A lamella that is gone does not count.

    Parameters
    ----------
    points_um : sequence of (x, y)
        Grid frame.
    lamellae : iterable
        The grid's lamellae.
    names : sequence of str
        Class names by label value.
    """
    off = np.ones(len(points_um), bool)
    for lamella in lamellae:
        x0, y0, x1, y1 = lamella.box_um
        low, high = np.array([x0, y0]) - _AROUND_UM, np.array([x1, y1]) + _AROUND_UM
        near = [k for k, p in enumerate(points_um) if (low < p).all() and (p < high).all()]
        if lamella.kind == _GONE or not near:
            continue
        columns, rows = np.ceil((high - low) / _PIXEL_UM).astype(int)
        to_grid = np.array([[_PIXEL_UM, 0.0, low[0]], [0.0, _PIXEL_UM, low[1]]])
        is_on = on_lamella(lamella.label_map(to_grid, (rows, columns)), names)
        for k in near:
            column, row = ((np.asarray(points_um[k]) - low) / _PIXEL_UM).astype(int)
            off[k] &= not is_on[row, column]
    return int(off.sum())


def on_lamella(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Pixels (bool) of a map of true labels of one lamella that count as lamella."""
    nothing = [value for value, name in enumerate(names) if name in NOTHING]
    pieces, _ = ndimage.label(~np.isin(labels, nothing), structure=np.ones((3, 3)))
    crack, coating = (labels == list(names).index(name) for name in (CRACK, COATING))
    areas = np.bincount(pieces.ravel(), weights=~(crack | coating).ravel())
    areas[0] = 0
    large = areas >= max(1.0, SHRED_SHARE * areas.max())
    return large[pieces] & ~coating
