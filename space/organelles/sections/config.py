"""What a training on sections is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from space import toml_settings
from space.errors import SpaceError
from space.files import is_name
from space.predicates import is_number, is_whole
from space.toml_settings import Fit, whole

_DEEPEST = 5


@dataclass(frozen=True)
class SectionsConfig:
    """What a training on sections is asked to do.

    Attributes
    ----------
    raw, labels : Path
        Volumes of one shape: grey values, and labels of some sections (255 does not count).
    out : Path
        Folder of the run; it is made.
    labelled : tuple of int
        Sections whose labels are learned from, from 0. All that have any label if empty.
    held : tuple of int
        Labelled sections for validation.
    classes : dict of str to int
        Value of each class in the labels; all other values, too, are background.
    voxel_nm : tuple of float or None
        Along z, y and x, where the files do not tell.
    shrink : int
        By how much rows and columns are shrunk before the network sees them.
    encoder, depth : str, int
        As of `space.learning.TrainConfig`.
    patch_px, batch : int
        Side of the parts that it learns from, after shrinking, and parts for a step.
    steps, epochs : int
        Steps for an epoch, and epochs.
    rate : float
        Learning rate at the start; it falls to nothing at the end.
    consistency : float
        How much it counts that sections without labels come out the same when they are turned,
        mirrored, noisier or partly covered; 0 to leave them out.
    reconstruction : float
        How much it counts that what is covered in them is guessed by the image decoder.
    patience : int
        Epochs without progress after which it ends; 0 for never.
    seed, threads : int
    device, precision : str
        As of `space.learning.TrainConfig`.
    log : tuple of str
        Programs that draw curves.
    """

    raw: Path
    labels: Path
    out: Path
    labelled: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    voxel_nm: tuple[float, float, float] | None = None
    shrink: int = 2
    encoder: str = "tu-resnet18"
    depth: int = 3
    patch_px: int = 128
    batch: int = 4
    steps: int = 10
    epochs: int = 40
    rate: float = 0.004
    consistency: float = 0.0
    reconstruction: float = 0.0
    patience: int = 0
    seed: int = 1
    threads: int = 1
    device: str = "auto"
    precision: str = "float32"
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)!r}, not {one.wanted}."
            for name, one in _FITS.items()
            if not one.fits(getattr(self, name))
        ]
        both = sorted(set(self.labelled) & set(self.held))
        if both:
            problems.append(f"Sections {both} are to be learned from and held for validation.")
        if problems:
            raise SpaceError(" ".join(problems), do="Correct this and start again.")

    @property
    def looks_at_unlabelled(self) -> bool:
        """Whether sections without labels are learned from."""
        return self.consistency > 0 or self.reconstruction > 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        return {**values, **{name: str(values[name]) for name in ("raw", "labels", "out")}}


def _are_sections(value: Any) -> bool:
    are_whole = all(is_whole(one) and one >= 0 for one in value)
    return are_whole and len(set(value)) == len(value)


def _are_classes(value: Mapping[str, int]) -> bool:
    numbers = list(value.values())
    fit = all(is_whole(one) and 1 <= one < 255 for one in numbers)
    return fit and len(set(numbers)) == len(numbers) and all(map(is_name, value))


_SECTIONS = Fit(_are_sections, "different sections, from 0")
_WEIGHT = Fit(lambda value: is_number(value) and 0 <= value <= 1000, "a number from 0 to 1000")

_FITS: Mapping[str, Fit] = {
    "labelled": _SECTIONS,
    "held": _SECTIONS,
    "classes": Fit(_are_classes, "names with different values from 1 to 254"),
    "shrink": whole(1, 16),
    "depth": whole(3, _DEEPEST),
    "patch_px": Fit(
        lambda value: is_whole(value) and 32 <= value <= 2048 and not value % 2**_DEEPEST,
        f"a multiple of {2**_DEEPEST} up to 2048",
    ),
    "batch": whole(1, 256),
    "steps": whole(1, 100_000),
    "epochs": whole(1, 100_000),
    "rate": toml_settings.RATE,
    "consistency": _WEIGHT,
    "reconstruction": _WEIGHT,
    "patience": whole(0, 100_000),
    "seed": toml_settings.SEED,
    "threads": toml_settings.THREADS,
}
