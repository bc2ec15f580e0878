"""How long work takes: a prior, replaced by what a session has measured.

Tilt series of an area are taken together: the stage tilts once for all of them, so an area has a
fixed part and one for each series. One factor on both is measured, which is known after the first
area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

_SLOWEST, _FASTEST = 20.0, 0.02


@dataclass(frozen=True)
class Pace:
    """Seconds that work takes.

    Attributes
    ----------
    load_s : float
        A grid is loaded and its lamellae are found again.
    find_s : float
        The map of a whole grid, and its lamellae.
    map_s, targets_s : float
        Of a lamella.
    area_s, series_s : float
        The tilt series of an area: fixed part, and for each series.
    move_s, move_s_per_um : float
        Between two lamellae.
    measured : tuple of str
        What of it this session has measured, in words.
    """

    load_s: float = 900.0
    find_s: float = 1500.0
    map_s: float = 420.0
    targets_s: float = 60.0
    area_s: float = 1200.0
    series_s: float = 330.0
    move_s: float = 20.0
    move_s_per_um: float = 0.02
    measured: tuple[str, ...] = ()

    def of_area(self, series: int) -> float:
        """Return the seconds of an area with so many series."""
        return self.area_s + series * self.series_s


PRIOR = Pace()
"""Before anything was measured: a guess, about an hour for six series of 41 tilts."""


def measured_pace(
    areas: Sequence[tuple[int, float]] = (),
    loads_s: Sequence[float] = (),
    finds_s: Sequence[float] = (),
    maps_s: Sequence[float] = (),
    targets_s: Sequence[float] = (),
    prior: Pace = PRIOR,
) -> Pace:
    """Return how long work takes, by the times of a session.

    Parameters
    ----------
    areas : sequence of (int, float)
        Number of series and seconds of each area that was acquired.
    loads_s, finds_s, maps_s, targets_s : sequence of float
        Seconds of each time that it was done.
    prior : Pace, optional
        What holds for all that was not measured.
    """
    words: list[str] = []
    ratios = [seconds / prior.of_area(series) for series, seconds in areas if series > 0]
    factor = 1.0
    if ratios:
        factor = min(_SLOWEST, max(_FASTEST, median(ratios)))
        count = "1 area" if len(ratios) == 1 else f"{len(ratios)} areas"
        words.append(f"tilt series: as {count} of this session took")

    def usual(times_s: Sequence[float], otherwise_s: float, work: str) -> float:
        known = [seconds for seconds in times_s if seconds > 0]
        if not known:
            return otherwise_s
        words.append(f"{work}: {median(known) / 60:.0f} min, measured {len(known)} x")
        return median(known)

    return replace(
        prior,
        area_s=prior.area_s * factor,
        series_s=prior.series_s * factor,
        load_s=usual(loads_s, prior.load_s, "loading a grid"),
        find_s=usual(finds_s, prior.find_s, "finding the lamellae of a grid"),
        map_s=usual(maps_s, prior.map_s, "map of a lamella"),
        targets_s=usual(targets_s, prior.targets_s, "targets of a lamella"),
        measured=tuple(words),
    )
