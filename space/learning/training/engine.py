"""What the loop of a training asks of a kind of network, and what such a one is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from space.learning.dataset import DataSet, Sample
from space.learning.training.config import TrainConfig
from space.learning.training.samples import Classes, Shown

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Task:
    """What is to be learned, and from what.

    Attributes
    ----------
    config : TrainConfig
    data : DataSet
    classes : Classes
    learnt, held : sequence of Sample
        Pictures to learn from, and those for validation.
    pixel_nm : float or None
        Pixel at which pictures are shown.
    begun : Path or None
        Weights to begin with.
    """

    config: TrainConfig
    data: DataSet
    classes: Classes
    learnt: Sequence[Sample]
    held: Sequence[Sample]
    pixel_nm: float | None
    begun: Path | None


class Engine(Protocol):
    """A network that learns.

    Making one writes nothing, so that whatever is wrong is said before there is a run.

    Attributes
    ----------
    begun : Path or None
        The weights that it begins with, as they were found.
    network : torch.nn.Module
    optimizer : torch.optim.Optimizer
    held : sequence of Shown
        Pictures for validation.
    pixel_nm : float or None
        Pixel at which pictures are shown: that of the task, or of the model it begins with.
    """

    begun: Path | None
    pixel_nm: float | None

    @property
    def network(self) -> Any:
        """The network, once it is prepared."""

    @property
    def optimizer(self) -> Any:
        """What changes its weights, once it is prepared."""

    @property
    def held(self) -> Sequence[Shown]:
        """Pictures for validation, once it is prepared."""

    @property
    def example(self) -> Shown:
        """The picture that is shown to the person."""

    def prepare(self, tell: Tell) -> None:
        """Make what it learns from and the network, with the weights that it begins with."""

    def learn(self, steps: range) -> tuple[list[float], float]:
        """Take these steps of the whole training; return the losses, and the rate at the end.

        A step is the same whatever came before in this process.
        """

    def found(self, grey: np.ndarray) -> np.ndarray:
        """Return the output that is highest for each pixel of a picture, uint8."""

    def write_model(self, scores: Mapping[str, float | None], tell: Tell) -> Path:
        """Write the network, which has its best weights, as a model; return where it is.

        Parameters
        ----------
        scores : mapping
            How good it was, for its card.
        tell : callable
        """
