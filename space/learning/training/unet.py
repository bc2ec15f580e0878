"""Training of a U-Net of segmentation-models-pytorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.training.engine import Task, Tell
from space.learning.training.exporting import write_model
from space.learning.training.network import Loss, begin_with, predicted, read_weights, unet
from space.learning.training.run_folder import BEST
from space.learning.training.samples import Shown, batch, shown

_FALL = 0.9
"""Power with which the learning rate falls to nothing, as nnU-Net's does."""

_LEAST_RATE = 0.01
_DECAY = 1e-4
_HEAD = "segmentation_head."


class UNetEngine:
    """A U-Net that learns (see `space.learning.training.engine.Engine`)."""

    def __init__(self, task: Task) -> None:
        import torch

        self._task, self.pixel_nm = task, task.pixel_nm
        self.begun = _weights_file(task.begun)
        config = task.config
        torch.manual_seed(config.seed)
        self.network: Any = unet(config.encoder, config.depth, len(task.classes.values))
        self._loss, self._said = Loss(), ""
        if self.begun is not None:
            self._begin_with(self.begun)
        # Channels beside each other in memory: a fifth less time on processors.
        self.network.to(config.device, memory_format=torch.channels_last)
        self.optimizer: Any = torch.optim.AdamW(
            self.network.parameters(), lr=config.rate, weight_decay=_DECAY
        )
        self._learnt, self.held = self._pictures(task.learnt), self._pictures(task.held)

    def _begin_with(self, path: Path) -> None:
        kept = read_weights(path)
        before = [str(name) for name in kept.get("classes", ())]
        now = list(self._task.classes.values)
        taken = begin_with(self.network, kept["network"], before, now, _HEAD)
        self._said = f"Begins with {taken} of {len(self.network.state_dict())} arrays of {path}."

    def _pictures(self, samples: Sequence[Any]) -> list[Shown]:
        task = self._task
        folder, seed = task.config.data, task.config.seed
        return [shown(folder, one, task.classes, task.pixel_nm, seed) for one in samples]

    @property
    def example(self) -> Shown:
        """The first picture for validation, or else to learn from."""
        return (self.held or self._learnt)[0]

    def prepare(self, tell: Tell) -> None:
        """Say what it begins with."""
        if self._said:
            tell(self._said)

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps; return the losses and the rate at the end."""
        import torch

        config, losses, rate = self._task.config, [], self._task.config.rate
        shorter = config.precision == "bfloat16"
        self.network.train()
        for step in steps:
            left = 1 - step / (config.steps * config.epochs)
            rate = config.rate * max(_LEAST_RATE, left) ** _FALL
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            grey, channels = batch(
                self._learnt, step, config.seed, config.batch, config.patch_px, config.centred
            )
            grey = grey.to(config.device, memory_format=torch.channels_last)
            with torch.autocast(config.device, torch.bfloat16, enabled=shorter):
                scores = self.network(grey)
            loss = self._loss(scores.float(), channels.to(config.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 12.0)
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return losses, rate

    def found(self, grey: np.ndarray) -> np.ndarray:
        """Return the output that is highest for each pixel of a picture."""
        return predicted(self.network, grey, 2**self._task.config.depth)

    def write_model(self, scores: Mapping[str, float | None], tell: Tell) -> Path:
        """Write the network as an .onnx file."""
        task = self._task
        return write_model(
            task.config.out, self.network.cpu(), task.config, task.classes, task.pixel_nm
        )


def _weights_file(start_from: Path | None) -> Path | None:
    if start_from is None:
        return None
    path = start_from / BEST if start_from.is_dir() else start_from
    if not path.is_file():
        raise SpaceError(
            "There are no weights of a U-Net to begin with.",
            str(path),
            'Correct --start-from; or begin with a model of nnU-Net: engine = "nnunet".',
        )
    if path.suffix != Path(BEST).suffix:
        raise SpaceError(
            "A U-Net begins with the weights of another U-Net that was trained here.",
            str(path),
            f"Name the folder of its training, or the {BEST} in it; or "
            'begin with a model of nnU-Net: engine = "nnunet".',
        )
    return path
