"""A network learns sections: few with labels, many without.

With labels, it learns as every training here does. Without, it learns in two ways, each of which
can be left out. The mean of its own weights over the last steps (a mean teacher: Tarvainen and
Valpola, NIPS 2017) labels a section, and the network has to find the same when the section is
turned, mirrored, noisier and partly covered. And the second decoder has to guess the section that
was covered, so that the encoder learns what sections look like.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from space.learning import (
    DICE,
    IGNORED,
    Loss,
    Shown,
    batch,
    class_scores,
    confusion,
    device_for,
    go_through,
    precision_for,
    refuse_missing,
    run_folder,
)
from space.organelles.preview import write_sections
from space.organelles.sections.config import SectionsConfig
from space.organelles.sections.data import Sections, read_sections
from space.organelles.sections.network import SectionsModel, shares_of, turned, two_decoders

Tell = Callable[[str], object]

MODEL = "sections.pt"
_FALL, _LEAST_RATE, _DECAY, _STEEPEST = 0.9, 0.01, 1e-4, 12.0
_AVERAGED = 0.99
"""Of the mean of weights, what stays from step to step."""

_RAMP = 0.3
"""Part of the steps after which what the mean finds counts fully: at first it knows nothing."""

_COVERED, _COVER_PX, _NOISE = 0.3, 16, 0.2


def train_sections(
    config: SectionsConfig, tell: Tell, resume: bool = False, most_sections: int | None = None
) -> Path:
    """Train a network on sections of a volume, and write it as a model.

    Parameters
    ----------
    config : SectionsConfig
    tell : callable
        Takes what a person wants to read, line by line.
    resume : bool
        Go on with the training in the folder, which then ends as if it had never been ended.
    most_sections : int, optional
        As of `read_sections`.

    Returns
    -------
    Path
        The model.

    Raises
    ------
    SpaceError
        If the data, the configuration or the folder cannot be used. Nothing is written then.
    """
    import torch

    torch.set_num_threads(config.threads)
    refuse_missing(config.log)
    device = device_for(config.device)
    config = replace(config, device=device, precision=precision_for(config.precision, device))
    sections = read_sections(config, most_sections)
    learner = SectionsLearner(config, sections)
    run = run_folder.described(config, sections.classes, sections.noted, "")
    if resume:
        run_folder.go_on(config.out, run)
    else:
        run_folder.begin(config.out, run)
    tell(
        f"{len(sections.learnt)} sections with labels, {len(sections.unlabelled)} to learn from "
        f"without, {len(sections.held)} for validation, classes: {', '.join(sections.classes)}."
    )
    go_through(learner, config, tell, resume)
    run_folder.save(config.out / MODEL, learner.weights())
    return config.out / MODEL


class SectionsLearner:
    """A network with two decoders that learns (see `space.learning.Learner`)."""

    measure = DICE

    def __init__(self, config: SectionsConfig, sections: Sections) -> None:
        import torch

        self._config, self._sections = config, sections
        self.model = SectionsModel(
            sections.classes, config.encoder, config.depth, config.shrink, sections.voxel_nm[1]
        )
        torch.manual_seed(config.seed)
        network = two_decoders(config.encoder, config.depth, len(sections.classes))
        self._network = network.to(config.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self._network).requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=config.rate, weight_decay=_DECAY
        )
        self._loss = Loss()

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps; return the losses of labels, and the rate at the end."""
        import torch

        config, losses, rate = self._config, [], self._config.rate
        total = config.steps * config.epochs
        self._network.train()
        for step in steps:
            rate = config.rate * max(_LEAST_RATE, 1 - step / total) ** _FALL
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            grey, channels = self._batch(self._sections.learnt, step, config.seed, 0.33)
            with self._shorter():
                scores = self._network(grey)
            loss = self._loss(scores.float(), channels)
            losses.append(float(loss.detach()))
            if config.looks_at_unlabelled:
                loss = loss + self._unlabelled_loss(step, min(1.0, step / (_RAMP * total)))
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), _STEEPEST)
            self._optimizer.step()
            self._take_into_average(step)
        return losses, rate

    def _batch(
        self, sections: tuple[Shown, ...], step: int, seed: int, centred: float
    ) -> tuple[Any, Any]:
        import torch

        config = self._config
        grey, channels = batch(sections, step, seed, config.batch, config.patch_px, centred)
        grey = grey.to(config.device, memory_format=torch.channels_last)
        return grey, channels.to(config.device)

    def _shorter(self) -> Any:
        import torch

        config = self._config
        return torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bfloat16")

    def _unlabelled_loss(self, step: int, ramp: float) -> Any:
        import torch

        config = self._config
        # Other parts than those with labels: drawn by another seed.
        grey, _ = self._batch(self._sections.unlabelled, step, config.seed + 2**31, 0.0)
        rng = np.random.default_rng((config.seed, step, 1))
        way = int(rng.integers(8))
        plain = turned(grey, way)
        hidden, noise = _disturbed(rng, plain.shape)
        seen = plain * torch.from_numpy(1 - hidden).to(grey.device)
        seen = seen + torch.from_numpy(noise).to(grey.device)
        loss: Any = 0.0
        with self._shorter():
            scores, image = self._network(seen, image=True)
        if config.reconstruction:
            differ = torch.nn.functional.smooth_l1_loss(image.float(), plain)
            loss = loss + config.reconstruction * differ
        if config.consistency:
            self.average.train()  # normalises as the network does, by what is in the batch
            with torch.no_grad(), self._shorter():
                wanted = turned(self.average(grey).float().softmax(1), way)
            differ = ((scores.float().softmax(1) - wanted) ** 2).sum(1).mean()
            loss = loss + config.consistency * ramp * differ
        return loss

    def _take_into_average(self, step: int) -> None:
        import torch

        stays = min(_AVERAGED, (1 + step) / (10 + step))
        with torch.no_grad():
            mine = self._network.state_dict()
            for name, value in self.average.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(mine[name], 1 - stays)
                else:
                    value.copy_(mine[name])

    def scores(self) -> dict[str, float | None]:
        """Return the Dice of each class in the sections for validation."""
        held, names = self._sections.held, list(self.model.classes)
        if not held:
            return {}
        counts = sum(confusion(one.channels, self._found(one), (IGNORED,)) for one in held)
        found = class_scores(np.asarray(counts), range(1, len(names)))
        return {name: one.dice for name, one in zip(names[1:], found)}

    def _found(self, one: Shown) -> np.ndarray:
        shares = shares_of(self.average, one.grey, 2**self.model.depth, turns=1)
        return shares.argmax(0).astype(np.uint8)

    def preview(self) -> None:
        """Write a picture of how well it does."""
        one = (self._sections.held or self._sections.learnt)[0]
        write_sections(
            self._config.out / run_folder.PREVIEW, one.grey, [one.channels, self._found(one)]
        )

    def weights(self) -> dict[str, Any]:
        """Return what makes the model: the mean of the weights."""
        return {**self.model.to_dict(), "network": self.average.state_dict()}

    def state(self) -> dict[str, Any]:
        """Return what else is needed to go on."""
        return {"own": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from weights and state."""
        self.use(kept)
        self._network.load_state_dict(kept["own"])
        self._optimizer.load_state_dict(kept["optimizer"])

    def use(self, kept: Mapping[str, Any]) -> None:
        """Take these weights for the model."""
        self.average.load_state_dict(kept["network"])


def _disturbed(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return what is covered (1) and what noise is added, for parts (n, 1, rows, columns)."""
    count, _, rows, columns = shape
    coarse = rng.random((count, 1, -(-rows // _COVER_PX), -(-columns // _COVER_PX))) < _COVERED
    hidden = coarse.repeat(_COVER_PX, 2).repeat(_COVER_PX, 3)[:, :, :rows, :columns]
    noise = _NOISE * rng.standard_normal(shape)
    return hidden.astype(np.float32), noise.astype(np.float32)
