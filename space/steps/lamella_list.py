"""What is known about a grid's lamellae beside their Navigator items."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from space.errors import SpaceError
from space.files import write_text_atomic
from space.lamellae.select import Lamella
from space.microscope.navigator import Item
from space.steps.session import FINAL_LABEL, FIRST_LABEL, lamella_number

DEFAULT_SIZE_UM = (16.0, 16.0)
"""Size of a lamella that a person added by hand."""


@dataclass(frozen=True)
class LamellaList:
    """The lamellae of a grid.

    Attributes
    ----------
    lamellae : tuple of Lamella
        To visit; `size_um` is along the stage axes.
    others : tuple of Lamella
        Detected too, but excluded; neighbours that help to recognise a picture.
    offset_um : tuple of float or None
        Shift from low to intermediate magnification, once it was measured and applied.
    """

    lamellae: tuple[Lamella, ...]
    others: tuple[Lamella, ...] = ()
    offset_um: tuple[float, float] | None = None

    def updated(self, lamella: Lamella) -> LamellaList:
        """Return the list with one lamella's facts replaced."""
        kept = tuple(lamella if one.number == lamella.number else one for one in self.lamellae)
        return replace(self, lamellae=kept)


def save(path: Path, known: LamellaList) -> None:
    """Write the list."""
    values = {
        "offset_um": known.offset_um,
        "lamellae": [_to_dict(one) for one in known.lamellae],
        "others": [_to_dict(one) for one in known.others],
    }
    write_text_atomic(path, json.dumps(values, indent=1) + "\n")


def load(path: Path) -> LamellaList | None:
    """Read the list; None when there is none yet.

    Raises
    ------
    SpaceError
        When the file was damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        offset = values["offset_um"]
        return LamellaList(
            tuple(_from_dict(one) for one in values["lamellae"]),
            tuple(_from_dict(one) for one in values["others"]),
            None if offset is None else (float(offset[0]), float(offset[1])),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SpaceError(
            f"The list of lamellae cannot be read: {error!r}.",
            str(path),
            "Delete this file; the lamellae are then detected again.",
        ) from None


def _to_dict(lamella: Lamella) -> dict[str, object]:
    return {
        "number": lamella.number,
        "stage_um": list(lamella.stage_um),
        "size_um": list(lamella.size_um),
        "category": lamella.category,
        "probability": lamella.probability,
    }


def _from_dict(values: dict) -> Lamella:
    x, y = values["stage_um"]
    width, height = values["size_um"]
    return Lamella(
        int(values["number"]),
        (float(x), float(y)),
        (float(width), float(height)),
        str(values["category"]),
        float(values["probability"]),
    )


def note(category: str, probability: float) -> str:
    """Return the Navigator note of a lamella."""
    return f"{category} ({round(100 * probability)}%)"


def of_item(item: Item, known: LamellaList | None) -> Lamella:
    """Return what is known about the lamella of a PL or FL item.

    The position is the item's (a person may have moved it); an item that a person added has
    the default size, and what its note tells.
    """
    number = lamella_number(item.label) or 0
    for lamella in known.lamellae if known else ():
        if lamella.number == number:
            return replace(lamella, stage_um=item.stage_um)
    told = re.match(r"(\w+) \((\d+)%\)", item.note)
    category, probability = (told.group(1), int(told.group(2)) / 100) if told else ("good", 1.0)
    return Lamella(number, item.stage_um, DEFAULT_SIZE_UM, category, probability)


def labelled(items: list[Item], prefix: str) -> list[Item]:
    """Return the items PL<n> or FL<n>, by number."""
    chosen = [
        item
        for item in items
        if item.label.startswith(prefix) and lamella_number(item.label) is not None
    ]
    return sorted(chosen, key=lambda item: (lamella_number(item.label), item.index))


def to_visit(items: list[Item]) -> list[Item]:
    """Return the items of lamellae for montages, one of each number: FL, or PL without an FL."""
    chosen: dict[int, Item] = {}
    for item in (*labelled(items, FINAL_LABEL), *labelled(items, FIRST_LABEL)):
        chosen.setdefault(lamella_number(item.label) or 0, item)
    return [chosen[number] for number in sorted(chosen)]
