"""COCO's JSON: boxes, and masks as polygons or run lengths, decoded by pycocotools."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError, shown
from space.files import write_text_atomic
from space.lamellae import Box
from space.learning.dataset import BACKGROUND, IMAGES, DataSet, LabelClass
from space.learning.formats.note import read_note
from space.learning.formats.shared import (
    IMAGE_FOLDERS,
    Pair,
    Wish,
    agreed_classes,
    empty_folder,
    files_in,
    first_folder,
    loads,
    put_picture,
    read_table,
    with_values,
    write_all,
)
from space.learning.incoming import Incoming, Item, Tell
from space.learning.instances import Instance
from space.learning.picture_files import KEPT, PICTURES, check_size
from space.packages import is_installed
from space.predicates import is_number, is_whole

_FILE = "annotations.json"
_LABEL, _BOX = "spacetomo label", "spacetomo box"
_LARGEST_BYTES = 500_000_000
_LABELLED = "labelled"


@dataclass(frozen=True)
class _Category:
    name: str
    kind: str  # as its supercategory


def find_file(root: Path) -> Path | None:
    """Return the file of annotations at a path, if it is one or has one."""
    if root.is_file() and root.suffix.lower() == ".json":
        return root
    for folder in (root, root / "annotations"):
        if (folder / _FILE).is_file():
            return folder / _FILE
        found = sorted(folder.glob("*.json")) if folder.is_dir() else []
        found = [path for path in found if _is_annotations(path)]
        if len(found) == 1:
            return found[0]
    return None


def _is_annotations(path: Path) -> bool:
    try:
        return {"images", "annotations", "categories"} <= set(read_table(path, _LARGEST_BYTES))
    except SpaceError:
        return False


def read_coco(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read boxes and masks. Masks are painted in the order of the file; what overlaps is told."""
    path = find_file(root)
    if path is None:
        raise SpaceError("There is no single file of COCO annotations.", str(root), "Name it.")
    values = read_table(path, _LARGEST_BYTES)
    base = path.parent.parent if path.parent.name == "annotations" else path.parent
    note = read_note(base)
    categories = _categories(values, path)
    pictures = _pictures(base, values, tell)
    of_picture: dict[Any, list[dict[str, Any]]] = {}
    for one in _tables(values, "annotations", path):
        of_picture.setdefault(_key(one.get("image_id")), []).append(one)
    named = _label_values(categories)
    classes, changed = agreed_classes(named, wish, note)
    by_path = dict(pictures)

    def change(item: Item, pair: Pair) -> Item:
        entry = by_path[pair.picture]
        found = of_picture.get(_key(entry.get("id")), [])
        labels = _labels(item, found, categories, named, tell)
        if labels is None and entry.get(_LABELLED) is True:
            labels = np.zeros(item.picture.shape, np.uint8)
        item = replace(item, instances=_instances(item, found, categories))
        boxes = _boxes(item, found, categories, tell)
        if not boxes and entry.get(_LABELLED) is not None and entry.get("boxes") is not True:
            return with_values(replace(item, labels=labels), changed)
        return with_values(replace(item, labels=labels, boxes=boxes), changed)

    box_names = [one.name for one in categories.values() if one.kind != _LABEL]
    pairs = [Pair(file) for file, _ in pictures]
    return Incoming(
        loads(pairs, wish, note, None, change), classes, tuple(dict.fromkeys(box_names))
    )


def _tables(values: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    found = values.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise SpaceError(f"{key} in {path.name} is no list of tables.", str(path))
    return found


def _key(value: object) -> object:
    return value if isinstance(value, (int, str)) else None


def _categories(values: Mapping[str, Any], path: Path) -> dict[Any, _Category]:
    found = {}
    for one in _tables(values, "categories", path):
        name = one.get("name")
        if not isinstance(name, str) or _key(one.get("id")) is None:
            raise SpaceError(f"The category {shown(one)} has no name or id.", str(path))
        found[_key(one["id"])] = _Category(name.strip(), str(one.get("supercategory", "")))
    return found


def _label_values(categories: Mapping[Any, _Category]) -> dict[str, int]:
    """Return the values that masks are painted with: the ids where they can be, else 1, 2, 3."""
    named = {one.name: number for number, one in categories.items() if one.kind != _BOX}
    fits = all(is_whole(value) and 0 < value < 256 for value in named.values())
    if not fits or len(set(named.values())) < len(named):
        named = {name: value for value, name in enumerate(named, start=1)}
    return {BACKGROUND: 0, **named} if BACKGROUND not in named else named


def _pictures(
    base: Path, values: Mapping[str, Any], tell: Tell
) -> list[tuple[Path, dict[str, Any]]]:
    folder = first_folder(base, IMAGE_FOLDERS) or base
    there = {path.name: path for path in (*files_in(base, PICTURES), *files_in(folder, PICTURES))}
    found = []
    for one in values["images"] if isinstance(values.get("images"), list) else []:
        name = one.get("file_name") if isinstance(one, dict) else None
        # Only the name: a path in the file does not lead anywhere.
        plain = name.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(name, str) else ""
        if plain in there:
            found.append((there[plain], one))
        else:
            tell(f"The picture {shown(name)} is not there.")
    return found


def _labels(
    item: Item,
    found: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, _Category],
    named: Mapping[str, int],
    tell: Tell,
) -> np.ndarray | None:
    """Paint the masks of a picture; None if it has none."""
    labels, twice = None, 0
    for one in found:
        category = categories.get(_key(one.get("category_id")))
        if category is None or category.kind == _BOX or not one.get("segmentation"):
            continue
        inside = _decoded(one["segmentation"], item)
        if labels is None:
            labels = np.zeros(item.picture.shape, np.uint8)
        value = named[category.name]
        twice += int(np.count_nonzero(inside & (labels != 0) & (labels != value)))
        labels[inside] = value
    if twice:
        tell(f"{item.stem}: masks of two classes overlap in {twice} pixels; the later one counts.")
    return labels


def _instances(
    item: Item, found: Sequence[Mapping[str, Any]], categories: Mapping[Any, _Category]
) -> tuple[Instance, ...]:
    """Return the masks of a picture one by one, as packed run lengths."""
    mask, made = None, []
    rows, columns = item.picture.shape
    for one in found:
        category = categories.get(_key(one.get("category_id")))
        if category is None or category.kind == _BOX or not one.get("segmentation"):
            continue
        mask = mask or _pycocotools(item.stem)
        runs = mask.encode(np.asfortranarray(_decoded(one["segmentation"], item), np.uint8))
        is_crowd = int(one.get("iscrowd") == 1)
        counts = runs["counts"].decode("ascii")
        made.append(Instance(category.name, rows, columns, counts, is_crowd))
    return tuple(made)


def _decoded(segmentation: Any, item: Item) -> np.ndarray:
    """Return the pixels of a mask: polygons, or run lengths, packed or not."""
    mask = _pycocotools(item.stem)
    rows, columns = item.picture.shape
    try:
        check_size((rows, columns))
        if isinstance(segmentation, list):
            polygons = [p for p in segmentation if isinstance(p, list) and len(p) >= 6]
            if not all(is_number(value) for polygon in polygons for value in polygon):
                raise ValueError("a polygon has coordinates that are no numbers")
            runs = mask.merge(mask.frPyObjects(polygons, rows, columns)) if polygons else None
        else:
            runs = _runs(segmentation, rows, columns, mask)
        if runs is None:
            return np.zeros((rows, columns), np.bool_)
        return _pixels(mask, runs) != 0
    except (ValueError, TypeError, KeyError) as error:
        raise SpaceError(f"A mask of {item.stem} cannot be used ({error}).", item.stem) from None


def _runs(segmentation: Any, rows: int, columns: int, mask: Any) -> Any:
    if not isinstance(segmentation, dict) or segmentation.get("size") != [rows, columns]:
        raise ValueError(f"it is not of {rows} x {columns} pixels")
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        if not all(is_whole(count) and count >= 0 for count in counts):
            raise ValueError("a run has no length")
        if sum(counts) != rows * columns:
            raise ValueError("its runs are of another picture")
        return mask.frPyObjects({"size": [rows, columns], "counts": counts}, rows, columns)
    if not isinstance(counts, str) or not counts.isascii():
        raise ValueError("it has no runs")
    runs = {"size": [rows, columns], "counts": counts.encode("ascii")}
    # It refuses runs that are too long; where they are too short, pixels have any value.
    if mask.encode(_pixels(mask, runs))["counts"] != runs["counts"]:
        raise ValueError("its runs are of another picture")
    return runs


def _pixels(mask: Any, runs: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy tells its authors of a change
        pixels: np.ndarray = mask.decode(runs)
    return pixels


def _boxes(
    item: Item,
    found: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, _Category],
    tell: Tell,
) -> tuple[Box, ...]:
    boxes = []
    for one in found:
        category = categories.get(_key(one.get("category_id")))
        if category is None or category.kind == _LABEL:
            continue
        corner = one.get("bbox")
        if not isinstance(corner, list) or len(corner) != 4 or not all(map(is_number, corner)):
            tell(f"{item.stem}: the box {shown(corner)} is left out.")
            continue
        x, y, width, height = corner
        score = one.get("score", 1.0)
        table = {
            "x0_px": x, "y0_px": y, "x1_px": x + width, "y1_px": y + height,
            "category": category.name, "probability": score,
        }  # fmt: skip
        try:
            boxes.append(Box.from_dict(table))
        except ValueError as error:
            tell(f"{item.stem}: a box is left out: {error}.")
    return tuple(boxes)


def _pycocotools(where: str) -> Any:
    if not is_installed("pycocotools"):
        raise SpaceError(
            "Masks of COCO need the package pycocotools, which this Python lacks.",
            where,
            "Install the extra learn: see docs/data.md.",
        )
    from pycocotools import mask

    return mask


# --- writing --------------------------------------------------------------------------------------


def write_coco(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write boxes, and masks as packed run lengths.

    Where things were told apart and labels were not changed since, one for each thing; else one for
    each class.
    """
    empty_folder(out)
    labels = [one for one in data.classes if one.value]
    first = max((one.value for one in labels), default=0) + 1
    numbers = {name: number for number, name in enumerate(data.box_classes, start=first)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []

    def put(item: Item, stem: str) -> None:
        path = put_picture(out / IMAGES, stem, item, KEPT)
        rows, columns = item.picture.shape
        number = len(images) + 1
        found = [*_masks(item, labels), *_plain_boxes(item, numbers)]
        images.append(
            {
                "id": number, "file_name": path.name, "width": columns, "height": rows,
                _LABELLED: item.labels is not None, "boxes": item.boxes is not None,
            }
        )  # fmt: skip
        for one in found:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **one})

    count = write_all(source, data, out, put, tell)
    categories = [
        *({"id": one.value, "name": one.name, "supercategory": _LABEL} for one in labels),
        *({"id": n, "name": name, "supercategory": _BOX} for name, n in numbers.items()),
    ]
    values = {"images": images, "annotations": annotations, "categories": categories}
    write_text_atomic(out / _FILE, json.dumps(values, ensure_ascii=False) + "\n")
    return count


def _masks(item: Item, classes: Sequence[LabelClass]) -> list[dict[str, Any]]:
    if item.labels is None:
        return []
    mask = _pycocotools(item.stem)
    single = _single_things(item, item.labels, {one.name: one.value for one in classes}, mask)
    if single:
        return single
    inside = {one.value: item.labels == one.value for one in classes}
    return [
        _annotation(value, mask.encode(np.asfortranarray(pixels, np.uint8)), 0, mask)
        for value, pixels in inside.items()
        if pixels.any()
    ]


def _single_things(
    item: Item, labels: np.ndarray, values: Mapping[str, int], mask: Any
) -> list[dict[str, Any]]:
    """Return each thing by itself, if together they are the labels; else these were changed."""
    painted, found = np.zeros(labels.shape, np.uint8), []
    for one in item.instances:
        if one.category not in values:
            return []
        segmentation = {"size": [one.rows, one.columns], "counts": one.counts}
        try:
            inside = _decoded(segmentation, item)
        except SpaceError:
            return []
        runs = {"size": [one.rows, one.columns], "counts": one.counts.encode("ascii")}
        painted[inside] = values[one.category]
        found.append(_annotation(values[one.category], runs, one.is_crowd, mask))
    return found if np.array_equal(painted, labels) else []


def _annotation(value: int, runs: Mapping[str, Any], is_crowd: int, mask: Any) -> dict[str, Any]:
    return {
        "category_id": value,
        "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
        "area": int(mask.area(runs)),
        "bbox": [float(side) for side in mask.toBbox(runs)],
        "iscrowd": is_crowd,
    }


def _plain_boxes(item: Item, numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "category_id": numbers[box.category],
            "bbox": [box.x0_px, box.y0_px, box.x1_px - box.x0_px, box.y1_px - box.y0_px],
            "area": box.area_px2,
            "score": box.probability,
            "iscrowd": 0,
        }
        for box in item.boxes or ()
    ]
