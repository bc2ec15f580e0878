"""Learned targets in a session: whether they are wanted, and the heat map of a lamella's map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from space import jobs
from space.errors import SpaceError
from space.images import fingerprint, read_png
from space.jobs import HEAT, JobFolder, JobStatus
from space.models import LEARNED
from space.settings import LAMELLA, Settings
from space.steps import manual
from space.targeting import KnownMap, TargetingOptions, with_learned

_WITHOUT_SEGMENTS = (1, 2)
"""Levels at which maps are not segmented."""


def wants_heat(settings: Settings) -> bool:
    """Whether target selection needs heat maps."""
    return LEARNED in settings.target_list


def tasks_of_session(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of work that models do for a session."""
    segments = settings.automation_level not in _WITHOUT_SEGMENTS
    wanted = {"detect"} if settings.sample == LAMELLA else set()
    wanted |= set(tasks_of_map(settings)) if segments else set()
    return tuple(task for task in (*jobs.TASKS, HEAT) if task in wanted)


def tasks_of_map(settings: Settings) -> tuple[str, ...]:
    """Return what a worker has to do with a lamella's map before targets can be chosen."""
    if settings.manual_selection:
        return ()
    return ("segment", HEAT) if wants_heat(settings) else ("segment",)


def map_statuses(
    folder: JobFolder, names: Sequence[str], settings: Settings
) -> Mapping[str, JobStatus]:
    """Return how far each of some maps is: of several tasks, the first that is not done counts.

    What is done has the segmentation as its result.
    """
    if settings.manual_selection:
        return manual.statuses(folder, names)
    found = folder.statuses_of(names, "segment")
    if not wants_heat(settings):
        return found
    heat = folder.statuses_of(names, HEAT)
    return {
        name: _named(heat[name]) if one.state == "done" and heat[name].state != "done" else one
        for name, one in found.items()
    }


def _named(heat: JobStatus) -> JobStatus:
    """Say of a heat map that failed that it is no segmentation."""
    if heat.state != "failed":
        return heat
    return replace(heat, reason=f"there is no heat map of learned targets ({heat.reason})")


def heat_path(labels_path: Path) -> Path:
    """Return where the heat map of a map is, by its segmentation."""
    return jobs.result_path(Path(labels_path).parent, _map_stem(labels_path), HEAT)


def _map_stem(labels_path: Path) -> str:
    stem = Path(labels_path).stem
    return stem[: -len("_seg")] if stem.endswith("_seg") else stem


def read_heat(labels_path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, str]:
    """Read the heat map of a lamella's map, and what stands for it.

    Parameters
    ----------
    labels_path : Path
        The segmentation that the model made, beside which it lies.
    shape : tuple of int
        Rows and columns of the map.

    Raises
    ------
    SpaceError
        If it is missing, cannot be read, or is that of another map.
    """
    path = heat_path(labels_path)
    if not path.is_file():
        raise SpaceError(
            f'target_list names "{LEARNED}", and this map has no heat map.',
            path.name,
            "Run the script again, or have it made by SPACEtomo_nnUNet.py --task heat MAP.png; "
            "learned_targets_model in SPACEtomo_config.py names the model.",
        )
    mark = fingerprint(path)
    heat, info = read_png(path)
    again = "Delete it and have it made again."
    if heat.shape != tuple(shape):
        raise SpaceError(
            f"The heat map has {heat.shape} pixels and its map {tuple(shape)}.", str(path), again
        )
    of_map = fingerprint(path.with_name(f"{_map_stem(labels_path)}.png"))
    if of_map and info.get("map") and info["map"] != of_map:
        raise SpaceError("The heat map is that of an earlier map.", str(path), again)
    return heat, mark


def with_heat(
    known: KnownMap, names: dict[str, int], labels_path: Path, options: TargetingOptions
) -> tuple[KnownMap, dict[str, int]]:
    """Return labels with the class of learned targets, if they are wanted.

    Raises
    ------
    SpaceError
        If the heat map is missing or does not fit.
    """
    if LEARNED not in options.target_list:
        return known, names
    rows, columns = known.labels.shape
    heat, mark = read_heat(labels_path, (rows, columns))
    return with_learned(known, names, heat, mark, options)
