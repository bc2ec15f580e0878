"""Names of the files that a camera's frames go to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath

from space.simulator.formats.mdoc import MONTHS

# Bits of the name format: what the folder's name and what the file's name is made of.
FOLDER_BASE, FOLDER_ROOT, FOLDER_LABEL = 0x1, 0x2, 0x4
BASE, ROOT, LABEL, NUMBER, MONTH_DAY, TIME = 0x8, 0x10, 0x20, 0x40, 0x80, 0x100
TILT, DATE_TIME = 0x400, 0x800
ALL_BITS = 0xFFF
EXTENSION = ".tif"

_BAD_IN_NAMES = re.compile(r'[\\/:*?"<>|\s]+')


@dataclass(frozen=True)
class FrameNaming:
    """How frame files are named.

    Parameters
    ----------
    base_name : str
        Text that scripts choose.
    bits : int
        Parts of the names.
    number : int
        The next number.
    folder : Path, optional
        Where they are saved; none for a camera that saves no frames.
    last : str
        Path of the latest file, "" when there was none.
    last_count : int
        Number of frames in it.
    """

    base_name: str = ""
    bits: int = BASE | NUMBER
    number: int = 1
    folder: Path | None = None
    last: str = ""
    last_count: int = 0

    def with_base(self, name: str, in_file: int, in_folder: int) -> FrameNaming:
        """Give a copy with another base name, used or not in names (1, 0; -1 as before)."""
        bits = _switched(_switched(self.bits, BASE, in_file), FOLDER_BASE, in_folder)
        return replace(self, base_name=name, bits=bits)

    def saved_as(self, path: str, count: int) -> FrameNaming:
        """Give a copy after a file of some frames was saved."""
        return replace(self, number=self.number + 1, last=path, last_count=count)

    def named_as(self, other: FrameNaming) -> FrameNaming:
        """Give a copy with the base name and format of another one."""
        return replace(self, base_name=other.base_name, bits=other.bits)

    def with_format(self, action: int, bits: int) -> FrameNaming:
        """Give a copy with some bits set (1), cleared (0), or replaced as a whole (-1)."""
        return replace(self, bits=bits if action < 0 else _switched(self.bits, bits, action))


@dataclass(frozen=True)
class FrameContext:
    """What names can be made of besides.

    Parameters
    ----------
    root : str
        Name of the open image file without its extension.
    label : str
        Label of the Navigator item.
    tilt_deg : float
        Tilt angle.
    now : datetime
        Time of the exposure.
    """

    root: str
    label: str
    tilt_deg: float
    now: datetime


def file_name(naming: FrameNaming, context: FrameContext, extension: str = EXTENSION) -> PurePath:
    """Give the folder's name, if any, and the name of the next file."""
    folder = "_".join(
        part
        for bit, part in (
            (FOLDER_BASE, naming.base_name),
            (FOLDER_ROOT, context.root),
            (FOLDER_LABEL, context.label),
        )
        if naming.bits & bit and part
    )
    parts = [part for part in _parts(naming, context) if part] or [f"{naming.number:04d}"]
    name = _clean("_".join(parts)) + extension
    return PurePath(_clean(folder), name) if folder else PurePath(name)


def _parts(naming: FrameNaming, context: FrameContext) -> Iterator[str]:
    now = context.now
    day = f"{MONTHS[now.month - 1]}{now.day:02d}"
    for bit, part in (
        (DATE_TIME, f"{now:%Y%m%d_%H%M%S}"),
        (BASE, naming.base_name),
        (ROOT, context.root),
        (LABEL, context.label),
        (NUMBER, f"{naming.number:04d}"),
        (MONTH_DAY, day),
        (TIME, f"{now:%H.%M.%S}"),
        (TILT, f"{context.tilt_deg:.1f}"),
    ):
        if naming.bits & bit:
            yield part


def frame_count(exposure_s: float, frame_s: float) -> int:
    """Give the number of frames of an exposure."""
    return max(1, round(exposure_s / frame_s))


def _switched(bits: int, which: int, on: int) -> int:
    if on < 0:
        return bits
    return bits | which if on else bits & ~which


def _clean(name: str) -> str:
    return _BAD_IN_NAMES.sub("-", name)
