"""All trainings in a folder, as a table: what was asked, how far it is, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.files import read_json
from space.learning import run_folder
from space.organelles.model import MODEL
from space.predicates import is_number

RUN = "run.json"

_LARGEST_FILE_BYTES = 100_000_000
_MOST_RUNS = 2000


@dataclass(frozen=True)
class Run:
    """A training, as its files tell of it.

    Attributes
    ----------
    folder : Path
    config : dict
        What was asked.
    classes : tuple of str
    epochs : int
        How many are done.
    best : float or None
        Mean Dice of the best epoch, or None without validation.
    best_epoch : int
    loss : float or None
        Of the last epoch.
    cpu_s : float
    is_done : bool
        Whether the model has been written.
    start_from : str
    """

    folder: Path
    config: dict[str, Any]
    classes: tuple[str, ...]
    epochs: int
    best: float | None
    best_epoch: int
    loss: float | None
    cpu_s: float
    is_done: bool
    start_from: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "folder": str(self.folder), "classes": list(self.classes)}


def runs_in(folder: Path) -> tuple[Run, ...]:
    """Return the trainings in a folder and the folders in it, the best first."""
    folder = Path(folder)
    places = [folder, *sorted(one for one in folder.iterdir() if one.is_dir())][:_MOST_RUNS]
    found = [run for run in map(_read, places) if run is not None]
    return tuple(
        sorted(found, key=lambda one: -1.0 if one.best is None else one.best, reverse=True)
    )


def _read(folder: Path) -> Run | None:
    """Return the training in a folder; None if there is none of volumes."""
    try:
        told = read_json(folder / RUN, _LARGEST_FILE_BYTES)
        config, classes = dict(told["config"]), tuple(map(str, told["classes"]))
        begun = str(told.get("start_from", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if "patch" not in config:
        return None  # of pictures
    epochs = run_folder.read_metrics(folder)
    dice = [one.get("mean_dice") for one in epochs]
    judged = [(value, at) for at, value in enumerate(dice, 1) if is_number(value)]
    best, at = max(judged, key=lambda one: (one[0], -one[1]), default=(None, len(epochs)))
    last = epochs[-1].get("loss") if epochs else None
    return Run(
        folder,
        config,
        classes[1:],
        len(epochs),
        None if best is None else float(best),
        at,
        float(last) if is_number(last) else None,
        sum(float(one["cpu_s"]) for one in epochs if is_number(one.get("cpu_s"))),
        (folder / MODEL).is_file(),
        begun,
    )


def table_of(runs: tuple[Run, ...]) -> list[str]:
    """Return the lines of a table."""
    lines = [f"{'run':24} {'classes':20} {'epochs':>9} {'Dice':>6} {'loss':>7} {'CPU s':>7}  state"]
    for one in runs:
        asked = one.config.get("epochs", "?")
        dice = "-" if one.best is None else f"{one.best:.3f}"
        loss = "-" if one.loss is None else f"{one.loss:.3f}"
        state = "model written" if one.is_done else "not finished"
        begun = f", from {Path(one.start_from).parent.name}" if one.start_from else ""
        lines.append(
            f"{one.folder.name[:24]:24} {', '.join(one.classes)[:20]:20} "
            f"{f'{one.epochs}/{asked}':>9} {dice:>6} {loss:>7} {one.cpu_s:7.0f}  {state}{begun}"
        )
    return lines
