"""What SerialEM remembers for this program between scripts, as long as it runs."""

from __future__ import annotations

from space.microscope.sem import serialem


def remember(name: str, text: str) -> None:
    """Keep a text that is not empty under a name, until SerialEM is closed."""
    serialem().SetPersistentVar(name, text)


def recalled(name: str) -> str:
    """Return the text under a name; "" if there is none."""
    sem = serialem()
    return str(sem.GetVariable(name)) if sem.IsVariableDefined(name) else ""
