"""What is known about a grid's lamellae beside their Navigator items."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.item_types import MAP, POINT, POLYGON
from space.lamellae import FINAL_LABEL, FIRST_LABEL, Lamella, Mark, lamella_number, mark_of
from space.microscope import Item, SavedItem

_OTHER_KINDS = {POINT: "a point with another note", POLYGON: "a polygon", MAP: "a map"}

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
        Shift from low to intermediate magnification, after it was measured and applied.
    made_with : mapping
        The settings with which the lamellae were found; empty when it is not known.
    frame : mapping or None
        `MapFrame` of the whole-grid picture that the places refer to, since the grid was loaded
        again; None: as noted beside that picture.
    order : tuple of int
        Numbers of lamellae in the order that a person wants; the others follow.
    """

    lamellae: tuple[Lamella, ...]
    others: tuple[Lamella, ...] = ()
    offset_um: tuple[float, float] | None = None
    made_with: Mapping[str, Any] = field(default_factory=dict)
    frame: Mapping[str, Any] | None = None
    order: tuple[int, ...] = ()

    def updated(self, lamella: Lamella) -> LamellaList:
        """Return the list with one lamella's facts replaced."""
        kept = tuple(
            lamella if other.number == lamella.number else other for other in self.lamellae
        )
        return replace(self, lamellae=kept)

    def with_facts(self, lamella: Lamella) -> LamellaList:
        """Return the list with one lamella's facts, whether it was in it or not."""
        if any(other.number == lamella.number for other in self.lamellae):
            return self.updated(lamella)
        return replace(self, lamellae=(*self.lamellae, lamella))

    def in_order(self, numbers: Iterable[int]) -> list[int]:
        """Return numbers of lamellae in the order that a person wants, else by number."""
        wanted = {number: place for place, number in enumerate(self.order)}
        return sorted(numbers, key=lambda number: (wanted.get(number, len(wanted)), number))


def save(path: Path, known: LamellaList) -> None:
    """Write the list."""
    values: dict[str, Any] = {
        "offset_um": known.offset_um,
        "made_with": dict(known.made_with),
        "lamellae": [_to_dict(lamella) for lamella in known.lamellae],
        "others": [_to_dict(lamella) for lamella in known.others],
    }
    if known.frame is not None:
        values["frame"] = dict(known.frame)
    if known.order:
        values["order"] = list(known.order)
    write_text_atomic(path, json.dumps(values, indent=1) + "\n")


def load(path: Path) -> LamellaList | None:
    """Read the list; None when there is none yet.

    Raises
    ------
    SpaceError
        When the file was damaged.
    """
    try:
        values = read_json(path)
        offset = values["offset_um"]
        return LamellaList(
            tuple(_from_dict(lamella) for lamella in values["lamellae"]),
            tuple(_from_dict(lamella) for lamella in values["others"]),
            None if offset is None else (float(offset[0]), float(offset[1])),
            dict(values.get("made_with", {})),
            None if values.get("frame") is None else dict(values["frame"]),
            tuple(int(number) for number in values.get("order", ())),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SpaceError(
            f"The list of lamellae cannot be read: {error!r}.",
            str(path),
            "Delete this file; the lamellae are then detected again.",
        ) from None


def _to_dict(lamella: Lamella) -> dict[str, object]:
    values: dict[str, object] = {
        "number": lamella.number,
        "stage_um": list(lamella.stage_um),
        "size_um": list(lamella.size_um),
        "category": lamella.category,
        "probability": lamella.probability,
    }
    return {**values, "sized_by_hand": True} if lamella.sized_by_hand else values


def _from_dict(values: dict[str, Any]) -> Lamella:
    x, y = values["stage_um"]
    width, height = values["size_um"]
    return Lamella(
        int(values["number"]),
        (float(x), float(y)),
        (float(width), float(height)),
        str(values["category"]),
        float(values["probability"]),
        values.get("sized_by_hand") is True,
    )


def mark(item: Item) -> Mark | None:
    """Return what an item marks; None when it is no lamella."""
    return mark_of(item.label, item.note, item.kind)


def of_item(item: Item, known: LamellaList | None) -> Lamella:
    """Return what is known about the lamella of a PL or FL point.

    The position is the item's (a person may have moved it); an item that a person added has
    the default size.
    """
    found = mark(item) or Mark(FINAL_LABEL, lamella_number(item.label) or 0, by_hand=True)
    for lamella in known.lamellae if known and not found.by_hand else ():
        if lamella.number == found.number:
            return replace(lamella, stage_um=item.stage_um)
    return Lamella(found.number, item.stage_um, DEFAULT_SIZE_UM, found.category, found.probability)


def labelled(items: list[Item], prefix: str) -> list[Item]:
    """Return the points of lamellae PL<n> or FL<n>, by number."""
    chosen = [item for item in items if (found := mark(item)) and found.prefix == prefix]
    return sorted(chosen, key=lambda item: (lamella_number(item.label), item.index))


def is_by_hand(item: Item) -> bool:
    """Whether a person added the point of a lamella."""
    found = mark(item)
    return found is not None and found.by_hand


def to_visit(items: list[Item]) -> list[Item]:
    """Return the points of lamellae for montages, one of each number.

    FL, or PL without an FL. Of two points with one number, that of SPACEtomo is taken before one
    that a person added, since results bear the number.
    """
    points = (*labelled(items, FINAL_LABEL), *labelled(items, FIRST_LABEL))
    chosen: dict[int, Item] = {}
    for item in sorted(points, key=is_by_hand):
        chosen.setdefault(number_of(item), item)
    return [chosen[number] for number in sorted(chosen)]


def number_of(item: Item) -> int:
    """Return the number in the label of a lamella's point."""
    number = lamella_number(item.label)
    if number is None:
        raise ValueError(f"{item.label!r} is not the label of a lamella")
    return number


def numbers_to_visit(items: list[Item]) -> list[int]:
    """Return the numbers of the lamellae for montages."""
    return [number_of(item) for item in to_visit(items)]


def points_to_visit(items: Sequence[SavedItem]) -> list[tuple[Mark, SavedItem]]:
    """Return what `to_visit` does of the items of a file, with what they say."""
    marks = [(mark_of(item.label, item.note, item.kind), item) for item in items]
    found = [(mark, item) for mark, item in marks if mark is not None]
    found.sort(key=lambda pair: (pair[0].by_hand, pair[0].prefix != FINAL_LABEL))
    chosen: dict[int, tuple[Mark, SavedItem]] = {}
    for one, item in found:
        chosen.setdefault(one.number, (one, item))
    return [chosen[number] for number in sorted(chosen)]


def excluded_by_hand(
    marks: Iterable[Mark | None], known: LamellaList | None, classes: Collection[str]
) -> frozenset[int]:
    """Return the lamellae whose note a person has changed to one of the excluded classes.

    A class that was excluded only later leaves out no lamella that was found before.
    """
    before = {lamella.number: lamella.category for lamella in known.lamellae} if known else {}
    return frozenset(
        found.number
        for found in marks
        if found is not None
        and found.category in classes
        and before.get(found.number) != found.category
    )


def remarks(items: list[Item]) -> list[str]:
    """Return messages about items that look like lamellae but are not used, with the reason."""
    visited = {item.index for item in to_visit(items)}
    found = []
    for item in items:
        if lamella_number(item.label) is None or item.index in visited:
            continue
        if is_by_hand(item):
            found.append(
                f"Item {item.index}, {item.label}, was added by hand and another lamella has this "
                "number: it is left out. Give it a label with a number of its own."
            )
        elif mark(item) is None:
            kind = _OTHER_KINDS.get(item.kind, "")
            found.append(f"Item {item.index}, {item.label}, is no lamella ({kind}): left alone.")
    return found
