"""Marks of models: they show by which model, used in which way, a result was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from space.config import Config
from space.errors import SpaceError
from space.jobs.records import HEAT
from space.models import (
    OnnxFacts,
    detection_onnx,
    fold_output,
    is_onnx,
    segmentation_files,
    segmentation_onnx,
    used_folds,
)
from space.trust import file_hash

_DIGITS = 16
_WAYS = {
    "detect": ("detection_pixel_nm", "detection_window_px"),
    "segment": ("segmentation_pixel_nm", "tidy_segmentation", "preset"),
}
"""Values of the configuration that decide the results of a model, by task."""


def model_files(config: Config, task: str) -> tuple[Path, ...]:
    """Return the files of a model that decide its results, as they are configured.

    An .onnx file beside them was made from them, so it decides nothing else.
    """
    if task == HEAT:
        return () if config.learned_targets_model is None else (config.learned_targets_model,)
    return tuple(_files(config, task).values())


def onnx_of(config: Config, task: str) -> tuple[Path, OnnxFacts] | None:
    """Return the .onnx file of the model for a task and its facts; None if it has none of use.

    Raises
    ------
    SpaceError
        If an .onnx file that the configuration names cannot be used.
    """
    if task == "detect":
        return detection_onnx(config.detection_weights)
    model, checkpoint = Path(config.segmentation_model), config.segmentation_checkpoint
    return segmentation_onnx(model, folds_of(config), checkpoint)


def _files(config: Config, task: str) -> dict[str, Path]:
    """Name in the source of an .onnx file -> where that file is."""
    model = Path(config.detection_weights if task == "detect" else config.segmentation_model)
    if task == "detect" or is_onnx(model):
        return {model.name: model}
    return segmentation_files(model, folds_of(config), config.segmentation_checkpoint)


def folds_of(config: Config) -> tuple[int | str, ...]:
    """Return the folds of the segmentation model that are used."""
    folder, configured = Path(config.segmentation_model), config.segmentation_folds
    return used_folds(config.inference_preset, folder, configured, config.segmentation_checkpoint)


def _hashes(config: Config, task: str) -> dict[str, str]:
    """Name of each file that decides the results -> its hash, or that which the .onnx file knows.

    So results of both runtimes are those of one model. Empty if files are missing.
    """
    files = _files(config, task)
    if not any(is_onnx(path) for path in files.values()):
        hashes = {name: _mark(path) for name, path in files.items()}
        if all(hashes.values()):
            return hashes
    try:
        found = onnx_of(config, task)
    except SpaceError:
        return {}
    if found is None:
        return {}
    source = found[1].source
    if not any(is_onnx(path) for path in files.values()):
        return {name: source[name] for name in files}
    if task == "detect":
        return source
    folders = tuple(f"{fold_output(fold)}/" for fold in folds_of(config))
    return {
        name: mark for name, mark in source.items() if "/" not in name or name.startswith(folders)
    }


def model_mark(config: Config, task: str) -> str:
    """Return the mark of the model for a task; empty if its files are not there.

    A mark is a hash of contents and of how the model is used, so the same model has it on every
    machine, and a changed configuration makes results anew.
    """
    if task == HEAT:
        return "".join(_mark(path)[:_DIGITS] for path in model_files(config, task))
    hashes = _hashes(config, task)
    if not hashes:
        return ""
    whole = hashlib.sha256()
    for name in _WAYS[task]:
        whole.update(f"{name} {getattr(config, name)}\n".encode())
    for name, mark in sorted(hashes.items(), key=lambda item: _order(item[0])):
        whole.update(f"{name.rpartition('/')[2]} {mark}\n".encode())
    return whole.hexdigest()[:_DIGITS]


def _order(name: str) -> tuple[bool, int, str]:
    """Files of folds stand last, by their numbers: it does not matter which fold is named first."""
    inside = "/" in name
    return (inside, len(name), name) if inside else (False, 0, "")


class ModelMarks:
    """The marks of the models that are configured (`model_mark`).

    Parameters
    ----------
    load_config : callable
        Returns the configuration; called each time, since a person may edit it.
    """

    def __init__(self, load_config: Callable[[], Config]) -> None:
        self._load_config = load_config

    def __call__(self, task: str) -> str:
        """Return the mark of the model for a task; empty if its files are not there."""
        return model_mark(self._load_config(), task)


def _mark(path: Path) -> str:
    try:
        return file_hash(path)
    except OSError:
        return ""
