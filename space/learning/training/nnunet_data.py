"""A data set as nnU-Net wants it: raw, planned and preprocessed, all in one folder.

What nnU-Net does by itself is done by its own functions, but in this process: it would start others
only to read some pictures, and each of them takes seconds to begin.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.files import read_json, write_text_atomic
from space.learning.dataset import IGNORE, Sample
from space.learning.formats.nnunet import write_case, write_description
from space.learning.training.engine import Task
from space.learning.training.nnunet_plans import CONFIGURATION
from space.learning.training.samples import IGNORED, scaled

NAME = "Dataset001_own"
_FOLDERS = {
    "nnUNet_raw": "raw",
    "nnUNet_preprocessed": "preprocessed",
    "nnUNet_results": "results",
}
_SETTINGS = {
    "nnUNet_compile": "false",
    "nnUNet_wandb_enabled": "false",
}
_SAID = "said.txt"
_ENDING = ".png"
_INTENSITIES = 10e7
"""How many grey values nnU-Net looks at, of all pictures together."""


@dataclass(frozen=True)
class Prepared:
    """What nnU-Net needs to learn.

    Attributes
    ----------
    description : dict
        What its dataset.json holds.
    plans : dict
    learnt, held : list of str
        Names of the pictures to learn from, and of those for validation.
    shortest_px : int
        Shortest side of all pictures.
    """

    description: dict[str, Any]
    plans: dict[str, Any]
    learnt: list[str]
    held: list[str]
    shortest_px: int


@contextmanager
def at_home(work: Path, draws: bool = False) -> Iterator[None]:
    """Let nnU-Net work in a folder, and keep there what it says; afterwards nothing is set.

    Parameters
    ----------
    work : Path
    draws : bool
        Whether steps are drawn: in this process, so that they can be drawn again. The planner does
        not take that for an answer.
    """
    values = {
        **_SETTINGS,
        **{name: str(work / part) for name, part in _FOLDERS.items()},
        "nnUNet_n_proc_DA": "0" if draws else "1",
    }
    before = {name: os.environ.get(name) for name in values}
    work.mkdir(parents=True, exist_ok=True)
    os.environ.update(values)
    try:
        with (
            open(work / _SAID, "a", encoding="utf-8") as said,
            contextlib.redirect_stdout(said),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def prepared(work: Path, task: Task, plans: dict[str, Any] | None) -> Prepared:
    """Make what nnU-Net needs, in a folder in which it is `at_home`.

    It is made anew each time: nnU-Net would run code in what somebody put there.

    Parameters
    ----------
    work : Path
    task : Task
    plans : dict or None
        Without them, nnU-Net's planner plans.
    """
    for part in _FOLDERS.values():
        shutil.rmtree(work / part, ignore_errors=True)
    learnt, held = _named(task.learnt, "learn"), _named(task.held, "hold")
    description, shortest_px = _write_raw(work, task, {**learnt, **held})
    plans = {**(_planned(work) if plans is None else plans), "dataset_name": NAME}
    _preprocess(work, plans, description, [*learnt, *held])
    split = {"train": list(learnt), "val": list(held) or list(learnt)}
    folder = work / _FOLDERS["nnUNet_preprocessed"] / NAME
    write_text_atomic(folder / "splits_final.json", json.dumps([split]))
    return Prepared(description, plans, list(learnt), list(held), shortest_px)


def _named(samples: Any, word: str) -> dict[str, Sample]:
    """Return pictures by plain names: nnU-Net looks for patterns in them."""
    return {f"{word}_{number:05d}": one for number, one in enumerate(samples)}


def _write_raw(work: Path, task: Task, samples: Mapping[str, Sample]) -> tuple[dict[str, Any], int]:
    """Write pictures at the pixel of the model, with labels as nnU-Net needs them: 0, 1, 2 ...

    Returns
    -------
    description : dict
        What dataset.json holds.
    shortest_px : int
        Shortest side of all pictures.
    """
    raw = work / _FOLDERS["nnUNet_raw"] / NAME
    table = {name: number for number, name in enumerate(task.classes.values)}
    ignored = len(table)
    is_ignoring = False
    sides: list[int] = []
    for stem, sample in samples.items():
        picture, channels = scaled(task.config.data, sample, task.classes, task.pixel_nm)
        sides += picture.shape
        is_ignoring = is_ignoring or bool((channels == IGNORED).any())
        labels = np.where(channels == IGNORED, np.uint8(ignored), channels)
        write_case(raw, "Tr", stem, picture, labels, _ENDING)
    if is_ignoring:
        table[IGNORE] = ignored
    return write_description(raw, table, len(samples), _ENDING, task.pixel_nm), min(sides)


def _planned(work: Path) -> dict[str, Any]:
    """Return the plans of nnU-Net's planner."""
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
        ExperimentPlanner,
    )

    folder = work / _FOLDERS["nnUNet_preprocessed"] / NAME
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomic(folder / "dataset_fingerprint.json", json.dumps(_fingerprint(work)))
    ExperimentPlanner(NAME).plan_experiment()
    return dict(read_json(folder / "nnUNetPlans.json"))


def _fingerprint(work: Path) -> dict[str, Any]:
    """Return what nnU-Net's planner wants to know of the pictures."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
        DatasetFingerprintExtractor,
    )
    from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO

    extractor = DatasetFingerprintExtractor(NAME, 1)
    count = int(_INTENSITIES // len(extractor.dataset))
    found = [
        extractor.analyze_case(case["images"], case["label"], NaturalImage2DIO, count)
        for case in extractor.dataset.values()
    ]
    values = np.concatenate([np.asarray(one[2][0], float) for one in found] or [np.zeros(1)])
    values = values if values.size else np.zeros(1)
    low, median, high = np.percentile(values, (0.5, 50.0, 99.5))
    return {
        "spacings": [[float(side) for side in one[1]] for one in found],
        "shapes_after_crop": [[int(side) for side in one[0]] for one in found],
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": float(values.mean()),
                "median": float(median),
                "std": float(values.std()),
                "min": float(values.min()),
                "max": float(values.max()),
                "percentile_99_5": float(high),
                "percentile_00_5": float(low),
            }
        },
        "median_relative_size_after_cropping": float(np.median([one[4] for one in found])),
    }


def _preprocess(
    work: Path, plans: dict[str, Any], description: dict[str, Any], stems: list[str]
) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    settings = manager.get_configuration(CONFIGURATION)
    raw = work / _FOLDERS["nnUNet_raw"] / NAME
    folder = work / _FOLDERS["nnUNet_preprocessed"] / NAME / settings.data_identifier
    folder.mkdir(parents=True, exist_ok=True)
    run = settings.preprocessor_class(verbose=False)
    for stem in stems:
        picture = raw / "imagesTr" / f"{stem}_0000{_ENDING}"
        labels = raw / "labelsTr" / f"{stem}{_ENDING}"
        run.run_case_save(
            str(folder / stem), [str(picture)], str(labels), manager, settings, description
        )
