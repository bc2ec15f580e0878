"""Settings in a file in TOML: each with what fits it, and all that is wrong told at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import read_bytes_bounded
from space.predicates import is_number, is_whole
from space.spelling import slip

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same package by its older name
    import tomli as tomllib

_LARGEST_FILE_BYTES = 100_000


@dataclass(frozen=True)
class Fit:
    """What values a setting may have.

    Attributes
    ----------
    fits : callable
        Whether a value is one.
    wanted : str
        The same in words: "rate is 7, not ...".
    """

    fits: Callable[[Any], bool]
    wanted: str


def read_toml(path: Path, example: str) -> dict[str, Any]:
    """Read a file in TOML.

    Raises
    ------
    SpaceError
        If it cannot be read or is none; `example` is a line as it should be.
    """
    try:
        return tomllib.loads(read_bytes_bounded(path, _LARGEST_FILE_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise SpaceError(
            f"The configuration cannot be read ({error.strerror or error}).", str(path)
        ) from None
    except ValueError as error:  # also what is not UTF-8
        raise SpaceError(
            f"The configuration is not TOML ({error}).",
            str(path),
            f"Write texts in quotes, and paths with forward slashes: {example}.",
        ) from None


def problems_of(
    values: Mapping[str, Any], known: Mapping[str, Fit], needed: Collection[str], what: str
) -> list[str]:
    """Return a sentence for each setting that is unknown, missing or does not fit.

    Parameters
    ----------
    values : mapping of str to value
    known : mapping of str to Fit
    needed : collection of str
    what : str
        "... is no setting of" this.
    """
    found = []
    for key in values:
        if key not in known:
            near = slip(key, known, values)
            meant = f" (is {near} meant?)" if near else ""
            found.append(f"{shown(key)} is no setting of {what}{meant}.")
    found += [f"{key} is missing." for key in needed if key not in values]
    found += [
        f"{key} is {shown(values[key])}, not {one.wanted}."
        for key, one in known.items()
        if key in values and not one.fits(values[key])
    ]
    return found


def are(value: object, fits: Callable[[Any], bool]) -> bool:
    """Whether a value is a list of different things that fit."""
    return (
        isinstance(value, list)
        and len(set(map(str, value))) == len(value)
        and all(map(fits, value))
    )


def whole(least: int, most: int) -> Fit:
    """A whole number in a range."""
    return Fit(
        lambda value: is_whole(value) and least <= value <= most,
        f"a whole number from {least} to {most}",
    )


def one_of(names: Collection[str]) -> Fit:
    """One of some texts."""
    return Fit(lambda value: value in names, f"one of {', '.join(names)}")


def path_of(what: str) -> Fit:
    """The path of something."""
    return Fit(
        lambda value: isinstance(value, str) and bool(value) and value.isprintable(),
        f"the path of {what}",
    )


def several(names: Collection[str]) -> Fit:
    """A list of some texts, each once."""
    return Fit(lambda value: are(value, lambda one: one in names), f"a list of {', '.join(names)}")


def wholes(least_many: int, most_many: int, most: int, what: str) -> Fit:
    """A list of whole numbers above 0."""
    return Fit(
        lambda value: (
            isinstance(value, list)
            and least_many <= len(value) <= most_many
            and all(is_whole(one) and 1 <= one <= most for one in value)
        ),
        f"a list of {least_many} to {most_many} {what}, each from 1 to {most}",
    )


SHARE = Fit(lambda value: is_number(value) and 0 <= value <= 1, "a share from 0 to 1")
RATE = Fit(lambda value: is_number(value) and 0 < value <= 1, "a number above 0, at most 1")
LENGTH_NM = Fit(lambda value: is_number(value) and 0.01 <= value <= 1e5, "a length in nm")
SEED = whole(0, 2**31 - 1)
THREADS = whole(1, 256)
