"""Reading the saved Navigator file for what no command tells: an image's stage matrix."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from space.geometry import Matrix

MAP = 2
"""Navigator item type of a map."""


@dataclass(frozen=True)
class SavedItem:
    """One item of a .nav file: label and raw key → text values."""

    label: str
    values: dict[str, str]

    @property
    def note(self) -> str:
        """Note of the item."""
        return self.values.get("Note", "")

    @property
    def acquire(self) -> bool:
        """Whether Acquire is on."""
        return self.values.get("Acquire", "0").strip() == "1"

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return self.values.get("Type", "").strip() == str(MAP)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return the numbers of a key, none when it is missing or not numeric."""
        try:
            return tuple(float(word) for word in self.values.get(key, "").split())
        except ValueError:
            return ()

    def stage_to_px(self, shape: tuple[int, int]) -> Matrix | None:
        """Return the map's matrix stage µm → (column, row) for an image of this shape.

        SerialEM stores it for the size in MapWidthHeight; an image loaded at another size
        scales it.
        """
        scale = self.numbers("MapScaleMat")
        size = self.numbers("MapWidthHeight")
        if len(scale) != 4 or len(size) != 2 or min(size) <= 0:
            return None
        columns, rows = shape[1] / size[0], shape[0] / size[1]
        return ((scale[0] * columns, scale[1] * columns), (scale[2] * rows, scale[3] * rows))


def read_navigator_file(path: Path) -> tuple[SavedItem, ...]:
    """Read the items of a .nav file in table order, in either of SerialEM's two formats.

    Raises
    ------
    OSError, ValueError
        When the file cannot be read or is not a Navigator file.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if text.lstrip().startswith("<?xml"):
        return _read_xml(text)
    return _read_autodoc(text)


def _read_autodoc(text: str) -> tuple[SavedItem, ...]:
    items: list[SavedItem] = []
    current: dict[str, str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            kind, _, label = line.strip("[]").partition("=")
            current = {}
            if kind.strip() == "Item":
                items.append(SavedItem(label.strip(), current))
        elif "=" in line and current is not None:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    return tuple(items)


def _read_xml(text: str) -> tuple[SavedItem, ...]:
    try:
        root = ElementTree.fromstring(text.lstrip().encode("utf-8"))
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return tuple(
        SavedItem(node.get("name", ""), {child.tag: (child.text or "").strip() for child in node})
        for node in root
        if node.tag == "Item"
    )
