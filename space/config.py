"""What changes with the models: the constants of SPACEtomo_config.py as a checked value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.constants import read_constants
from space.errors import SpaceError, shown
from space.models.presets import DEFAULT_PRESET, PRESETS, Preset
from space.predicates import is_number, is_whole
from space.spelling import slip
from space.square_classes import BROKEN, CONTAMINATED, EMPTY, INTACT, THICK

CONFIG_FILE = "SPACEtomo_config.py"
ALL_FOLDS = "all"
"""Name of the fold that nnU-Net trains on everything (folder ``fold_all``)."""
_OFF, _CHECKPOINT = "off_lamella_classes", "segmentation_checkpoint"
_TIDY = "tidy_segmentation"
_PRESET, _RUNTIME = "inference_preset", "inference_runtime"
_LEARNED = "learned_targets_model"
RUNTIMES = ("auto", "torch", "onnx")
"""What runs the networks: what fits this computer, torch, or ONNX Runtime."""


@dataclass(frozen=True)
class Category:
    """How a lamella category is shown.

    Attributes
    ----------
    plot_color : str
        ``#RRGGBB``.
    navigator_color : int
        0 to 5: red, green, blue, yellow, magenta, black.
    """

    plot_color: str
    navigator_color: int


SQUARE_CATEGORIES = {
    name: Category(plot_color, navigator_color)
    for name, plot_color, navigator_color in (
        (INTACT, "#4CAF50", 1),
        (BROKEN, "#E53935", 0),
        (THICK, "#5E35B1", 5),
        (EMPTY, "#29B6F6", 2),
        (CONTAMINATED, "#FB8C00", 3),
    )
}
"""How squares of a grid without lamellae are shown; no model names them."""

UNKNOWN_CATEGORY = Category("#9E9E9E", 0)
"""Of weights that know a category which the configuration does not."""


@dataclass(frozen=True)
class Config:
    """Model configuration.

    Attributes
    ----------
    detection_weights : Path
        Weights of the lamella detector (.pt).
    detection_pixel_nm : float
        Pixel size that the detector was trained at.
    detection_window_px : int
        Side of the square window that the detector sees.
    categories : dict of str to Category
        Lamella categories, for checks and colours; a detection carries the category's name,
        which the worker reads from the weights.
    segmentation_model : Path
        nnU-Net v2 folder with dataset.json, plans.json and fold_N/checkpoint_final.pth.
    segmentation_folds : tuple of int or str
        Folds whose predictions are averaged: numbers, or "all".
    segmentation_pixel_nm : float
        Pixel size that the segmentation model was trained at.
    runs_per_gpu : int
        Segmentations that share one GPU.
    off_lamella_classes : tuple of str or None
        Classes of the segmentation model that are vacuum or bulk; None if the file does not say.
    segmentation_checkpoint : str
        Name of the weights' file in each fold.
    tidy_segmentation : bool
        Whether what is known of a lamella is applied to what the model finds.
    inference_preset : str
        How accurate or fast maps are segmented, of `space.models.presets.PRESETS`.
    inference_runtime : str
        What runs the networks, of `RUNTIMES`; results are the same.
    learned_targets_model : Path or None
        Heat map (.onnx) that finds places for ``target_list = ["learned"]``; None: there is none.
    """

    detection_weights: Path
    detection_pixel_nm: float
    detection_window_px: int
    categories: dict[str, Category]
    segmentation_model: Path
    segmentation_folds: tuple[int | str, ...]
    segmentation_pixel_nm: float
    runs_per_gpu: int
    off_lamella_classes: tuple[str, ...] | None = None
    segmentation_checkpoint: str = "checkpoint_final.pth"
    tidy_segmentation: bool = True
    inference_preset: str = DEFAULT_PRESET
    inference_runtime: str = RUNTIMES[0]
    learned_targets_model: Path | None = None

    @property
    def preset(self) -> Preset:
        """What `inference_preset` stands for."""
        return PRESETS[self.inference_preset]

    def categories_of(self, squares: bool) -> dict[str, Category]:
        """Return the categories of squares, or those of lamellae."""
        return dict(SQUARE_CATEGORIES) if squares else self.categories

    def category(self, name: str) -> Category:
        """How to show a category; weights may know one that is not in the table."""
        own = self.categories.get(name)
        return own or SQUARE_CATEGORIES.get(name, UNKNOWN_CATEGORY)


def load_config(space_dir: Path) -> Config:
    """Read SPACEtomo_config.py in `space_dir`; relative paths in it start there.

    Raises
    ------
    SpaceError
        With every problem that was found in it.
    """
    path = Path(space_dir) / CONFIG_FILE
    if not path.is_file():
        raise SpaceError(
            f"There is no {CONFIG_FILE}.",
            str(space_dir),
            "SPACE_DIR must be the folder of this project.",
        )
    try:
        values, problems = read_constants(path)
    except OSError as error:
        raise SpaceError(
            f"{CONFIG_FILE} cannot be read: {error.strerror or error}.",
            str(path),
            "Copy it from the project again, and repeat your changes in it.",
        ) from None
    if not problems or values:  # of a file that cannot be read, every name would be missing
        problems += _misspelt(values) + _problems(values, problems)
    if problems:
        raise SpaceError(" ".join(problems), str(path), "Correct it.")
    root = Path(space_dir)
    return Config(
        detection_weights=root / values["detection_weights"],
        detection_pixel_nm=float(values["detection_pixel_nm"]),
        detection_window_px=values["detection_window_px"],
        categories={name: Category(*row) for name, row in values["categories"].items()},
        segmentation_model=root / values["segmentation_model"],
        segmentation_folds=tuple(values["segmentation_folds"]),
        segmentation_pixel_nm=float(values["segmentation_pixel_nm"]),
        runs_per_gpu=values["runs_per_gpu"],
        off_lamella_classes=tuple(values[_OFF]) if _OFF in values else None,
        segmentation_checkpoint=values.get(_CHECKPOINT, Config.segmentation_checkpoint),
        tidy_segmentation=values.get(_TIDY, Config.tidy_segmentation),
        inference_preset=values.get(_PRESET, Config.inference_preset),
        inference_runtime=values.get(_RUNTIME, Config.inference_runtime),
        learned_targets_model=root / values[_LEARNED] if values.get(_LEARNED) else None,
    )


def _is_positive(value: object) -> bool:
    return is_number(value) and 0 < value < 1e6


_FILE = "a file name in quotes, with forward slashes"
_FOLDER = "a folder in quotes, with forward slashes"
_FOLDS = f'a list of fold numbers from 0, each once, such as [0, 1, 2, 3, 4], or ["{ALL_FOLDS}"]'


def _rules() -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return for each name a test of its value, and what is allowed in words."""
    return {
        "detection_weights": (_is_path, _FILE),
        "detection_pixel_nm": (_is_positive, "a length in nm above 0"),
        "detection_window_px": (
            lambda v: is_whole(v) and 32 <= v <= _LARGEST_WINDOW_PX and v % 32 == 0,
            f"a whole number of pixels that 32 divides, at most {_LARGEST_WINDOW_PX}",
        ),
        "categories": (
            _is_categories,
            'a table of names, each with a colour such as "#55963A" and a number from 0 to 5',
        ),
        "segmentation_model": (_is_path, _FOLDER),
        "segmentation_folds": (_is_folds, _FOLDS),
        "segmentation_pixel_nm": (_is_positive, "a length in nm above 0"),
        "runs_per_gpu": (lambda v: is_whole(v) and 1 <= v <= 100, "a whole number from 1 to 100"),
        _OFF: (_is_names, 'a list of class names in quotes, such as ["white", "black"]'),
        _CHECKPOINT: (
            lambda v: isinstance(v, str) and bool(re.fullmatch(r"[\w\-. ]+\.pth", v)),
            'the name of a file in each fold, such as "checkpoint_best.pth"',
        ),
        _TIDY: (lambda v: isinstance(v, bool), "True or False"),
        _PRESET: (lambda v: isinstance(v, str) and v in PRESETS, _choice(PRESETS)),
        _RUNTIME: (lambda v: isinstance(v, str) and v in RUNTIMES, _choice(RUNTIMES)),
        _LEARNED: (lambda v: v == "" or _is_path(v), f'{_FILE}, or "" for none'),
    }


def _problems(values: dict[str, Any], reported: Sequence[str]) -> list[str]:
    """Return what is wrong with the values; a name in `reported` is not missing."""
    problems = []
    for name, (valid, allowed) in _rules().items():
        if name in values:
            if not valid(values[name]):
                problems.append(f"{name} = {shown(values[name])} must be {allowed}.")
        elif name not in _OPTIONAL and not any(
            re.search(rf"\b{name}\b", text) for text in reported
        ):
            problems.append(f"{name} is missing; it must be {allowed}.")
    return problems


_OPTIONAL = (_OFF, _CHECKPOINT, _TIDY, _PRESET, _RUNTIME, _LEARNED)
_LARGEST_WINDOW_PX = 8192
_MOST_FOLDS = 100


def _misspelt(values: dict[str, Any]) -> list[str]:
    """Return a message for each name that looks like a known one and is none."""
    problems = []
    for name in values:
        known = "" if name in _rules() else slip(name, _rules(), values)
        if known:
            beside = " (which is there, too)" if known in values else ""
            problems.append(
                f"{name} is not known. Did you mean {known}{beside}? Correct or remove this line."
            )
    return problems


def _choice(names: Iterable[str]) -> str:
    """Return the names as a message lists them."""
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} or {last}"


def _is_path(value: object) -> bool:
    # A control character comes from a backslash that was read as part of "\\n" or "\\t".
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_folds(value: object) -> bool:
    return (
        isinstance(value, (list, tuple))
        and 0 < len(value) <= _MOST_FOLDS
        and all((is_whole(fold) and fold >= 0) or fold == ALL_FOLDS for fold in value)
        and len(set(value)) == len(value)
    )


def _is_names(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _is_categories(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(map(_is_category, value.items()))


def _is_category(item: tuple[object, object]) -> bool:
    name, row = item
    if not (isinstance(name, str) and name and isinstance(row, (list, tuple)) and len(row) == 2):
        return False
    color, number = row
    is_color = isinstance(color, str) and re.fullmatch(r"#[0-9A-Fa-f]{6}", color)
    return bool(is_color) and is_whole(number) and 0 <= number <= 5
