"""A training, epoch by epoch; it can be ended at any time and goes on as if it had not been."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.dataset import DataSet, read_data_set
from space.learning.evaluate import class_scores, confusion, mean
from space.learning.training import run_folder
from space.learning.training.config import TrainConfig
from space.learning.training.exporting import write_model
from space.learning.training.network import Loss, begin_with, predicted, read_weights, unet
from space.learning.training.preview import write_preview
from space.learning.training.progress import board_of, ends_about, is_best, is_over
from space.learning.training.run_folder import BEST, LAST
from space.learning.training.samples import (
    IGNORED,
    Classes,
    Shown,
    batch,
    common_pixel_nm,
    shown,
)

_FALL = 0.9
"""Power with which the learning rate falls to nothing, as nnU-Net's does."""

_LEAST_RATE = 0.01
_DECAY = 1e-4
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes
    ----------
    number : int
        From 1.
    loss : float
        Mean over its steps.
    dice : dict of str to (float or None)
        Of each class on the pictures for validation; None if it is nowhere. Empty without such
        pictures.
    rate : float
        Learning rate at its end.
    wall_s, cpu_s : float
    """

    number: int
    loss: float
    dice: dict[str, float | None]
    rate: float
    wall_s: float
    cpu_s: float

    @property
    def mean_dice(self) -> float | None:
        """Of all classes that are somewhere."""
        return mean(list(self.dice.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "mean_dice": self.mean_dice}

    @staticmethod
    def of_dict(values: dict[str, Any]) -> Epoch:
        """Return the epoch in plain values."""
        return Epoch(**{name: values[name] for name in Epoch.__dataclass_fields__})

    @property
    def scores(self) -> dict[str, float]:
        """What is drawn over the epochs, by name."""
        return {f"dice/{name}": value for name, value in self.dice.items() if value is not None}

    @property
    def judged(self) -> float:
        """How good it is: the Dice if there is one, else how small the loss."""
        return -self.loss if self.mean_dice is None else self.mean_dice


def train(
    config: TrainConfig, tell: Tell, start_from: Path | None = None, resume: bool = False
) -> Path:
    """Train a network, and write it as a model that a session can use.

    Parameters
    ----------
    config : TrainConfig
    tell : callable
        Takes what a person wants to read, line by line.
    start_from : Path, optional
        Weights to begin with: the ``best.pt`` or the folder of another training.
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

    data, _ = read_data_set(config.data)
    classes = Classes.of(data, config.classes)
    learnt, held = _split(data)
    pixel_nm = common_pixel_nm(learnt, config.pixel_nm)
    pictures = [shown(config.data, one, classes, pixel_nm, config.seed) for one in learnt]
    validated = [shown(config.data, one, classes, pixel_nm, config.seed) for one in held]
    begun = _weights_file(start_from)
    run = run_folder.described(config, classes.values, (*learnt, *held), str(begun or ""))

    torch.manual_seed(config.seed)
    network = unet(config.encoder, config.depth, len(classes.values))
    if begun is not None and not resume:
        kept = read_weights(begun)
        before = [str(name) for name in kept.get("classes", ())]
        taken = begin_with(network, kept["network"], before, list(classes.values))
        tell(f"Begins with {taken} of {len(network.state_dict())} arrays of {begun}.")
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=_DECAY)
    if resume:
        run_folder.go_on(config.out, run)
        done = _restored(config.out, network, optimizer)
        tell(f"Goes on after epoch {len(done)}.")
    else:
        run_folder.begin(config.out, run)
        done = []
    tell(
        f"{len(pictures)} pictures to learn from, {len(validated)} for validation, "
        f"classes: {', '.join(classes.values)}."
    )
    write = board_of(config)
    while not is_over(done, config):
        epoch = _epoch(network, optimizer, config, len(done) + 1, pictures, validated, classes)
        done.append(epoch)
        _keep(config.out, network, optimizer, done, classes, is_best(done))
        if is_best(done):
            seen = (validated or pictures)[0]
            write_preview(config.out, seen, predicted(network, seen.grey, config), classes, data)
        write(epoch)
        tell(_line(epoch, done, config))
    network.load_state_dict(read_weights(config.out / BEST)["network"])
    return write_model(config.out, network, config, classes, pixel_nm)


def _split(data: DataSet) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the pictures to learn from, and those for validation."""
    learnt = [one for one in data.of_split("train") if one.label_hash]
    held = [one for one in data.of_split("val") if one.label_hash]
    if not learnt:
        raise SpaceError(
            "The data set has no labelled picture to learn from.",
            do="Say which are for training: spacetomo data split DIR",
        )
    return learnt, held


def _weights_file(start_from: Path | None) -> Path | None:
    if start_from is None:
        return None
    path = start_from / BEST if start_from.is_dir() else start_from
    if not path.is_file():
        raise SpaceError("There are no weights to begin with.", str(path), "Correct --start-from.")
    if path.suffix != Path(BEST).suffix:
        raise SpaceError(
            "A U-Net begins with the weights of another U-Net that was trained here.",
            str(path),
            f"Name the folder of its training, or the {BEST} in it.",
        )
    return path


def rate_at(config: TrainConfig, step: int) -> float:
    """Return the learning rate at a step of the whole training."""
    left = 1 - step / (config.steps * config.epochs)
    return config.rate * max(_LEAST_RATE, left) ** _FALL


def _epoch(
    network: Any,
    optimizer: Any,
    config: TrainConfig,
    number: int,
    pictures: Sequence[Shown],
    validated: Sequence[Shown],
    classes: Classes,
) -> Epoch:
    import torch

    wall_s, cpu_s = time.monotonic(), time.process_time()
    loss_of, losses, rate = Loss(), [], config.rate
    network.train()
    for step in range((number - 1) * config.steps, number * config.steps):
        rate = rate_at(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        grey, channels = batch(
            pictures, step, config.seed, config.batch, config.patch_px, config.centred
        )
        loss = loss_of(network(grey), channels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    if not np.isfinite(losses).all():
        raise SpaceError(
            "The loss is no number any more.", do=f"Use a smaller rate than {config.rate:g}."
        )
    return Epoch(
        number,
        float(np.mean(losses)),
        _dice(network, config, validated, classes),
        rate,
        time.monotonic() - wall_s,
        time.process_time() - cpu_s,
    )


def _dice(
    network: Any, config: TrainConfig, pictures: Sequence[Shown], classes: Classes
) -> dict[str, float | None]:
    if not pictures:
        return {}
    counts = sum(
        confusion(one.channels, predicted(network, one.grey, config), (IGNORED,))
        for one in pictures
    )
    scores = class_scores(np.asarray(counts), range(len(classes.values)))
    return {name: score.dice for name, score in zip(classes.values, scores)}


# --- what is kept ---------------------------------------------------------------------------------


def _keep(
    out: Path,
    network: Any,
    optimizer: Any,
    done: Sequence[Epoch],
    classes: Classes,
    better: bool,
) -> None:
    """Keep what a training needs to go on: the last file that is written says that all is there."""
    kept = {
        "network": network.state_dict(),
        "classes": list(classes.values),
        "epoch": len(done),
    }
    if better:
        run_folder.save(out / BEST, kept)
    run_folder.write_metrics(out, [epoch.to_dict() for epoch in done])
    run_folder.save(out / LAST, {**kept, "optimizer": optimizer.state_dict()})


def _restored(out: Path, network: Any, optimizer: Any) -> list[Epoch]:
    """Return the epochs that are done, with network and optimizer as they were after them."""
    if not (out / LAST).exists():
        return []  # it ended in its first epoch
    kept = read_weights(out / LAST)
    try:
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        done = [Epoch.of_dict(one) for one in run_folder.read_metrics(out, int(kept["epoch"]))]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"What the training has kept does not fit ({type(error).__name__}).",
            str(out),
            "Start another training in another folder.",
        ) from error
    if len(done) != kept["epoch"]:
        raise SpaceError(
            f"{run_folder.METRICS} has {len(done)} of {kept['epoch']} epochs.",
            str(out),
            "Start another training in another folder.",
        )
    return done


def _line(epoch: Epoch, done: Sequence[Epoch], config: TrainConfig) -> str:
    """Return what is told of an epoch, with when all is probably done."""
    parts = [f"epoch {epoch.number} of {config.epochs}: loss {epoch.loss:.3f}"]
    if epoch.mean_dice is not None:
        each = ", ".join(
            f"{name} {value:.2f}" for name, value in epoch.dice.items() if value is not None
        )
        parts.append(f"Dice {epoch.mean_dice:.3f} ({each})")
    parts.append(f"{epoch.wall_s:.0f} s")
    if is_best(done):
        parts.append("the best so far")
    parts += ends_about(done, config)
    return ", ".join(parts)
