"""What is wrong with a data set, picture by picture, and how much of each class is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from space.errors import SpaceError
from space.learning.adding import read_labels
from space.learning.arrays import content_hash
from space.learning.boxes import read_boxes
from space.learning.dataset import (
    BOXES,
    IMAGES,
    KEYPOINTS,
    LABELS,
    SPLITS,
    DataSet,
    Sample,
    boxes_path,
    label_path,
    picture_path,
    read_data_set,
)
from space.learning.keypoints import read_keypoints
from space.learning.names import folded
from space.learning.picture_files import read_picture

HELD_OUT = ("val", "test")
"""Splits whose grids must not be trained on."""

_SAME_PIXEL = 1.05
_MOST_NAMED = 3


@dataclass(frozen=True)
class Problem:
    """Something about a data set that a person should know.

    Attributes
    ----------
    picture : str
        Its file; empty if the whole data set is meant.
    what : str
        A sentence.
    is_error : bool
        Whether training or testing on it would be wrong; else it may be meant.
    """

    picture: str
    what: str
    is_error: bool = True


@dataclass(frozen=True)
class ClassCount:
    """How much of a class there is: labels, and pictures that have it, by split."""

    name: str
    value: int
    color: str
    pixels: int
    pictures: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """What was found in a data set.

    Attributes
    ----------
    pictures : mapping
        How many there are, by split ("" for those without one).
    labelled : int
    classes : tuple of ClassCount
    boxes : mapping
        How many there are of each class of boxes.
    problems : tuple of Problem
    """

    pictures: Mapping[str, int]
    labelled: int
    classes: tuple[ClassCount, ...]
    boxes: Mapping[str, int]
    problems: tuple[Problem, ...]

    @property
    def is_fit(self) -> bool:
        """Whether no problem is an error."""
        return not any(one.is_error for one in self.problems)


@dataclass(frozen=True)
class _Seen:
    """What one picture holds."""

    sample: Sample
    problems: tuple[Problem, ...] = ()
    pixels: Mapping[int, int] | None = None
    boxes: Mapping[str, int] | None = None


class _Tell(Protocol):
    def __call__(self, what: str, is_error: bool = True) -> None: ...


def check(folder: Path) -> Report:
    """Read every file of a data set; say what is wrong, and count.

    Raises
    ------
    SpaceError
        If there is no data set, or its description cannot be used at all.
    """
    data, odd = read_data_set(folder, strict=False)
    pointed = _pointed_at(folder)
    seen = [_looked_at(folder, data, one, one.file in pointed) for one in data.samples]
    problems = [
        *(Problem("", text) for text in odd),
        *(problem for one in seen for problem in one.problems),
        *_copies(data.samples),
        *_both_sides(data.samples),
        *_missing(data, seen),
        *_of_scale(data.samples),
        *_not_listed(Path(folder), data.samples),
    ]
    boxes: Counter[str] = Counter(dict.fromkeys(data.box_classes, 0))
    for one in seen:
        boxes.update(one.boxes or {})
    return Report(
        dict(Counter(one.split for one in data.samples)),
        sum(one.pixels is not None for one in seen),
        _counts(data, seen),
        dict(boxes),
        tuple(problems),
    )


def _pointed_at(folder: Path) -> set[str]:
    """Return the pictures that have points; what is wrong with the table is told elsewhere."""
    try:
        return {one.picture for one in read_keypoints(folder / KEYPOINTS, strict=False)[0]}
    except SpaceError:
        return set()


# --- one picture ----------------------------------------------------------------------------------


def _looked_at(folder: Path, data: DataSet, sample: Sample, has_points: bool) -> _Seen:
    problems: list[Problem] = []

    def tell(what: str, is_error: bool = True) -> None:
        problems.append(Problem(sample.file, what, is_error))

    try:
        picture = read_picture(picture_path(folder, sample))
    except SpaceError as error:
        tell(error.what)
        return _Seen(sample, tuple(problems))
    if picture.shape != sample.shape:
        tell(f"It has {_size(picture.shape)} pixels, {_size(sample.shape)} are noted.")
    elif content_hash(picture) != sample.picture_hash:
        tell("Its grey values were changed since it was added.")
    if picture.min() == picture.max():
        tell("All its pixels are equal.", is_error=False)
    if sample.pixel_nm is None:
        tell("Its pixel size is not known (import it again with --pixel-nm).", is_error=False)
    pixels = _label_counts(folder, data, sample, picture.shape, tell)
    boxes = _box_counts(folder, data, sample, picture.shape, tell)
    if pixels is None and boxes is None and not has_points and not problems:
        tell("It has neither labels nor boxes nor points.", is_error=False)
    return _Seen(sample, tuple(problems), pixels, boxes)


def _label_counts(
    folder: Path, data: DataSet, sample: Sample, shape: Sequence[int], tell: _Tell
) -> dict[int, int] | None:
    """Return pixels by label; None without labels that can be used."""
    if not sample.label_hash:
        if label_path(folder, sample.stem).exists():
            tell("There are labels beside it that were not added.", is_error=False)
        return None
    try:
        labels = read_labels(folder, sample)
    except SpaceError as error:
        tell(error.what)
        return None
    if labels is None or labels.shape != tuple(shape):
        other = _size(labels.shape) if labels is not None else "no"
        tell(f"It has {_size(shape)} pixels, its labels {other}.")
        return None
    if content_hash(labels) != sample.label_hash:
        tell("Its labels were changed since they were added.", is_error=False)
    counts = np.bincount(labels.ravel(), minlength=256)
    found = {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()}
    unknown = sorted(set(found) - {one.value for one in data.classes})
    if unknown:
        named = ", ".join(map(str, unknown[:_MOST_NAMED]))
        tell(f"Its labels {named} are of no class ({sum(found[v] for v in unknown)} pixels).")
    if set(found) == {0}:
        tell("Its labels are empty: everything is background.", is_error=False)
    return found


def _box_counts(
    folder: Path, data: DataSet, sample: Sample, shape: Sequence[int], tell: _Tell
) -> dict[str, int] | None:
    """Return boxes by class; None without boxes that can be used."""
    try:
        boxes = read_boxes(boxes_path(folder, sample.stem))
    except SpaceError as error:
        tell(error.what)
        return None
    if boxes is None:
        return None
    rows, columns = shape
    outside = sum(
        box.x1_px <= 0 or box.y1_px <= 0 or box.x0_px >= columns or box.y0_px >= rows
        for box in boxes
    )
    if outside:
        tell(f"{outside} of its boxes are outside of it.")
    unknown = sorted({box.category for box in boxes} - set(data.box_classes))
    if unknown:
        tell(f"Its boxes of {', '.join(unknown[:_MOST_NAMED])} are of no class.")
    return Counter(box.category for box in boxes)


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"


# --- all pictures ---------------------------------------------------------------------------------


def _copies(samples: Iterable[Sample]) -> Iterator[Problem]:
    """Tell of pictures that are there twice; in two splits, the test would be no test."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.picture_hash, []).append(sample)
    for same in found.values():
        for other in same[1:]:
            first = same[0]
            if {first.split, other.split} - {first.split}:
                what = (
                    f"It is the same picture as {first.file}, which is in another split "
                    f"({first.split or 'none'} and {other.split or 'none'})."
                )
                yield Problem(other.file, what, bool(first.split and other.split))
            else:
                what = f"It is the same picture as {first.file}."
                yield Problem(other.file, what, is_error=False)


def _both_sides(samples: Iterable[Sample]) -> Iterator[Problem]:
    """Tell of grids and lamellae that are trained on and held out."""
    grids: dict[tuple[str, str], dict[str, set[int]]] = {}
    for one in samples:
        if one.origin.grid and one.split:
            side = "held out" if one.split in HELD_OUT else "train"
            sides = grids.setdefault((one.origin.session, one.origin.grid), {})
            sides.setdefault(side, set()).add(one.origin.lamella)
    for (_, grid), sides in grids.items():
        if len(sides) < 2:
            continue
        shared = sorted((sides["train"] & sides["held out"]) - {0})
        if shared:
            what = f"Lamella L{shared[0]:02d} of grid {grid} is trained on and held out."
            yield Problem("", what)
        else:
            what = f"Grid {grid} is trained on and held out; scores will be too good."
            yield Problem("", what, is_error=False)


def _missing(data: DataSet, seen: Sequence[_Seen]) -> Iterator[Problem]:
    labelled = [one.pixels for one in seen if one.pixels is not None]
    if not data.samples:
        yield Problem("", "There are no pictures.")
    if not labelled:
        return
    for one in data.classes:
        if one.value and not any(one.value in pixels for pixels in labelled):
            yield Problem("", f"The class {one.name} is in no picture.", is_error=False)
    for split in HELD_OUT:
        those = [one.pixels for one in seen if one.sample.split == split and one.pixels]
        trained = {v for one in seen if one.sample.split == "train" for v in one.pixels or {}}
        lost = [c.name for c in data.classes if any(c.value in p for p in those)]
        lost = [name for name in lost if data.values[name] not in trained]
        if those and trained and lost:
            what = f"In {split}, but not in train: {', '.join(lost[:_MOST_NAMED])}."
            yield Problem("", what, is_error=False)


def _of_scale(samples: Sequence[Sample]) -> Iterator[Problem]:
    """Tell of scales that differ; maps of grids, with boxes alone, have another one than maps."""
    for what, are_labelled in (("labels", True), ("no labels", False)):
        sizes = sorted(
            one.pixel_nm
            for one in samples
            if one.pixel_nm is not None and bool(one.label_hash) == are_labelled
        )
        if sizes and sizes[-1] > sizes[0] * _SAME_PIXEL:
            text = (
                f"Pixels of pictures with {what} are from {sizes[0]:.4g} to {sizes[-1]:.4g} nm; "
                "they are not made alike."
            )
            yield Problem("", text, is_error=False)


def _not_listed(folder: Path, samples: Sequence[Sample]) -> Iterator[Problem]:
    files = {folded(one.file) for one in samples}
    stems = {folded(one.stem) for one in samples}
    for name in (IMAGES, LABELS, BOXES):
        place = folder / name
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            known = folded(path.name) in files if name == IMAGES else folded(path.stem) in stems
            if not known and path.is_file() and not path.name.startswith("."):
                what = "It is of no picture that was added."
                yield Problem(f"{name}/{path.name}", what, is_error=False)
    try:
        points, odd = read_keypoints(folder / KEYPOINTS, strict=False)
    except SpaceError as error:
        yield Problem(KEYPOINTS, error.what)
        return
    yield from (Problem(KEYPOINTS, f"{text}.") for text in odd)
    for name in sorted({one.picture for one in points}):
        if folded(name) not in files:
            yield Problem(KEYPOINTS, f"There is no picture {name}.", is_error=False)


def _counts(data: DataSet, seen: Sequence[_Seen]) -> tuple[ClassCount, ...]:
    found = []
    for one in data.classes:
        pixels, pictures = 0, dict.fromkeys(("", *SPLITS), 0)
        for each in seen:
            count = (each.pixels or {}).get(one.value, 0)
            pixels += count
            pictures[each.sample.split] += bool(count)
        found.append(ClassCount(one.name, one.value, one.color, pixels, pictures))
    return tuple(found)
