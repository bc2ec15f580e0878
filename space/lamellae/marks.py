"""How lamellae are marked in the Navigator: points with a label and a note.

A label alone is not enough: maps are labelled after their grid, which may be called ``FL1``, and a
person's own points may be called anything. A lamella is

* a *point* labelled ``PL<n>`` or ``FL<n>`` whose note is ``<category> (<probability>%)``, as
  SPACEtomo writes it, or
* a point labelled ``FL<n>`` without a note: one that a person added by hand.

A person may end either note with ``again``: the map of this lamella is to be taken again.

Anything else with such a label was made by somebody else and is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from space.item_types import POINT

FIRST_LABEL = "PL"
"""Label of lamellae found on the whole-grid map, before their positions are refined."""

FINAL_LABEL = "FL"
"""Label of lamellae with refined positions."""

_NOTE = re.compile(r"(?P<category>.*\S) \((?P<percent>\d{1,3})%\)")
_AGAIN = re.compile(r"(?:^|\s+)again$", re.IGNORECASE)


@dataclass(frozen=True)
class Mark:
    """What label and note of a lamella's point say.

    Attributes
    ----------
    prefix : str
        `FIRST_LABEL` or `FINAL_LABEL`.
    number : int
    category, probability :
        As detected; for a point that a person added, a good one for certain.
    by_hand : bool
        Whether a person added it.
    again : bool
        Whether its map is to be taken again.
    """

    prefix: str
    number: int
    category: str = "good"
    probability: float = 1.0
    by_hand: bool = False
    again: bool = False


def mark_of(label: str, note: str, kind: int) -> Mark | None:
    """Return what a Navigator item marks; None when it is no lamella.

    Parameters
    ----------
    label, note : str
        As in the table.
    kind : int
        Type of the item (`space.item_types`).
    """
    number = lamella_number(label)
    if number is None or kind != POINT:
        return None
    prefix = label[: len(FIRST_LABEL)]
    own_note = without_again(note)
    again = own_note != note.strip()
    if not own_note:
        by_hand = Mark(prefix, number, by_hand=True, again=again)
        return by_hand if prefix == FINAL_LABEL else None
    found = _NOTE.fullmatch(own_note)
    if found is None or int(found["percent"]) > 100:
        return None
    probability = int(found["percent"]) / 100
    return Mark(prefix, number, found["category"], probability, again=again)


def without_again(note: str) -> str:
    """Return the note of a lamella's point without the word that asks for a new map."""
    return _AGAIN.sub("", note.strip())


def lamella_number(label: str) -> int | None:
    """Return the number in a PL or FL label; None for other labels.

    Whether the item is a lamella is for `mark_of` to say.
    """
    found = re.fullmatch(rf"(?:{FIRST_LABEL}|{FINAL_LABEL})([0-9]{{1,6}})", label)
    return int(found.group(1)) if found else None


def lamella_note(category: str, probability: float) -> str:
    """Return the Navigator note of a lamella; one line, whatever the category is called."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in category).split())
    return f"{plain or 'lamella'} ({round(100 * probability)}%)"
