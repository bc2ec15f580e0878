"""How much of what is wanted the maps of lamellae show, before their targets are chosen.

Targets that cover what is wanted have scores that sum up to about its area. A map with twice as
much of it as others is therefore expected to give twice as much. A map is counted once, and what
was counted is kept in a file of the session.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from space.config import Config, load_config
from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.labelling import labels_that_count
from space.overview import SessionFacts
from space.predicates import is_number
from space.settings import Settings
from space.steps import read_segmentation
from space.targeting import TargetingOptions
from space.targeting.scoring import class_tables

WANTED_FILE = "SPACE_wanted.json"
"""What was counted, by the name of the file of labels."""

_EACH_PX = 4
"""One row and column of so many is counted: what is wanted is larger."""

_LARGEST = 1e12
log = logging.getLogger("space.workflow")


def wanted_px(session: SessionFacts, settings: Settings) -> dict[tuple[str, int], float]:
    """Return how many pixels of the map are wanted, with their priority, by slot and lamella.

    Lamellae without labels, or with labels that cannot be read, are left out.
    """
    known = kept(session.directory)
    found: dict[tuple[str, int], float] = {}
    fresh: dict[str, list[object]] = {}
    config: Config | None = None
    for grid in session.grids:
        for lamella in grid.visited:
            if lamella.labels is None or lamella.segmentation != "done":
                continue
            try:
                path = labels_that_count(lamella.labels).path
                mark = _mark(path, settings)
                if path.name not in known or known[path.name][0] != mark:
                    config = config or load_config(Path(settings.SPACE_DIR))
                    known[path.name] = (mark, count_px(path, settings, config))
            except (SpaceError, OSError) as error:
                log.debug("%s: what is wanted was not counted: %s", lamella.label, error)
                continue
            fresh[path.name] = list(known[path.name])
            found[grid.slot, lamella.number] = known[path.name][1]
    if fresh and fresh != {name: list(one) for name, one in kept(session.directory).items()}:
        write_text_atomic(session.directory / WANTED_FILE, json.dumps(fresh, indent=1) + "\n")
    return found


def count_px(path: Path, settings: Settings, config: Config) -> float:
    """Return how many pixels of a segmentation are wanted, each with the priority of its class.

    Raises
    ------
    SpaceError
        If it cannot be read, stores no classes, or lacks one that is wanted.
    """
    labels, names = read_segmentation(path)
    options = TargetingOptions.of_session(settings, config.off_lamella_classes)
    weights = class_tables(names, options).wanted
    counted = np.bincount(labels[::_EACH_PX, ::_EACH_PX].ravel(), minlength=256)
    return float(counted @ weights) * _EACH_PX**2


def kept(directory: Path) -> dict[str, tuple[str, float]]:
    """Return what was counted before: mark and number by the name of the file of labels."""
    values: Mapping[str, object] = read_json_or_empty(Path(directory) / WANTED_FILE)
    return {
        name: (str(one[0]), float(one[1]))
        for name, one in values.items()
        if isinstance(one, list) and len(one) == 2 and is_number(one[1]) and 0 <= one[1] < _LARGEST
    }


def _mark(path: Path, settings: Settings) -> str:
    """Return what a count depends on: another file or other classes have another mark."""
    stat = path.stat()
    wanted = [settings.target_list, settings.avoid_list]
    return f"{stat.st_size} {stat.st_mtime_ns} {json.dumps(wanted, default=str)}"
