"""Boxes as ultralytics reads them: ``images/<split>``, ``labels/<split>``, ``data.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import decode, is_name, read_bytes_bounded, write_text_atomic
from space.lamellae import Box
from space.learning.dataset import SPLITS, DataSet
from space.learning.formats.note import read_note
from space.learning.formats.shared import (
    Pair,
    Wish,
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
from space.learning.names import folded
from space.learning.picture_files import PICTURES, read_label_map
from space.predicates import is_whole

DESCRIPTION = "data.yaml"
NO_SPLIT = "unassigned"
_MASKS = "masks"
_FOLDERS = {**{split: split for split in SPLITS}, NO_SPLIT: "", "valid": "val"}
_READ_BY_ULTRALYTICS = (".png", ".tif", ".tiff")


def is_yolo(root: Path) -> bool:
    """Whether a folder holds a data set in this format."""
    return (root / DESCRIPTION).is_file() or (
        (root / "labels").is_dir() and any((root / "labels").rglob("*.txt"))
    )


def read_yolo(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read pictures with boxes. Of a polygon, the box around it is taken, and told."""
    note = read_note(root)
    names = _names(root)
    pairs, places = [], {}
    for images, labels, split in _folders(root):
        for path in files_in(images, PICTURES):
            pairs.append(Pair(path))
            places[path] = (labels / f"{path.stem}.txt", split)
    if not pairs:
        raise SpaceError("There are no pictures in images/.", str(root), "See docs/data.md.")

    def change(item: Item, pair: Pair) -> Item:
        text, split = places[pair.picture]
        boxes: tuple[Box, ...] | None = None
        # One without a file is a picture without boxes, as ultralytics takes it; but not where it
        # is known that all those with a file were written.
        if text.exists() or folded(item.stem) not in note.samples:
            boxes = _read_boxes(text, item.picture.shape, names, tell)
        masks = root / _MASKS / f"{item.stem}.png"
        labels = read_label_map(masks) if masks.exists() else None
        return replace(with_values(item, {}), boxes=boxes, split=split, labels=labels)

    classes = note.data.classes
    listed = tuple(names.values()) or tuple(note.data.box_classes)
    return Incoming(loads(pairs, wish, note, None, change), classes, listed)


def _folders(root: Path) -> list[tuple[Path, Path, str]]:
    """Return folders of pictures, of their boxes, and the split that they are."""
    found = []
    for name, split in _FOLDERS.items():
        # Both orders are in use.
        for images, labels in (
            (root / "images" / name, root / "labels" / name),
            (root / name / "images", root / name / "labels"),
        ):
            if images.is_dir():
                found.append((images, labels, split))
    return [*found, (root / "images", root / "labels", "")]


def _names(root: Path) -> dict[int, str]:
    """Return the names of classes by number; none where there is no description."""
    if not (root / DESCRIPTION).is_file():
        listed = root / "classes.txt"
        if not listed.is_file():
            return {}
        values: Any = decode(read_bytes_bounded(listed)).splitlines()
    else:
        described = read_yaml(root / DESCRIPTION)
        values = described.get("names") if isinstance(described, dict) else None
    if isinstance(values, dict):
        named = {key: name for key, name in values.items() if is_whole(key)}
    elif isinstance(values, list):
        named = dict(enumerate(values))
    else:
        raise SpaceError(f"The names of classes are {shown(values)}.", str(root / DESCRIPTION))
    found = {number: str(name).strip() for number, name in sorted(named.items())}
    if any(not is_name(name) for name in found.values()):
        raise SpaceError("A class has no name that can be used.", str(root / DESCRIPTION))
    return found


def _read_boxes(
    path: Path, shape: tuple[int, ...], names: Mapping[int, str], tell: Tell
) -> tuple[Box, ...]:
    try:
        lines = decode(read_bytes_bounded(path)).splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SpaceError(f"The boxes cannot be read ({error}).", str(path)) from None
    boxes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            boxes.append(_box(line.split(), shape, names))
        except ValueError as error:
            tell(f"Line {number} of {path.name} is left out: {error}.")
            continue
        if len(line.split()) > 6:
            tell(f"Line {number} of {path.name} is a polygon: the box around it is taken.")
    return tuple(boxes)


def _box(fields: list[str], shape: tuple[int, ...], names: Mapping[int, str]) -> Box:
    category, numbers = int(fields[0]), [float(field) for field in fields[1:]]
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[0::2], numbers[1::2]
        x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
        probability = 1.0
    elif len(numbers) in (4, 5):
        x, y, width, height = numbers[:4]
        x0, x1, y0, y1 = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        probability = numbers[4] if len(numbers) == 5 else 1.0
    else:
        raise ValueError(f"it has {len(fields)} fields")
    if not all(-1 <= value <= 2 for value in (x0, x1, y0, y1)):
        raise ValueError("it lies outside of the picture; numbers are shares of its sides")
    rows, columns = shape
    return Box.from_dict(
        {
            "x0_px": x0 * columns, "y0_px": y0 * rows, "x1_px": x1 * columns, "y1_px": y1 * rows,
            "category": names.get(category, f"class_{category}"), "probability": probability,
        }
    )  # fmt: skip


def write_yolo(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write pictures with boxes for ultralytics; those without a split are in a folder beside.

    Label maps go to ``masks``, which ultralytics passes over.
    """
    empty_folder(out)
    numbers = {name: number for number, name in enumerate(data.box_classes)}

    def put(item: Item, stem: str) -> None:
        folder = item.split or NO_SPLIT
        put_picture(out / "images" / folder, stem, item, _READ_BY_ULTRALYTICS)
        if item.boxes is not None:
            rows, columns = item.picture.shape
            lines = [_line(box, numbers, rows, columns) for box in item.boxes]
            (out / "labels" / folder).mkdir(parents=True, exist_ok=True)
            write_text_atomic(out / "labels" / folder / f"{stem}.txt", "".join(lines))
        if item.labels is not None:
            put_labels(out / _MASKS, stem, item.labels)

    count = write_all(source, data, out, put, tell)
    description = {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "names": {number: name for name, number in numbers.items()},
    }
    write_text_atomic(out / DESCRIPTION, yaml_text(description, out / DESCRIPTION))
    return count


def _line(box: Box, numbers: Mapping[str, int], rows: int, columns: int) -> str:
    row, column = box.center_px
    values = (
        column / columns,
        row / rows,
        (box.x1_px - box.x0_px) / columns,
        (box.y1_px - box.y0_px) / rows,
    )
    return " ".join([str(numbers[box.category]), *(f"{value:.12g}" for value in values)]) + "\n"
