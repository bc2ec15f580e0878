"""The record of a test, or of a run of a kept session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Outcome = Literal["passed", "failed", "skipped", "did not end"]


class RecordError(ValueError):
    """A record cannot be read."""


@dataclass(frozen=True)
class CommandUse:
    """How a command was used.

    Attributes
    ----------
    name : str
    simulated : bool
        Whether the simulator can carry it out.
    calls, failures : int
        How often it was called, and how often it failed then.
    scope_s : float
        Time that passed at the microscope.
    real_s : float
        Time that it really took.
    """

    name: str
    simulated: bool
    calls: int = 0
    failures: int = 0
    scope_s: float = 0.0
    real_s: float = 0.0


@dataclass(frozen=True)
class Picture:
    """A picture that was taken, much reduced.

    Attributes
    ----------
    png : str
        The picture as PNG, in base64.
    number : int
        Its place among all pictures, from 1.
    words : tuple of str
        What is known about it.
    """

    png: str
    number: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class ScriptEnd:
    """How a script, or Acquire at Items, ended."""

    name: str
    ok: bool
    how: str
    error: str = ""


@dataclass(frozen=True)
class Record:
    """What ran, and what came of it.

    Attributes
    ----------
    title : str
        Name of the test, or of the run.
    outcome : str
        One of `Outcome`.
    microscope : str
        Which microscope and SerialEM.
    details : str
        Why a test failed.
    seconds : float
        Time that it really took.
    scope_s : float
        Time that passed at the microscope.
    scripts : tuple of ScriptEnd
    commands : tuple of CommandUse
    dialogs : tuple of (kind, text, answer, foreseen)
        Whether an answer was foreseen is told by the last one.
    pictures : tuple of Picture
        Some of those that were taken, evenly spread.
    pictures_taken : int
        How many were taken in all.
    faults : tuple of str
        What was to go wrong, and whether it did.
    log : tuple of str
        Lines of the log.
    """

    title: str
    outcome: Outcome
    microscope: str = ""
    details: str = ""
    seconds: float = 0.0
    scope_s: float = 0.0
    scripts: tuple[ScriptEnd, ...] = ()
    commands: tuple[CommandUse, ...] = ()
    dialogs: tuple[tuple[str, str, str, bool], ...] = ()
    pictures: tuple[Picture, ...] = ()
    pictures_taken: int = 0
    faults: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    @property
    def not_simulated(self) -> tuple[str, ...]:
        """Commands that were called and are not simulated."""
        return tuple(use.name for use in self.commands if not use.simulated)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """Read plain values.

        Raises
        ------
        RecordError
            If they are no record.
        """
        try:
            given = {field.name: values[field.name] for field in fields(cls)}
            made = cls(
                **{
                    **given,
                    "scripts": tuple(ScriptEnd(**end) for end in given["scripts"]),
                    "commands": tuple(CommandUse(**use) for use in given["commands"]),
                    "dialogs": tuple(tuple(dialog) for dialog in given["dialogs"]),
                    "pictures": tuple(
                        Picture(**{**picture, "words": tuple(picture["words"])})
                        for picture in given["pictures"]
                    ),
                    "faults": tuple(given["faults"]),
                    "log": tuple(given["log"]),
                }
            )
        except (TypeError, ValueError, LookupError, AttributeError) as problem:
            raise RecordError(f"not a record of this version: {problem!r}") from problem
        return made
