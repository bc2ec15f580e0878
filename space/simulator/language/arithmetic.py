"""Arithmetic: what a row of words gives when their values are known."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Union

from lark import Token, Transformer
from lark.exceptions import UnexpectedInput

from space.simulator.language.grammars import parser
from space.simulator.language.supported import ONE_VALUE, TWO_VALUES
from space.simulator.language.values import ValueProblem, is_number, number

Value = Union[float, str]
Operands = Sequence[str]
Evaluate = Callable[[Operands], Value]

_WORDS = re.compile(r"[()]|[^\s()]+")
LOGICAL = frozenset({"AND", "OR", "NOT"})
SIGNS = frozenset({"+", "-", "*", "/", "==", "!=", "<", ">", "<=", ">=", "(", ")"})


def _remainder(value: float, by: float) -> float:
    return math.fmod(round(value), round(by))


def _fractional_difference(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other))


ONE: dict[str, Callable[[float], float]] = {
    "SQRT": math.sqrt,
    "ABS": abs,
    "NEARINT": lambda value: math.copysign(math.floor(abs(value) + 0.5), value),
    "FLOOR": math.floor,
    "CEILING": math.ceil,
    "SIN": lambda deg: math.sin(math.radians(deg)),
    "COS": lambda deg: math.cos(math.radians(deg)),
    "TAN": lambda deg: math.tan(math.radians(deg)),
    "ATAN": lambda ratio: math.degrees(math.atan(ratio)),
    "LOG": math.log,
    "LOG10": math.log10,
    "EXP": math.exp,
}
TWO: dict[str, Callable[[float, float], float]] = {
    "ATAN2": lambda y, x: math.degrees(math.atan2(y, x)),
    "MODULO": _remainder,
    "MIN": min,
    "MAX": max,
    "POWER": math.pow,
    "DIFFABS": lambda one, other: abs(one - other),
    "FRACDIFF": _fractional_difference,
}
_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
    "==": lambda one, other: float(one == other),
    "!=": lambda one, other: float(one != other),
    "<": lambda one, other: float(one < other),
    ">": lambda one, other: float(one > other),
    "<=": lambda one, other: float(one <= other),
    ">=": lambda one, other: float(one >= other),
}


class ArithmeticProblem(ValueProblem):
    """Words that are no arithmetic; the message says where."""


def _number(value: Value) -> float:
    return number(value) if isinstance(value, str) else value


def _applied(name: str, function: Callable[..., float], *values: Value) -> float:
    numbers = [_number(value) for value in values]
    try:
        result = float(function(*numbers))
    except (ValueError, ZeroDivisionError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        listed = [f"{value:g}" for value in numbers]
        what = " ".join((name, *listed)) if name.isalnum() else f" {name} ".join(listed)
        raise ArithmeticProblem(f"{what} is not a number")
    return result


class _Compiler(Transformer[Token, "tuple[Evaluate, ...]"]):
    """Makes a function of the operands of what the grammar has found."""

    def __init__(self) -> None:
        super().__init__()
        self._operands = 0

    def start(self, children: list[Evaluate]) -> tuple[Evaluate, ...]:
        return tuple(children)

    def operand(self, children: list[Token]) -> Evaluate:
        place = self._operands
        self._operands += 1
        return lambda operands: operands[place]

    def binary(self, children: list[Evaluate]) -> Evaluate:
        one, sign, other = children
        name = str(sign)
        function = _BINARY[name]
        return lambda operands: _applied(name, function, one(operands), other(operands))

    def one(self, children: list[Evaluate]) -> Evaluate:
        name, argument = str(children[0])[4:], children[1]
        function = ONE[name]
        return lambda operands: _applied(name, function, argument(operands))

    def two(self, children: list[Evaluate]) -> Evaluate:
        name, one, other = str(children[0])[4:], children[1], children[2]
        function = TWO[name]
        return lambda operands: _applied(name, function, one(operands), other(operands))

    def and_(self, children: list[Evaluate]) -> Evaluate:
        one, other = children
        return lambda operands: float(_number(one(operands)) != 0 and _number(other(operands)) != 0)

    def or_(self, children: list[Evaluate]) -> Evaluate:
        one, other = children
        return lambda operands: float(_number(one(operands)) != 0 or _number(other(operands)) != 0)

    def not_(self, children: list[Evaluate]) -> Evaluate:
        (argument,) = children
        return lambda operands: float(_number(argument(operands)) == 0)


def _kind(word: str) -> str:
    """What a word can be to the grammar."""
    if word in SIGNS:
        return word
    upper = word.upper()
    if upper in LOGICAL:
        return upper
    if upper in ONE_VALUE:
        return "one_" + upper
    return "two_" + upper if upper in TWO_VALUES else "X"


def _kinds(words: Sequence[str]) -> tuple[str, ...]:
    """What each of some words is; the name of a function is one in front of a value only."""
    kinds = [_kind(word) for word in words]
    for place in range(len(words) - 1, -1, -1):
        if "_" in kinds[place] and not _is_value(words, kinds, place + 1):
            kinds[place] = "X"
    return tuple(kinds)


def _is_value(words: Sequence[str], kinds: Sequence[str], place: int) -> bool:
    """Whether a value begins at a place."""
    if place >= len(words):
        return False
    return kinds[place] == "(" or "_" in kinds[place] or is_number(words[place])


@lru_cache(maxsize=4096)
def _compiled(kinds: tuple[str, ...]) -> tuple[Evaluate, ...] | int:
    """Functions of the operands, or the place of the word at which the arithmetic breaks off."""
    try:
        tree = parser("arithmetic").parse(" ".join(kinds))
    except UnexpectedInput as error:
        place, column = len(kinds), error.pos_in_stream
        if column is not None and 0 <= column < len(" ".join(kinds)):
            place = " ".join(kinds)[:column].count(" ")
        return min(place, len(kinds) - 1)
    return _Compiler().transform(tree)


def evaluated(words: Sequence[str]) -> list[Value]:
    """Values of expressions that stand one behind another; words alone stay as they are.

    Raises
    ------
    ArithmeticProblem, ValueProblem
        If it is no arithmetic, or a word is no number where one is needed.
    """
    kinds = _kinds(words)
    functions = _compiled(kinds)
    if isinstance(functions, int):
        raise ArithmeticProblem(
            f"{' '.join(words)!r} breaks off at {words[functions]!r}: operators stand between "
            "blanks and between two values, parentheses in pairs"
        )
    operands = [word for word, kind in zip(words, kinds) if kind == "X"]
    return [function(operands) for function in functions]


def apart(text: str) -> list[str]:
    """Words of a text, parentheses as words of their own."""
    return _WORDS.findall(text)


def has_arithmetic(words: Sequence[str]) -> bool:
    """Whether there is an operator, a parenthesis or a function among words."""
    return any(kind != "X" for kind in _kinds(words))


def outline(words: Sequence[str]) -> tuple[int | None, int]:
    """Place of the word at which words are no arithmetic any more, or None; number of values."""
    functions = _compiled(_kinds(words))
    return (functions, 0) if isinstance(functions, int) else (None, len(functions))


def is_function(word: str) -> bool:
    """Whether a word may stand in front of a parenthesis."""
    return _kind(word) != "X"


def calculated(words: Sequence[str]) -> float:
    """Number that an expression gives.

    Raises
    ------
    ArithmeticProblem, ValueProblem
        If it does not give one number.
    """
    values = evaluated(words)
    if len(values) != 1:
        raise ArithmeticProblem(f"{' '.join(words)!r} is not one value")
    return _number(values[0])
