"""What a session does at this moment, as far as its files tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from space.files import decode, refuse_link
from space.journal import Kind
from space.overview import GridFacts, LamellaFacts, SeriesFacts
from space.page.session import Seen

_TAIL_BYTES = 64_000
_TILT = re.compile(rb"^\s*TiltAngle\s*=\s*(-?\d{1,3}(?:\.\d*)?)", re.MULTILINE)
_TELLS = {Kind.RUN_STARTED: {"runs": True, "acquires": False, "pauses": False},
          Kind.RUN_ENDED: {"runs": False, "pauses": False},
          Kind.ACQUISITION_STARTED: {"acquires": True}, Kind.ACQUISITION_ENDED: {"acquires": False},
          Kind.PAUSED: {"pauses": True}, Kind.RESUMED: {"pauses": False}}  # fmt: skip
"""What holds from an event on. The script ends before SerialEM acquires what it has set up."""
PICTURES = {
    "_lamella_detected.png": "lamellae on the grid",
    "_segmentation.png": "segmentation",
    "_targets.png": "targets",
}
"""Endings of pictures that a session makes for people, and what they show."""

_MOST_PICTURES = 60


def doing(seen: Seen) -> dict[str, Any]:
    """Return what the run does by its journal, and the tilt series that was written last.

    A run that was killed says nothing: the time of the last event tells.
    """
    holds: dict[str, bool] = {}
    grid, lamella = "", None
    for event in seen.events:
        holds.update(_TELLS.get(event.kind, {}))
        if event.grid:
            grid, lamella = event.grid, event.lamella if event.lamella is not None else lamella
    run = _state(holds)
    last = seen.events[-1] if seen.events else None
    return {
        "run": run,
        "grid": grid,
        "lamella": lamella,
        "last_event": None if last is None else last.when_utc.isoformat(),
        # Which one is written is told by the times of the files, if they can be seen.
        "series": _newest_series(seen) if run == "acquiring" and not seen.problem else None,
    }


def _state(holds: Mapping[str, bool]) -> str:
    words = {"pauses": "paused", "acquires": "acquiring", "runs": "running"}
    found = next((word for name, word in words.items() if holds.get(name)), "ended")
    return found if holds else "unknown"


def _newest_series(seen: Seen) -> dict[str, Any] | None:
    dated = [(_time(one.mdoc), grid, lamella, one) for grid, lamella, one in _series(seen)]
    if not dated:
        return None
    when, grid, lamella, series = max(dated, key=lambda entry: entry[0])
    return {
        "grid": grid.name,
        "lamella": lamella.number,
        "name": series.name,
        "target": series.target,
        "pictures": series.pictures,
        "tilt_deg": last_tilt(series.mdoc) if series.mdoc else None,
        "at": _as_text(when),
    }


def _series(seen: Seen) -> Iterator[tuple[GridFacts, LamellaFacts, SeriesFacts]]:
    for grid in seen.facts.grids:
        for lamella in grid.visited:
            for series in lamella.series:
                if series.mdoc is not None:
                    yield grid, lamella, series


def _time(path: Path | None) -> float:
    try:
        return 0.0 if path is None else os.stat(path).st_mtime
    except OSError:
        return 0.0


def _as_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def last_tilt(mdoc: Path) -> float | None:
    """Return the tilt of the last picture that an mdoc tells of."""
    try:
        found = _TILT.findall(end_of(mdoc, _TAIL_BYTES))
    except OSError:
        return None
    return float(found[-1]) if found else None


def end_of(path: Path, limit: int) -> bytes:
    """Return the last bytes of a file.

    Raises
    ------
    OSError
        If it is no file, or cannot be read.
    """
    refuse_link(path)
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - limit))
        return stream.read(limit)


def log_lines(path: Path, most: int) -> list[str]:
    """Return the last lines of a log; none if there is none."""
    try:
        text = decode(end_of(path, 400 * most))
    except OSError:
        return []
    return text.splitlines()[-most:]


def pictures(seen: Seen) -> list[dict[str, Any]]:
    """Return the newest pictures for people: name, what they show, and when they were made."""
    grids = [grid.name for grid in seen.facts.grids if grid.name]
    found = []
    for key, (_, time_ns) in seen.files.items():
        folder, _, name = key.partition("/")
        ending = next((ending for ending in PICTURES if name.endswith(ending)), "")
        if folder == "0" and ending and any(name.startswith(f"{grid}_") for grid in grids):
            found.append((time_ns, name, PICTURES[ending]))
    return [
        {"name": name, "shows": shows, "at": _as_text(time_ns / 1e9), "mark": f"{time_ns:x}"}
        for time_ns, name, shows in sorted(found, reverse=True)[:_MOST_PICTURES]
    ]
