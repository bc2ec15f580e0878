"""Kinds of settings that are lists: autoloader slots, class names, lamellae."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from space.predicates import is_number, is_whole
from space.settings.kinds import Kind, quoted

STAGE = "stage"
"""Entry of grid_list for a grid that is already on the stage."""

_HIGHEST_SLOT = 12
_MAP_AGAIN = re.compile(
    r"(?:(?P<grid>.{1,200})_)?L(?P<number>[0-9]{1,6})(?P<again>\s+again(?:\s+(?P<times>[0-9]{1,3}))?)?",
    re.IGNORECASE,
)
_STITCHED = re.compile(
    r"(?:(?P<grid>.{1,200})_)?L(?P<number>[0-9]{1,6})\s+(?P<way>[a-z]+)", re.IGNORECASE
)
STITCHINGS = ("aligned", "close", "nominal")
"""Ways of stitching a montage: pieces aligned wherever they fit, near their places only, not."""


@dataclass(frozen=True)
class Grids(Kind):
    """A list of autoloader slots, and the grid on the stage."""

    type = "list of slots"

    @property
    def range(self) -> str:
        return f'at least one; 1 to {_HIGHEST_SLOT}, or "{STAGE}" in the first place'

    def problems(self, name: str, value: object) -> list[str]:
        if not isinstance(value, tuple):
            return [
                f"{name} = {quoted(value)} is not a list. Give autoloader slots in square "
                f'brackets, such as {_slots_meant(value)}, or ["{STAGE}"].'
            ]
        if not value:
            return [
                f"{name} = [] is empty. Give at least one autoloader slot, or "
                f'["{STAGE}"] for the grid on the stage.',
            ]
        problems = [
            f"{name} holds {quoted(slot)}. Allowed: slot numbers from 1 to "
            f'{_HIGHEST_SLOT} and "{STAGE}".'
            for slot in value
            if not _is_slot(slot) and not _is_stage(slot)
        ]
        repeated = sorted({quoted(slot) for slot in value if value.count(slot) > 1})
        if repeated:
            problems.append(
                f"{name} names {', '.join(repeated)} more than once. Name each grid once."
            )
        if any(map(_is_stage, value[1:])):
            problems.append(
                f'{name} has "{STAGE}" after other grids; by then another grid is on the stage. '
                "Put it first."
            )
        return problems


def _is_slot(value: object) -> bool:
    return is_whole(value) and 1 <= value <= _HIGHEST_SLOT


def _is_stage(value: object) -> bool:
    return isinstance(value, str) and value == STAGE


def _slots_meant(value: object) -> str:
    """Return the list of slots that is meant by a value that is no list."""
    if isinstance(value, str) and value.strip().lower() == STAGE:
        return f'["{STAGE}"]'
    text = value if isinstance(value, str) else quoted(value)
    words = text.replace(",", " ").split()
    slots = [word for word in words if word.isdigit() and 1 <= int(word) <= _HIGHEST_SLOT]
    return f"[{', '.join(slots)}]" if slots and len(slots) == len(words) else "[1, 2]"


@dataclass(frozen=True)
class ClassNames(Kind):
    """A list of class names.

    Parameters
    ----------
    example : str
        A class that it may hold.
    """

    example: str

    @property
    def type(self) -> str:
        return "list of class names"

    def problems(self, name: str, value: object) -> list[str]:
        if isinstance(value, tuple) and all(isinstance(entry, str) for entry in value):
            return []
        return [
            f"{name} = {quoted(value)} is not a list of class names. Give names "
            f"in quotes in square brackets, such as {self._meant(value)}."
        ]

    def _meant(self, value: object) -> str:
        """Return the list of classes that is meant by a value that is no such list."""
        if isinstance(value, str):
            entries = [word.strip(" \"'[]") for word in value.split(",")]
        elif isinstance(value, (tuple, dict, set, frozenset)):
            entries = [entry for entry in value if isinstance(entry, str)]
        else:
            entries = []
        entries = [entry for entry in entries if entry] or [self.example]
        return quoted(entries).replace("'", '"')


@dataclass(frozen=True)
class WantedClasses(ClassNames):
    """A list of class names, each once and at least one, or a table of names and priorities."""

    @property
    def type(self) -> str:
        return "list of class names, or table of class names and priorities"

    @property
    def range(self) -> str:
        return "at least one class; priorities more than 0 and at most 1"

    def problems(self, name: str, value: object) -> list[str]:
        if isinstance(value, dict):
            return _problems_of_priorities(name, value)
        problems = super().problems(name, value)
        if problems or not isinstance(value, tuple):
            return problems
        if not value:
            return [f"{name} = [] is empty. Give at least one class."]
        repeated = sorted({entry for entry in value if value.count(entry) > 1})
        if repeated:
            return [f"{name} names {quoted(repeated)} more than once. Name each class once."]
        return []


def is_priority(value: object) -> bool:
    """Whether a value can be the priority of a class: a number above 0 and at most 1."""
    return is_number(value) and 0 < value <= 1


def _problems_of_priorities(name: str, value: Mapping[object, object]) -> list[str]:
    if not value:
        return [f"{name} = {{}} is empty. Give at least one class."]
    return [
        f"{name} gives {quoted(key)} the priority {quoted(priority)}. Allowed: class names "
        'in quotes with a number above 0 and at most 1, such as {"mitos": 1, "vesicles": 0.5}.'
        for key, priority in value.items()
        if not (isinstance(key, str) and is_priority(priority))
    ]


SCRIPTS = ("SPACEtomo", "PACEtomo", "post action")
"""The scripts that a night needs, by the names that they have in script_numbers."""

BEST = "best"
"""Value of grid_order: most and best lamellae first."""


@dataclass(frozen=True)
class ScriptNumbers(Kind):
    """A table of the numbers that scripts have in SerialEM; empty: they are not known."""

    type = "table of script names and numbers"

    @property
    def range(self) -> str:
        return f"empty, or {', '.join(SCRIPTS)}, each with a number from 1 of its own"

    def problems(self, name: str, value: object) -> list[str]:
        if value in ((), {}):
            return []
        example = '{"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}'
        if not isinstance(value, dict):
            return [f"{name} = {quoted(value)} is not a table. Give numbers as in {example}."]
        problems = [
            f"{name} names {quoted(key)}, which is not one of {', '.join(SCRIPTS)}. "
            f"Write it as in {example}."
            for key in value
            if key not in SCRIPTS
        ]
        problems += [
            f"{name} has no number for {script}. Give all three as in {example}, or none."
            for script in SCRIPTS
            if script not in value
        ]
        wrong = [number for number in value.values() if not is_whole(number) or number < 1]
        if wrong:
            problems.append(
                f"{name} holds {quoted(wrong[0])}. Allowed: whole numbers from 1, as the scripts "
                "have in SerialEM's Script menu."
            )
        elif len(set(value.values())) < len(value):
            problems.append(f"{name} gives two scripts one number. Each has a number of its own.")
        return problems


@dataclass(frozen=True)
class GridOrder(Kind):
    """A list of slots, or best."""

    type = f'list of slots, or "{BEST}"'

    @property
    def range(self) -> str:
        return f"slots of grid_list, each once; 1 to {_HIGHEST_SLOT}"

    def problems(self, name: str, value: object) -> list[str]:
        if value == BEST:
            return []
        slots = value if isinstance(value, tuple) else (None,)
        if not all(_is_slot(slot) for slot in slots):
            return [
                f"{name} = {quoted(value)} is no order of grids. Give slots in square brackets, "
                f'such as [2, 1], "{BEST}", or [] for that of grid_list.'
            ]
        if len(set(slots)) < len(slots):
            return [f"{name} = {quoted(value)} names a slot twice. Name each grid once."]
        return []


@dataclass(frozen=True)
class MapsAgain(Kind):
    """A list of lamellae whose maps are taken again, once for each entry."""

    type = "list of lamellae"

    @property
    def range(self) -> str:
        return 'as "L03" or "G1_L03", also with "again", "again 2" and so on behind'

    def problems(self, name: str, value: object) -> list[str]:
        if not isinstance(value, tuple):
            return [
                f"{name} = {quoted(value)} is not a list. Give lamellae in quotes in square "
                'brackets, such as ["L03"], or [] for none.'
            ]
        return [
            f"{name} holds {quoted(entry)}, which is no lamella. Write it as in the names of its "
            'files, such as "L03", or "G1_L03" with the name of the grid.'
            for entry in value
            if not isinstance(entry, str) or map_again(entry) is None
        ]


@dataclass(frozen=True)
class MapAgain:
    """An entry of reacquire.

    Attributes
    ----------
    grid : str
        Name of the grid; "" for the only one.
    number : int
        The lamella's number.
    word : str
        The entry without the grid, spelt as it is kept: L03, L03 again, L03 again 2.
    """

    grid: str
    number: int
    word: str


def map_again(entry: str) -> MapAgain | None:
    """Read an entry of reacquire; None when it names no lamella."""
    found = _MAP_AGAIN.fullmatch(entry.strip())
    if found is None:
        return None
    number, times = int(found["number"]), int(found["times"] or 1)
    again = "" if not found["again"] else " again" if times < 2 else f" again {times}"
    return MapAgain(found["grid"] or "", number, f"L{number:02d}{again}")


@dataclass(frozen=True)
class Stitched(Kind):
    """A list of lamellae whose maps are stitched in another way."""

    type = "list of lamellae"

    @property
    def range(self) -> str:
        return f'as "L03 nominal" or "G1_L03 nominal"; {_either(STITCHINGS)}'

    def problems(self, name: str, value: object) -> list[str]:
        if not isinstance(value, tuple):
            return [
                f"{name} = {quoted(value)} is not a list. Give lamellae in quotes in square "
                'brackets, such as ["L03 nominal"], or [] for none.'
            ]
        return [
            f"{name} holds {quoted(entry)}. Write the lamella as in the names of its files, and "
            f'behind it {_either(STITCHINGS)}, such as "L03 nominal", or "G1_L03 nominal" with '
            "the name of the grid."
            for entry in value
            if not isinstance(entry, str) or stitched_as(entry) is None
        ]


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


@dataclass(frozen=True)
class StitchedAs:
    """An entry of restitch.

    Attributes
    ----------
    grid : str
        Name of the grid; "" for the only one.
    number : int
        The lamella's number.
    way : str
        One of `STITCHINGS`.
    """

    grid: str
    number: int
    way: str

    @property
    def word(self) -> str:
        """The entry without the grid."""
        return f"L{self.number:02d} {self.way}"


def stitched_as(entry: str) -> StitchedAs | None:
    """Read an entry of restitch; None when it names no lamella or no way."""
    found = _STITCHED.fullmatch(entry.strip())
    if found is None or found["way"].lower() not in STITCHINGS:
        return None
    return StitchedAs(found["grid"] or "", int(found["number"]), found["way"].lower())
