"""Which tilt series in a folder have been taken to their end, as far as their files tell."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from space.series import TiltSeries, read_series

ENDING = ".mrc.mdoc"
LEAST_PICTURES = 5
LEAST_RANGE_DEG = 15.0


@dataclass(frozen=True)
class Looked:
    """What was found in a folder.

    Attributes
    ----------
    ready : tuple of Path
        Stacks whose files have rested long enough, the oldest first.
    growing : tuple of Path
        Stacks to which pictures are probably still added.
    """

    ready: tuple[Path, ...] = ()
    growing: tuple[Path, ...] = ()


def ready_series(folder: Path, now_s: float, settle_s: float) -> Looked:
    """Return the tilt series in a folder.

    Other stacks with an .mdoc beside them (maps, pictures of targets) have few pictures, or all at
    one tilt.

    Parameters
    ----------
    folder : Path
    now_s : float
        Time in the clock of the folder's files.
    settle_s : float
        A series is ready when its files have not changed for so long. Scripts that take several
        series side by side come back to each of them after minutes.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    ready, growing = [], []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(ENDING):
            continue
        notes = Path(folder) / name
        stack = notes.with_suffix("")
        with contextlib.suppress(OSError):
            changed_s = max(_changed_s(notes), _changed_s(stack))
            if not is_tilt_series(read_series(notes)):
                continue
            if now_s - changed_s >= settle_s:
                ready.append((changed_s, stack))
            else:
                growing.append(stack)
    return Looked(tuple(stack for _, stack in sorted(ready)), tuple(growing))


def is_tilt_series(series: TiltSeries) -> bool:
    """Whether there are so many pictures over such a range that a tomogram can be made of them."""
    if len({round(picture.tilt_deg, 1) for picture in series.pictures}) < LEAST_PICTURES:
        return False
    low, high = series.range_deg
    return high - low >= LEAST_RANGE_DEG


def _changed_s(path: Path) -> float:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no file")
    return found.st_mtime
