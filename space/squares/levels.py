"""Grey levels that squares of one grid share: vacuum, and film without ice.

A picture says nothing of what its grey values mean. Vacuum is told by torn squares, which show it
beside film. Film without ice is equally thick everywhere: such squares are alike, and brighter
than all with ice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.squares.measures import Measures

# A torn square shows at least this share of what is brighter than its film by the second.
_TORN_SHARE, _BRIGHTER = 0.025, 1.12
# Vacuum is brighter than usual film of a grid by the first, and beyond doubt by the second; places
# that agree on it are this near, and so many.
_ABOVE_USUAL, _PLAIN, _AGREE, _TORN_LEAST = 1.18, 1.3, 0.9, 2
# A square without any film is as bright as vacuum elsewhere, but for this share.
_AS_BRIGHT = 0.05
# At the edge of a tear so many places are on the way from film to vacuum, of those in vacuum.
_BETWEEN_LEVELS = 1.2
# Film without ice lets through so much; where nobody has seen any, vacuum begins there.
_BARE = (0.7, 0.94)
_VACUUM_FROM = 0.9
# Squares without ice are brighter than the others by this in the median, few lie in between.
_BARE_BRIGHTER, _BETWEEN, _WIDTH = 1.1, 0.5, 0.02
# A single one is brighter than all others by this.
_BARE_ALONE = 1.25


@dataclass(frozen=True)
class Levels:
    """Grey levels of a grid, counted from bars.

    Attributes
    ----------
    usual : float
        Film of most squares.
    vacuum : float or None
        None where no square is seen to be torn.
    bare : float or None
        Film without ice; None where no such squares are told from others.
    bare_from : float
        A square whose film is brighter than this has no ice; infinite without such squares.
    thin : float
        The brightest film of the grid, but for a few squares.
    """

    usual: float
    vacuum: float | None = None
    bare: float | None = None
    bare_from: float = float("inf")
    thin: float = 0.0

    @property
    def vacuum_from(self) -> float:
        """What is brighter than this is vacuum; infinite where that is not known."""
        if self.vacuum is None:
            return float("inf")
        if self.bare is None:
            return _VACUUM_FROM * self.vacuum
        return (self.vacuum + self.bare) / 2

    @property
    def brightest(self) -> float:
        """What counts as full transmission: vacuum, else bare film, else film with thin ice."""
        return self.vacuum or self.bare or max(self.thin, self.usual)


def levels_of(squares: Sequence[Measures], usual: float) -> Levels:
    """Return the levels that squares of a grid share.

    Parameters
    ----------
    squares : sequence of Measures
    usual : float
        Grey of usual film.
    """
    vacuum = _vacuum(squares, usual)
    # Torn squares of which little film is left have vacuum as their most frequent grey.
    most = float("inf") if vacuum is None else _BARE[1] * vacuum
    films = np.array([one.film for one in squares if 0.3 * usual < one.film < most])
    bare_from = _gap(films, usual)
    thin = float(np.quantile(films, 0.95)) if films.size else usual
    if bare_from is None:
        return Levels(usual, vacuum, thin=thin)
    bare = float(np.median(films[films > bare_from]))
    if vacuum is not None and bare < _BARE[0] * vacuum:
        return Levels(usual, vacuum, thin=thin)
    return Levels(usual, vacuum, bare, bare_from, thin)


def _vacuum(squares: Sequence[Measures], usual: float) -> float | None:
    plateaus = []
    for one in squares:
        if one.film <= 0.3 * usual:
            continue
        bright = one.grey[one.grey > _BRIGHTER * one.film]
        if bright.size >= _TORN_SHARE * one.grey.size:
            # Of its edges some are on the way to vacuum.
            plateau = float(np.quantile(bright, 0.8))
            if plateau > _ABOVE_USUAL * usual and _is_step(one, plateau):
                plateaus.append(plateau)
    if not plateaus:
        return None
    top = np.array(sorted(plateaus, reverse=True))
    # A single bright place counts where it is far brighter than film.
    films = np.array([one.film for one in squares])
    for highest in top[: max(1, len(top) // 4)]:
        agreeing = top[(top <= highest) & (top >= _AGREE * highest)]
        wholly_torn = films[np.abs(films / highest - 1) < _AS_BRIGHT]
        alone = highest >= _PLAIN * usual
        if alone or len(agreeing) + len(wholly_torn) >= _TORN_LEAST:
            return float(np.median(agreeing))
    return None


def _is_step(one: Measures, plateau: float) -> bool:
    """Whether few places are between film and plateau: an edge, and not ice that thins out."""
    share = (one.grey - one.film) / (plateau - one.film)
    between = ((share > 0.3) & (share <= 0.7)).sum()
    return bool(between <= _BETWEEN_LEVELS * (share > 0.7).sum())


def _gap(films: np.ndarray, usual: float) -> float | None:
    """The grey between squares with ice and those without; None if they are not two groups."""
    if len(films) < 8:
        return None
    logs = np.log(films)
    grid = np.arange(np.log(usual), logs.max(), _WIDTH / 4)
    if len(grid) < 8:
        return None
    density = np.exp(-0.5 * ((grid[:, None] - logs) / _WIDTH) ** 2).sum(axis=1)
    # Highest density above each place, and how deep the place lies below it.
    above = np.maximum.accumulate(density[::-1])[::-1]
    depth = density / np.maximum(above, 1e-9)
    for k in np.argsort(depth, kind="stable"):
        if depth[k] > _BETWEEN:
            return None
        upper, lower = films[logs > grid[k]], films[logs <= grid[k]]
        if not len(upper) or len(lower) < 2:
            continue
        brighter = _BARE_BRIGHTER if len(upper) > 1 else _BARE_ALONE
        if np.median(upper) >= brighter * np.median(lower):
            return float(np.exp(grid[k]))
    return None
