"""Kinds of settings: each checks a value and describes what is allowed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from space.errors import shown
from space.predicates import is_number, is_whole

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

_VIEW_AND_RECORD = 2


def plain(value: Any) -> Any:
    """Return a value as the kinds know it: plain numbers, lists as tuples, paths as strings."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return tuple(plain(entry) for entry in value)
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    return value


def quoted(value: object) -> str:
    """Return a value as a user would write it."""
    return shown(list(value) if isinstance(value, tuple) else value)


class Kind(ABC):
    """What a setting may be.

    Attributes
    ----------
    unit : str
        Unit of a number; empty if it has none.
    secret : bool
        Whether the value must not be shown, nor leave this computer with saved settings.
    """

    unit: str = ""
    secret: ClassVar[bool] = False

    @property
    @abstractmethod
    def type(self) -> str:
        """Type of the value, in words."""

    @property
    def range(self) -> str:
        """Values of this type that are allowed, in words; empty: all."""
        return ""

    @abstractmethod
    def problems(self, name: str, value: object) -> list[str]:
        """Return what is wrong with the value of a setting: a sentence or more for each problem.

        Parameters
        ----------
        name : str
            Name of the setting.
        value : object
            Any value, with tuples in place of lists.
        """


@dataclass(frozen=True)
class Number(Kind):
    """A number between bounds.

    Parameters
    ----------
    at_least, above, below, at_most : float, optional
        Bounds that are given must hold.
    unit : str
    zero : str
        What 0 means; then it is allowed besides the range.
    """

    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    at_most: float | None = None
    unit: str = ""
    zero: str = ""

    type = "number"

    @staticmethod
    def is_of_type(value: object) -> TypeGuard[float]:
        """Whether a value is such a number, in the range or not."""
        return is_number(value)

    def allows(self, number: float) -> bool:
        """Whether a number is in the range."""
        if self.zero and number == 0:
            return True
        return all(holds(number, bound) for holds, _, bound in self._bounds())

    @property
    def range(self) -> str:
        limits = " and ".join(f"{limit} {_digits(bound)}" for _, limit, bound in self._bounds())
        return f"{limits}, or 0 ({self.zero})" if self.zero else limits

    @property
    def allowed(self) -> str:
        """Type, unit and range in words."""
        unit = f" given in {self.unit}" if self.unit else ""
        return f"a {self.type}{unit}, {self.range}"

    def problems(self, name: str, value: object) -> list[str]:
        return self.problems_of(f"{name} =", value)

    def problems_of(self, what: str, value: object) -> list[str]:
        """Return what is wrong with a number; `what` begins the sentence, as in ``max_tilt =``."""
        if not self.is_of_type(value):
            return [f"{what} {quoted(value)} is not a {self.type}. Allowed: {self.allowed}."]
        if not self.allows(value):
            return [f"{what} {quoted(value)} is out of range. Allowed: {self.allowed}."]
        return []

    def _bounds(self) -> list[tuple[Callable[[float, float], bool], str, float]]:
        bounds: tuple[tuple[Callable[[float, float], bool], str, float | None], ...] = (
            (ge, "at least", self.at_least),
            (gt, "more than", self.above),
            (lt, "less than", self.below),
            (le, "at most", self.at_most),
        )
        return [(holds, limit, bound) for holds, limit, bound in bounds if bound is not None]


def _digits(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


@dataclass(frozen=True)
class Whole(Number):
    """A whole number between bounds."""

    type = "whole number"

    @staticmethod
    def is_of_type(value: object) -> TypeGuard[float]:
        return is_whole(value)


@dataclass(frozen=True)
class ForEachClass(Kind):
    """A number, or a table of one for each class."""

    number: Number

    type = "number, or table of class names and numbers"

    @property
    def range(self) -> str:
        return self.number.range

    def problems(self, name: str, value: object) -> list[str]:
        if not isinstance(value, dict):
            return self.number.problems(name, value)
        problems = []
        if not value or not all(isinstance(key, str) for key in value):
            problems.append(
                f"{name} = {quoted(value)} names no classes. Allowed: class names in quotes, each "
                f'with {self.number.allowed}, such as {{"mitos": 0.1}}.'
            )
        for key, number in value.items():
            problems += self.number.problems_of(f"{name} for {quoted(key)} =", number)
        return problems


@dataclass(frozen=True)
class Flag(Kind):
    """True or False."""

    type = "True or False"

    def problems(self, name: str, value: object) -> list[str]:
        if isinstance(value, bool):
            return []
        return [f"{name} = {quoted(value)} is neither True nor False. Write one of these."]


@dataclass(frozen=True)
class OneOf(Kind):
    """One of a few words.

    Parameters
    ----------
    words : tuple of str
    """

    words: tuple[str, ...]

    type = "word"

    @property
    def range(self) -> str:
        return " or ".join(map(_in_quotes, self.words))

    def problems(self, name: str, value: object) -> list[str]:
        if isinstance(value, str) and value in self.words:
            return []
        return [f"{name} = {quoted(value)} is not known. Allowed: {self.range}, in quotes."]


def _in_quotes(word: str) -> str:
    return f'"{word}"'


@dataclass(frozen=True)
class String(Kind):
    """A string.

    Parameters
    ----------
    do : str
        What to write, for the message.
    may_be_empty : bool
    """

    do: str
    may_be_empty: bool = True

    type = "string"

    @property
    def range(self) -> str:
        return "" if self.may_be_empty else "not empty"

    def problems(self, name: str, value: object) -> list[str]:
        if isinstance(value, str) and (value or self.may_be_empty):
            return []
        must = "a string" if self.may_be_empty else "a string that is not empty"
        return [f"{name} must be {must}, but is {quoted(value)}. {self.do}"]


@dataclass(frozen=True)
class State(Kind):
    """An imaging state of SerialEM, by its number or name.

    Parameters
    ----------
    without : str
        What no state (``""`` or 0) means; empty: there must be one.
    """

    without: str = ""

    expected: ClassVar[str] = "its number from 1, or its name in quotes"

    @property
    def type(self) -> str:
        return "number or name"

    @property
    def range(self) -> str:
        return "number from 1" + (f', or "" ({self.without})' if self.without else "")

    def allows(self, value: object) -> bool:
        """Whether a value can be a state."""
        if self.without and (value == "" or (is_whole(value) and value == 0)):
            return True
        return (is_whole(value) and value >= 1) or (isinstance(value, str) and value.strip() != "")

    def problems(self, name: str, value: object) -> list[str]:
        if self.allows(value):
            return []
        without = f', or "" to {self.without}' if self.without else ""
        return [f"{name} = {quoted(value)} is not an imaging state. Give {self.expected}{without}."]


@dataclass(frozen=True)
class OneOrTwoStates(State):
    """An imaging state, or two different ones: made in View and in Record."""

    expected: ClassVar[str] = (
        "its number from 1, or its name in quotes, or a list of two different ones: made in "
        "View and in Record"
    )

    @property
    def type(self) -> str:
        return "number or name, or list of two"

    def allows(self, value: object) -> bool:
        if not isinstance(value, tuple):
            return super().allows(value)
        alone = super().allows
        both = len(value) == _VIEW_AND_RECORD and all(alone(state) for state in value)
        return both and value[0] != value[1]
