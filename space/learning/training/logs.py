"""Programs that draw curves of a training, where somebody has them and asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.packages import is_installed

TENSORBOARD, WANDB = "tensorboard", "wandb"
LOGS = (TENSORBOARD, WANDB)
_NAMES = {TENSORBOARD: "TensorBoard", WANDB: "Weights & Biases"}
_PROJECT = "spacetomo"

_Write = Callable[[int, Mapping[str, float]], object]
_Board = tuple[_Write, Callable[[], object]]
"""What takes the number and the values of an epoch, and what ends all."""


def refuse_missing(asked: Sequence[str]) -> None:
    """Refuse what is asked for and not installed, before a run begins.

    Raises
    ------
    SpaceError
        With how to install it.
    """
    for name in asked:
        if not is_installed(name):
            raise SpaceError(
                f"{_NAMES[name]} is missing for this Python.",
                do=f'Leave "{name}" out of log, or run pip install {name}',
            )


class Boards:
    """The programs that were asked for.

    Parameters
    ----------
    asked : sequence of str
        Of `LOGS`.
    out : Path
        Folder of the run.
    config : mapping
        Shown with the run.
    done : int
        Epochs that are done already: what was written of later ones is replaced.
    """

    def __init__(
        self, asked: Sequence[str], out: Path, config: Mapping[str, Any], done: int = 0
    ) -> None:
        refuse_missing(asked)
        self._boards = [_OPENED[name](out, config, done) for name in asked]

    def write(self, number: int, values: Mapping[str, float]) -> None:
        """Hand on the values of an epoch."""
        for write, _ in self._boards:
            write(number, values)

    def close(self) -> None:
        """End what is handed on."""
        for _, close in self._boards:
            close()


def _tensorboard(out: Path, config: Mapping[str, Any], done: int) -> _Board:
    from torch.utils.tensorboard import SummaryWriter

    board = SummaryWriter(str(out / TENSORBOARD), purge_step=done + 1)

    def write(number: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            board.add_scalar(name, value, number)
        board.flush()

    return write, board.close


def _wandb(out: Path, config: Mapping[str, Any], done: int) -> _Board:
    """Begin a run that stays on this computer, unless WANDB_MODE says otherwise."""
    import wandb

    run = wandb.init(
        project=_PROJECT,
        name=out.name,
        dir=str(out),
        mode=os.environ.get("WANDB_MODE", "offline"),
        config=dict(config),
    )
    return lambda number, values: run.log(dict(values), step=number), run.finish


_OPENED: Mapping[str, Callable[[Path, Mapping[str, Any], int], _Board]] = {
    TENSORBOARD: _tensorboard,
    WANDB: _wandb,
}
