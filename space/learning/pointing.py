"""Keypoints of a picture in a data set, placed by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError
from space.files import is_name, move_aside
from space.labelling import OutdatedError
from space.learning.dataset import KEYPOINTS, Sample
from space.learning.keypoints import (
    Keypoint,
    has_more_columns,
    read_keypoints,
    write_keypoints,
)

MOST_POINTS = 10_000
"""Of a picture."""


def points_on(folder: Path, sample: Sample) -> tuple[tuple[Keypoint, ...], str, tuple[str, ...]]:
    """Return the keypoints of a picture, what stands for them, and the names in the data set.

    Raises
    ------
    SpaceError
        If the table of keypoints cannot be read.
    """
    every, _ = read_keypoints(Path(folder) / KEYPOINTS)
    own = tuple(one for one in every if one.picture == sample.file)
    return own, _stamp(own), tuple(dict.fromkeys(one.name for one in every))


def save_points(folder: Path, sample: Sample, points: Sequence[Keypoint], of: str) -> str:
    """Replace the keypoints of a picture; return what stands for them.

    A table with more columns than this program writes is kept as ``keypoints_earlier.csv``.

    Raises
    ------
    OutdatedError
        When the picture has other keypoints by now than the person has seen.
    SpaceError, OSError
        When they cannot be read or written, or lie outside of the picture.
    """
    rows, columns = sample.shape
    for one in points:
        if not is_name(one.name) or one.picture != sample.file:
            raise SpaceError(f"{one.name[:40]!r} is no name of a point.", sample.file)
        if not (0 <= one.x_px <= columns and 0 <= one.y_px <= rows):
            raise SpaceError(f"The point {one.name} lies outside of the picture.", sample.file)
    if len(points) > MOST_POINTS:
        raise SpaceError(f"These are more than {MOST_POINTS} points.", sample.file)
    path = Path(folder) / KEYPOINTS
    every, _ = read_keypoints(path)
    own = tuple(one for one in every if one.picture == sample.file)
    if _stamp(own) != of:
        raise OutdatedError("These points were changed elsewhere since you began.", sample.file)
    if path.is_file() and has_more_columns(path):
        move_aside(path)
    write_keypoints(path, [*(one for one in every if one.picture != sample.file), *points])
    return _stamp(tuple(points))


def _stamp(points: tuple[Keypoint, ...]) -> str:
    plain = [(one.name, one.x_px, one.y_px) for one in points]
    return hashlib.sha256(json.dumps(plain).encode("utf-8")).hexdigest()
