"""Which engine a training is done by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from space.learning.training import detection, loop
from space.learning.training.config import CLICKS, NNUNET, UNET, YOLO, TrainConfig


def train(
    config: TrainConfig,
    tell: Callable[[str], object],
    start_from: Path | None = None,
    resume: bool = False,
) -> Path:
    """Train a network by the engine of a configuration, and write it as a model.

    Parameters
    ----------
    config : TrainConfig
    tell : callable
        Takes what a person wants to read, line by line.
    start_from : Path, optional
        Weights to begin with: the folder of another training, or what else the engine takes.
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

    # By itself torch takes all, and where another program wants one of them, all wait for each
    # other at every step: 300 times slower was seen.
    torch.set_num_threads(config.threads)
    return _TRAINERS[config.engine](config, tell, start_from, resume)


def _clicks(*given: Any) -> Path:
    # Clicks are learned in the loop of this room, which has to be there first.
    from space.learning.clicks import train_clicks

    return train_clicks(*given)


_TRAINERS: Mapping[str, Callable[..., Path]] = {
    UNET: loop.train,
    NNUNET: loop.train,
    YOLO: detection.train,
    CLICKS: _clicks,
}
