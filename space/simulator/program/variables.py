"""Variables of scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
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
    set again. Where a script or function has made a name local, it hides the variable of that
    name, as long as this script or function runs and while it runs itself.
    """

    def __init__(self) -> None:
        self._values: dict[str, float | str] = {}
        self._kinds: dict[str, Kind] = {}
        # Of scripts and functions that have called one another; the one that runs is the last.
        self._locals: list[dict[str, float | str]] = []

    @contextlib.contextmanager
    def level(self) -> Iterator[None]:
        """Surround a script or function by local variables of its own."""
        self._locals.append({})
        try:
            yield
        finally:
            self._locals.pop()

    def make_local(self, name: str, value: float | str = 0.0) -> None:
        """Make a name local to the script or function around which there is a `level`.

        Raises
        ------
        SEMerror
            If the name is none.
        """
        self._locals[-1][_checked(name)] = value

    def is_local(self, name: str) -> bool:
        """Whether a name is local to the script or function that runs."""
        return name.upper() in self._here

    def forget(self, name: str) -> None:
        """Let a variable be undefined."""
        key = name.upper()
        if self._here.pop(key, None) is None:
            self._values.pop(key, None)
            self._kinds.pop(key, None)

    @property
    def _here(self) -> dict[str, float | str]:
        return self._locals[-1] if self._locals else {}

    def set(
        self, name: str, value: float | str, persistent: bool = False, kind: Kind = REGULAR
    ) -> None:
        """Set a variable; arrays are texts with a value in each line.

        Raises
        ------
        SEMerror
            If the name is none.
        """
        key = _checked(name)
        if key in self._here:
            self._here[key] = value
            return
        if persistent or self._kinds.get(key) == PERSISTENT:
            kind = PERSISTENT
        self._values[key] = value
        self._kinds[key] = kind

    def report(self, name: str, value: float | str) -> None:
        """Set a variable in which a command reports something."""
        self.set(name, value, kind=REPORT)

    def defined(self, name: str) -> bool:
        """Whether the variable exists; an empty text is a value too."""
        key = name.upper()
        return key in self._here or key in self._values

    def get(self, name: str) -> float | str:
        """Value of a variable.

        Raises
        ------
        SEMerror
            If it is not defined.
        """
        key = name.upper()
        if key in self._here:
            return self._here[key]
        if key not in self._values:
            raise SEMerror(f"Variable {name} is not defined")
        return self._values[key]

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
        key = name.upper()
        if key not in self._values:
            raise SEMerror(f"Variable {name} is not defined")
        self._kinds[key] = PERSISTENT if persistent else REGULAR

    def clear_nonpersistent(self) -> None:
        """Forget what a script leaves behind."""
        self._clear(lambda kind: kind != PERSISTENT)

    def clear_persistent(self) -> None:
        """Forget persistent variables."""
        self._clear(lambda kind: kind == PERSISTENT)

    def _clear(self, unwanted: Callable[[Kind], bool]) -> None:
        for key in [key for key, kind in self._kinds.items() if unwanted(kind)]:
            del self._values[key], self._kinds[key]


def _checked(name: str) -> str:
    key = name.upper()
    if not key or key[0].isdigit() or any(sign.isspace() for sign in key):
        raise SEMerror(f"{name!r} is not a variable name")
    return key
