"""The journal: the truth about every picture, and the places that random numbers were drawn for."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.simulator.imaging.pictures import Exposure
from space.simulator.keeping.layout import JOURNAL, SessionError, append_lines, whole_lines
from space.simulator.keeping.plain_values import plain, restored

if TYPE_CHECKING:
    from space.simulator.column.random_source import RandomSource

_FILES = ("file", "frames")  # entries of a picture that are paths
_RECENT = 64  # newest pictures that are checked after each command: has one been saved since?


@dataclass
class Journal:
    """The journal of a session, as far as it has been written.

    Attributes
    ----------
    folder : Path
        Where it is kept.
    exposures : list of Exposure
        Pictures in the file, by index.
    visits : dict
        Name of a random source → places that it was asked for.
    size : int
        Bytes of the file that are whole lines.
    """

    folder: Path
    exposures: list[Exposure] = field(default_factory=list)
    visits: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def read(cls, folder: Path) -> Journal:
        """Read the journal of a session, as far as it is whole.

        Raises
        ------
        SessionError
            If a line of it is not one that this class wrote.
        """
        exposures: dict[int, Exposure] = {}
        visits: dict[str, list[tuple[int, ...]]] = {}
        lines, size = whole_lines(folder / JOURNAL)
        try:
            for kind, *values in lines:
                if kind == "picture":
                    exposure = _exposure(values[0], folder.resolve().parent)
                    exposures[exposure.index] = exposure
                elif kind == "visit":
                    visits.setdefault(values[0], []).append(tuple(values[1]))
        except (TypeError, ValueError, LookupError, AttributeError) as problem:
            raise SessionError(f"{folder / JOURNAL} is damaged: {problem!r}") from problem
        return cls(folder, [exposures[index] for index in sorted(exposures)], visits, size)

    def cut(self) -> None:
        """Cut off a line that was being written when the program died."""
        if (self.folder / JOURNAL).is_file():
            os.truncate(self.folder / JOURNAL, self.size)

    def note(
        self,
        exposures: Sequence[Exposure],
        sources: dict[str, RandomSource],
        everything: bool = False,
    ) -> None:
        """Write what is new; without `everything`, old pictures are taken as unchanged."""
        lines = self._new_visits(sources) + self._new_pictures(exposures, everything)
        append_lines(self.folder / JOURNAL, lines)

    def _new_visits(self, sources: dict[str, RandomSource]) -> list[str]:
        lines = []
        for name, source in sources.items():
            written = self.visits.setdefault(name, [])
            new = source.visits[len(written) :]
            lines += [json.dumps(["visit", name, place]) for place in new]
            written += new
        return lines

    def _new_pictures(self, now: Sequence[Exposure], everything: bool) -> list[str]:
        written = self.exposures
        start = 0 if everything else max(0, len(written) - _RECENT)
        changed = [n for n in range(start, len(written)) if written[n] is not now[n]]
        changed += range(len(written), len(now))
        written[start:] = now[start:]
        return [json.dumps(["picture", self._plain(now[n])]) for n in changed]

    def _plain(self, exposure: Exposure) -> dict[str, Any]:
        """Plain values; files in the session's folder are named from there."""
        values = plain(exposure)
        home = f"{self.folder.parent}{os.sep}"
        for key in _FILES:
            if values.get(key, "").startswith(home):
                values[key] = values[key][len(home) :]
        return values


def _exposure(values: dict[str, Any], home: Path) -> Exposure:
    """Read a picture; its file is named from the session's folder, which may have been moved."""
    names = {field.name for field in fields(Exposure)}
    known = {name: restored(value) for name, value in values.items() if name in names}
    for key in _FILES:
        if known.get(key):
            known[key] = str(home / known[key])
    return Exposure(**known)
