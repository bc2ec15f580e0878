"""Arguments of a command from the words of a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Union

from space.simulator.language import arithmetic
from space.simulator.language.parse import NAME
from space.simulator.language.supported import TEXT_COMMANDS
from space.simulator.language.syntax import Rest, Template
from space.simulator.language.values import ValueProblem, as_text, number
from space.simulator.python.argkeys import CommandRow

Fill = Callable[[Sequence[Template]], list[str]]
"""Puts values into texts."""
Argument = Union[str, float, int]

LARGEST_INTEGER = 2**31 - 1
_NUMBERS = "DdIi"


def of(row: CommandRow, rest: Rest, fill: Fill) -> tuple[list[Argument], list[str]]:
    """Arguments of a command, and the variables that receive what it reports.

    Words behind the last argument are variables. So is a word where a number may be left out.

    Parameters
    ----------
    row : CommandRow
        The command.
    rest : Rest
        What stands behind its name.
    fill : callable
        Gives texts with the values of variables in them.

    Raises
    ------
    ValueProblem
        If a word is not of the kind that the command takes there.
    """
    if row.name in TEXT_COMMANDS:
        words = fill(rest.words)
        text = fill((rest.text,))[0]
        return _converted(row, [*words, text] if text else words)[0], []
    return _converted(row, _words(row, rest, fill))


def uses_arithmetic(row: CommandRow, rest: Rest) -> bool:
    """Whether numbers of a command are given by arithmetic."""
    first = first_number(row)
    if first == len(row.keys):
        return False
    # A variable may hold a number.
    fixed = [token.fixed or "0" for token in rest.tokens[first:]]
    signs = [word for word in fixed if word in arithmetic.SIGNS]
    return bool(signs) or arithmetic.has_arithmetic(fixed[: len(row.keys) - first])


def first_number(row: CommandRow) -> int:
    """Place of the first argument that is a number; the number of arguments if there is none."""
    return next((place for place, key in enumerate(row.keys) if key in _NUMBERS), len(row.keys))


def _words(row: CommandRow, rest: Rest, fill: Fill) -> list[str]:
    if not uses_arithmetic(row, rest):
        return fill(rest.words)
    first = first_number(row)
    words = fill(rest.tokens)
    return [*words[:first], *(as_text(value) for value in arithmetic.evaluated(words[first:]))]


def _converted(row: CommandRow, words: Sequence[str]) -> tuple[list[Argument], list[str]]:
    given: list[Argument] = []
    for place, (key, word) in enumerate(zip(row.keys, words), start=1):
        if key in _NUMBERS and key.islower() and NAME.fullmatch(word):
            return given, list(words[place - 1 :])
        if key not in _NUMBERS:
            given.append(word)
            continue
        try:
            value = number(word)
        except ValueProblem as problem:
            raise ValueProblem(f"argument {place} of {row.name}: {problem}") from None
        if key in "Ii" and abs(value) > LARGEST_INTEGER:
            raise ValueProblem(f"argument {place} of {row.name}: {word} is too large")
        given.append(value if key in "Dd" else int(value))
    for key in row.keys[len(given) :]:
        if key.isupper():  # the table asks for fewer words than the module
            given.append(0 if key in _NUMBERS else "")
    return given, list(words[len(row.keys) :])
