"""A trained nnU-Net as a folder that sessions and nnU-Net itself take, with its .onnx file."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import atomic_path, write_text_atomic
from space.learning.training.engine import Task, Tell
from space.learning.training.nnunet_data import Prepared
from space.learning.training.nnunet_plans import CONFIGURATION
from space.learning.training.run_folder import MODEL_FOLDER
from space.models import CARD, DATASET, PLANS
from space.models.card import write_card
from space.segmentation.conversion import convert_segmentation

TRAINER = "nnUNetTrainer"
CHECKPOINT = "checkpoint_final.pth"
_FOLD = 0
_MIRRORED = (0, 1)


def write_folder(
    task: Task,
    ready: Prepared,
    weights: Mapping[str, Any],
    tile_px: int,
    scores: Mapping[str, float | None],
    tell: Tell,
) -> Path:
    """Write the model of a run; it appears as a whole.

    Parameters
    ----------
    task : Task
    ready : Prepared
    weights : mapping of str to torch.Tensor
    tile_px : int
        Side of the part of a map that the network is shown at once.
    scores : mapping
        For the card.
    tell : callable
    """
    out = task.config.out
    folder, part = out / MODEL_FOLDER, out / f".{MODEL_FOLDER}.{os.getpid()}"
    plans = copy.deepcopy(ready.plans)
    plans["configurations"][CONFIGURATION]["patch_size"] = [tile_px, tile_px]
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / f"fold_{_FOLD}").mkdir(parents=True)
        write_text_atomic(part / PLANS, json.dumps(plans, indent=1) + "\n")
        write_text_atomic(
            part / DATASET, json.dumps(ready.description, indent=1, ensure_ascii=False) + "\n"
        )
        write_card(part / CARD, _card(task, scores))
        _save(part / f"fold_{_FOLD}" / CHECKPOINT, weights, plans, ready.description)
        _convert(part, tell)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _card(task: Task, scores: Mapping[str, float | None]) -> dict[str, Any]:
    pixel = {} if task.pixel_nm is None else {"pixel_nm": task.pixel_nm}
    return {
        "trained_on": task.config.trained_on,
        **pixel,
        "pictures": len(task.learnt),
        "scores": {f"Dice {name}": round(v, 4) for name, v in scores.items() if v is not None},
    }


def _save(
    path: Path, weights: Mapping[str, Any], plans: dict[str, Any], description: dict[str, Any]
) -> None:
    """Write a checkpoint as nnU-Net's predictor reads it, without what only training needs."""
    import torch

    checkpoint = {
        "network_weights": {name: value.cpu() for name, value in weights.items()},
        "optimizer_state": None,
        "grad_scaler_state": None,
        "logging": None,
        "_best_ema": None,
        "current_epoch": 0,
        "init_args": {
            "plans": plans,
            "configuration": CONFIGURATION,
            "fold": _FOLD,
            "dataset_json": description,
        },
        "trainer_name": TRAINER,
        "inference_allowed_mirroring_axes": _MIRRORED,
    }
    with atomic_path(path) as temporary:
        torch.save(checkpoint, temporary)


def _convert(folder: Path, tell: Tell) -> None:
    """Write the .onnx file; without it, the model runs with torch alone."""
    try:
        convert_segmentation(folder, (_FOLD,), checkpoint=CHECKPOINT)
    except SpaceError as error:
        tell(f"The model has no .onnx file: {error}")
