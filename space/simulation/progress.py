"""Progress of a simulated session: the level from its log, what is done from its files."""

from __future__ import annotations

import glob
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

# By level: what is counted, and the file that a lamella has when it is done.
_WORDS = ("", "lamellae looked at", "lamella maps", "segmentations", "lamellae with targets",
          "lamellae with tilt series")  # fmt: skip
_FILES = ("", "PL*_im.png", "L*[0-9].png", "L*_seg.png", "L*_tgts.txt", "L*_ts_*.mrc")

_GRID = re.compile(r"^Grid (\S+) in ")
_LEVEL = re.compile(r"^Level (\d): \d+ s")
_TAKEN = ("Tilt series at ", "Acquire at Items ended")
_LABEL = re.compile(r"P?L\d+")
_TILT = re.compile(r"^Tilt (\d+) of (\d+)\b")


@dataclass(frozen=True)
class Progress:
    """How far the present level of the present grid has come.

    Attributes
    ----------
    folder : Path
        The session's.
    highest : int
        The level at which it ends.
    grid : str
        The present one, empty before the first.
    level : int
        The present one, 0 before the first and after the last.
    done, lamellae : int
        How many are done at this level, and how many there are (0 while that is not known).
    tilt, tilts : int
        Where the tilt series of the present lamella is, 0 between two.
    """

    folder: Path
    highest: int
    grid: str = ""
    level: int = 0
    done: int = 0
    lamellae: int = 0
    tilt: int = 0
    tilts: int = 0

    def after(self, line: str) -> Progress:
        """Return the progress when a line has appeared in the log."""
        found = _GRID.search(line)
        if found:
            return Progress(self.folder, self.highest, found[1], level=1)
        found = _LEVEL.search(line)
        if found:
            return replace(self, level=self._next(int(found[1])), done=0)
        found = _TILT.search(line)
        if found:
            return replace(self, tilt=int(found[1]), tilts=int(found[2]))
        if line.startswith(_TAKEN):
            return replace(self, tilt=0, tilts=0).counted()
        # A lamella has files of tilt series from its first tilt on, but counts after its last.
        return self if self.tilts else self.counted()

    def _next(self, finished: int) -> int:
        if finished >= self.highest:
            return 0
        # On the way to targets, segmentations are not waited for by themselves.
        return 4 if finished == 2 and self.highest > 3 else finished + 1

    def counted(self) -> Progress:
        """Count what the session's files say is finished."""
        if not self.level:
            return self
        files = self.folder.glob(f"{glob.escape(self.grid)}_{_FILES[self.level]}")
        labels = [_LABEL.match(path.name[len(self.grid) + 1 :]) for path in files]
        done = len({label[0] for label in labels if label})
        return replace(self, done=done, lamellae=self.lamellae or self._found())

    def _found(self) -> int:
        try:
            text = (self.folder / f"{self.grid}_lamellae.json").read_text(encoding="utf-8")
            return len(json.loads(text)["lamellae"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @property
    def fraction(self) -> float:
        """The part of the level that is done, from 0 to 1."""
        if not self.lamellae:
            return 0.0
        part = self.tilt / self.tilts if self.tilts else 0.0
        return min(1.0, (self.done + part) / self.lamellae)

    def __str__(self) -> str:
        text = f"Level {self.level}: {self.done} of {self.lamellae or '?'} {_WORDS[self.level]}"
        return f"{text}, tilt {self.tilt} of {self.tilts}" if self.tilts else text
