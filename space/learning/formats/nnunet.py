"""nnU-Net v2's raw format: ``imagesTr``, ``labelsTr``, ``imagesTs`` and ``dataset.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import write_text_atomic
from space.learning import picture_files
from space.learning.adding import items
from space.learning.arrays import mapped
from space.learning.boxes import read_boxes
from space.learning.dataset import BACKGROUND, BOXES, IGNORE, DataSet
from space.learning.formats.note import read_note
from space.learning.formats.plain import put_boxes
from space.learning.formats.shared import (
    Pair,
    Wish,
    agreed_classes,
    by_stem,
    empty_folder,
    files_in,
    loads,
    put_labels,
    read_table,
    with_values,
    write_all,
)
from space.learning.incoming import Incoming, Item, Tell
from space.learning.names import folded
from space.models.class_table import label_table
from space.predicates import is_whole

_DATASET = "dataset.json"
_CHANNEL = "_0000"


def is_raw(root: Path) -> bool:
    """Whether a folder holds a data set in this format."""
    return (root / "imagesTr").is_dir() and (root / _DATASET).is_file()


def read_raw(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read a data set in nnU-Net's raw format; its test pictures get the split test."""
    named = _read_labels(root / _DATASET)
    note = read_note(root)
    classes, values = agreed_classes(named, wish, note)
    pairs, test = [], set()
    for letters in ("Tr", "Ts"):
        labels = by_stem(files_in(root / f"labels{letters}", picture_files.LABELS))
        for path in files_in(root / f"images{letters}", picture_files.PICTURES):
            stem = case_of(path.stem)
            if stem is None:
                tell(f"{path.name}: a second channel is left out, or it is no case ({_CHANNEL}).")
                continue
            pairs.append(Pair(path, labels.get(folded(stem))))
            if letters == "Ts":
                test.add(path)

    def change(item: Item, pair: Pair) -> Item:
        split = "test" if pair.picture in test else item.split
        boxes = read_boxes(root / BOXES / f"{item.stem}.json")
        return replace(with_values(item, values), split=split, boxes=boxes)

    found = loads(pairs, wish, note, None, change, lambda stem: case_of(stem) or stem)
    return Incoming(found, classes, note.data.box_classes)


def _read_labels(path: Path) -> dict[str, int]:
    """Return the classes of nnU-Net's description, with "ignore", which no model predicts."""
    table = read_table(path)
    named, problem = label_table(table)
    if problem:
        raise SpaceError(f"The classes cannot be used: {problem}", str(path))
    ignored = table["labels"].get(IGNORE)
    return named | ({IGNORE: ignored} if is_whole(ignored) else {})


def case_of(stem: str) -> str | None:
    """Return the case of a picture; None if it is another channel than the first, or none.

    Only the last ``_0000`` is nnU-Net's: a picture may be called so itself.
    """
    return stem[: -len(_CHANNEL)] if stem.endswith(_CHANNEL) and stem != _CHANNEL else None


def write_raw(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write a data set in nnU-Net's raw format.

    Its labels have to be 0, 1, 2 and so on: they are renumbered in the order of their values, with
    "ignore" last. All pictures have one format, PNG where it holds all of them, else TIFF. Those of
    the split test go to ``imagesTs``; those without labels, too, since nnU-Net trains on labels.
    """
    empty_folder(out)
    ending = ".png" if _all_fit_png(source, data) else ".tif"
    table = consecutive(data)
    changed = {one.value: table[one.name] for one in data.classes}
    count = 0

    def put(item: Item, stem: str) -> None:
        nonlocal count
        letters = "Ts" if item.split == "test" or item.labels is None else "Tr"
        labels = None
        if item.labels is not None:
            unknown = set(map(int, set(item.labels.ravel().tolist()))) - set(changed)
            if unknown:
                raise SpaceError(f"{stem} has labels of no class: {sorted(unknown)[:5]}.", stem)
            labels = mapped(item.labels, changed)
            count += letters == "Tr"
        write_case(out, letters, stem, item.picture, labels, ending)
        put_boxes(out, stem, item)

    total = write_all(source, data, out, put, tell)
    write_description(out, table, count, ending)
    return total


def write_case(
    out: Path, letters: str, stem: str, picture: np.ndarray, labels: np.ndarray | None, ending: str
) -> None:
    """Write one picture and its labels, 0, 1, 2 and so on.

    Parameters
    ----------
    out : Path
        Folder of the data set.
    letters : str
        ``Tr`` for training, ``Ts`` for test.
    stem : str
        Its name.
    picture : ndarray
    labels : ndarray of uint8 or None
    ending : str
        Of both files, which all files of the set have.
    """
    folder = out / f"images{letters}"
    folder.mkdir(parents=True, exist_ok=True)
    picture_files.write_picture(folder / f"{stem}{_CHANNEL}{ending}", picture)
    if labels is not None:
        put_labels(out / f"labels{letters}", stem, labels, ending)


def write_description(
    out: Path, table: Mapping[str, int], count: int, ending: str, pixel_nm: float | None = None
) -> dict[str, Any]:
    """Write what nnU-Net has to know of its data set, and return it."""
    description: dict[str, Any] = {
        "channel_names": {"0": "TEM"},
        "labels": dict(table),
        "numTraining": count,
        "file_ending": ending,
        **({} if pixel_nm is None else {"pixel_size_nm": pixel_nm}),
    }
    write_text_atomic(out / _DATASET, json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return description


def _all_fit_png(source: Path, data: DataSet) -> bool:
    for load in items(source, data):
        try:
            if not picture_files.is_png_type(load().picture):
                return False
        except SpaceError:
            continue  # told when it is to be written
    return True


def consecutive(data: DataSet) -> dict[str, int]:
    """Return class → value 0, 1, 2 … as nnU-Net needs it: background first, "ignore" last."""
    names = [one.name for one in data.classes if one.name != IGNORE]
    first = next((one.name for one in data.classes if one.value == 0), BACKGROUND)
    if first not in names:
        names.insert(0, first if first != IGNORE else BACKGROUND)
    names = [first, *(name for name in names if name != first)] if first in names else names
    if any(one.name == IGNORE for one in data.classes):
        names.append(IGNORE)
    return {name: value for value, name in enumerate(names)}
