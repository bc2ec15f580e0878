"""Variables of scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from space.simulator.column.errors import SEMerror

Kind = Literal["regular", "persistent", "report"]
REGULAR: Kind = "regular"
PERSISTENT: Kind = "persistent"
REPORT: Kind = "report"


class Variables:
    """Script variables; names do not distinguish upper and lower case.

    Regular ones and those that commands report end with the script; persistent ones stay until
    they are cleared. A name has one value: a persistent variable stays persistent when it is
    set again.
    """

    def __init__(self) -> None:
        self._values: dict[str, float | str] = {}
        self._kinds: dict[str, Kind] = {}

    def set(
        self, name: str, value: float | str, persistent: bool = False, kind: Kind = REGULAR
    ) -> None:
        """Set a variable; arrays are texts with a value in each line.

        Raises
        ------
        SEMerror
            If the name is none.
        """
        key = name.upper()
        if not key or key[0].isdigit() or any(sign.isspace() for sign in key):
            raise SEMerror(f"{name!r} is not a variable name")
        if persistent or self._kinds.get(key) == PERSISTENT:
            kind = PERSISTENT
        self._values[key] = value
        self._kinds[key] = kind

    def report(self, name: str, value: float | str) -> None:
        """Set a variable in which a command reports something."""
        self.set(name, value, kind=REPORT)

    def defined(self, name: str) -> bool:
        """Whether the variable exists; an empty text is a value too."""
        return name.upper() in self._values

    def get(self, name: str) -> float | str:
        """Value of a variable.

        Raises
        ------
        SEMerror
            If it is not defined.
        """
        if not self.defined(name):
            raise SEMerror(f"Variable {name} is not defined")
        return self._values[name.upper()]

    def names(self, kind: Kind | None = None) -> list[str]:
        """Names of one kind or of all, in upper case and alphabetical order."""
        return sorted(key for key, own in self._kinds.items() if kind in (None, own))

    def make_persistent(self, name: str, persistent: bool = True) -> None:
        """Change whether a variable outlives the script.

        Raises
        ------
        SEMerror
            If it is not defined.
        """
        self.get(name)
        self._kinds[name.upper()] = PERSISTENT if persistent else REGULAR

    def clear_nonpersistent(self) -> None:
        """Forget what a script leaves behind."""
        self._clear(lambda kind: kind != PERSISTENT)

    def clear_persistent(self) -> None:
        """Forget persistent variables."""
        self._clear(lambda kind: kind == PERSISTENT)

    def _clear(self, unwanted: Callable[[Kind], bool]) -> None:
        for key in [key for key, kind in self._kinds.items() if unwanted(kind)]:
            del self._values[key], self._kinds[key]
