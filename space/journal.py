"""What happened in a session and when, as a file in its directory: one line for each event.

The journal tells people, and what reports to them, how a night went. Nothing is decided by it:
what is done is seen from results and the Navigator.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from space.files import parse_json, refuse_link, share_as_folder
from space.predicates import is_number, is_whole

JOURNAL_FILE = "SPACE_journal.jsonl"
"""Name of the journal in a session's directory."""

LARGEST_READ_BYTES = 16_000_000
"""Of a longer journal only the end is read."""

_LONGEST_LINE_BYTES = 60_000
_LONGEST_TEXT = 4_000
_LONGEST_NAME = 200
_MOST_NUMBERS = 50


class Kind(str, Enum):
    """What kinds of events there are; comments say what their text and numbers are."""

    RUN_STARTED = "run_started"  # level
    RUN_ENDED = "run_ended"  # text: how; failed (0 or 1)
    GRID_LOADED = "grid_loaded"  # text: the slot
    GRID_REALIGNED = "grid_realigned"  # residual_um, rotation_deg, shift_um
    GRID_DONE = "grid_done"  # all that was wanted of it is done
    GRID_SKIPPED = "grid_skipped"  # text: why
    LEVEL_DONE = "level_done"  # level, seconds
    LAMELLA_MAPPED = "lamella_mapped"  # seams (that could be compared), worst_step_um
    TARGETS_SET_UP = "targets_set_up"  # targets, areas
    GEOMETRY_TAKEN_OVER = "geometry_taken_over"  # text: the targets file; pretilt_deg, rotation_deg
    LAMELLA_SKIPPED = "lamella_skipped"  # text: why
    LAMELLA_TRIED = (
        "lamella_tried"  # text: why it failed; failed, lowest_deg, highest_deg, defocus_um
    )
    ACQUISITION_STARTED = "acquisition_started"  # items
    ACQUISITION_ENDED = "acquisition_ended"  # items (left to acquire)
    SERIES_TROUBLE = "series_trouble"  # text: the image file of a tilt series, and what goes wrong
    PLANNED = "planned"  # text: the plan in a sentence; value, series
    PAUSED = "paused"
    RESUMED = "resumed"
    WARNING = "warning"  # text: what was logged
    ERROR = "error"  # text: what was logged
    NOTIFIED = "notified"  # text: who was told what


@dataclass(frozen=True)
class Event:
    """One line of the journal.

    Attributes
    ----------
    when_utc : datetime
        When it was noted, in UTC.
    kind : Kind
        What happened.
    grid : str
        Name of the grid concerned, "" for none.
    lamella : int or None
        Number of the lamella concerned.
    text : str
        In words.
    numbers : mapping of str to float
        Further values by name, with the unit in the name.
    """

    when_utc: datetime
    kind: Kind
    grid: str = ""
    lamella: int | None = None
    text: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


# --- writing --------------------------------------------------------------------------------------


def note(
    directory: Path,
    kind: Kind,
    grid: str = "",
    lamella: int | None = None,
    text: str = "",
    **numbers: float,
) -> None:
    """Add an event to the journal of a directory.

    Never raises: a full or missing disk is no reason to stop here, and is met again by what has
    to be saved.
    """
    try:
        values = {
            "when_utc": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "kind": kind.value,
            "grid": grid[:_LONGEST_NAME],
            "lamella": lamella,
            "text": text[:_LONGEST_TEXT],
            "numbers": {n: float(v) for n, v in numbers.items() if math.isfinite(v)},
        }
        _append(Path(directory) / JOURNAL_FILE, json.dumps(values).encode() + b"\n")
    except (OSError, ValueError, TypeError, OverflowError):
        pass


def _append(path: Path, line: bytes) -> None:
    """Append a line in one write; after one that was cut off, on a line of its own."""
    refuse_link(path)
    new = not path.exists()
    with open(path, "ab+", buffering=0) as stream:
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else b"\n" + line
        stream.write(line)
    if new:
        share_as_folder(path)


class Keeper(logging.Handler):
    """Notes warnings and errors that `space` logs; `grid` is the one that is worked on.

    Parameters
    ----------
    directory : Path
        Directory of the session.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(logging.WARNING)
        self.directory = directory
        self.grid = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Note one record."""
        try:
            text = record.getMessage()
        except Exception:  # a mistake in a message must not end a session
            text = str(record.msg)
        kind = Kind.ERROR if record.levelno >= logging.ERROR else Kind.WARNING
        note(self.directory, kind, self.grid, text=text)


@contextmanager
def warnings_kept(directory: Path) -> Iterator[Keeper]:
    """Note all warnings and errors of `space` in the journal while the block runs."""
    keeper = Keeper(Path(directory))
    logger = logging.getLogger("space")
    logger.addHandler(keeper)
    try:
        yield keeper
    finally:
        logger.removeHandler(keeper)


# --- reading --------------------------------------------------------------------------------------


def read(directory: Path) -> tuple[Event, ...]:
    """Return the events in the journal of a directory, in their order.

    A line that cannot be read, or is of a kind unknown here, is left out; a journal that cannot
    be read is empty.
    """
    try:
        data = _end_of(Path(directory) / JOURNAL_FILE)
    except OSError:
        return ()
    events = (_event(line) for line in data.split(b"\n"))
    return tuple(event for event in events if event is not None)


def _end_of(path: Path) -> bytes:
    refuse_link(path)
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LARGEST_READ_BYTES))
        return stream.read(LARGEST_READ_BYTES)


def _event(line: bytes) -> Event | None:
    """Return the event of a line, None if it is none."""
    if not 0 < len(line) <= _LONGEST_LINE_BYTES:
        return None
    try:
        values = parse_json(line.decode("utf-8"))
        if not isinstance(values, dict):
            return None
        when = datetime.fromisoformat(_text(values, "when_utc"))
        if when.tzinfo is None:
            return None
        kind = Kind(_text(values, "kind"))
        return Event(
            when.astimezone(timezone.utc),
            kind,
            _text(values, "grid"),
            _lamella(values.get("lamella")),
            _text(values, "text"),
            _numbers(values.get("numbers", {})),
        )
    except (ValueError, OverflowError):
        return None


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _lamella(value: object) -> int | None:
    if value is not None and not is_whole(value):
        raise ValueError("the lamella is no number")
    return value


def _numbers(values: object) -> dict[str, float]:
    if not isinstance(values, dict) or len(values) > _MOST_NUMBERS:
        raise ValueError("the numbers are no table")
    found = {}
    for name, value in values.items():
        if not is_number(value):
            raise ValueError(f"{name} is no number")
        found[str(name)] = float(value)
    return found
