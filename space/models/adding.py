"""Which model a source holds, and copying what is needed of it."""

from __future__ import annotations

import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar
from uuid import uuid4

from space.errors import SpaceError, shown
from space.models.card import CARD
from space.models.description import RECORD, choose_checkpoint
from space.models.onnx_file import SEGMENTATION_ONNX
from space.models.place import DATASET, PLANS, TRAINED, TRAINED_FOLDER, is_run
from space.models.sources import Entry, Source, copy
from space.models.store import FOLD, UNFINISHED, folds_in

_NAME = re.compile(r"\w[\w\-. ()+]{0,79}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_GENERIC = re.compile(r"nnunettrainer\w*|weights|train\d*|fold_\w+|models?", re.IGNORECASE)
_PARTS = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_OLD_S = 86_400.0
_ROOM_BYTES = 100_000_000
"""That stay free on the disk."""

_Any = TypeVar("_Any")
Inside = Mapping[tuple[str, ...], Mapping[str, Entry]]
"""Folder -> the files in it, by name."""


@dataclass(frozen=True)
class Found:
    """A model in a source.

    Attributes
    ----------
    name : str
        What it could be called.
    files : dict of str to Entry
        Way in the model's new folder -> file of the source.
    """

    name: str
    files: dict[str, Entry]


def find_model(source: Source) -> Found:
    """Return the one model in a source, with the files that are needed of it.

    Raises
    ------
    SpaceError
        If there is none, or more than one.
    """
    inside: dict[tuple[str, ...], dict[str, Entry]] = {}
    for entry in source.entries:
        inside.setdefault(entry.folder, {})[entry.name] = entry
    for run in [folder for folder, files in inside.items() if is_run(files)]:
        model = (*run, TRAINED_FOLDER)  # all else is for going on with it
        inside = {f: held for f, held in inside.items() if not _is_work(f, run, model)}
    folders = [folder for folder, files in inside.items() if _is_folder(files)]
    if len(folders) > 1:  # as nnU-Net keeps them, by configuration
        folders = [f for f in folders if f and f[-1].endswith("__2d")] or folders
    if folders:
        folder = _only([(_way(source, f), f) for f in folders], source)
        return Found(_call(source, folder), _segmentation(source, inside, folder))
    weights = _only([(_way(source, e.parts), e) for e in _detectors(inside)], source)
    return Found(_call(source, weights.parts), _detector(inside, weights))


def _is_work(folder: tuple[str, ...], run: tuple[str, ...], model: tuple[str, ...]) -> bool:
    """Whether a folder is within that of a training, but not within that of its model."""
    is_within = len(folder) > len(run) and folder[: len(run)] == run
    return is_within and folder[: len(model)] != model


def _is_folder(files: Mapping[str, Entry]) -> bool:
    return DATASET in files and (PLANS in files or SEGMENTATION_ONNX in files)


def _only(found: Sequence[tuple[str, _Any]], source: Source) -> _Any:
    if len(found) == 1:
        return found[0][1]
    if found:
        listed = ", ".join(way for way, _ in found[:6])
        raise SpaceError(
            f"There are several models in it: {listed}.", str(source.path), "Give one of them."
        )
    raise SpaceError(_why_none(source), str(source.path), _WANTED)


_WANTED = (
    f"Give a folder with {DATASET}, {PLANS} and fold_0, the zip archive of nnU-Net's export, a .pt "
    "of an ultralytics detector, or an .onnx file."
)


def _why_none(source: Source) -> str:
    names = [entry.name.lower() for entry in source.entries]
    if any(name == "data.pkl" for name in names):
        return "This is a PyTorch checkpoint, not an archive around one: name it .pt."
    if is_run(names):
        return UNFINISHED
    if any(name.endswith(".zip") for name in names):
        packed = next(str(e) for e in source.entries if e.name.lower().endswith(".zip"))
        return f"There is no model in it, but an archive ({packed}): give that one."
    if any(name.endswith(".pth") for name in names):
        lacking = " nor ".join(name for name in (DATASET, PLANS) if name not in names)
        return f"There are weights of nnU-Net in it, but no {lacking or f'{DATASET} with {PLANS}'}."
    return "There is no model in it."


def _way(source: Source, parts: tuple[str, ...]) -> str:
    return "/".join(parts) or source.path.name


def _segmentation(source: Source, inside: Inside, folder: tuple[str, ...]) -> dict[str, Entry]:
    wanted = (DATASET, PLANS, CARD, RECORD, SEGMENTATION_ONNX)
    files = {name: inside[folder][name] for name in wanted if name in inside[folder]}
    folds = {
        below[-1]: {name: entry for name, entry in held.items() if name.endswith(".pth")}
        for below, held in inside.items()
        if len(below) == len(folder) + 1 and below[:-1] == folder and FOLD.fullmatch(below[-1])
    }
    folds = {name: held for name, held in folds.items() if held}
    used = [held for name, held in folds.items() if folds_in([name])]
    checkpoint = choose_checkpoint([set(held) for held in used])
    for name, held in sorted(folds.items()):
        if checkpoint in held:
            files[f"{name}/{checkpoint}"] = held[checkpoint]
    if not any(name.endswith((".pth", ".onnx")) for name in files):
        raise SpaceError(
            "There are no weights in its folds (fold_0/checkpoint_final.pth), and no "
            f"{SEGMENTATION_ONNX}.",
            f"{source.path}: {_way(source, folder)}",
            "Copy the whole folder of the model, or export it again.",
        )
    return files


def _detectors(inside: Inside) -> Iterator[Entry]:
    for held in inside.values():
        for name, entry in sorted(held.items()):
            path = PurePath(name)
            if is_run(held) and name not in TRAINED:
                continue  # for going on with it
            if path.suffix == ".pt":
                if name != "last.pt" or "best.pt" not in held:  # of a training by ultralytics
                    yield entry
            elif path.suffix == ".onnx" and f"{path.stem}.pt" not in held:
                yield entry


def _detector(inside: Inside, weights: Entry) -> dict[str, Entry]:
    held, stem = inside[weights.folder], PurePath(weights.name).stem
    own = stem if fit_name(stem) else "weights"
    files = {f"{own}{PurePath(weights.name).suffix}": weights}
    if f"{stem}.onnx" in held:
        files[f"{own}.onnx"] = held[f"{stem}.onnx"]
    for name in (CARD, f"{stem}.{CARD}"):
        if name in held:
            files[CARD] = held[name]
    if RECORD in held:
        files[RECORD] = held[RECORD]
    return files


# --- its name -----------------------------------------------------------------------------------


def fit_name(name: str) -> bool:
    """Tell whether a folder can have this name, on Windows, too."""
    return bool(_NAME.fullmatch(name)) and name[-1] not in ". " and not _RESERVED.fullmatch(name)


def _call(source: Source, parts: tuple[str, ...]) -> str:
    """Return a name for a model: of its own folder or file, unless that says nothing."""
    for part in (*reversed(parts), source.path.resolve().name):
        name = unicodedata.normalize("NFC", re.sub(r"\.(zip|pt|onnx)$", "", part, flags=re.I))
        if fit_name(name) and not _GENERIC.fullmatch(name) and name not in ("best", "last"):
            return name
    return "model"


def refuse_name(name: str, models_dir: Path) -> None:
    """Refuse a name that is not fit for a folder, or is there already.

    Raises
    ------
    SpaceError
    """
    if not fit_name(name):
        raise SpaceError(
            f"{shown(name)} cannot be the name of a model.",
            do="Give --name with letters, digits, - and _.",
        )
    wanted = unicodedata.normalize("NFC", name).casefold()
    there = Path(models_dir)
    for path in there.iterdir() if there.is_dir() else ():
        if unicodedata.normalize("NFC", path.name).casefold() == wanted:
            raise SpaceError(
                "There is a model of this name already; it is not replaced.",
                str(path),
                "Give another name with --name, or move the present one away.",
            )


# --- copying ------------------------------------------------------------------------------------


@contextmanager
def copied(source: Source, found: Found, models_dir: Path) -> Iterator[Path]:
    """Give a hidden folder with copies of a model's files; it is removed unless it was renamed.

    Raises
    ------
    SpaceError
        If a file cannot be copied.
    """
    folder = Path(models_dir) / f".{found.name}.{uuid4().hex[:8]}.part"
    try:
        folder.mkdir(parents=True)
        _clear_remains(Path(models_dir))
        total = sum(entry.bytes for entry in found.files.values())
        if total + _ROOM_BYTES > shutil.disk_usage(folder).free:
            raise SpaceError(
                f"The disk has no room for {total / 1e6:.0f} MB.", str(models_dir), "Make room."
            )
        for way, entry in found.files.items():
            copy(source, entry, folder.joinpath(*way.split("/")))
        yield folder
    except OSError as error:
        raise SpaceError(
            f"The model cannot be copied ({error}).",
            str(models_dir),
            "Run this as a user who may write there.",
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, name: str, models_dir: Path) -> Path:
    """Give a folder of copies its name; from now on it is a model.

    Raises
    ------
    SpaceError
        If the name is taken by now.
    OSError
        If it cannot be renamed.
    """
    refuse_name(name, models_dir)
    target = Path(models_dir) / name
    folder.rename(target)
    return target


def _clear_remains(models_dir: Path) -> None:
    """Remove what a run that was killed has left."""
    for path in models_dir.iterdir():
        if _PARTS.fullmatch(path.name) and path.is_dir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _OLD_S:
                    shutil.rmtree(path, ignore_errors=True)
