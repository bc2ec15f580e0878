"""Where a person added and removed targets of a lamella on the page, as a file beside the choice.

A choice says where targets are, not who put them there. What a person clicked is kept for learning
(docs/clicks.md), save after save; nothing else reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.predicates import is_number

FORMAT = "SPACEtomo clicks 1"
MOST_CLICKS = 10_000
SAME_PX = 2.0
"""Places that are no farther apart are the same click."""

_DIGITS = 2


def _none() -> np.ndarray:
    return np.empty((0, 2))


@dataclass(frozen=True, eq=False)
class Clicks:
    """Places (n, 2) as (row, column) in pixels of the map."""

    added_map_px: np.ndarray = field(default_factory=_none)
    removed_map_px: np.ndarray = field(default_factory=_none)

    def __bool__(self) -> bool:
        return bool(len(self.added_map_px) or len(self.removed_map_px))


def merged_clicks(before: Clicks, added_map_px: np.ndarray, removed_map_px: np.ndarray) -> Clicks:
    """Return clicks with those of one more save.

    The last word counts: a place that was added and is removed now is none any more, and neither
    wanted nor unwanted, since it was the person's own; one that was removed and is added is added.
    """
    own = _near(removed_map_px, before.added_map_px)
    added = before.added_map_px[~_near(before.added_map_px, removed_map_px)]
    added = _joined(added, added_map_px)
    removed = before.removed_map_px[~_near(before.removed_map_px, added_map_px)]
    return Clicks(added, _joined(removed, removed_map_px[~own]))


def _joined(before: np.ndarray, more: np.ndarray) -> np.ndarray:
    return np.concatenate([before, more[~_near(more, before)]])[-MOST_CLICKS:]


def _near(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of some points lies at one of the others."""
    if not len(points) or not len(others):
        return np.zeros(len(points), bool)
    apart = np.hypot(*(points[:, None] - others[None]).transpose(2, 0, 1))
    found: np.ndarray = apart.min(axis=1) <= SAME_PX
    return found


def read_clicks(path: Path, map_shape: Sequence[int], map_mark: str = "") -> Clicks:
    """Read the clicks on a map; none where there is no file, or it is of another map.

    Parameters
    ----------
    path : Path
    map_shape : (int, int)
        Rows and columns of the map.
    map_mark : str
        What stands for the map, if it is known.

    Raises
    ------
    SpaceError
        If the file cannot be understood.
    """
    try:
        values = read_json(Path(path))
    except FileNotFoundError:
        return Clicks()
    except (OSError, ValueError) as error:
        raise SpaceError(f"The clicks cannot be read: {error}.", str(path), _DO) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise SpaceError(f"This is no file of the format {FORMAT}.", str(path), _DO)
    if values.get("map_shape_px") != list(map_shape):
        return Clicks()
    if map_mark and values.get("map") != map_mark:
        return Clicks()
    return Clicks(*(_points(values.get(key), map_shape, path) for key in ("added", "removed")))


def _points(entries: Any, map_shape: Sequence[int], path: Path) -> np.ndarray:
    if not isinstance(entries, list) or len(entries) > MOST_CLICKS:
        raise SpaceError("The clicks are no list of places.", str(path), _DO)
    for entry in entries:
        good = isinstance(entry, list) and len(entry) == 2
        if not good or not all(
            is_number(value) and 0 <= value <= side for value, side in zip(entry, map_shape)
        ):
            raise SpaceError("A click lies nowhere on the map.", str(path), _DO)
    return np.array(entries, float).reshape(-1, 2)


_DO = "Delete it: it serves for learning alone."


def write_clicks(path: Path, clicks: Clicks, map_shape: Sequence[int], map_mark: str) -> None:
    """Write clicks, whole or not at all."""
    values = {
        "format": FORMAT,
        "map": map_mark,
        "map_shape_px": [int(side) for side in map_shape],
        "added": np.round(clicks.added_map_px, _DIGITS).tolist(),
        "removed": np.round(clicks.removed_map_px, _DIGITS).tolist(),
    }
    write_text_atomic(Path(path), json.dumps(values) + "\n")
