"""What a person clicked on the map of a lamella, kept beside its choice for learning."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.images import fingerprint
from space.steps.session import FilesOfGrid
from space.targeting import Clicks, merged_clicks, read_clicks, write_clicks

log = logging.getLogger("space.workflow")


def clicks_path(files: FilesOfGrid, number: int) -> Path:
    """Where the clicks on a lamella's map are kept."""
    return files.directory / f"{files.map_stem(number)}_clicks.json"


def clicks_of(files: FilesOfGrid, number: int, map_shape: Sequence[int]) -> Clicks:
    """Return the clicks on a lamella's map as it is now.

    Raises
    ------
    SpaceError
        If the file cannot be understood.
    """
    mark = fingerprint(files.map_png(number))
    return read_clicks(clicks_path(files, number), map_shape, mark)


def save_clicks(
    files: FilesOfGrid,
    number: int,
    map_shape: Sequence[int],
    added_map_px: np.ndarray,
    removed_map_px: np.ndarray,
) -> None:
    """Keep the clicks of one more save. What keeps them from being written costs nothing else."""
    if not len(added_map_px) and not len(removed_map_px):
        return
    path = clicks_path(files, number)
    try:
        clicks = merged_clicks(clicks_of(files, number, map_shape), added_map_px, removed_map_px)
        write_clicks(path, clicks, map_shape, fingerprint(files.map_png(number)))
    except (SpaceError, OSError) as error:
        log.warning("What was clicked is not kept for learning: %s", error)
