"""What the tilt series of a session became so far, and how long they took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from space.overview import AreaFacts, SessionFacts
from space.planning import PRIOR
from space.series import Quality, TiltSeries, judge, read_series

_WORTH = {"good": 1.0, "spoilt": 0.8, "lost": 0.0}
"""What a series counts by its verdict; others do not count."""

_LONGEST_GAP_S = 3600.0
"""More between two areas of a grid is a break, not the way from one to the other."""

_BEFORE_FIRST_S = 0.6 * PRIOR.area_s
"""From the start of an area to its first picture, where no area was acquired before."""


@dataclass(frozen=True)
class Became:
    """What became of the series so far.

    Attributes
    ----------
    worth : mapping of (str, int) to tuple of (float, float or None)
        Slot and number of a lamella to its judged series: what each counts (0 to 1), and the
        thickness that it showed, in mean free paths.
    areas : tuple of (int, float)
        Number of series and seconds of each area that was acquired.
    """

    worth: Mapping[tuple[str, int], tuple[tuple[float, float | None], ...]] = field(
        default_factory=dict
    )
    areas: tuple[tuple[int, float], ...] = ()


def became(session: SessionFacts) -> Became:
    """Read the series of areas that PACEtomo has begun and that are not being acquired now."""
    worth: dict[tuple[str, int], tuple[tuple[float, float | None], ...]] = {}
    areas: list[tuple[int, float]] = []
    for grid in session.grids:
        spans: list[tuple[datetime, datetime, int]] = []
        for lamella in grid.visited:
            over = [area for area in lamella.areas if area.begun and not area.acquire]
            read = [(area, _series_of(area)) for area in over]
            judged = [judge(one) for _, many in read for one in many]
            if judged:
                worth[grid.slot, lamella.number] = tuple(_worths(judged))
            spans += [span for area, many in read if area.acquired for span in _span(many)]
        areas += _seconds(sorted(spans))
    return Became(worth, tuple(areas))


def _series_of(area: AreaFacts) -> list[TiltSeries]:
    found = []
    for one in area.series:
        if one.mdoc is None or one.skip:
            continue
        try:
            found.append(read_series(one.mdoc, one.name))
        except OSError:  # the overview names it
            continue
    return [one for one in found if one.pictures]


def _worths(judged: Iterable[Quality]) -> Iterable[tuple[float, float | None]]:
    for quality in judged:
        if quality.verdict in _WORTH:
            yield _WORTH[quality.verdict], quality.plate.thickness if quality.plate else None


def _span(series: Sequence[TiltSeries]) -> list[tuple[datetime, datetime, int]]:
    times = [p.when for one in series for p in one.pictures if p.when is not None]
    return [(min(times), max(times), len(series))] if times else []


def _seconds(spans: Sequence[tuple[datetime, datetime, int]]) -> list[tuple[int, float]]:
    """Return how long each area took, from the end of the one before it on the same grid."""
    found, before = [], None
    for first, last, count in spans:
        gap_s = (first - before).total_seconds() if before is not None else -1.0
        lead_s = gap_s if 0.0 <= gap_s <= _LONGEST_GAP_S else _BEFORE_FIRST_S
        found.append((count, lead_s + (last - first).total_seconds()))
        before = last
    return found
