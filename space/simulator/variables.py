"""Variables of scripts: regular ones that die with the script and persistent ones."""

from __future__ import annotations

from space.simulator.errors import SEMerror


class Variables:
    """Script variables; names do not distinguish upper and lower case."""

    def __init__(self) -> None:
        self._regular: dict[str, float | str] = {}
        self._persistent: dict[str, float | str] = {}

    def set(self, name: str, value: float | str, persistent: bool = False) -> None:
        """Set a variable; a persistent one keeps its kind."""
        key = name.upper()
        if not key or key[0].isdigit():
            raise SEMerror(f"{name!r} is not a variable name")
        if persistent or key in self._persistent:
            self._regular.pop(key, None)
            self._persistent[key] = value
        else:
            self._regular[key] = value

    def defined(self, name: str) -> bool:
        """Whether the variable exists."""
        return name.upper() in self._regular or name.upper() in self._persistent

    def get(self, name: str) -> float | str:
        """Value of a variable.

        Raises
        ------
        SEMerror
            If it is not defined.
        """
        key = name.upper()
        for kind in (self._regular, self._persistent):
            if key in kind:
                return kind[key]
        raise SEMerror(f"Variable {name} is not defined")

    def clear_regular(self) -> None:
        """Forget what a script leaves behind."""
        self._regular.clear()

    def clear_persistent(self) -> None:
        """Forget persistent variables."""
        self._persistent.clear()
