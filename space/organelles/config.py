"""What a training on volumes is asked to do, as a file in TOML says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from space import toml_settings
from space.errors import SpaceError
from space.files import is_name
from space.learning import LOGS
from space.organelles.label_borders import WIDEST
from space.predicates import is_whole
from space.toml_settings import Fit, whole

DEVICES, PRECISIONS = ("auto", "cpu", "cuda"), ("auto", "float32", "bfloat16")
FINETUNING: Mapping[str, Any] = {"rate": 0.002, "epochs": 6}
"""What `finetune` takes where a file says nothing."""


@dataclass(frozen=True)
class VolumeConfig:
    """What a training is asked to do.

    Attributes
    ----------
    data : Path
        List of regions to learn from (see `entries`).
    out : Path
        Folder of the run; it is made.
    held : Path or None
        List of regions for validation; without one, the last epoch counts as the best.
    classes : tuple of str
        Classes to learn; all of the list if empty.
    patch : int
        Side of the blocks that it learns from, in voxels.
    batch : int
        Blocks for a step.
    steps, epochs : int
        Steps for an epoch, and epochs. After each epoch everything is kept.
    rate : float
        Learning rate of AdamW at the start; it falls to nothing at the end.
    features : tuple of int
        Of each level of the network; the first is half as fine as the volume, each other one half
        as fine as the one before. Larger things need more levels.
    centred : float
        Share of the blocks that have a voxel of some class in the middle, each class as often.
    elastic : float
        Share of the blocks that are bent.
    exclude : dict of str to int
        Voxels around the border of a class that do not count, in training and validation.
    patience : int
        Epochs without progress after which it ends; 0 for never.
    seed : int
        Of everything that is drawn: the same seed learns the same.
    threads : int
        Of the processor.
    device, precision : str
        One of `DEVICES` and `PRECISIONS`.
    log : tuple of str
        Programs that draw curves, each of which must be installed.
    """

    data: Path
    out: Path
    held: Path | None = None
    classes: tuple[str, ...] = ()
    patch: int = 32
    batch: int = 4
    steps: int = 100
    epochs: int = 12
    rate: float = 0.01
    features: tuple[int, ...] = (16, 32)
    centred: float = 0.5
    elastic: float = 0.1
    exclude: dict[str, int] = field(default_factory=dict)
    patience: int = 0
    seed: int = 1
    threads: int = 1
    device: str = "auto"
    precision: str = "float32"
    log: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        for name in ("data", "out", "held"):
            values[name] = None if values[name] is None else str(values[name])
        return values


def read_volume_config(path: Path, finetuning: bool = False) -> VolumeConfig:
    """Read a configuration; its files are looked for from where it is.

    Parameters
    ----------
    path : Path
    finetuning : bool
        Whether weights are given to begin with: fewer epochs and smaller steps then, if the file
        does not say otherwise.

    Raises
    ------
    SpaceError
        With all that is wrong.
    """
    path = Path(path)
    values = toml_settings.read_toml(path, 'data = "D:/data.json"')
    problems = _problems(values)
    if problems:
        raise SpaceError(" ".join(problems), str(path), "Correct this and start again.")
    folder = path.absolute().parent
    known = {one.name for one in fields(VolumeConfig)}
    given = {**(FINETUNING if finetuning else {}), **values}
    given = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key in known
    }
    for key in ("data", "out", "held"):
        if key in given:
            given[key] = folder / given[key]
    for key in ("rate", "centred", "elastic"):
        if key in given:
            given[key] = float(given[key])
    return VolumeConfig(**given)


def _problems(values: Mapping[str, Any]) -> list[str]:
    found = toml_settings.problems_of(values, _FITS, ("data", "out"), "a training on volumes")
    if not found:
        levels = len(values.get("features", VolumeConfig.features))
        multiple = 2**levels
        if values.get("patch", VolumeConfig.patch) % multiple:
            found.append(f"patch is no multiple of {multiple}, as {levels} levels need.")
    return found


_PATH = toml_settings.path_of("a file or folder")
_FITS: Mapping[str, Fit] = {
    "data": _PATH,
    "out": _PATH,
    "held": _PATH,
    "classes": Fit(
        lambda value: toml_settings.are(value, lambda one: isinstance(one, str) and is_name(one)),
        "a list of different classes",
    ),
    "patch": whole(8, 256),
    "batch": whole(1, 64),
    "steps": whole(1, 100_000),
    "epochs": whole(1, 100_000),
    "rate": toml_settings.RATE,
    "features": toml_settings.wholes(2, 6, 512, "numbers of features"),
    "centred": toml_settings.SHARE,
    "elastic": toml_settings.SHARE,
    "exclude": Fit(
        lambda value: (
            isinstance(value, dict)
            and all(is_whole(one) and 0 <= one <= WIDEST for one in value.values())
        ),
        f"a table of classes and voxels from 0 to {WIDEST}, such as {{er = 2}}",
    ),
    "patience": whole(0, 100_000),
    "seed": toml_settings.SEED,
    "threads": toml_settings.THREADS,
    "device": toml_settings.one_of(DEVICES),
    "precision": toml_settings.one_of(PRECISIONS),
    "log": toml_settings.several(LOGS),
}
