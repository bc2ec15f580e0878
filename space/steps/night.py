"""A session of several grids in which acquisitions follow each other without a person.

With script numbers, SerialEM runs SPACEtomo.py again when an acquisition has ended well. Such a
run continues the night: a grid that failed, or has nothing left to do, is not loaded once more in
each of them. A run that a person starts is a new beginning, in which everything is tried again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import read_json_or_empty, remove_if_possible, write_text_atomic
from space.journal import Kind, note
from space.microscope import conditions, memory, navigator, yes
from space.settings import SCRIPTS, Settings
from space.steps.identity import session_id
from space.steps.target_facts import begun_files
from space.steps.telling import tell

NIGHT_FILE = "SPACE_night.json"
"""Which grids this night is through with."""

_ACQUIRING = "SPACE_ACQUIRING"
"""SerialEM variable: the session whose acquisition was started last by this program."""

_TRIED = "SPACE_TRIED"
"""SerialEM variable: what the last acquisition began with, and how often it did."""

_CONFIRMED = "SPACE_SCRIPTS"
"""SerialEM variable: the script numbers that a person has confirmed."""

_NOTHING = "none"
_MOST_STARTS = 2


@dataclass(frozen=True)
class Night:
    """How far a night has come; slots as texts.

    Attributes
    ----------
    screened : tuple of str
        Grids on which levels 1 to 3 were tried.
    ended : mapping of str to str
        Grids with which nothing more is done this night: why, empty if nothing was left to do.
    began_utc : str
        When it began (ISO), empty where no plan asks for it.
    """

    screened: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)
    began_utc: str = ""

    def with_screened(self, slot: int | str) -> Night:
        """Return the night after a grid was screened."""
        return replace(self, screened=(*self.screened, str(slot)))

    def with_ended(self, slot: int | str, why: str = "") -> Night:
        """Return the night after the last thing was done with a grid."""
        return replace(self, ended={**self.ended, str(slot): why})


def save_night(directory: Path, night: Night) -> None:
    """Write how far a night has come."""
    values = {
        "screened": list(night.screened),
        "ended": dict(night.ended),
        "began_utc": night.began_utc,
    }
    write_text_atomic(directory / NIGHT_FILE, json.dumps(values, indent=1) + "\n")


def load_night(directory: Path) -> Night:
    """Read how far a night has come; a new night if that is not known."""
    values = read_json_or_empty(directory / NIGHT_FILE)
    screened, ended = values.get("screened"), values.get("ended")
    if not isinstance(screened, list) or not isinstance(ended, dict):
        return Night()
    began = values.get("began_utc")
    return Night(
        _texts(screened),
        {str(slot): str(why) for slot, why in ended.items()},
        began if isinstance(began, str) else "",
    )


def night_began(directory: Path) -> datetime | None:
    """Return when the night began; None if that is not known."""
    try:
        when = datetime.fromisoformat(load_night(directory).began_utc)
    except ValueError:
        return None
    return when if when.tzinfo is not None else None


def with_hours(directory: Path, night: Night, settings: Settings) -> Night:
    """Return the night with the time from which its hours count, which is kept; else as it is."""
    if not settings.is_planned:
        return night
    if night_began(directory) is None:
        night = replace(night, began_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"))
        save_night(directory, night)
    return night


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def begin_or_continue(directory: Path) -> Night:
    """Return how far the night is that this run continues; a new one for a run of its own.

    A run continues the night when an acquisition that this program started has ended with nothing
    left to acquire. After an error or a stop something is left: then a person has started the run.
    """
    acquiring = _has_acquired(directory)
    memory.remember(_ACQUIRING, _NOTHING)
    left = navigator.left_to_acquire()
    if acquiring:
        note(directory, Kind.ACQUISITION_ENDED, items=left)
    if acquiring and left == 0:
        return load_night(directory)
    conditions.begin_anew()
    remove_if_possible(directory / NIGHT_FILE)
    return Night()


def confirm_going_on(settings: Settings, directory: Path) -> None:
    """Have a person confirm that what an acquisition left is acquired now.

    Items with which nobody has begun are left when a person has ended Acquire at Items. Whoever
    did so is there to answer; should SerialEM have started this run by itself, nothing is exposed
    until somebody has. SerialEM's box has no limit of time, so people are told of it.

    Raises
    ------
    SpaceError
        When they are not to be acquired.
    """
    if not _has_acquired(directory) or navigator.left_to_acquire() == 0:
        return
    left = [item.note for item in navigator.items() if navigator.acquire_is_on(item.index)]
    untouched = [name for name in left if not (name and begun_files(directory / name))]
    if not untouched:
        return
    question = (
        f"The last acquisition ended with {len(untouched)} item(s) still to be acquired "
        f"(the first: {untouched[0] or 'without a note'}). Yes: go on with the session, which "
        "acquires them. No: stop here."
    )
    tell(
        settings,
        directory,
        "person needed",
        f"SerialEM waits for an answer, without a limit of time. {question}",
    )
    if not yes(question):
        raise SpaceError(
            "The session does not go on, as answered; nothing was moved.",
            str(directory),
            "The items keep their Acquire. Run the script again to go on.",
        )


def _has_acquired(directory: Path) -> bool:
    """Whether an acquisition that this program started was the last thing that was done."""
    return memory.recalled(_ACQUIRING) == session_id(directory) != ""


# --- acquisitions that follow each other ----------------------------------------------------------


def may_start(grid: str, notes: Iterable[str]) -> bool:
    """Whether an acquisition of these items is to be started, which is noted.

    Not if the last two began with the same ones: they come to nothing, and the next one would too,
    for the whole night. It is then forgotten, so that the next run starts one again.
    """
    key = hashlib.sha256("\n".join([grid, *notes]).encode()).hexdigest()[:16]
    times, _, before = memory.recalled(_TRIED).partition(" ")
    count = int(times) + 1 if before == key and times.isdigit() else 1
    memory.remember(_TRIED, _NOTHING if count > _MOST_STARTS else f"{count} {key}")
    return count <= _MOST_STARTS


def note_started(directory: Path) -> None:
    """Remember in SerialEM that an acquisition of this session was started."""
    memory.remember(_ACQUIRING, session_id(directory) or _NOTHING)


# --- script numbers -------------------------------------------------------------------------------


def confirm_scripts(settings: Settings) -> None:
    """Have a person confirm the script numbers, once as long as SerialEM runs.

    SerialEM does not tell a script what has which number, and a wrong one would run something
    else in the middle of the night. The one who pressed Run is still there.

    Raises
    ------
    SpaceError
        When the numbers are wrong.
    """
    numbers = settings.script_numbers
    if not numbers:
        return
    told = ", ".join(f"{numbers[script]} = {script}" for script in SCRIPTS)
    if memory.recalled(_CONFIRMED) == told:
        return
    if not yes(
        f"SPACEtomo will have SerialEM run scripts by their numbers: {told}. Are these the numbers "
        "in SerialEM's Script menu? (Asked once, until SerialEM is closed.)"
    ):
        raise SpaceError(
            "The script numbers are wrong; nothing was moved.",
            f"script_numbers = {dict(numbers)}",
            "Correct them as in SerialEM's Script menu, or set script_numbers = {} to start each "
            "acquisition yourself.",
        )
    memory.remember(_CONFIRMED, told)
