"""How long the rest of a session takes, from the times of what was done.

The times are those of the journal. Of work that was never seen to end nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from space.journal import Event, Kind
from space.overview.facts import SessionFacts

_LONGEST_GAP_S = 6 * 3600.0
"""Longer gaps between two results are breaks."""

_BREAKS = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.GRID_LOADED, Kind.PAUSED, Kind.RESUMED)


@dataclass(frozen=True)
class Rest:
    """A kind of work that is left.

    Attributes
    ----------
    work : str
        What it is.
    count : int
        How often it is left to be done.
    each_s : float or None
        How long it took each time; None if that is not known.
    """

    work: str
    count: int
    each_s: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long all of it takes; None if that is not known."""
        return None if self.each_s is None else self.count * self.each_s


def time_left(session: SessionFacts, events: Sequence[Event]) -> tuple[Rest, ...]:
    """Return the work that is left in a session up to its level, in order.

    Parameters
    ----------
    session : SessionFacts
    events : sequence of Event
        Its journal.
    """
    level = session.settings.automation_level if session.settings else 5
    open_grids = [grid for grid in session.grids if grid.state in ("not begun", "finding")]
    rest = [Rest("finding lamellae of a grid", len(open_grids), level_s(events, 1))]
    if level >= 2:
        rest.append(
            Rest("map of a lamella", session.count("found"), gap_s(events, Kind.LAMELLA_MAPPED))
        )
    if level >= 3:
        waiting = sum(
            one.state in ("mapped", "segmenting", "failed") and one.segmentation != "done"
            for one in session.lamellae
        )
        rest.append(Rest("segmentation of a map", waiting))
    if level >= 4:
        undecided = session.count("found", "mapped", "segmenting", "failed")
        rest.append(Rest("targets of a lamella", undecided, gap_s(events, Kind.TARGETS_SET_UP)))
    if level >= 5:
        areas = sum(one.left_to_acquire for one in session.lamellae)
        rest.append(Rest("tilt series of an area", areas, _area_s(session, events)))
    return tuple(one for one in rest if one.count)


def level_s(events: Sequence[Event], level: int) -> float | None:
    """Return the usual time of a level of one grid; None if it was never done."""
    times = [
        event.numbers["seconds"]
        for event in events
        if event.kind is Kind.LEVEL_DONE
        and event.numbers.get("level") == level
        and event.numbers.get("seconds", 0.0) > 0
    ]
    return median(times) if times else None


def gap_s(events: Sequence[Event], kind: Kind) -> float | None:
    """Return the usual time between two events of a kind with no break in between."""
    gaps: list[float] = []
    last: datetime | None = None
    for event in events:
        if event.kind in _BREAKS:
            last = None
        elif event.kind is kind:
            if last is not None:
                gaps.append((event.when_utc - last).total_seconds())
            last = event.when_utc
    fit = [gap for gap in gaps if 0 < gap < _LONGEST_GAP_S]
    return median(fit) if fit else None


def _area_s(session: SessionFacts, events: Sequence[Event]) -> float | None:
    """Return the usual time of the tilt series of an area.

    From acquisitions that have ended; while the first one runs, from what it has done up to its
    newest file.
    """
    times: list[float] = []
    started: Event | None = None
    for event in events:
        if event.kind is Kind.ACQUISITION_STARTED:
            started = event
        elif event.kind is Kind.ACQUISITION_ENDED and started is not None:
            done = started.numbers.get("items", 0) - event.numbers.get("items", 0)
            times += _shared((event.when_utc - started.when_utc).total_seconds(), done)
            started = None
    if not times and started is not None:
        done = started.numbers.get("items", 0) - _left(session, started.grid)
        newest_s = max(_times_s(session, started.grid), default=0.0)
        times += _shared(newest_s - started.when_utc.timestamp(), done)
    return median(times) if times else None


def _shared(seconds: float, done: float) -> list[float]:
    return [seconds / done] if done >= 1 and seconds > 0 else []


def _left(session: SessionFacts, grid: str) -> int:
    return sum(
        area.acquire
        for one in session.grids
        if one.name == grid
        for lamella in one.lamellae
        for area in lamella.areas
    )


def _times_s(session: SessionFacts, grid: str) -> list[float]:
    """Return when the tilt series of a grid that are over were written last."""
    paths = [
        series.mdoc
        for one in session.grids
        if one.name == grid
        for lamella in one.lamellae
        for area in lamella.areas
        if area.acquired
        for series in area.series
    ]
    return [path.stat().st_mtime for path in paths if path is not None and path.is_file()]


def in_words(seconds: float) -> str:
    """Return a time as people say it: ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def total(rest: Sequence[Rest]) -> str:
    """Return how long all of it takes, in words; what is not known is named."""
    known = [one.seconds for one in rest if one.seconds is not None]
    unknown = [one.work for one in rest if one.seconds is None]
    if not rest:
        return "nothing is left"
    if not known:
        return "unknown (nothing of it was done yet)"
    text = f"about {in_words(sum(known))}"
    return f"{text}, and {', '.join(unknown)} (unknown)" if unknown else text
