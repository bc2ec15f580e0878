"""A training, epoch by epoch; it can be ended at any time and goes on as if it had not been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from space.errors import SpaceError
from space.learning.dataset import DataSet, read_data_set
from space.learning.evaluate import class_scores, confusion, mean
from space.learning.training import run_folder
from space.learning.training.config import NNUNET, UNET, TrainConfig
from space.learning.training.engine import Engine, Task, Tell
from space.learning.training.hardware import device_for, precision_for
from space.learning.training.logs import refuse_missing
from space.learning.training.network import read_weights
from space.learning.training.nnunet import NnUNetEngine
from space.learning.training.preview import write_preview
from space.learning.training.progress import Course, board_of, ends_about, is_best, is_over
from space.learning.training.run_folder import BEST, LAST
from space.learning.training.samples import IGNORED, Classes, common_pixel_nm
from space.learning.training.unet import UNetEngine
from space.models.place import METRICS

ENGINE_OF: Mapping[str, Callable[[Task], Engine]] = {
    UNET: UNetEngine,
    NNUNET: NnUNetEngine,
}
"""What learns, by the name in a configuration."""


DICE, AP50 = "dice", "ap50"
_WORDS = {DICE: "Dice", AP50: "AP50"}
"""What measures are called in what a person reads."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes
    ----------
    number : int
        From 1.
    loss : float
        Mean over its steps.
    found : dict of str to (float or None)
        How well each class is found in the pictures for validation; None if it is nowhere. Empty
        without such pictures.
    rate : float
        Learning rate at its end.
    wall_s, cpu_s : float
    measure : str
        What `found` is: the Dice of pixels, or another number that is better when it is larger.
    """

    number: int
    loss: float
    found: dict[str, float | None]
    rate: float
    wall_s: float
    cpu_s: float
    measure: str = DICE

    @property
    def mean(self) -> float | None:
        """Of all classes that are somewhere."""
        return mean(list(self.found.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {**vars(self), self.measure: self.found, f"mean_{self.measure}": self.mean}
        return {name: value for name, value in values.items() if name not in ("found", "measure")}

    @staticmethod
    def of_dict(values: dict[str, Any], measure: str = DICE) -> Epoch:
        """Return the epoch in plain values."""
        plain = ("number", "loss", "rate", "wall_s", "cpu_s")
        return Epoch(
            found=values[measure], measure=measure, **{name: values[name] for name in plain}
        )

    @property
    def scores(self) -> dict[str, float]:
        """What is drawn over the epochs, by name."""
        return {
            f"{self.measure}/{name}": value
            for name, value in self.found.items()
            if value is not None
        }

    @property
    def judged(self) -> float:
        """How good it is: how well classes are found, else how small the loss."""
        return -self.loss if self.mean is None else self.mean


class Learner(Protocol):
    """What learns, as the loop sees it, whatever it learns."""

    @property
    def measure(self) -> str:
        """What `scores` are, as a word for files."""

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps of the whole training; return the losses, and the rate at the end."""

    def scores(self) -> dict[str, float | None]:
        """Return how well each class is found in the pictures for validation, if there are any."""

    def preview(self) -> None:
        """Write a picture of how well it does."""

    def weights(self) -> dict[str, Any]:
        """Return what makes the model, and what others can begin with."""

    def state(self) -> dict[str, Any]:
        """Return what else is needed to go on."""

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from weights and state."""

    def use(self, kept: Mapping[str, Any]) -> None:
        """Take these weights for the model."""


def train(
    config: TrainConfig, tell: Tell, start_from: Path | None = None, resume: bool = False
) -> Path:
    """Train a network, and write it as a model that a session can use.

    A U-Net begins with the ``best.pt`` or the folder of another training, nnU-Net with a model in
    its folder, one of its folds, or the folder of another training. Parameters and what is raised
    are as of `space.learning.train`.
    """
    refuse_missing(config.log)
    config = on_hardware(config, resume)
    data, _ = read_data_set(config.data)
    classes = Classes.of(data, config.classes)
    learnt, held = _split(data)
    wanted_nm = config.pixel_nm or (run_folder.pixel_of(config.out) if resume else None)
    pixel_nm = common_pixel_nm(learnt, wanted_nm)
    begun = run_folder.begun_with(config.out) if resume else start_from
    task = Task(config, data, classes, learnt, held, pixel_nm, begun)
    engine = ENGINE_OF[config.engine](task)
    run = run_folder.described(
        config,
        classes.values,
        (*learnt, *held),
        str((engine.begun and engine.begun.absolute()) or ""),
        engine.pixel_nm,
    )
    if resume:
        run_folder.go_on(config.out, run)
    else:
        run_folder.begin(config.out, run)
    engine.prepare(tell)
    tell_of_pictures(tell, len(learnt), len(held), classes.values)
    best = go_through(_Segmenting(engine, task), config, tell, resume)
    return engine.write_model(best.found, tell)


def tell_of_pictures(tell: Tell, learnt: int, held: int, classes: Iterable[str]) -> None:
    """Say what is learned from."""
    tell(f"{learnt} pictures to learn from, {held} for validation, classes: {', '.join(classes)}.")


class _Segmenting:
    """An engine that labels pixels, as the loop sees it."""

    measure = DICE

    def __init__(self, engine: Engine, task: Task) -> None:
        self._engine, self._task = engine, task
        self.learn = engine.learn

    def scores(self) -> dict[str, float | None]:
        return _dice(self._engine, self._task.classes)

    def preview(self) -> None:
        task, seen = self._task, self._engine.example
        write_preview(task.config.out, seen, self._engine.found(seen.grey), task.classes, task.data)

    def weights(self) -> dict[str, Any]:
        return {
            "network": self._engine.network.state_dict(),
            "classes": list(self._task.classes.values),
        }

    def state(self) -> dict[str, Any]:
        return {"optimizer": self._engine.optimizer.state_dict()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        self.use(kept)
        self._engine.optimizer.load_state_dict(kept["optimizer"])

    def use(self, kept: Mapping[str, Any]) -> None:
        self._engine.network.load_state_dict(kept["network"])


def go_through(learner: Learner, config: Course, tell: Tell, resume: bool) -> Epoch:
    """Go through the epochs that are left, take the weights of the best one, and return that."""
    done = _restored(config.out, learner) if resume else []
    if resume:
        tell(f"Goes on after epoch {len(done)}.")
    write = board_of(config, len(done))
    while not is_over(done, config):
        done.append(_epoch(learner, config, len(done) + 1))
        _keep(config.out, learner, done)
        if is_best(done):
            learner.preview()
        write(done[-1])
        tell(_line(done, config))
    learner.use(read_weights(config.out / BEST))
    return max(done, key=lambda one: one.judged)


def on_hardware(config: TrainConfig, resume: bool) -> TrainConfig:
    """Return a configuration that says where it calculates, and with what numbers.

    A training that goes on elsewhere calculates as it did before.
    """
    device, precision = device_for(config.device), config.precision
    if resume and precision == "auto":
        precision = run_folder.setting_before(config.out, "precision") or precision
    return replace(config, device=device, precision=precision_for(precision, device))


def _split(data: DataSet) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the pictures to learn from, and those for validation."""
    learnt = [one for one in data.of_split("train") if one.label_hash]
    held = [one for one in data.of_split("val") if one.label_hash]
    if not learnt:
        raise SpaceError(
            "The data set has no labelled picture to learn from.",
            do="Say which are for training: spacetomo data split DIR"
            if any(one.label_hash for one in data.samples)
            else 'Label some: spacetomo label DIR. Boxes are learned with engine = "yolo", clicks '
            'with engine = "clicks".',
        )
    return learnt, held


def _epoch(learner: Learner, config: Course, number: int) -> Epoch:
    wall_s, cpu_s = time.monotonic(), time.process_time()
    losses, rate = learner.learn(range((number - 1) * config.steps, number * config.steps))
    if not np.isfinite(losses).all():
        raise SpaceError(
            "The loss is no number any more.", do=f"Use a smaller rate than {config.rate:g}."
        )
    return Epoch(
        number,
        float(np.mean(losses)),
        learner.scores(),
        rate,
        time.monotonic() - wall_s,
        time.process_time() - cpu_s,
        learner.measure,
    )


def _dice(engine: Engine, classes: Classes) -> dict[str, float | None]:
    if not engine.held:
        return {}
    counts = sum(confusion(one.channels, engine.found(one.grey), (IGNORED,)) for one in engine.held)
    scores = class_scores(np.asarray(counts), range(len(classes.values)))
    return {name: score.dice for name, score in zip(classes.values, scores)}


# --- what is kept ---------------------------------------------------------------------------------


def _keep(out: Path, learner: Learner, done: Sequence[Epoch]) -> None:
    """Keep what a training needs to go on: the last file that is written says that all is there."""
    kept = {**learner.weights(), "epoch": len(done)}
    if is_best(done):
        run_folder.save(out / BEST, kept)
    run_folder.write_metrics(out, [epoch.to_dict() for epoch in done])
    run_folder.save(out / LAST, {**kept, **learner.state()})


def _restored(out: Path, learner: Learner) -> list[Epoch]:
    """Return the epochs that are done; what learns is as it was after them."""
    if not (out / LAST).exists():
        if len(run_folder.read_metrics(out)) > 1:  # the first is noted before the file is written
            raise SpaceError(
                f"{LAST} is missing: what this training knew of its epochs is lost.",
                str(out),
                f"Begin another one in another folder; --start-from takes the {BEST} of this one.",
            )
        return []  # it ended in its first epoch
    try:
        kept = read_weights(out / LAST)
    except SpaceError as error:
        raise SpaceError(
            f"This training cannot go on, since what it has kept cannot be read. {error.what}",
            str(out / LAST),
            f"Begin another one in another folder; --start-from takes the {BEST} of this one.",
        ) from error
    try:
        learner.restore(kept)
        told = run_folder.read_metrics(out, int(kept["epoch"]))
        done = [Epoch.of_dict(one, learner.measure) for one in told]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"What the training has kept does not fit ({type(error).__name__}).",
            str(out),
            "Start another training in another folder.",
        ) from error
    if len(done) != kept["epoch"]:
        raise SpaceError(
            f"{METRICS} has {len(done)} of {kept['epoch']} epochs.",
            str(out),
            "Start another training in another folder.",
        )
    return done


def _line(done: Sequence[Epoch], config: Course) -> str:
    """Return what is told of an epoch, with when all is probably done."""
    epoch = done[-1]
    parts = [f"epoch {epoch.number} of {config.epochs}: loss {epoch.loss:.3f}"]
    if epoch.mean is not None:
        each = ", ".join(
            f"{name} {value:.2f}" for name, value in epoch.found.items() if value is not None
        )
        parts.append(f"{_WORDS[epoch.measure]} {epoch.mean:.3f} ({each})")
    parts.append(f"{epoch.wall_s:.0f} s")
    if is_best(done):
        parts.append("the best so far")
    parts += ends_about(done, config)
    return ", ".join(parts)
