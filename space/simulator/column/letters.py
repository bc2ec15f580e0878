"""Camera sets and low dose areas, and the letters that scripts and files have for them."""

from __future__ import annotations

from typing import Literal

SetLetter = Literal["V", "F", "T", "R", "P", "S", "M"]
"""View, Focus, Trial, Record, Preview, Search, or the set for montages of maps."""

AreaLetter = Literal["V", "F", "T", "R", "S"]

SET_LETTERS: tuple[SetLetter, ...] = ("V", "F", "T", "R", "P", "S", "M")
"""Camera sets; their places are the numbers that files have for them."""

AREA_LETTERS: tuple[AreaLetter, ...] = ("V", "F", "T", "R", "S")
"""Low dose areas; their places are the numbers that scripts get."""

AREA_OF_SET: dict[SetLetter, AreaLetter] = {
    "V": "V",
    "F": "F",
    "T": "T",
    "R": "R",
    "P": "R",
    "S": "S",
    "M": "R",
}
"""Low dose area in which a picture with a set is taken."""


def set_named(text: str) -> SetLetter | None:
    """Give the camera set that a text begins with in any case, None if that is none."""
    return next((letter for letter in SET_LETTERS if letter == text[:1].upper()), None)


def area_named(text: str) -> AreaLetter | None:
    """Give the low dose area that a text begins with in any case, None if that is none."""
    return next((letter for letter in AREA_LETTERS if letter == text[:1].upper()), None)
