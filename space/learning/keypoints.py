"""Named points in pictures (middle of a lamella, edges, tips), as a table in one CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError, shown
from space.files import decode, is_name, read_bytes_bounded, write_text_atomic
from space.learning.names import is_file_name

COLUMNS = ("picture", "name", "x_px", "y_px")
_FARTHEST_PX = 1e6


@dataclass(frozen=True)
class Keypoint:
    """A named point; x is the column and y the row, from the upper left corner of the picture."""

    picture: str
    name: str
    x_px: float
    y_px: float


def read_keypoints(path: Path, strict: bool = True) -> tuple[tuple[Keypoint, ...], tuple[str, ...]]:
    """Read a table of keypoints; other columns are passed over. No file is an empty table.

    Parameters
    ----------
    path : Path
    strict : bool
        Refuse the table for one odd line. Otherwise the line is left out and told.

    Raises
    ------
    SpaceError
        If it cannot be read.
    """
    try:
        text = decode(read_bytes_bounded(path))
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        raise SpaceError(
            f"The keypoints cannot be read ({error.strerror or error}).", str(path)
        ) from None
    points, problems = [], []
    try:
        rows = csv.DictReader(io.StringIO(text.replace("\0", ""), newline=""))
        if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
            raise SpaceError(
                f"The table of keypoints has not the columns {', '.join(COLUMNS)}.", str(path)
            )
        for row in rows:
            point = _point(row)
            if point is None:
                problems.append(f"line {rows.line_num} of {Path(path).name} is no keypoint")
            else:
                points.append(point)
    except csv.Error as error:
        raise SpaceError(f"The keypoints cannot be read ({error}).", str(path)) from None
    if strict and problems:
        raise SpaceError(f"The table of keypoints is odd: {problems[0]}.", str(path))
    return tuple(points), tuple(problems)


def _point(row: dict[str, str]) -> Keypoint | None:
    picture, name, x_text, y_text = (row.get(column) for column in COLUMNS)
    try:
        x_px, y_px = float(x_text or ""), float(y_text or "")
    except (TypeError, ValueError):
        return None
    fits = all(math.isfinite(value) and abs(value) < _FARTHEST_PX for value in (x_px, y_px))
    if not fits or not isinstance(name, str) or not is_name(name) or not is_file_name(picture):
        return None
    return Keypoint(str(picture), name, x_px, y_px)


def has_more_columns(path: Path) -> bool:
    """Whether a table of keypoints that can be read has columns that would not be written again."""
    text = decode(read_bytes_bounded(path)).replace("\0", "")
    head = next(csv.reader(io.StringIO(text, newline="")), [])
    return bool(set(head) - set(COLUMNS))


def write_keypoints(path: Path, points: Iterable[Keypoint]) -> None:
    """Write a table of keypoints, in the order of pictures, whole or not at all."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in sorted(points, key=lambda point: point.picture):
        if not is_file_name(one.picture):
            raise SpaceError(f"{shown(one.picture)} cannot be the name of a picture.", str(path))
        writer.writerow((one.picture, one.name, repr(one.x_px), repr(one.y_px)))
    write_text_atomic(path, lines.getvalue())
