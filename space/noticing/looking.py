"""Looking at the series that are being taken, and telling what is new."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from space import journal, overview
from space.journal import Kind
from space.overview import SeriesFacts, SessionFacts
from space.series import Trouble, read_series, troubles_of
from space.settings import Settings
from space.steps import tell

OCCASION = "series in trouble"

_RECENT_S = 2 * 3600.0
"""A series whose mdoc is older than this is not being taken any more."""

Telling = Callable[[Settings, Path, str, str, str], None]

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Noticed:
    """A series in trouble.

    Attributes
    ----------
    grid : str
    lamella : int
    name : str
        Of its image file.
    troubles : tuple of Trouble
    """

    grid: str
    lamella: int
    name: str
    troubles: tuple[Trouble, ...]

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.name}: {'; '.join(one.text for one in self.troubles)}"


def is_wanted(settings: Settings) -> bool:
    """Whether anybody asked for this: a plan is made, or people are told."""
    return settings.is_planned or bool(settings.notify)


def look(settings: Settings, directory: Path, telling: Telling = tell) -> list[Noticed]:
    """Look at the series that are being taken; note and tell what was not noticed before.

    Parameters
    ----------
    settings : Settings
    directory : Path
        Of the session.
    telling : callable
        Tells people, as `space.steps.tell`.

    Returns
    -------
    list of Noticed
        What is new.
    """
    if not is_wanted(settings):
        return []
    known = {
        event.text.partition(":")[0]
        for event in journal.read(directory)
        if event.kind is Kind.SERIES_TROUBLE
    }
    found = [one for one in noticed(overview.read_session(directory)) if one.name not in known]
    for one in found:
        log.warning("Tilt series in trouble: %s. It is not stopped.", one.text)
        journal.note(directory, Kind.SERIES_TROUBLE, one.grid, one.lamella, one.text)
    for grid in dict.fromkeys(one.grid for one in found):
        own = [one for one in found if one.grid == grid]
        lamellae = ", ".join(dict.fromkeys(f"skip {grid}_L{one.lamella:02d}" for one in own))
        text = " ".join(f"{one.text}." for one in own)
        telling(
            settings,
            directory,
            OCCASION,
            f"{text} They are not stopped. To leave out what follows there: {lamellae}.",
            grid,
        )
    return found


def noticed(session: SessionFacts, now_s: float | None = None) -> Iterator[Noticed]:
    """Give the series in trouble among those that were written to lately."""
    since_s = (time.time() if now_s is None else now_s) - _RECENT_S
    for grid in session.grids:
        for lamella in grid.visited:
            for area in lamella.areas:
                for one in area.series if area.begun else ():
                    troubles = _troubles(one, since_s)
                    if troubles:
                        yield Noticed(grid.name, lamella.number, one.name, troubles)


def _troubles(facts: SeriesFacts, since_s: float) -> tuple[Trouble, ...]:
    if facts.mdoc is None or facts.skip:
        return ()
    try:
        if facts.mdoc.stat().st_mtime < since_s:
            return ()
        return troubles_of(read_series(facts.mdoc, facts.name))
    except OSError:  # SerialEM is writing it, or it is gone
        return ()
