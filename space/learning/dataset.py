"""A data set as data: pictures, what is known of each, and the classes of their labels.

On disk it is a folder: ``images/``, ``labels/`` (one 8-bit PNG for each labelled picture, of the
same shape and stem), where there are any ``layers/<class>/``, ``boxes/`` and ``keypoints.csv``, and
one ``dataset.json``, which this module reads and writes. docs/data.md describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, read_json, write_text_atomic
from space.learning.names import folded, is_file_name
from space.predicates import is_number, is_whole

DATASET_FILE = "dataset.json"
FORMAT = "SPACEtomo data set 1"
IMAGES, LABELS, LAYERS, BOXES, KEYPOINTS = "images", "labels", "layers", "boxes", "keypoints.csv"
INSTANCES = "instances"
SPLITS = ("train", "val", "test")
BACKGROUND, IGNORE = "background", "ignore"
"""Names of classes that mean something: nothing in particular; pixels that do not count."""

KINDS = ("", "corrected", "accepted", "imported")
"""How labels came about: not known; corrected by a person, accepted unchanged, or imported."""

HIGHEST_VALUE = 255
MOST_PICTURES = 100_000
_LARGEST_FILE_BYTES = 100_000_000
_LONGEST_SIDE_PX = 1_000_000
_COLOR = re.compile(r"#[0-9a-f]{6}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST_TEXT = 500


@dataclass(frozen=True)
class LabelClass:
    """A class of the labels: the value of its pixels, its name and its colour ``#rrggbb``."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class Origin:
    """Where a picture and its labels come from; what is not known is empty.

    Attributes
    ----------
    session, grid : str
    lamella : int
        Its number; 0 if it is not known.
    kind : str
        One of `KINDS`.
    source : str
        File that it was made from, for people.
    proposed_by : str
        Models whose proposals a person has taken for labels.
    """

    session: str = ""
    grid: str = ""
    lamella: int = 0
    kind: str = ""
    source: str = ""
    proposed_by: str = ""


@dataclass(frozen=True)
class Sample:
    """One picture of a data set.

    Attributes
    ----------
    file : str
        Its name in ``images/``.
    shape : tuple of int
        Rows and columns.
    picture_hash : str
        Of its grey values (`arrays.content_hash`), so that a renamed copy is recognised.
    label_hash : str
        Of its labels; empty if it has none.
    pixel_nm : float or None
        None if it is not known.
    split : str
        One of `SPLITS`; empty if it was not assigned.
    origin : Origin
    """

    file: str
    shape: tuple[int, int]
    picture_hash: str
    label_hash: str = ""
    pixel_nm: float | None = None
    split: str = ""
    origin: Origin = field(default_factory=Origin)

    @property
    def stem(self) -> str:
        """Its name without suffix, which its labels, layers and boxes have as well."""
        return Path(self.file).stem


@dataclass(frozen=True)
class DataSet:
    """Pictures and classes.

    Attributes
    ----------
    classes : tuple of LabelClass
        Of labels, by value.
    samples : tuple of Sample
        By name.
    box_classes : tuple of str
        Of boxes; their order is that of the numbers that detectors give them.
    """

    classes: tuple[LabelClass, ...] = ()
    samples: tuple[Sample, ...] = ()
    box_classes: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, int]:
        """Value of each class of the labels."""
        return {one.name: one.value for one in self.classes}

    def of_split(self, *splits: str) -> tuple[Sample, ...]:
        """Return the pictures of some splits."""
        return tuple(one for one in self.samples if one.split in splits)

    def with_samples(self, changed: Iterable[Sample]) -> DataSet:
        """Return the data set with these pictures, in place of those of the same file."""
        samples = {one.file: one for one in self.samples} | {one.file: one for one in changed}
        return replace(self, samples=tuple(samples[name] for name in sorted(samples)))


class NotASampleError(ValueError):
    """A table is no class or picture of a data set; the text says why."""


# --- places ---------------------------------------------------------------------------------------


def picture_path(folder: Path, sample: Sample) -> Path:
    """Return where the picture is."""
    return Path(folder) / IMAGES / sample.file


def label_path(folder: Path, stem: str) -> Path:
    """Return where the labels of a picture are, if it has any."""
    return Path(folder) / LABELS / f"{stem}.png"


def boxes_path(folder: Path, stem: str) -> Path:
    """Return where the boxes of a picture are; a file without boxes says that there are none."""
    return Path(folder) / BOXES / f"{stem}.json"


def instances_path(folder: Path, stem: str) -> Path:
    """Return where the single things in the labels of a picture are, if they were told apart."""
    return Path(folder) / INSTANCES / f"{stem}.json"


def layer_path(folder: Path, name: str, stem: str) -> Path:
    """Return where the layer of a class is, for a picture that is kept in layers."""
    return Path(folder) / LAYERS / name / f"{stem}.png"


# --- reading and writing --------------------------------------------------------------------------


def is_data_set(folder: Path) -> bool:
    """Whether a folder says that it is a data set of this kind."""
    try:
        values = read_json(Path(folder) / DATASET_FILE, _LARGEST_FILE_BYTES)
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("format") == FORMAT


def read_data_set(folder: Path, strict: bool = True) -> tuple[DataSet, tuple[str, ...]]:
    """Read what a data set says about itself; its pictures are not opened.

    Parameters
    ----------
    folder : Path
    strict : bool
        Refuse it for one odd picture. Otherwise that picture is left out and told.

    Returns
    -------
    data : DataSet
    problems : tuple of str
        What was left out, and why; empty when `strict`.

    Raises
    ------
    SpaceError
        If there is none, or its file cannot be used.
    """
    path = Path(folder) / DATASET_FILE
    try:
        values = read_json(path, _LARGEST_FILE_BYTES)
    except FileNotFoundError:
        raise SpaceError(
            f"There is no data set: {DATASET_FILE} is missing.",
            str(folder),
            "Make one: spacetomo data import --help",
        ) from None
    except OSError as error:
        raise SpaceError(
            f"{DATASET_FILE} cannot be read ({error.strerror or error}).", str(path)
        ) from None
    except ValueError as error:
        raise SpaceError(
            f"{DATASET_FILE} is cut off or damaged ({error}).", str(path), _REMEDY
        ) from None
    try:
        data, problems = from_dict(values)
    except NotASampleError as error:
        raise SpaceError(f"{DATASET_FILE} cannot be used: {error}", str(path), _REMEDY) from None
    if strict and problems:
        raise SpaceError(
            f"{DATASET_FILE} cannot be used: {problems[0]}",
            str(path),
            "spacetomo data check DIR tells of all that is wrong.",
        )
    return data, problems


_REMEDY = "Correct the file, or make the data set again from the pictures."


def write_data_set(folder: Path, data: DataSet) -> None:
    """Write what a data set says about itself, whole or not at all."""
    text = json.dumps(to_dict(data), indent=1, ensure_ascii=False)
    write_text_atomic(Path(folder) / DATASET_FILE, text + "\n")


def to_dict(data: DataSet) -> dict[str, Any]:
    """Return a data set as plain values for JSON."""
    return {
        "format": FORMAT,
        "classes": [{"value": c.value, "name": c.name, "color": c.color} for c in data.classes],
        "box_classes": list(data.box_classes),
        "pictures": [_sample_to_dict(sample) for sample in data.samples],
    }


def from_dict(values: Any) -> tuple[DataSet, tuple[str, ...]]:
    """Return the data set in plain values, and what of its pictures had to be left out.

    Raises
    ------
    NotASampleError
        If it is no data set, or its classes cannot be used.
    """
    if not isinstance(values, dict):
        raise NotASampleError("it holds no table.")
    if values.get("format") != FORMAT:
        raise NotASampleError(f"its format is {shown(values.get('format'))}, not {FORMAT!r}.")
    classes = read_classes(values.get("classes"))
    box_classes = _names(values.get("box_classes", []))
    entries = values.get("pictures")
    if not isinstance(entries, list) or len(entries) > MOST_PICTURES:
        raise NotASampleError(f"its pictures are not a list of at most {MOST_PICTURES}.")
    samples: dict[str, Sample] = {}
    problems = []
    for number, entry in enumerate(entries, start=1):
        try:
            sample = _sample(entry)
            if folded(sample.stem) in samples:
                raise NotASampleError(f"another picture is called {shown(sample.stem)}, too.")
        except NotASampleError as error:
            problems.append(f"picture {number}: {error}")
            continue
        samples[folded(sample.stem)] = sample
    in_order = sorted(samples.values(), key=lambda sample: sample.file)
    return DataSet(classes, tuple(in_order), box_classes), tuple(problems)


def read_classes(values: Any) -> tuple[LabelClass, ...]:
    """Return the classes in a list of tables, by value.

    Raises
    ------
    NotASampleError
        If one of them cannot be used, or two share a value or a name.
    """
    if not isinstance(values, list) or len(values) > HIGHEST_VALUE + 1:
        raise NotASampleError(f"its classes are {shown(values)}, not a list.")
    found: list[LabelClass] = []
    for entry in values:
        if not isinstance(entry, dict):
            raise NotASampleError(f"the class {shown(entry)} is no table.")
        value: Any = entry.get("value")
        name: Any = entry.get("name")
        color: Any = entry.get("color")
        if not is_whole(value) or not 0 <= value <= HIGHEST_VALUE:
            raise NotASampleError(f"a class has the value {shown(value)}; 0 to 255 can be used.")
        if not is_class_name(name):
            raise NotASampleError(f"{shown(name)} is not a valid class name.")
        if not isinstance(color, str) or not _COLOR.fullmatch(color):
            raise NotASampleError(f"{shown(color)} is no colour like #ed1b00.")
        found.append(LabelClass(value, name, color))
    for what in ({one.value for one in found}, {one.name for one in found}):
        if len(what) != len(found):
            raise NotASampleError("two classes share a value or a name.")
    return tuple(sorted(found, key=lambda one: one.value))


def is_class_name(name: object) -> bool:
    """Whether a value from outside can name a class; its layers lie in a folder of that name."""
    return isinstance(name, str) and is_name(name) and is_file_name(name)


# --- one picture ----------------------------------------------------------------------------------


def _sample_to_dict(sample: Sample) -> dict[str, Any]:
    origin = {key: value for key, value in vars(sample.origin).items() if value}
    return {
        "file": sample.file,
        "shape": list(sample.shape),
        "pixel_nm": sample.pixel_nm,
        "split": sample.split,
        "picture_hash": sample.picture_hash,
        "label_hash": sample.label_hash,
        "origin": origin,
    }


def _sample(values: Any) -> Sample:
    if not isinstance(values, dict):
        raise NotASampleError(f"{shown(values)} is no table.")
    file: Any = values.get("file")
    if not is_file_name(file) or not is_file_name(Path(file).stem):
        raise NotASampleError(f"{shown(file)} cannot be the name of a file in a folder.")
    read: dict[str, Any] = {}
    for key, (fits, wanted) in _FIELDS.items():
        value = values.get(key, _MISSING.get(key))
        if not fits(value):
            raise NotASampleError(f"{shown(file)} has {key} {shown(value)}, not {wanted}.")
        read[key] = value
    rows, columns = read.pop("shape")
    pixel_nm = read.pop("pixel_nm")
    return Sample(
        file=file,
        shape=(rows, columns),
        pixel_nm=None if pixel_nm is None else float(pixel_nm),
        origin=_origin(file, values.get("origin", {})),
        **read,
    )


def _is_shape(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(is_whole(side) and 0 < side <= _LONGEST_SIDE_PX for side in value)
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "shape": (_is_shape, "[rows, columns]"),
    "pixel_nm": (
        lambda value: value is None or (is_number(value) and 0 < value < 1e9),
        "a positive number",
    ),
    "split": (lambda value: value in ("", *SPLITS), f"one of {', '.join(SPLITS)}"),
    "picture_hash": (_is_hash, "a SHA-256"),
    "label_hash": (lambda value: value == "" or _is_hash(value), "a SHA-256"),
}
_MISSING: Mapping[str, Any] = {"split": "", "label_hash": ""}


def _origin(file: str, values: Any) -> Origin:
    if not isinstance(values, dict):
        raise NotASampleError(f"{shown(file)} has the origin {shown(values)}, not a table.")
    texts = {}
    for key in ("session", "grid", "source", "proposed_by"):
        text = values.get(key, "")
        if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not _is_line(text):
            raise NotASampleError(f"{shown(file)} has {key} {shown(text)}, not a short text.")
        texts[key] = text
    lamella, kind = values.get("lamella", 0), values.get("kind", "")
    if not is_whole(lamella) or not 0 <= lamella < 1_000_000:
        raise NotASampleError(f"{shown(file)} has lamella {shown(lamella)}, not a number.")
    if kind not in KINDS:
        raise NotASampleError(f"{shown(file)} is of kind {shown(kind)}, which is not known.")
    return Origin(lamella=lamella, kind=kind, **texts)


def _is_line(text: str) -> bool:
    return not text or text.isprintable()


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(
        isinstance(name, str) and is_name(name) for name in values
    ):
        raise NotASampleError(f"its classes of boxes are {shown(values)}, not a list of names.")
    if len(set(values)) != len(values):
        raise NotASampleError("two classes of boxes have one name.")
    return tuple(values)
