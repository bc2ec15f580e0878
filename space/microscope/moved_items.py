"""Navigator items of a grid that lies on the stage another way than when they were made.

No command of SerialEM turns items by an angle that a script has measured. The Navigator's file
holds all that has to change, so that the file is changed and read again: places of items and of
their corners, and of maps the matrix from stage to pixels. What is not changed stays as it is, byte
for byte.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import write_bytes_atomic
from space.item_types import MAP
from space.microscope import autodoc, navigator
from space.microscope.navfile import read_navigator_file
from space.microscope.sem import error_text, sem_errors, serialem
from space.registration import Movement
from space.xml_text import escape, unescape

_PLACE, _XS, _YS, _SCALE = "StageXYZ", "PtsX", "PtsY", "MapScaleMat"
_LINE = re.compile(r"(?P<head>[ \t]*(?P<key>\w+)[ \t]*=[ \t]*)(?P<value>[^\r\n]*?)(?P<end>\s*)\Z")
_XML_ITEM = re.compile(r"<Item\b[^>]*>.*?</Item>", re.DOTALL)
_XML_ENTRY = re.compile(r"<(?P<key>\w+)>(?P<value>[^<]*)</(?P=key)>")


def move_items(movement: Movement) -> int:
    """Give the items of the open Navigator the places at which they lie now; return how many.

    The file of before is kept beside it.

    Raises
    ------
    SpaceError
        When the Navigator has no file, or this cannot be read.
    """
    sem = serialem()
    try:
        navigator.save()
        path = Path(str(sem.ReportNavFile()))
    except sem_errors() as error:
        raise SpaceError(f"The Navigator has no file: {error_text(error)}.", "Navigator") from error
    before = path.read_bytes()
    after, count = moved(before, movement)
    if len(read_navigator_file(path)) != int(sem.ReportNumTableItems()):
        raise SpaceError(
            "The Navigator's file does not hold all its items.",
            str(path),
            "Save the Navigator and run the script again.",
        )
    shutil.copyfile(path, _kept(path))
    sem.CloseNavigator()
    write_bytes_atomic(path, after)
    sem.ReadNavFile(str(path))
    return count


def was_moved(path: Path, note: str) -> bool:
    """Whether the item with a note was moved when a grid was loaded again.

    Parameters
    ----------
    path : Path
        The Navigator file.
    note : str
        Of a map.
    """
    before = _kept(path)
    return before.is_file() and any(item.note == note for item in read_navigator_file(before))


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.stem}_before_reload{path.suffix}")


def moved(data: bytes, movement: Movement) -> tuple[bytes, int]:
    """Return the bytes of a Navigator file with its items moved, and how many were.

    Parameters
    ----------
    data : bytes
        The file, in either of SerialEM's two formats.
    movement : Movement
        From where the items were to where they are.
    """
    # Whatever the file is encoded in, what is not changed comes back as it was.
    text = data.decode("utf-8", "surrogateescape")
    is_xml = text.lstrip("\ufeff \t\r\n").startswith("<?xml")
    changed, count = _moved_xml(text, movement) if is_xml else _moved_text(text, movement)
    return changed.encode("utf-8", "surrogateescape"), count


def _moved_text(text: str, movement: Movement) -> tuple[str, int]:
    count = 0
    parts = re.split(r"(?m)(?=^[ \t]*\[)", text)
    for number, part in enumerate(parts):
        if not re.match(r"[ \t]*\[[ \t]*Item\b", part):
            continue
        lines = part.splitlines(keepends=True)
        entries = [_LINE.fullmatch(line) for line in lines]
        values = {found["key"]: found["value"] for found in entries if found}
        new = moved_values(values, movement)
        for position, found in enumerate(entries):
            if found and found["key"] in new:
                lines[position] = found["head"] + new[found["key"]] + found["end"]
        count += bool(new)
        parts[number] = "".join(lines)
    return "".join(parts), count


def _moved_xml(text: str, movement: Movement) -> tuple[str, int]:
    count = 0

    def moved_item(item: re.Match[str]) -> str:
        nonlocal count
        entries = _XML_ENTRY.finditer(item[0])
        values = {found["key"]: unescape(found["value"]).strip() for found in entries}
        new = moved_values(values, movement)
        count += bool(new)
        return _XML_ENTRY.sub(_replacing(new), item[0])

    return _XML_ITEM.sub(moved_item, text), count


def _replacing(new: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    def entry(found: re.Match[str]) -> str:
        key = found["key"]
        return f"<{key}>{escape(new[key])}</{key}>" if key in new else found[0]

    return entry


def moved_values(values: Mapping[str, str], movement: Movement) -> dict[str, str]:
    """Return the entries of an item that change; none for one whose place cannot be read."""
    place = autodoc.numbers(values.get(_PLACE, ""))
    if len(place) < 3:
        return {}
    x, y = movement.apply(np.array([place[:2]]))[0]
    new = {_PLACE: " ".join((f"{x:.4f}", f"{y:.4f}", *(f"{z:g}" for z in place[2:])))}
    xs, ys = (autodoc.numbers(values.get(key, "")) for key in (_XS, _YS))
    if xs and len(xs) == len(ys):
        points = movement.apply(np.column_stack([xs, ys]))
        new[_XS], new[_YS] = (" ".join(f"{v:.4f}" for v in column) for column in points.T)
    scale = autodoc.numbers(values.get(_SCALE, ""))
    if len(scale) == 4 and values.get("Type", "").strip() == str(MAP):
        matrix = np.array(scale).reshape(2, 2) @ movement.matrix.T
        new[_SCALE] = " ".join(f"{value:.9g}" for value in matrix.ravel())
    return new
