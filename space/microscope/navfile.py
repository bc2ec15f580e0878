"""Reading a saved Navigator file for what no command reports, such as the scale of a map."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from space.geometry import Matrix
from space.item_types import MAP
from space.microscope import autodoc

_ITEM = "Item"


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
    def kind(self) -> int:
        """POINT, POLYGON or MAP; -1 if the file does not say."""
        numbers = self.numbers("Type")
        return int(numbers[0]) if numbers else -1

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return self.kind == MAP

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return the numbers of a key, none when it is missing or not numeric."""
        return autodoc.numbers(self.values.get(key, ""))

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
    data = Path(path).read_bytes()
    text = autodoc.decoded(data)[0].lstrip("\ufeff \t\r\n")
    if text.startswith("<?xml"):
        return _read_xml(text)
    sections = autodoc.parse(data).of_kind(_ITEM)
    return tuple(SavedItem(section.name, section.values) for section in sections)


def _read_xml(text: str) -> tuple[SavedItem, ...]:
    # The text is decoded already: what the declaration says of its encoding does not matter.
    _, _, body = text.partition("?>")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return tuple(
        SavedItem(node.get("name", ""), {child.tag: (child.text or "").strip() for child in node})
        for node in root
        if node.tag == _ITEM
    )
