"""A network learns volumes, in the epochs of all trainings (`space.learning`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning import (
    DICE,
    begin_with,
    class_scores,
    confusion,
    device_for,
    go_through,
    precision_for,
    refuse_missing,
    run_folder,
)
from space.organelles.config import VolumeConfig
from space.organelles.entries import REST, read_entries, same_voxel
from space.organelles.evaluating import IGNORED
from space.organelles.label_borders import checked_widths
from space.organelles.model import MODEL, VolumeModel, read_model
from space.organelles.network import HEAD, labels_of, loss_of, multiple_of, shares_of, unet3d
from space.organelles.preview import write_sections
from space.organelles.samples import HELD, TRAIN, Shown, batch, shown_of, wanted_classes

Tell = Callable[[str], object]

_DECAY, _STEEPEST = 1e-4, 12.0
_WARM_STEPS, _LEAST_RATE, _FALL = 20, 0.01, 0.9
_MOST_VALIDATED = 1_000_000
"""Voxels that are looked at after each epoch, so that it takes less time than the epoch."""

_HALF = 128


def train_volumes(
    config: VolumeConfig, tell: Tell, start_from: Path | None = None, resume: bool = False
) -> Path:
    """Train a network on regions of volumes, and write it as a model.

    Parameters
    ----------
    config : VolumeConfig
    tell : callable
        Takes what a person wants to read, line by line.
    start_from : Path, optional
        Weights to begin with: a model, or the folder of another training.
    resume : bool
        Go on with the training in the folder, which then ends as if it had never been ended.

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

    # By itself torch takes all, and whoever else wants one of them waits at every step.
    torch.set_num_threads(config.threads)
    refuse_missing(config.log)
    device, precision = device_for(config.device), config.precision
    if resume and precision == "auto":
        precision = run_folder.setting_before(config.out, "precision") or precision
    config = replace(config, device=device, precision=precision_for(precision, device))
    begun = run_folder.begun_with(config.out) if resume else start_from
    before = None if begun is None else read_model(begun)
    if before is not None:
        config = replace(config, features=before[0].features)
    elif resume:
        kept = run_folder.setting_before(config.out, "features")
        config = replace(config, features=tuple(kept or config.features))

    entries = read_entries(config.data)
    classes = wanted_classes(entries, config.classes)
    widths = checked_widths(config.exclude, classes)
    learnt = shown_of(entries, TRAIN, classes, widths)
    held: tuple[Shown, ...] = ()
    if config.held is not None:
        held = _in_parts(
            shown_of(read_entries(config.held), HELD, classes, widths), config.features
        )
    model = VolumeModel(classes, config.features, learnt[0].voxel_nm)
    for one in held:
        if not same_voxel(one.voxel_nm, model.voxel_nm):
            raise SpaceError(
                f"Voxels are {model.voxel_nm} nm in training and {one.voxel_nm} nm in validation."
            )
    learner = VolumeLearner(config, model, learnt, held, before)
    run = run_folder.described(
        config,
        {name: value for value, name in enumerate((REST, *classes))},
        (*learnt, *held),
        "" if begun is None else str(begun.absolute()),
    )
    if resume:
        run_folder.go_on(config.out, run)
    else:
        run_folder.begin(config.out, run)
    voxels = sum(one.raw.size for one in learnt)
    tell(
        f"{len(learnt)} regions to learn from ({voxels / 1e6:.1f} million voxels), {len(held)} for "
        f"validation, classes: {', '.join(classes)}."
    )
    if before is not None:
        tell(f"Begins with {begun}, which knows {', '.join(before[0].classes)}.")
    go_through(learner, config, tell, resume)
    run_folder.save(config.out / MODEL, learner.weights())
    return config.out / MODEL


class VolumeLearner:
    """A U-Net for volumes that learns (see `space.learning.Learner`)."""

    measure = DICE

    def __init__(
        self,
        config: VolumeConfig,
        model: VolumeModel,
        learnt: Sequence[Shown],
        held: Sequence[Shown],
        before: tuple[VolumeModel, Mapping[str, Any]] | None,
    ) -> None:
        import torch

        self._config, self._model, self._learnt, self._held = config, model, learnt, held
        torch.manual_seed(config.seed)
        self.network = unet3d(model.features, len(model.classes) + 1)
        if before is not None:
            known, weights = before
            begin_with(self.network, weights, (REST, *known.classes), (REST, *model.classes), HEAD)
        self.network = self.network.to(config.device)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.rate, weight_decay=_DECAY
        )

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps; return the losses and the rate at the end."""
        import torch

        config, network, losses, rate = self._config, self.network, [], 0.0
        network.train()
        for step in steps:
            rate = rate_at(config, step)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            seen, labels = batch(
                self._learnt,
                step,
                config.seed,
                config.batch,
                config.patch,
                config.centred,
                config.elastic,
            )
            with torch.autocast(
                config.device, torch.bfloat16, enabled=config.precision == "bfloat16"
            ):
                scores = network(torch.from_numpy(seen).to(config.device))
            loss = loss_of(scores.float(), torch.from_numpy(labels).to(config.device))
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _STEEPEST)
            self._optimizer.step()
            losses.append(float(loss.detach()))
        return losses, rate

    def scores(self) -> dict[str, float | None]:
        """Return the Dice of each class in the regions for validation."""
        if not self._held:
            return {}
        counts = sum(confusion(one.labels, self._found(one), (IGNORED,)) for one in self._held)
        found = class_scores(np.asarray(counts), range(1, len(self._model.classes) + 1))
        return {name: one.dice for name, one in zip(self._model.classes, found)}

    def _found(self, one: Shown) -> np.ndarray:
        """Return what is found in a region of which the sides fit."""
        shares = shares_of(self.network.eval(), one.greys.seen(one.raw), self._config.device)
        return labels_of(shares, [_HALF] * len(shares))

    def preview(self) -> None:
        """Write a picture of how well it does."""
        one = (self._held or _in_parts(self._learnt[:1], self._config.features))[0]
        middle = one.raw.shape[0] // 2
        write_sections(
            self._config.out / run_folder.PREVIEW,
            one.raw[middle],
            [one.labels[middle], self._found(one)[middle]],
        )

    def weights(self) -> dict[str, Any]:
        """Return what makes the model."""
        return {**self._model.to_dict(), "network": self.network.state_dict()}

    def state(self) -> dict[str, Any]:
        """Return what else is needed to go on."""
        return {"optimizer": self._optimizer.state_dict()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from weights and state."""
        self.use(kept)
        self._optimizer.load_state_dict(kept["optimizer"])

    def use(self, kept: Mapping[str, Any]) -> None:
        """Take these weights for the model."""
        self.network.load_state_dict(kept["network"])


def rate_at(config: VolumeConfig, step: int) -> float:
    """Return the learning rate at a step of the whole training: it rises, then falls to nothing."""
    total = config.steps * config.epochs
    rise = min(1.0, (step + 1) / min(_WARM_STEPS, max(1, total // 5)))
    return float(config.rate * rise * max(_LEAST_RATE, 1 - step / total) ** _FALL)


def _in_parts(regions: Sequence[Shown], features: Sequence[int]) -> tuple[Shown, ...]:
    """Return the regions, or the middle of each where together they are too large.

    Sides are multiples of what the network takes.
    """
    multiple = multiple_of(features)
    share = min(1.0, _MOST_VALIDATED / sum(one.raw.size for one in regions)) ** (1 / 3)
    found = []
    for one in regions:
        sides = [max(multiple, int(side * share) // multiple * multiple) for side in one.raw.shape]
        if any(side > have for side, have in zip(sides, one.raw.shape)):
            raise SpaceError(
                f"The region {one.file} has {one.raw.shape} voxels; each side needs {multiple}."
            )
        part = tuple(
            slice((have - side) // 2, (have - side) // 2 + side)
            for side, have in zip(sides, one.raw.shape)
        )
        found.append(replace(one, raw=one.raw[part], labels=one.labels[part]))
    return tuple(found)
