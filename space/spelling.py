"""Misspelt names, and the names that were probably meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

ALIKE, ALIKE_IF_MISSING = 0.85, 0.75
"""Similarity above which a name counts as misspelt. It is higher where the known name is given as
well, since a file may have names of its own."""


def meant(name: str, known: Collection[str], alike: float) -> str:
    """Return the known name that is most similar, by letters alone; empty if none is."""
    plain = {_letters(one): one for one in known}
    near = get_close_matches(_letters(name), list(plain), n=1, cutoff=alike)
    return plain[near[0]] if near else ""


def slip(name: str, known: Collection[str], there: Collection[str]) -> str:
    """Return the known name that was probably meant; empty if there is none.

    Parameters
    ----------
    name : str
        A name that is not among the known ones.
    known : collection of str
    there : collection of str
        All names that are given.
    """
    missing = [one for one in known if one not in there]
    return meant(name, missing, ALIKE_IF_MISSING) or meant(name, known, ALIKE)


def _letters(name: str) -> str:
    return name.lower().replace("_", "")[:100]
