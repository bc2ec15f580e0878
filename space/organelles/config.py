"""What a training on volumes is asked to do, as a file in TOML says it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, read_bytes_bounded
from space.learning import LOGS
from space.organelles.label_borders import WIDEST
from space.predicates import is_number, is_whole
from space.spelling import slip

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same package by its older name
    import tomli as tomllib

DEVICES, PRECISIONS = ("auto", "cpu", "cuda"), ("auto", "float32", "bfloat16")
FINETUNING: Mapping[str, Any] = {"rate": 0.002, "epochs": 6}
"""What `finetune` takes where a file says nothing."""

_LARGEST_FILE_BYTES = 100_000


@dataclass(frozen=True)
class VolumeConfig:
    """What a training is asked to do.

    Attributes
    ----------
    data : Path
        List of regions to learn from (see `entries`).
    out : Path
        Folder of the run; it is made.
    held : Path or None
        List of regions for validation; without one, the last epoch counts as the best.
    classes : tuple of str
        Classes to learn; all of the list if empty.
    patch : int
        Side of the blocks that it learns from, in voxels.
    batch : int
        Blocks for a step.
    steps, epochs : int
        Steps for an epoch, and epochs. After each epoch everything is kept.
    rate : float
        Learning rate of AdamW at the start; it falls to nothing at the end.
    features : tuple of int
        Of each level of the network; the first is half as fine as the volume, each other one half
        as fine as the one before. Larger things need more levels.
    centred : float
        Share of the blocks that have a voxel of some class in the middle, each class as often.
    elastic : float
        Share of the blocks that are bent.
    exclude : dict of str to int
        Voxels around the border of a class that do not count, in training and validation.
    patience : int
        Epochs without progress after which it ends; 0 for never.
    seed : int
        Of everything that is drawn: the same seed learns the same.
    threads : int
        Of the processor.
    device, precision : str
        One of `DEVICES` and `PRECISIONS`.
    log : tuple of str
        Programs that draw curves, each of which must be installed.
    """

    data: Path
    out: Path
    held: Path | None = None
    classes: tuple[str, ...] = ()
    patch: int = 32
    batch: int = 4
    steps: int = 100
    epochs: int = 12
    rate: float = 0.01
    features: tuple[int, ...] = (16, 32)
    centred: float = 0.5
    elastic: float = 0.1
    exclude: dict[str, int] = field(default_factory=dict)
    patience: int = 0
    seed: int = 1
    threads: int = 1
    device: str = "auto"
    precision: str = "float32"
    log: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        for name in ("data", "out", "held"):
            values[name] = None if values[name] is None else str(values[name])
        return values


def read_volume_config(path: Path, finetuning: bool = False) -> VolumeConfig:
    """Read a configuration; its files are looked for from where it is.

    Parameters
    ----------
    path : Path
    finetuning : bool
        Whether weights are given to begin with: fewer epochs and smaller steps then, if the file
        does not say otherwise.

    Raises
    ------
    SpaceError
        With all that is wrong.
    """
    path = Path(path)
    try:
        values = tomllib.loads(read_bytes_bounded(path, _LARGEST_FILE_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise SpaceError(
            f"The configuration cannot be read ({error.strerror or error}).", str(path)
        ) from None
    except ValueError as error:  # also what is not UTF-8
        raise SpaceError(
            f"The configuration is not TOML ({error}).",
            str(path),
            'Write texts in quotes, and paths with forward slashes: data = "D:/data.json".',
        ) from None
    problems = _problems(values)
    if problems:
        raise SpaceError(" ".join(problems), str(path), "Correct this and start again.")
    folder = path.absolute().parent
    known = {one.name for one in fields(VolumeConfig)}
    given = {**(FINETUNING if finetuning else {}), **values}
    given = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key in known
    }
    for key in ("data", "out", "held"):
        if key in given:
            given[key] = folder / given[key]
    for key in ("rate", "centred", "elastic"):
        if key in given:
            given[key] = float(given[key])
    return VolumeConfig(**given)


def _problems(values: Mapping[str, Any]) -> list[str]:
    found = []
    for key in values:
        if key not in _FITS:
            near = slip(key, _FITS, values)
            meant = f" (is {near} meant?)" if near else ""
            found.append(f"{shown(key)} is no setting of a training on volumes{meant}.")
    found += [f"{key} is missing." for key in ("data", "out") if key not in values]
    for key, (fits, wanted) in _FITS.items():
        if key in values and not fits(values[key]):
            found.append(f"{key} is {shown(values[key])}, not {wanted}.")
    if not found:
        levels = len(values.get("features", VolumeConfig.features))
        multiple = 2**levels
        if values.get("patch", VolumeConfig.patch) % multiple:
            found.append(f"patch is no multiple of {multiple}, as {levels} levels need.")
    return found


def _whole(least: int, most: int) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: is_whole(value) and least <= value <= most,
        f"a whole number from {least} to {most}",
    )


_PATH = (
    lambda value: isinstance(value, str) and bool(value) and value.isprintable(),
    "the path of a file or folder",
)
_SHARE = (lambda value: is_number(value) and 0 <= value <= 1, "a share from 0 to 1")


def _one_of(names: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in names, f"one of {', '.join(names)}"


def _names(value: object, fits: Callable[[Any], bool]) -> bool:
    return (
        isinstance(value, list)
        and len(set(map(str, value))) == len(value)
        and all(map(fits, value))
    )


_FITS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "data": _PATH,
    "out": _PATH,
    "held": _PATH,
    "classes": (
        lambda value: _names(value, lambda one: isinstance(one, str) and is_name(one)),
        "a list of different classes",
    ),
    "patch": _whole(8, 256),
    "batch": _whole(1, 64),
    "steps": _whole(1, 100_000),
    "epochs": _whole(1, 100_000),
    "rate": (lambda value: is_number(value) and 0 < value <= 1, "a number above 0, at most 1"),
    "features": (
        lambda value: (
            isinstance(value, list)
            and 2 <= len(value) <= 6
            and all(is_whole(one) and 1 <= one <= 512 for one in value)
        ),
        "a list of 2 to 6 numbers of features, each from 1 to 512",
    ),
    "centred": _SHARE,
    "elastic": _SHARE,
    "exclude": (
        lambda value: (
            isinstance(value, dict)
            and all(is_whole(one) and 0 <= one <= WIDEST for one in value.values())
        ),
        f"a table of classes and voxels from 0 to {WIDEST}, such as {{er = 2}}",
    ),
    "patience": _whole(0, 100_000),
    "seed": _whole(0, 2**31 - 1),
    "threads": _whole(1, 256),
    "device": _one_of(DEVICES),
    "precision": _one_of(PRECISIONS),
    "log": (lambda value: _names(value, lambda one: one in LOGS), f"a list of {', '.join(LOGS)}"),
}
