"""Marks of models: they show by which model, used in which way, a result was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from space.config import Config
from space.models import DATASET, PLANS, used_folds
from space.trust import file_hash

_DIGITS = 16
_WAYS = {
    "detect": ("detection_pixel_nm", "detection_window_px"),
    "segment": ("segmentation_pixel_nm", "tidy_segmentation", "preset"),
}
"""Values of the configuration that decide the results of a model, by task."""


def model_files(config: Config, task: str) -> tuple[Path, ...]:
    """Return the files of a model that decide its results."""
    if task == "detect":
        return (Path(config.detection_weights),)
    folder = Path(config.segmentation_model)
    checkpoint = config.segmentation_checkpoint
    used = used_folds(config.inference_preset, folder, config.segmentation_folds, checkpoint)
    weights = tuple(folder / f"fold_{fold}" / checkpoint for fold in used)
    return (folder / DATASET, folder / PLANS, *weights)


class ModelMarks:
    """The marks of the models that are configured.

    A mark is a hash of contents and of how the model is used, so the same model has it on every
    machine, and a changed configuration makes results anew.

    Parameters
    ----------
    load_config : callable
        Returns the configuration; called each time, since a person may edit it.
    """

    def __init__(self, load_config: Callable[[], Config]) -> None:
        self._load_config = load_config

    def __call__(self, task: str) -> str:
        """Return the mark of the model for a task; empty if its files are not there."""
        config, whole = self._load_config(), hashlib.sha256()
        for name in _WAYS[task]:
            whole.update(f"{name} {getattr(config, name)}\n".encode())
        for path in model_files(config, task):
            mark = _mark(path)
            if not mark:
                return ""
            whole.update(f"{path.name} {mark}\n".encode())
        return whole.hexdigest()[:_DIGITS]


def _mark(path: Path) -> str:
    try:
        return file_hash(path)
    except OSError:
        return ""
