"""The folder of a training: what was asked, how it went, and what came of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from space import __version__
from space.errors import SpaceError
from space.files import atomic_path, read_json, write_text_atomic
from space.learning.dataset import DATASET_FILE
from space.learning.training.progress import Course
from space.models.place import METRICS, RUN, TRAINED, TRAINED_FOLDER
from space.predicates import is_number

LAST, BEST, PREVIEW = "last.pt", "best.pt", "preview.png"
MODEL, WEIGHTS = TRAINED
MODEL_FOLDER = TRAINED_FOLDER
"""Of a model that is a folder itself."""

_LARGEST_FILE_BYTES = 100_000_000
_PACKAGES = (
    "torch",
    "segmentation-models-pytorch",
    "nnunetv2",
    "ultralytics",
    "batchgeneratorsv2",
    "numpy",
)
_MAY_CHANGE = ("out", "epochs", "patience", "log", "data", "held", "device")
"""What may be another when a training goes on: the rest would make it another training. Where
the data are may change; what they are may not."""


class Learnt(Protocol):
    """What a run notes of something that it learns from."""

    @property
    def file(self) -> str:
        """Which one it is."""

    @property
    def split(self) -> str:
        """What it is for."""

    @property
    def picture_hash(self) -> str:
        """Of its values."""

    @property
    def label_hash(self) -> str:
        """Of its labels; empty without any."""


def described(
    config: Course,
    classes: Mapping[str, int],
    samples: Iterable[Learnt],
    begun: str,
    pixel_nm: float | None = None,
) -> dict[str, Any]:
    """Return what a run says about itself."""
    return {
        "format": "SPACEtomo training 1",
        "config": config.to_dict(),
        "classes": dict(classes),
        "start_from": begun,
        "pixel_nm": pixel_nm,
        "pictures": {
            sample.file: [sample.split, sample.picture_hash, sample.label_hash]
            for sample in samples
        },
        "versions": {
            "spacetomo": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def refuse_taken(out: Path) -> None:
    """Refuse a folder in which there is a run already.

    Raises
    ------
    SpaceError
    """
    if (out / RUN).exists():
        raise SpaceError(
            "There is a training in this folder already.",
            str(out),
            "Go on with it (--resume), or name another folder as out.",
        )
    if (out / DATASET_FILE).exists():
        raise SpaceError(
            "A training is not written among the files of a data set.",
            str(out),
            "Name another folder as out.",
        )


def begin(out: Path, run: Mapping[str, Any]) -> None:
    """Make the folder of a new run.

    Raises
    ------
    SpaceError
        If there is a run in it already.
    """
    refuse_taken(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text_atomic(out / RUN, json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise SpaceError(
            f"The folder of the training cannot be written ({error.strerror or error}).",
            str(out),
            "Name another folder as out.",
        ) from None


def go_on(out: Path, run: Mapping[str, Any]) -> None:
    """Check that a run can go on with what it is asked now.

    Raises
    ------
    SpaceError
        If there is none, or something is otherwise by now that would make it another run.
    """
    try:
        before = read_json(out / RUN, _LARGEST_FILE_BYTES)
        asked, pictures = dict(before["config"]), before["pictures"]
    except FileNotFoundError:
        raise SpaceError(
            "There is no training to go on with.", str(out / RUN), "Start one without --resume."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpaceError(
            f"What this training was begun with cannot be read ({type(error).__name__}).",
            str(out / RUN),
            "Put a copy of this file back, or start another training in another folder.",
        ) from None
    run = json.loads(json.dumps(run))  # as it would be read
    now = run["config"]
    changed = [
        f"{name} was {asked[name]!r} and is {now[name]!r}"
        for name in now
        if name not in _MAY_CHANGE and name in asked and asked[name] != now[name]
    ]
    if pictures != run["pictures"]:
        changed.append("the pictures, their labels or their splits are others")
    if changed:
        raise SpaceError(
            f"This training was begun with something else: {'; '.join(changed)}.",
            str(out),
            "Change that back, or start another training in another folder.",
        )


def begun_with(out: Path) -> Path | None:
    """Return the weights that a run began with, if it died before it kept any of its own."""
    if (out / LAST).exists():
        return None
    try:
        begun = read_json(out / RUN, _LARGEST_FILE_BYTES)["start_from"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `go_on` says what is wrong
    return Path(begun) if isinstance(begun, str) and begun else None


def setting_before(out: Path, name: str) -> Any:
    """Return a setting that a run was begun with; None if it does not say so."""
    try:
        return read_json(out / RUN, _LARGEST_FILE_BYTES)["config"][name]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `go_on` says what is wrong


def pixel_of(out: Path) -> float | None:
    """Return the pixel at which a run is shown its pictures, if that is known."""
    try:
        pixel_nm = read_json(out / RUN, _LARGEST_FILE_BYTES)["pixel_nm"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(pixel_nm) if is_number(pixel_nm) and pixel_nm > 0 else None


def save(path: Path, kept: Mapping[str, Any]) -> None:
    """Write weights and what belongs to them, whole or not at all."""
    import torch

    with atomic_path(path) as temporary:
        torch.save(dict(kept), temporary)


def read_metrics(out: Path, epochs: int | None = None) -> list[dict[str, Any]]:
    """Return what each epoch came to, at most so many; a line that was cut off ends it."""
    try:
        lines = (out / METRICS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: list[dict[str, Any]] = []
    for line in lines[:epochs]:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def write_metrics(out: Path, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write what each epoch came to, a line of JSON for each; whole or not at all."""
    write_text_atomic(out / METRICS, "".join(json.dumps(one) + "\n" for one in metrics))
