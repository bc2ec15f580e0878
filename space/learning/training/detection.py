"""Training of a detector: network, loss and assignment are those of ultralytics.

The epochs are those of all trainings (`space.learning.training.loop`), so that it can be killed at
any moment: each step draws its windows from random numbers of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.lamellae import Box
from space.lamellae.detector import Detector
from space.lamellae.networks import TorchNetwork
from space.learning.box_pictures import draw_boxes
from space.learning.boxes import looked_through
from space.learning.comparing_boxes import ANY, LEAST_FOUND, as_any
from space.learning.dataset import DataSet, read_data_set
from space.learning.evaluate_boxes import Pair, detection_scores
from space.learning.loading import LEAST_PROBABILITY
from space.learning.training import run_folder
from space.learning.training.config import TrainConfig
from space.learning.training.detection_network import (
    Averaged,
    begun_with,
    fresh,
    loss_of,
    made_ready,
    weights_of,
    write_detector,
)
from space.learning.training.detection_samples import (
    BoxMap,
    Learnt,
    box_batch,
    box_map,
    box_names,
    cut,
)
from space.learning.training.engine import Tell
from space.learning.training.logs import refuse_missing
from space.learning.training.loop import AP50, go_through, on_hardware, tell_of_pictures
from space.learning.training.run_folder import PREVIEW, WEIGHTS
from space.learning.training.samples import common_pixel_nm
from space.models import CARD
from space.models.card import write_card
from space.models.description import describe
from space.models.store import place_of
from space.predicates import is_number

BEGUN = "begun.pt"
"""In the folder of a run: the network before the first step, if it began with given weights."""

_LEAST_RATE, _WARM_STEPS = 0.02, 50
_DECAY, _STEEPEST = 5e-4, 10.0
_LARGEST_WINDOW_PX, _MULTIPLE_PX = 1024, 32
_MOST_VALIDATED_PX = 4_000_000
"""How many pixels are looked at after each epoch, so that it takes less time than the epoch."""


@dataclass(frozen=True)
class _Seen:
    """How maps are shown to the detector."""

    detection_pixel_nm: float
    detection_window_px: int


class DetectorLearner:
    """A detector that learns (see `space.learning.training.loop.Learner`)."""

    measure = AP50

    def __init__(
        self,
        config: TrainConfig,
        names: Sequence[str],
        seen: _Seen,
        learnt: Sequence[BoxMap],
        held: Sequence[BoxMap],
        begun: Path | None,
    ) -> None:
        import torch

        self._config, self._names, self._seen = config, names, seen
        self._learnt, self._held = Learnt(learnt), _in_parts(held, config.patch_px)
        self._example = (self._held or _in_parts(learnt[:1], config.patch_px))[0]
        torch.manual_seed(config.seed)
        self.known: list[str] = []
        if begun is None:
            network = fresh(config.architecture, len(names))
        else:
            network, self.known = begun_with(begun, names)
        made_ready(network, names, config.epochs)
        self._network = network.to(config.device)
        self._average = Averaged(self._network)
        self._optimizer = _optimizer(self._network, config.rate)

    def keep_begun(self, is_of_others: bool) -> None:
        """Keep the network as it is before the first step, if its weights come from elsewhere.

        A training that goes on needs its form, whatever became of the file.
        """
        path = self._config.out / BEGUN
        if is_of_others:
            names, side_px = self._names, self._config.patch_px
            write_detector(self._network, path, names, side_px, halved=False)
        else:
            path.unlink(missing_ok=True)  # of a training that ended before it began

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps; return the losses and the rate at the end."""
        import torch

        config, network, losses, rate = self._config, self._network, [], 0.0
        network.train()
        network.criterion = None  # it begins each epoch as if all before had been done here
        for step in steps:
            rate = rate_at(config, step)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            batch = box_batch(
                self._learnt, step, config.seed, config.batch, config.patch_px, config.centred
            )
            batch = {name: values.to(config.device) for name, values in batch.items()}
            with torch.autocast(
                config.device, torch.bfloat16, enabled=config.precision == "bfloat16"
            ):
                loss = loss_of(network, batch, step // config.steps)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _STEEPEST)
            self._optimizer.step()
            self._average.update(network)
            losses.append(float(loss.detach()) / config.batch)
        network.criterion = None
        return losses, rate

    def found(self, one: BoxMap) -> tuple[Box, ...]:
        """Return the boxes in a map, found as a session finds them."""
        network = TorchNetwork(
            self._average.network, dict(enumerate(self._names)), self._config.device
        )
        detector = Detector(Path(WEIGHTS), network=network)
        pixel_nm = self._seen.detection_pixel_nm
        return tuple(detector.detect(one.grey, pixel_nm, LEAST_FOUND, self._seen))

    def scores(self) -> dict[str, float | None]:
        """Return the average precision of each class, where boxes overlap by a half.

        That of all classes together counts as one more: of each alone there often are few.
        """
        if not self._held:
            return {}
        pairs: list[Pair] = [(one.boxes(self._names), self.found(one)) for one in self._held]
        together = [as_any(pair) for pair in pairs]
        scores = {
            one.category: one.ap50
            for one in (*detection_scores(pairs), *detection_scores(together))
        }
        return {name: scores.get(name) for name in (*self._names, ANY)}

    def preview(self) -> None:
        """Draw what it finds in the first map for validation, or else to learn from."""
        one = self._example
        found = [box for box in self.found(one) if box.probability >= LEAST_PROBABILITY]
        path = self._config.out / PREVIEW
        draw_boxes(path, one.grey, one.boxes(self._names), found, one.name)

    def weights(self) -> dict[str, Any]:
        """Return the weights of the mean over the last steps."""
        return {"network": self._average.network.state_dict(), "classes": list(self._names)}

    def state(self) -> dict[str, Any]:
        """Return the weights after the last step, and what changes them."""
        return {
            "stepped": self._network.state_dict(),
            "updates": self._average.updates,
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from weights and state."""
        self.use(kept)
        self._network.load_state_dict(kept["stepped"])
        self._average.updates = int(kept["updates"])
        self._optimizer.load_state_dict(kept["optimizer"])

    def use(self, kept: Mapping[str, Any]) -> None:
        """Take these weights for the model."""
        self._average.network.load_state_dict(kept["network"])

    def write_model(self, found: Mapping[str, float | None]) -> Path:
        """Write the model with its card; the card is there first."""
        config, seen = self._config, self._seen
        card = {
            "trained_on": config.trained_on,
            "pixel_nm": seen.detection_pixel_nm,
            "window_px": seen.detection_window_px,
            "scores": {f"AP50 {name}": value for name, value in found.items() if value is not None},
        }
        write_card(config.out / CARD, card)
        return write_detector(
            self._average.network, config.out / WEIGHTS, self._names, config.patch_px
        )


def train(
    config: TrainConfig, tell: Tell, start_from: Path | None = None, resume: bool = False
) -> Path:
    """Train a detector, and write it as a model that a session can use.

    It begins with a ``.pt`` of a detector of ultralytics, its folder, or the folder of another
    training. Parameters and what is raised are as of `space.learning.train`.
    """
    refuse_missing(config.log)
    config = on_hardware(config, resume)
    data, _ = read_data_set(config.data)
    names = box_names(data, config.classes)
    learnt = looked_through(config.data, data.of_split("train"))
    held = looked_through(config.data, data.of_split("val"))
    begun = weights_of(start_from) if start_from is not None and not resume else None
    pixel_nm = _pixel_nm(data, config, begun, resume)
    config = replace(config, pixel_nm=pixel_nm)
    if resume and (config.out / BEGUN).exists():
        begun = config.out / BEGUN
    maps, validated = (
        [box_map(config.data, one, names, pixel_nm) for one in samples]
        for samples in (learnt, held)
    )
    if not any(len(one.classes) for one in maps):
        raise SpaceError(
            "The data set has no picture with boxes to learn from.",
            str(config.data),
            "Say which are for training: spacetomo data split DIR",
        )
    window_px = _window_px([*maps, *validated], config.patch_px)
    learner = DetectorLearner(config, names, _Seen(pixel_nm, window_px), maps, validated, begun)
    run = run_folder.described(
        config,
        {name: number for number, name in enumerate(names)},
        (*learnt, *held),
        str((begun and begun.absolute()) or ""),
    )
    if resume:
        run_folder.go_on(config.out, run)
    else:
        run_folder.refuse_taken(config.out)
        learner.keep_begun(begun is not None)
        run_folder.begin(config.out, run)
    if begun is not None and not resume:
        known = ", ".join(learner.known) or "no class of the data set"
        tell(f"Begins with {begun}, which knows {known}.")
    tell_of_pictures(tell, len(maps), len(validated), names)
    tell(f"They are shown at {pixel_nm:g} nm, in windows of {config.patch_px} pixels.")
    best = go_through(learner, config, tell, resume)
    return learner.write_model(best.found)


def _pixel_nm(data: DataSet, config: TrainConfig, begun: Path | None, resume: bool) -> float:
    """Return the pixel at which maps are shown: asked for, else known to the weights, else usual.

    A training that goes on shows them as it did before.

    Raises
    ------
    SpaceError
        If nothing says so.
    """
    known = describe(place_of(begun)).pixel_nm if begun is not None else None
    if resume:
        before = run_folder.setting_before(config.out, "pixel_nm")
        known = float(before) if is_number(before) and before > 0 else None
    pixel_nm = common_pixel_nm(data.samples, config.pixel_nm or known)
    if pixel_nm is None:
        raise SpaceError(
            "Nothing says at which pixel size maps are shown to the detector.",
            str(config.data),
            "Write pixel_nm into the configuration.",
        )
    return pixel_nm


def _window_px(maps: Sequence[BoxMap], least_px: int) -> int:
    """Return the side of the windows in which a session shows maps: as large as they are."""
    longest_px = max(max(one.grey.shape) for one in maps)
    return max(
        least_px, min(_LARGEST_WINDOW_PX, math.ceil(longest_px / _MULTIPLE_PX) * _MULTIPLE_PX)
    )


def _in_parts(maps: Sequence[BoxMap], least_px: int) -> list[BoxMap]:
    """Return the maps, or the part of each with most boxes where together they are too large."""
    if sum(one.grey.size for one in maps) <= _MOST_VALIDATED_PX:
        return list(maps)
    side_px = max(least_px, math.isqrt(_MOST_VALIDATED_PX // len(maps)))
    return [one if max(one.grey.shape) <= side_px else _fullest(one, side_px) for one in maps]


def _fullest(one: BoxMap, side_px: int) -> BoxMap:
    rows, columns = one.grey.shape
    middles = (one.corners[:, :2] + one.corners[:, 2:]) / 2
    places = [*middles.tolist(), (columns / 2, rows / 2)]
    parts = [cut(one, column, row, side_px) for column, row in places]
    return max(parts, key=lambda part: len(part.classes))


def rate_at(config: TrainConfig, step: int) -> float:
    """Return the learning rate at a step of the whole training: it rises, and falls as a cosine."""
    total = config.steps * config.epochs
    fall = (1 + math.cos(math.pi * step / total)) / 2
    rise = min(1.0, (step + 1) / min(_WARM_STEPS, max(1, total // 5)))
    return config.rate * rise * (_LEAST_RATE + (1 - _LEAST_RATE) * fall)


def _optimizer(network: Any, rate: float) -> Any:
    """Return what changes the weights; only those of convolutions are kept small."""
    import torch

    taught = [one for one in network.parameters() if one.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [one for one in taught if one.ndim > 1], "weight_decay": _DECAY},
            {"params": [one for one in taught if one.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=rate,
    )
