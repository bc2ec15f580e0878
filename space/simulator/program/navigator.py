"""The Navigator: a table of positions and maps."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from space.simulator.formats import navfile
from space.simulator.formats.navfile import MAP, NavFile, NavItem
from space.simulator.program.nav_items import for_file

HIGHEST_ID = 2147483647


class NavigatorError(ValueError):
    """The table has no such item, or the file cannot be read; the text says why."""


class Navigator:
    """The item table. Indexes count from 1, as in scripts.

    Parameters
    ----------
    seed : int
        Seed of the unique item numbers.

    Attributes
    ----------
    is_open : bool
        Whether the window is open; commands are refused while it is not.
    path : Path or None
        The file it is saved in.
    items : list of NavItem
        The table.
    selected : int
        Index of the selected item, 0 = none.
    registration : int
        Current registration.
    changed : bool
        Whether the table differs from the file.
    """

    def __init__(self, seed: int = 0) -> None:
        self.is_open = False
        self.path: Path | None = None
        self.items: list[NavItem] = []
        self.selected = 0
        self.registration = 1
        self.changed = False
        self._random = random.Random(seed)
        self._next_label = 1
        self._file = NavFile()
        self._used_ids: set[int] = set()

    def open(self, path: Path | None = None) -> None:
        """Open the window, with the contents of a file if it is there."""
        if path is not None:
            if Path(path).exists():
                self.load(path)
            self.path = Path(path)
        self.is_open = True

    def close(self) -> None:
        """Close the window and forget the table."""
        self.is_open = False
        self._clear()
        self.path = None

    def load(self, path: Path) -> None:
        """Replace the table by the contents of a file.

        Raises
        ------
        NavigatorError
            If the file is missing or no Navigator file; the table stays as it is.
        """
        contents = _read(path)
        self._clear()
        self.is_open = True
        self._file = contents
        self.path = Path(path)
        self._take_in(contents.items)
        self.selected = 1 if self.items else 0

    def merge(self, path: Path) -> int:
        """Append the items of another file; those that are in the table already are left out.

        Returns
        -------
        int
            Number of items added.

        Raises
        ------
        NavigatorError
            If the file is missing or no Navigator file.
        """
        known = {item.map_id for item in self.items} - {0}
        fresh = [item for item in _read(path).items if item.map_id not in known]
        self._take_in(fresh)
        self.changed = self.changed or bool(fresh)
        return len(fresh)

    def _take_in(self, items: Iterable[NavItem]) -> None:
        self.items += items
        self._used_ids.update(item.map_id for item in items)
        numbers = [_leading_number(item.label) for item in items]
        self._next_label = max([self._next_label - 1, *numbers]) + 1

    def save(self, path: Path | None = None, as_xml: bool = False, shown: str = "") -> bool:
        """Write the table; the old file is kept with `~` after its name.

        Parameters
        ----------
        path : Path, optional
            New file name; it is kept even if nothing is written.
        as_xml : bool
            Whether to write XML also where no such file was read.
        shown : str
            The file's name as the program tells it, where that differs from its path.

        Returns
        -------
        bool
            False when the table is empty and so nothing was written.

        Raises
        ------
        NavigatorError
            If there has never been a file name, or it cannot be written.
        """
        if path is not None:
            self.path = Path(path)
        if self.path is None:
            raise NavigatorError("the Navigator has no file name yet")
        if not self.items:
            return False
        header = {
            "AdocVersion": "2.00",
            **self._file.header,
            "LastSavedAs": shown or os.path.abspath(self.path),
        }
        items = tuple(for_file(item) for item in self.items)
        try:
            xml = self._file.xml or as_xml
            navfile.write(self.path, replace(self._file, header=header, items=items, xml=xml))
        except OSError as problem:
            raise NavigatorError(f"cannot write the Navigator file: {problem}") from problem
        self.changed = False
        return True

    def unique_id(self) -> int:
        """Give a map ID that no item has or had."""
        while True:
            number = self._random.randint(1, HIGHEST_ID)
            if number not in self._used_ids:
                self._used_ids.add(number)
                return number

    def add(self, item: NavItem, label: str = "") -> int:
        """Append an item with the next label and a unique ID; it becomes the selected one.

        Returns
        -------
        int
            Its index, which is the number of items.
        """
        if not item.map_id:
            item = item.updated({"MapID": str(self.unique_id())})
        if not label:
            label = str(self._next_label)
            self._next_label += 1
        self.items.append(NavItem(label, item.values))
        self.selected = len(self.items)
        self.changed = True
        return self.selected

    def position(self, index: int, from_end: bool = True) -> int:
        """Give the index counted from 1 for one that may count from the end (negative).

        Raises
        ------
        NavigatorError
            If there is no such item.
        """
        count = len(self.items)
        found = count + 1 + index if index < 0 and from_end else index
        if not 1 <= found <= count:
            raise NavigatorError(f"index {index} is out of the range of the {count} items")
        return found

    def item(self, index: int) -> NavItem:
        """Give the item of an index; negative ones count from the end."""
        return self.items[self.position(index) - 1]

    def label_of(self, index: int) -> str:
        """Give an item's label, empty when there is no such item."""
        return self.items[index - 1].label if 1 <= index <= len(self.items) else ""

    def replace(self, index: int, item: NavItem) -> None:
        """Put another item in a place of the table."""
        self.items[self.position(index) - 1] = item
        self.changed = True

    def update(self, index: int, values: Mapping[str, str | None]) -> None:
        """Change entries of an item; None removes one."""
        self.replace(index, self.item(index).updated(values))

    def delete(self, index: int) -> None:
        """Take an item out; those behind it move up."""
        place = self.position(index)
        del self.items[place - 1]
        if self.selected > place or self.selected > len(self.items):
            self.selected -= 1
        self.changed = True

    def index_with_label(self, label: str) -> int:
        """Give the first item of a label, 0 when there is none; upper or lower case."""
        return self._first(lambda item: item.label.lower() == label.lower())

    def index_with_note(self, note: str) -> int:
        """Give the first item of a note, 0 when there is none; upper or lower case."""
        return self._first(lambda item: item.note.lower() == note.lower())

    def index_with_id(self, map_id: int) -> int:
        """Give the item of an ID, 0 when there is none."""
        return self._first(lambda item: map_id != 0 and item.map_id == map_id)

    def map_under(self, index: int) -> int:
        """Give the map to find an item on: itself, the one it was drawn on, or around it.

        Of several maps around the item the one with the smallest area counts; 0 if none.
        """
        item = self.item(index)
        if item.kind == MAP:
            return self.position(index)
        drawn_on = self.index_with_id(item.integer("DrawnID"))
        if drawn_on:
            return drawn_on
        best, best_area = 0, float("inf")
        for number, other in enumerate(self.items, start=1):
            if other.kind != MAP or other.registration != item.registration:
                continue
            area = _area(other.points_um)
            if area < best_area and _inside(item.stage_um[:2], other.points_um):
                best, best_area = number, area
        return best

    def shift(self, dx_um: float, dy_um: float, registration: int, mark: bool = False) -> int:
        """Shift all items of a registration; the raw stage positions stay.

        Parameters
        ----------
        dx_um, dy_um : float
            Shift in stage coordinates.
        registration : int
            Which items.
        mark : bool
            Whether to store the shift in the items (imported ones are then left alone).

        Returns
        -------
        int
            Number of items shifted.
        """
        count = 0
        for index, item in enumerate(self.items):
            if item.registration != registration or (mark and item.integer("Imported")):
                continue
            x, y, z = item.stage_um
            points = tuple((px + dx_um, py + dy_um) for px, py in item.points_um)
            moved = item.moved_to((x + dx_um, y + dy_um, z), points)
            if mark:
                moved = moved.updated({"MarkerShift": f"{dx_um:g} {dy_um:g}"})
            self.items[index] = moved
            count += 1
        self.changed = self.changed or count > 0
        return count

    def _first(self, matches: Callable[[NavItem], bool]) -> int:
        for number, item in enumerate(self.items, start=1):
            if matches(item):
                return number
        return 0

    def _clear(self) -> None:
        self.items = []
        self.selected = 0
        self.changed = False
        self._file = NavFile()
        self._used_ids = set()
        self._next_label = 1


def _read(path: Path) -> NavFile:
    try:
        return navfile.read(path)
    except (OSError, navfile.NavFileError) as problem:
        raise NavigatorError(f"cannot read the Navigator file {path}: {problem}") from problem


def _leading_number(label: str) -> int:
    found = re.match(r"\d+", label)
    return int(found[0]) if found else 0


def _area(points: tuple[tuple[float, float], ...]) -> float:
    total = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        total += x0 * y1 - x1 * y0
    return abs(total) / 2


def _inside(point: tuple[float, float], corners: tuple[tuple[float, float], ...]) -> bool:
    """Whether a point lies in a polygon (crossings of a ray)."""
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside
