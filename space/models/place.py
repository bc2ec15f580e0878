"""Where an nnU-Net model is: its folder, its folds, its weights, and slips in naming them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

DATASET, PLANS = "dataset.json", "plans.json"
RUN, METRICS = "run.json", "metrics.jsonl"
"""In the folder of a training (``spacetomo train``): what was asked, and how it went."""

TRAINED = ("model.onnx", "model.pt")
"""What a training writes at its end; its other files are for going on with it."""

TRAINED_FOLDER = "model"
"""The same of a training of nnU-Net."""

_SETTING = "segmentation_model"
_CONFIGURATION = "2d"
_MOST_ENTRIES = 1000
_MOST_LISTED = 6


def is_run(names: Collection[str]) -> bool:
    """Whether a folder with files of these names is that of a training."""
    return RUN in names and METRICS in names


def misplaced(folder: Path) -> str:
    """Say why a folder is no nnU-Net model, and which one is meant; empty if it may be one."""
    folder = Path(folder)
    if folder.is_file():
        if folder.suffix.lower() == ".zip":
            return f"It is a zip archive. Unpack it, and name its folder in {_SETTING}."
        return f"It is a file. Name the folder that holds {DATASET} in {_SETTING}."
    if not folder.is_dir():
        packed = folder.with_name(f"{folder.name}.zip")
        if packed.is_file():
            return f"It is not unpacked yet: unpack {packed.name} there."
        return f"There is no such folder. Put the model there, or correct {_SETTING}."
    if (folder / DATASET).is_file():
        return ""
    if (folder.parent / PLANS).is_file() and any(folder.glob("checkpoint_*.pth")):
        return f"This is one fold of a model. Set {_SETTING} to {_path_text(folder.parent)}."
    inner = model_folders(folder)
    if inner:
        return _one_of(inner)
    packed_inside = [path.name for path in _entries(folder) if path.suffix.lower() == ".zip"]
    if packed_inside:
        return f"It holds {_listed(packed_inside)}, which is not unpacked. Unpack it."
    return (
        f"There is no {DATASET} in it. Copy the whole folder of the model, or correct {_SETTING}."
    )


def missing_files(folder: Path, folds: Sequence[int | str], checkpoint: str) -> list[str]:
    """Say which files a model lacks for prediction with these folds, and what there is instead.

    Returns
    -------
    list of str
        One sentence for each; empty when all are there.
    """
    folder = Path(folder)
    problems = []
    if not (folder / PLANS).is_file():
        problems.append(f"There is no {PLANS} in it. Copy the whole folder of the model.")
    present = [path.name for path in _entries(folder) if re.fullmatch(r"fold_\w+", path.name)]
    lacking = [f"fold_{fold}" for fold in folds if not (folder / f"fold_{fold}").is_dir()]
    if lacking:
        has = f"the folder has {_listed(present)}" if present else "the folder has no fold"
        remedy = (
            f"Set segmentation_folds = {_instead(folds, present)}, or copy" if present else "Copy"
        )
        problems.append(f"{_listed(lacking)} is missing: {has}. {remedy} what is missing.")
    for fold in folds:
        inside = folder / f"fold_{fold}"
        if inside.is_dir() and not (inside / checkpoint).is_file():
            problems.append(_no_checkpoint(inside, checkpoint))
    return problems


def _no_checkpoint(fold: Path, checkpoint: str) -> str:
    others = [path.name for path in _entries(fold) if path.suffix == ".pth"]
    if not others:
        return f"{fold.name} holds no {checkpoint}. Copy it there."
    best = "checkpoint_best.pth" if "checkpoint_best.pth" in others else others[0]
    return (
        f"{fold.name} holds no {checkpoint}, but {_listed(others)}. To use one of these, set "
        f'segmentation_checkpoint = "{best}" in SPACEtomo_config.py.'
    )


def model_folders(folder: Path) -> list[Path]:
    """Return folders one or two levels below that look like models."""
    found = []
    for path in _entries(folder):
        for candidate in (path, *(_entries(path) if path.is_dir() else ())):
            if (candidate / DATASET).is_file() and (candidate / PLANS).is_file():
                found.append(candidate)
    return found


def _one_of(models: Sequence[Path]) -> str:
    fit = [path for path in models if path.name.endswith(f"__{_CONFIGURATION}")]
    known = [path for path in models if "__" in path.name]
    if not fit and known == list(models):
        return (
            f"It holds only {_listed([path.name for path in models])}. Maps are single pictures: "
            f"a model that was trained in the configuration {_CONFIGURATION} is needed."
        )
    meant = fit or models
    names = [_path_text(path) for path in meant]
    if len(names) == 1:
        return f"The model is one folder further down. Set {_SETTING} to {names[0]}."
    return f"It holds several models. Set {_SETTING} to one of them: {_listed(names)}."


def _path_text(folder: Path) -> str:
    return f'"{folder.as_posix()}"'


def _instead(wanted: Sequence[int | str], present: Sequence[str]) -> str:
    """Return the folds to use, as a setting: of those wanted what is there, else what there is."""
    there = [name[len("fold_") :] for name in present]
    numbers = [name for name in there if name.isdigit()]
    chosen = [str(fold) for fold in wanted if str(fold) in there] or numbers or there
    return f"[{', '.join(name if name.isdigit() else _quoted(name) for name in chosen)}]"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, by name; of a very full one, a part."""
    try:
        found = [path for path, _ in zip(folder.iterdir(), range(_MOST_ENTRIES))]
    except OSError:
        return []
    return sorted(found)
