"""How a training comes along, whatever is trained: when it is over, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from space.learning.training.logs import Boards


class Course(Protocol):
    """What the epochs of any training need to know of its configuration."""

    @property
    def out(self) -> Path:
        """Folder of the run."""

    @property
    def steps(self) -> int:
        """Steps for an epoch."""

    @property
    def epochs(self) -> int:
        """How many at most."""

    @property
    def patience(self) -> int:
        """Epochs without progress after which it ends; 0 for never."""

    @property
    def rate(self) -> float:
        """Learning rate at the start."""

    @property
    def log(self) -> tuple[str, ...]:
        """Programs that draw curves."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""


class Judged(Protocol):
    """What an epoch of any engine says about itself."""

    @property
    def number(self) -> int:
        """From 1."""

    @property
    def loss(self) -> float:
        """Mean over its steps."""

    @property
    def wall_s(self) -> float:
        """How long it took."""

    @property
    def scores(self) -> Mapping[str, float]:
        """What is drawn over the epochs, by name."""

    @property
    def judged(self) -> float:
        """How good it is; more is better."""


def is_over(done: Sequence[Judged], config: Course) -> bool:
    """Whether all epochs are done, or the last ones brought no progress."""
    if len(done) >= config.epochs:
        return True
    if not config.patience or not done:
        return False
    best = max(range(len(done)), key=lambda at: (done[at].judged, -at))
    return len(done) - 1 - best >= config.patience


def is_best(done: Sequence[Judged]) -> bool:
    """Whether the last epoch is better than all before."""
    return all(done[-1].judged > one.judged for one in done[:-1])


def ends_about(done: Sequence[Judged], config: Course) -> list[str]:
    """Return when all epochs are probably done, in words; nothing if they are."""
    left = config.epochs - len(done)
    at = datetime.now() + timedelta(seconds=left * median(one.wall_s for one in done))
    return [f"ends about {at:%H:%M}"] if left > 0 else []


def board_of(config: Course, done: int = 0) -> Callable[[Judged], object]:
    """Return what takes each epoch for the programs that were asked for.

    Parameters
    ----------
    config : Course
    done : int
        Epochs that are done already.

    Raises
    ------
    SpaceError
        If one of them is missing.
    """
    boards = Boards(config.log, config.out, config.to_dict(), done)

    def write(epoch: Judged) -> None:
        boards.write(epoch.number, {"loss": epoch.loss, **epoch.scores})
        if epoch.number == config.epochs:  # else they end with the program
            boards.close()

    return write
