"""Texts in variables of scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from space.simulator.language.values import as_text

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

_ENDING_DIGITS = re.compile(r"\d*\Z")


def compare_strings(session: Session, variable: str, text: str) -> float:
    """Compare the value of a variable with a text: 0 if equal, otherwise 1 or -1 by their order."""
    return _order(as_text(session.variables.get(variable)), text)


def compare_no_case(session: Session, variable: str, text: str) -> float:
    """Compare as CompareStrings does, whatever the case of the letters."""
    return _order(as_text(session.variables.get(variable)).lower(), text.lower())


def _order(one: str, other: str) -> float:
    return float((one > other) - (one < other))


def strip_ending_digits(session: Session, variable: str, receiver: str) -> float:
    """Put the value of a variable without the digits at its end into another one; the digits."""
    text = as_text(session.variables.get(variable))
    digits = _ENDING_DIGITS.search(text)
    ending = digits[0] if digits else ""
    session.variables.set(receiver, text[: len(text) - len(ending)])
    return float(ending or 0)


COMMANDS: Commands = {
    "CompareStrings": compare_strings,
    "CompareNoCase": compare_no_case,
    "StripEndingDigits": strip_ending_digits,
}
