"""The class of each square, how much of it is of use, and which is best.

Rules on measures (`space.squares.measures`), by grey levels that the squares of the grid share. A
model that is shown squares would take the place of `classified`: it gives the same `Square`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.square_classes import BROKEN, CONTAMINATED, EMPTY, INTACT, THICK
from space.squares.levels import Levels
from space.squares.measures import Measures

# Film that is less bright than this share of usual film counts as dark, and a square of which
# hardly anything reaches it as one of thick ice.
_DARK = 0.4
_TORN_SHARE = 0.025
# Unless nearly all is torn, vacuum is brighter than the film beside it by this share of what it is
# in squares without ice.
_TORN_ALL, _STEP = 0.6, 0.75
_SPOTS = 0.05
_WORTH = {INTACT: 1.0, CONTAMINATED: 0.5, EMPTY: 0.3, BROKEN: 0.3, THICK: 0.0}


@dataclass(frozen=True)
class Look:
    """What a square is.

    Attributes
    ----------
    category : str
        One of `SQUARE_CLASSES`.
    transmission : float
        Grey of its film as a share of vacuum, or of the brightest film where no vacuum is seen,
        0..1: the thicker its ice, the less.
    score : float
        How much it promises, 0..1: share that is film to be imaged, times transmission, less where
        it is not intact.
    """

    category: str
    transmission: float
    score: float


def classified(square: Measures, levels: Levels) -> Look:
    """Return what a square is.

    Parameters
    ----------
    square : Measures
    levels : Levels
        Of its grid.
    """
    torn = _torn_share(square, levels)
    category = _category(square, levels, torn)
    film = square.film if category != BROKEN else _film_beside_vacuum(square, levels)
    transmission = float(np.clip(film / max(levels.brightest, 1e-9), 0, 1))
    use = max(square.clear - torn, 0.0) * (1 - square.spots)
    return Look(category, transmission, _WORTH[category] * use * transmission)


def _category(square: Measures, levels: Levels, torn: float) -> str:
    if square.upper < _DARK * levels.usual:
        return THICK
    if torn >= _TORN_SHARE:
        return BROKEN
    if square.spots > _SPOTS:
        return CONTAMINATED
    if square.film > levels.bare_from:
        return EMPTY
    return INTACT


def _torn_share(square: Measures, levels: Levels) -> float:
    """Share of a square that is vacuum; 0 where it is only film a bit brighter than elsewhere."""
    is_vacuum = square.grey > levels.vacuum_from
    share = float(is_vacuum.mean())
    if levels.vacuum is None or levels.bare is None or not 0 < share < _TORN_ALL:
        return share
    step = square.grey[is_vacuum].mean() - np.median(square.grey[~is_vacuum])
    return share if step >= _STEP * (levels.vacuum - levels.bare) else 0.0


def _film_beside_vacuum(square: Measures, levels: Levels) -> float:
    film = square.grey[(square.grey > _DARK * levels.usual) & (square.grey < levels.vacuum_from)]
    return float(np.median(film)) if film.size else 0.0


def ranked(looks: Sequence[Look]) -> list[int]:
    """Return the indices of squares, the best first; equal ones in the order given."""
    return sorted(range(len(looks)), key=lambda k: (-looks[k].score, k))
