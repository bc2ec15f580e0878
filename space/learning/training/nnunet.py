"""Training of an nnU-Net: its planner, preprocessing, network, loss and trainer as they are.

The loop is that of all trainings, so that it can be killed at any moment: each step draws from
random numbers of its own, in this process, and pictures are varied gently (`gentle`).
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import write_text_atomic
from space.learning.training.config import SMALL
from space.learning.training.engine import Task, Tell
from space.learning.training.gentle import gentle_transforms
from space.learning.training.network import begin_with, predicted
from space.learning.training.nnunet_data import Prepared, at_home, prepared
from space.learning.training.nnunet_given import KEPT_PLANS, Given, given_model, kept_plans
from space.learning.training.nnunet_model import write_folder
from space.learning.training.nnunet_plans import CONFIGURATION, multiple_of, small_plans
from space.learning.training.samples import IGNORED, Shown
from space.models.place import RUN

_WORK = "nnunet"
_HEADS = "decoder.seg_layers."
_LARGEST_TILE_PX = 640
"""Side of the part of a map that the network sees at once, where maps are as large. Larger than in
training: instance normalisation takes its measure from a tile, and a larger one is rarely all bulk
or all vacuum."""

_MOST_VALIDATED_PX = 2_000_000
"""How many pixels are looked at after each epoch: it should take less time than the epoch."""

_DECAY, _EPSILON = 1e-4, 1e-5


class NnUNetEngine:
    """An nnU-Net that learns (see `space.learning.training.engine.Engine`)."""

    def __init__(self, task: Task) -> None:
        _refuse_missing()
        self._task, config = task, task.config
        self._given: Given | None = None
        goes_on = (config.out / RUN).exists() and (config.out / KEPT_PLANS).exists()
        self._plans = kept_plans(config.out, config) if goes_on else None
        if task.begun is not None:
            self._given = given_model(task.begun, config)
            self._plans = self._given.plans
            if config.pixel_nm is None and task.pixel_nm is not None and self._given.pixel_nm:
                self._task = replace(task, pixel_nm=self._given.pixel_nm)
        self.begun = self._given.path if self._given else None
        self.pixel_nm = self._task.pixel_nm
        if self._plans is None and config.plan == SMALL:
            _refuse_patch(config.patch_px, 2 ** (len(config.features) - 1))
            self._plans = small_plans(config.features, config.patch_px, config.batch)
        self._work = config.out / _WORK
        self._trainer: Any = None
        self._steps: Any = None
        self._ready: Prepared | None = None
        self.held: list[Shown] = []

    @property
    def network(self) -> Any:
        """nnU-Net's network."""
        return self._trainer.network

    @property
    def optimizer(self) -> Any:
        """What changes its weights."""
        return self._trainer.optimizer

    @property
    def example(self) -> Shown:
        """The part of the pictures that shows most classes."""
        parts = self.held or self._parts(self._data.learnt[:1])
        return max(parts, key=lambda one: np.unique(one.channels).size)

    @property
    def _data(self) -> Prepared:
        assert self._ready is not None, "it is prepared first"
        return self._ready

    @property
    def _settings(self) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self._data.plans["configurations"][CONFIGURATION]
        return settings

    def prepare(self, tell: Tell) -> None:
        """Let nnU-Net plan and preprocess, and make trainer and network."""
        config = self._task.config
        tell("nnU-Net plans and preprocesses.")
        with at_home(self._work):
            self._ready = prepared(self._work, self._task, self._plans)
        write_text_atomic(config.out / KEPT_PLANS, json.dumps(self._ready.plans, indent=1))
        with at_home(self._work, draws=True):
            self._trainer = _trainer(self._task, self._ready)
            self._steps, _ = self._trainer.get_dataloaders()
        self.held = self._parts(self._ready.held)
        if self._given:
            names = list(self._task.classes.values)
            taken = begin_with(
                self.network, self._given.weights, self._given.classes, names, _HEADS
            )
            of = len(self.network.state_dict())
            tell(f"Begins with {taken} of {of} arrays of {self._given.path}.")

    def _parts(self, stems: Sequence[str]) -> list[Shown]:
        """Return pictures as nnU-Net has preprocessed them; of many and large ones, a part.

        The parts are as large as what the network sees at once, and evenly chosen.
        """
        pictures = [self._shown(stem) for stem in stems]
        if sum(one.grey.size for one in pictures) <= _MOST_VALIDATED_PX:
            return pictures
        parts = [part for one in pictures for part in _cut(one, self._tile_px)]
        every = -(-sum(part.grey.size for part in parts) // _MOST_VALIDATED_PX)
        return parts[::every]

    def _shown(self, stem: str) -> Shown:
        trainer = self._trainer
        folder = trainer.preprocessed_dataset_folder
        grey, labels, _, _ = trainer.dataset_class(folder, [stem]).load_case(stem)
        found = np.asarray(labels[:])[0, 0]
        count = len(self._task.classes.values)
        known = (found >= 0) & (found < count)
        channels = np.where(known, found, IGNORED).astype(np.uint8)
        return Shown(stem, np.asarray(grey[:], np.float32)[0, 0], channels, ())

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps; return the losses and the rate at the end."""
        import torch

        trainer, config = self._trainer, self._task.config
        # On a graphics card, nnU-Net chooses shorter numbers itself.
        shorter = config.device == "cpu" and config.precision == "bfloat16"
        trainer.set_deep_supervision_enabled(True)
        trainer.network.train()
        trainer.lr_scheduler.step(steps.start // config.steps)
        losses = []
        for step in steps:
            _seed(config.seed, step)
            parts = next(self._steps)
            with torch.autocast("cpu", torch.bfloat16, enabled=shorter):
                losses.append(float(trainer.train_step(parts)["loss"]))
        return losses, float(trainer.optimizer.param_groups[0]["lr"])

    def found(self, grey: np.ndarray) -> np.ndarray:
        """Return the output that is highest for each pixel of a picture."""
        self._trainer.set_deep_supervision_enabled(False)
        return predicted(self.network, grey, multiple_of(self._settings), self._tile_px)

    @property
    def _tile_px(self) -> int:
        """Side of the tiles in which the model is used: as large as all pictures allow."""
        step, patch_px = multiple_of(self._settings), max(self._settings["patch_size"])
        return max(patch_px, min(_LARGEST_TILE_PX, self._data.shortest_px) // step * step)

    def write_model(self, scores: Mapping[str, float | None], tell: Tell) -> Path:
        """Write the network as a folder of nnU-Net, with its .onnx file and its card."""
        path = write_folder(
            self._task, self._data, self.network.state_dict(), self._tile_px, scores, tell
        )
        shutil.rmtree(self._work, ignore_errors=True)
        return path


def _cut(picture: Shown, side_px: int) -> list[Shown]:
    rows, columns = (range(0, side, side_px) for side in picture.grey.shape)
    return [
        Shown(
            picture.name,
            picture.grey[row : row + side_px, column : column + side_px],
            picture.channels[row : row + side_px, column : column + side_px],
            (),
        )
        for row in rows
        for column in columns
    ]


def _trainer(task: Task, ready: Prepared) -> Any:
    """Return nnU-Net's trainer with our optimizer and variations, and with its network."""
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    config = task.config

    class Trainer(nnUNetTrainer):  # type: ignore[misc]
        def get_training_transforms(self, *given: Any, **named: Any) -> Any:
            return gentle_transforms(*given, **named)

        def configure_optimizers(self) -> tuple[Any, Any]:
            # AdamW and not SGD, because the whole run has some hundred steps only.
            optimizer = torch.optim.AdamW(
                self.network.parameters(), lr=config.rate, weight_decay=_DECAY, eps=_EPSILON
            )
            return optimizer, PolyLRScheduler(optimizer, config.rate, config.epochs)

    plans = {**ready.plans, "continue_training": False}
    device = torch.device(config.device)
    trainer = Trainer(plans, CONFIGURATION, 0, ready.description, device)
    trainer.num_epochs, trainer.num_iterations_per_epoch = config.epochs, config.steps
    trainer.oversample_foreground_percent = config.centred
    _seed(config.seed, 0)
    trainer.initialize()
    if config.device == "cpu":  # channels beside each other in memory take less time there
        trainer.network.to(memory_format=torch.channels_last)
        trainer.network.register_forward_hook(_as_float32)
    return trainer


def _as_float32(network: Any, given: Any, scores: Any) -> Any:
    """Return scores as what the loss is exact with, also after shorter numbers."""
    return [one.float() for one in scores] if isinstance(scores, list) else scores.float()


def _seed(seed: int, step: int) -> None:
    """Set all random numbers that nnU-Net draws from, so that a step is always the same."""
    import torch

    own = int(np.random.default_rng((seed, step)).integers(2**31))
    random.seed(own)
    np.random.seed(own)  # noqa: NPY002
    torch.manual_seed(own)


def _refuse_missing() -> None:
    try:
        import nnunetv2  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise SpaceError(
            f"nnU-Net is missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[predict,learn]"',
        ) from error


def _refuse_patch(patch_px: int, multiple: int) -> None:
    # One pixel alone at the deepest level cannot be normalised.
    if patch_px % multiple or patch_px < 2 * multiple:
        raise SpaceError(
            f"patch_px is {patch_px}, which the network cannot halve as often as it does.",
            do=f"Use a multiple of {multiple}, at least {2 * multiple}.",
        )
