"""Names of files in a data set: usable on every system, and none leads out of its folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
_LONGEST_STEM = 120
_MAP = re.compile(r"(?P<grid>.+)_L(?P<lamella>\d{1,6})")


def is_file_name(text: object) -> bool:
    """Whether a text from outside can be the name of a file in a folder, on every system."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= _LONGEST_STEM + 20
        and text.isprintable()
        and not _FORBIDDEN.search(text)
        and not _RESERVED.fullmatch(text)
        and text == text.strip(" .")
    )


def clean_stem(text: str) -> str:
    """Return a name without suffix in which everything that a system refuses is replaced.

    Blanks within it, umlauts and capitals stay.
    """
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(letter if letter.isprintable() else "_" for letter in composed)
    stem = _FORBIDDEN.sub("_", shown)[:_LONGEST_STEM].strip(" .")
    if not stem:
        return "picture"
    return f"_{stem}" if _RESERVED.fullmatch(stem) else stem


def free_stem(wanted: str, taken: Collection[str]) -> str:
    """Return `wanted`, with a number if it is taken; `taken` holds names as `folded` gives them."""
    stem, number = wanted, 1
    while folded(stem) in taken:
        number += 1
        stem = f"{wanted}_{number}"
    return stem


def folded(stem: str) -> str:
    """Return what two names have in common that are one file on some systems."""
    return unicodedata.normalize("NFC", stem).casefold()


def grid_and_lamella(stem: str) -> tuple[str, int]:
    """Return grid and number of the lamella by the name of a map (``<grid>_L01``); else "", 0."""
    found = _MAP.fullmatch(stem)
    return (found["grid"], int(found["lamella"])) if found else ("", 0)
