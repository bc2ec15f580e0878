"""Tables of what SerialEM lets scripts set by name: user settings and properties."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from space.simulator.column.errors import SEMerror


@dataclass(frozen=True)
class Parameter:
    """One of them.

    Attributes
    ----------
    name : str
        As SerialEM writes it.
    kind : str
        bool, int or float.
    default : float
        Value of a new session.
    source : str
        Where that comes from: SerialEM (documented), simulator (what it starts with), or "" for the
        zero of the kind, where SerialEM may have another value. For "instrument" and "session" it
        is not the default but what is in the instrument file, or kept elsewhere in the session.
    of : str
        What a property describes: program or camera.
    """

    name: str
    kind: str
    default: float
    source: str = ""
    of: str = "program"

    def taken(self, value: float) -> float:
        """Value as a parameter of this kind holds it: whole numbers are rounded, flags 0 or 1.

        Raises
        ------
        SEMerror
            If it is no number.
        """
        if not math.isfinite(value):
            raise SEMerror(f"{self.name} cannot be {value:g}")
        if self.kind == "bool":
            return float(value != 0)
        return float(math.floor(value + 0.5)) if self.kind == "int" else float(value)


class Parameters:
    """A table of parameters; names do not distinguish upper and lower case.

    Parameters
    ----------
    path : Path
        Tab-separated file with a line of headings.
    what : str
        What its rows are called in messages.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._what = what
        self._rows: dict[str, Parameter] = {}
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            name, kind, default, *rest = line.split("\t")
            self._rows[name.lower()] = Parameter(name, kind, float(default), *rest)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._rows.values())

    def find(self, name: str) -> Parameter:
        """Give the parameter of a name.

        Raises
        ------
        SEMerror
            If there is none.
        """
        found = self._rows.get(name.strip().lower())
        if found is None:
            raise SEMerror(f"{name} is not a recognized {self._what}")
        return found
