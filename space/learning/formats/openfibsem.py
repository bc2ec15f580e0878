"""Folders as OpenFIBSEM keeps them: TIFF pictures, ``labels`` beside them, classes in a YAML file.

Which names its versions give to keys and folders is inferred from how its files look: everything
that reads alike is taken (docs/data.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, write_text_atomic
from space.learning.adding import points_of
from space.learning.boxes import read_boxes
from space.learning.dataset import BACKGROUND, BOXES, DataSet
from space.learning.formats.note import read_note
from space.learning.formats.plain import colors_of, find_pairs, put_boxes, put_keypoints
from space.learning.formats.shared import (
    Pair,
    Wish,
    agreed_classes,
    empty_folder,
    files_in,
    loads,
    put_labels,
    put_picture,
    read_yaml,
    with_values,
    write_all,
    yaml_text,
)
from space.learning.incoming import Incoming, Item, Tell
from space.learning.picture_files import TIFF
from space.predicates import is_whole

_YAML = (".yaml", ".yml")
_FILE = "classes.yaml"
_NAMES, _COLORS = (
    ("labels", "class_labels", "names", "classes"),
    ("colors", "colours", "class_colors"),
)
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def read_openfibsem(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read pictures, labels and the YAML file with the names and colours of the classes."""
    named, colors = read_class_file(root, tell)
    note = read_note(root)
    classes, values = agreed_classes(named, wish, note, colors)
    points = points_of(root)

    def change(item: Item, pair: Pair) -> Item:
        boxes = read_boxes(root / BOXES / f"{item.stem}.json")
        found = points.get(pair.picture.name, ())
        return replace(with_values(item, values), boxes=boxes, points=found)

    pairs = find_pairs(root, tell)
    found = loads(pairs, wish, note, colors_of(classes), change)
    return Incoming(found, classes, note.data.box_classes)


def read_class_file(root: Path, tell: Tell) -> tuple[dict[str, int], dict[str, str]]:
    """Return names and colours of classes by the YAML file beside the pictures; none without one.

    Raises
    ------
    SpaceError
        If there are several, or it cannot be used.
    """
    files = files_in(root, _YAML)
    if not files:
        tell("No YAML file says what the classes are called: they are named by their values.")
        return {}, {}
    named = [path for path in files if "class" in path.stem.lower() or "label" in path.stem.lower()]
    path = (named or files)[0]
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise SpaceError(f"{path.name} holds no table.", str(path))
    names: dict[str, int] = {}
    colors: dict[str, str] = {}
    for name, value, color in _classes(values):
        if not is_name(name) or not 0 <= value <= 255 or value in names.values():
            raise SpaceError(f"The class {shown(name)}: {value} cannot be used.", str(path))
        names[name] = value
        plain = _hex(color)
        if plain:
            colors[name] = plain
    if 0 not in names.values():
        names = {BACKGROUND: 0, **names}
    return names, colors


def _classes(values: Mapping[Any, Any]) -> list[tuple[str, int, Any]]:
    """Return name, value and colour of each class, in any of the forms of such tables."""
    inner = _table(values, _NAMES, values)
    colors = _table(values, _COLORS, {})
    pairs = enumerate(inner) if isinstance(inner, list) else inner.items()
    found = []
    for key, value in pairs:
        number, name, color = key, value, None
        if isinstance(value, dict):
            number, name = value.get("value", value.get("id", key)), value.get("name", key)
            color = value.get("color", value.get("colour"))
        elif isinstance(key, str) and is_whole(value):
            number, name = value, key
        if isinstance(number, str) and number.isdigit():
            number = int(number)
        if not is_whole(number) or not isinstance(name, str):
            continue
        found.append((name.strip(), number, color or _color(colors, number, name)))
    return found


def _table(values: Mapping[Any, Any], keys: Iterable[str], otherwise: Any) -> Any:
    found = (values.get(key) for key in keys)
    return next((one for one in found if isinstance(one, (dict, list))), otherwise)


def _color(colors: Any, number: int, name: str) -> Any:
    if isinstance(colors, list):
        return colors[number] if 0 <= number < len(colors) else None
    return colors.get(number, colors.get(str(number), colors.get(name)))


def _hex(color: Any) -> str:
    """Return a colour as ``#rrggbb``; empty if it is none. Names are those of matplotlib (CSS)."""
    from matplotlib.colors import to_hex

    if (
        isinstance(color, (list, tuple))
        and all(is_whole(part) for part in color)
        and any(part > 1 for part in color)
    ):
        color = [part / 255 for part in color]
    try:
        found = str(to_hex(color))
    except (ValueError, TypeError):
        return ""
    return found if _HEX.fullmatch(found) else ""


def write_openfibsem(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write TIFF pictures, TIFF labels in ``labels``, and the classes as YAML."""
    empty_folder(out)

    def put(item: Item, stem: str) -> None:
        put_picture(out, stem, item, TIFF)
        if item.labels is not None:
            put_labels(out / "labels", stem, item.labels, ".tif")
        put_boxes(out, stem, item)

    count = write_all(source, data, out, put, tell)
    put_keypoints(source, out)
    described = {
        "labels": {one.value: one.name for one in data.classes},
        "colors": {one.value: one.color for one in data.classes},
    }
    write_text_atomic(out / _FILE, yaml_text(described, out / _FILE))
    return count
