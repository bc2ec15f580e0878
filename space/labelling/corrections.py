"""Corrected labels of a map: files beside the segmentation, which itself stays as it is.

``<map>_corrected.json`` says what was drawn, on which segmentation, and which files beside it are
the result: the corrected labels, of the same kind as the segmentation, and a layer for each class
that was drawn by hand. It is written last, and the files that it named before stay until the next
save. So it names whole files at any time, whoever looks or ends in between.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError, shown
from space.files import (
    is_name,
    move_aside,
    parse_json,
    read_bytes_bounded,
    remove_if_possible,
    write_text_atomic,
)
from space.images import DRAWING, file_state, read_png, write_png
from space.labelling.drawing import Drawing, Masks, no_masks
from space.labelling.masks import keep_masks
from space.labelling.places import correction_path
from space.labelling.strokes import NotStrokesError, Stroke, plain_strokes, read_strokes
from space.predicates import is_whole

FORMAT = "SPACEtomo corrected labels 1"
LAYER = 255
"""Value in a layer of what was given the class by hand; all else is 0."""

_LARGEST_BYTES = 8_000_000
_LARGEST_PICTURE_BYTES = 1_000_000_000
_LOCK_S = 10.0
_REMEDY = "Correct the labels again on the page, or delete this file."


class OutdatedError(SpaceError):
    """What is to be saved is based on something else than what is there now."""


@dataclass(frozen=True)
class Correction:
    """What a person has corrected on a map.

    Attributes
    ----------
    revision : int
        Grows by one with each save.
    segmentation : str
        SHA-256 of the file of the segmentation that it is based on.
    labels, labels_hash : str
        Name and SHA-256 of the file of the corrected labels; empty if nothing is corrected.
    layers : mapping of str to str
        Class → name of the file of what was given it by hand.
    strokes : tuple of Stroke
    classes : mapping of str to int
        Class → label.
    at : str
        When it was saved.
    replaced : tuple of str
        Files of the save before: somebody may be reading them, and the next save removes them.
    """

    revision: int
    segmentation: str
    labels: str
    labels_hash: str
    layers: Mapping[str, str]
    strokes: tuple[Stroke, ...]
    classes: Mapping[str, int]
    at: str
    replaced: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files of its pictures."""
        return tuple(filter(None, (self.labels, *self.layers.values())))


@dataclass(frozen=True)
class Counted:
    """The labels of a map that count.

    Attributes
    ----------
    path : Path
        Their file: the corrected ones if they fit, else the segmentation.
    corrected : bool
        Whether a person has corrected them.
    why_not : str
        Why the corrected labels that there are do not count; empty if they do, or there are none.
    """

    path: Path
    corrected: bool = False
    why_not: str = ""


def labels_that_count(segmentation: Path) -> Counted:
    """Return which labels of a map count. This is the only place that says so; never raises.

    Parameters
    ----------
    segmentation : Path
        What the model found.
    """
    path = correction_path(segmentation)
    if not path.is_file():
        return Counted(segmentation)
    try:
        found = read_correction(segmentation)
        if found is None or not found.labels:
            return Counted(segmentation)
        if found.segmentation != hash_of(segmentation):
            return Counted(
                segmentation,
                why_not=f"{path.name} is of another segmentation than that which is there now (the "
                "map or its labels were made again since): the labels of the model are used.",
            )
        corrected = segmentation.with_name(found.labels)
        if hash_of(corrected) != found.labels_hash:
            return Counted(
                segmentation,
                why_not=f"{corrected.name} is not as it was saved: the labels of the model are "
                "used. Open the labels on the page and save them again.",
            )
    except (SpaceError, OSError) as error:
        return Counted(
            segmentation,
            why_not=f"The corrected labels cannot be read, those of the model are used: {error}",
        )
    return Counted(corrected, corrected=True)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a picture's file; one that has not changed is not read again.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    state = file_state(path)
    return _hash(Path(path), state.size if state else -1, state.mtime_ns if state else -1)


@lru_cache(maxsize=512)
def _hash(path: Path, size: int, mtime_ns: int) -> str:
    data = read_bytes_bounded(path, _LARGEST_PICTURE_BYTES)
    return hashlib.sha256(data).hexdigest()


# --- reading --------------------------------------------------------------------------------------


def read_correction(segmentation: Path) -> Correction | None:
    """Read what was corrected on a segmentation, or on an earlier one of the same map.

    Returns None if there is nothing.

    Raises
    ------
    SpaceError
        When it cannot be read or understood.
    """
    path = correction_path(segmentation)
    state = file_state(path)
    if state is None:
        return None
    try:
        return _read(path, state.size, state.mtime_ns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SpaceError(f"It cannot be read: {error}.", path.name, _REMEDY) from None


@lru_cache(maxsize=256)
def _read(path: Path, size: int, mtime_ns: int) -> Correction:
    """Read a file in this state; the page asks for all of them again and again."""
    text = read_bytes_bounded(path, _LARGEST_BYTES).decode("utf-8-sig")
    return _correction(parse_json(text), path)


def _correction(values: Any, path: Path) -> Correction:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    texts = ("segmentation", "labels", "labels_hash", "at")
    for key in texts:
        if not isinstance(values.get(key), str) or len(values[key]) > 300:
            raise ValueError(f"{key} is {shown(values.get(key))}, not a short text")
    revision, classes = values.get("revision"), values.get("classes")
    if not is_whole(revision) or not 1 <= revision < 1_000_000:
        raise ValueError(f"revision is {shown(revision)}, not a number from 1 on")
    if not isinstance(classes, dict) or not all(
        is_name(name) and is_whole(label) and 0 <= label <= 255 for name, label in classes.items()
    ):
        raise ValueError("classes is no table of names and labels")
    layers = values.get("layers")
    if not isinstance(layers, dict) or not set(layers) <= set(classes):
        raise ValueError("layers is no table of classes and files")
    replaced = values.get("replaced", [])
    if not isinstance(replaced, list) or len(replaced) > len(classes) + 1:
        raise ValueError("replaced is no list of files")
    for name in (values["labels"], *layers.values(), *replaced):
        if name and not _is_own(name, path):
            raise ValueError(f"{shown(name)} is none of its files")
    try:
        strokes = read_strokes(values.get("strokes"), tuple(classes))
    except NotStrokesError as error:
        raise ValueError(str(error)) from None
    known = {key: values[key] for key in texts}
    return Correction(
        revision,
        layers=layers,
        strokes=strokes,
        classes=classes,
        replaced=tuple(replaced),
        **known,
    )


def _is_own(name: object, path: Path) -> bool:
    """Whether a name is that of a file that was saved with a correction: it leads nowhere else."""
    return (
        isinstance(name, str)
        and name.startswith(f"{path.stem}_")
        and name.endswith(".png")
        and not set(name) & set("/\\:\0")
    )


# --- writing --------------------------------------------------------------------------------------


def save_correction(
    segmentation: Path,
    strokes: tuple[Stroke, ...],
    classes: Mapping[str, int],
    based_on: str,
    revision: int,
    masks: Masks = no_masks,
    **about: object,
) -> Correction:
    """Draw strokes on a segmentation, and keep the result as its corrected labels.

    What was corrected before is replaced; if it was of another segmentation, it is kept as
    ``..._corrected_earlier.json``. Without strokes, the labels of the model count again.

    Parameters
    ----------
    segmentation : Path
        What the model found.
    strokes : tuple of Stroke
        All of them, also those that were saved before.
    classes : mapping of str to int
        Class → label.
    based_on : str
        SHA-256 of the segmentation that the person has seen.
    revision : int
        Of the correction that the person has seen; 0 if there was none.
    masks : callable
        Gives those that strokes name; they are kept beside the correction.
    **about
        What is noted beside it: plain values.

    Raises
    ------
    OutdatedError
        When the person has seen something else. Nothing is written.
    SpaceError, OSError
        When it cannot be read or written.
    """
    path = correction_path(segmentation)
    _before(segmentation, based_on, revision)  # nothing at all is written for what is outdated
    with _alone(path):
        before, is_unreadable = _before(segmentation, based_on, revision)
        replaced: tuple[str, ...] = ()
        if is_unreadable or (before and before.segmentation != based_on and before.strokes):
            move_aside(path)  # and the files that it names stay
        elif before is not None:
            replaced = before.files
        keep_masks(segmentation, strokes, masks)
        saved = _drawn(segmentation, strokes, classes, _next(path, before), based_on, masks)
        write_text_atomic(path, _text(replace(saved, replaced=replaced), about))
        _read.cache_clear()
        if replaced and before is not None:
            for name in set(before.replaced) - set(replaced):
                remove_if_possible(path.with_name(name))
        return saved


def _before(segmentation: Path, based_on: str, revision: int) -> tuple[Correction | None, bool]:
    """Return what is there, and whether it cannot be read; refuse what is based on else."""
    if hash_of(segmentation) != based_on:
        raise OutdatedError(
            "The map was segmented again since you began.",
            Path(segmentation).name,
            "Look at the new labels.",
        )
    try:
        _read.cache_clear()  # on some folders two saves have the same time
        before, is_unreadable = read_correction(segmentation), False
    except SpaceError:
        before, is_unreadable = None, True
    if revision != (before.revision if before else 0):
        raise OutdatedError(
            "The labels of this map were corrected elsewhere since you began.",
            correction_path(segmentation).name,
            "Look at them again and repeat your change.",
        )
    return before, is_unreadable


def _next(path: Path, before: Correction | None) -> int:
    """Return a revision of which there are no files."""
    pattern = re.compile(rf"{re.escape(path.stem)}_(\d{{1,6}})(_.*)?\.png")
    there = (pattern.fullmatch(one.name) for one in path.parent.iterdir())
    numbers = (int(match[1]) for match in there if match is not None)
    return 1 + max((before.revision if before else 0, *numbers))


def _drawn(
    segmentation: Path,
    strokes: tuple[Stroke, ...],
    classes: Mapping[str, int],
    revision: int,
    based_on: str,
    masks: Masks,
) -> Correction:
    """Write the pictures of a correction; return it."""
    at = datetime.now().astimezone().isoformat(timespec="seconds")
    if not strokes:
        return Correction(revision, based_on, "", "", {}, (), dict(classes), at)
    base, info = read_png(segmentation)
    pixel_nm = info.pop("pixel_nm", None)
    if pixel_nm is None:
        raise SpaceError("The pixel size of the labels is not known.", str(segmentation))
    drawing = Drawing(base, classes, masks)
    drawing.add(strokes)
    stem = f"{correction_path(segmentation).stem}_{revision}"
    labels, layers = segmentation.with_name(f"{stem}.png"), {}
    source = str(info.pop("source", segmentation.name))
    # The last text is for programs that are given all pictures of a folder.
    texts = {**info, "labels": json.dumps(dict(classes)), "corrected": based_on, DRAWING: "no map"}
    write_png(labels, drawing.labels, pixel_nm, source, **texts)
    for name, mask in drawing.layers():
        file = labels.with_name(f"{stem}_layer_{classes[name]}.png")
        values = mask.view(np.uint8)  # large: not copied
        values *= LAYER
        about_layer = {"class": name, DRAWING: "no map"}
        write_png(file, values, pixel_nm, labels.name, **about_layer)
        layers[name] = file.name
    hashed = hash_of(labels)
    return Correction(revision, based_on, labels.name, hashed, layers, strokes, dict(classes), at)


def _text(saved: Correction, about: Mapping[str, object]) -> str:
    head = {
        "format": FORMAT,
        **about,
        "revision": saved.revision,
        "at": saved.at,
        "segmentation": saved.segmentation,
        "labels": saved.labels,
        "labels_hash": saved.labels_hash,
        "layers": dict(saved.layers),
        "replaced": list(saved.replaced),
        "classes": dict(saved.classes),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    strokes = ",\n ".join(json.dumps(one) for one in plain_strokes(saved.strokes))
    lines.append(f'"strokes": [\n {strokes}\n]' if strokes else '"strokes": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    import filelock  # only who writes needs it

    lock = filelock.FileLock(str(path.with_suffix(".lock")), timeout=_LOCK_S, mode=0o666)
    try:
        with lock.acquire(poll_interval=0.05):
            yield
    except filelock.Timeout:
        raise SpaceError(
            f"Another program has held it for more than {_LOCK_S:.0f} s.",
            path.name,
            f"If none runs, delete {path.with_suffix('.lock').name}.",
        ) from None
