"""Scripts and functions that a script can call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from space.simulator.language.parse import BETWEEN, LanguageError, parse
from space.simulator.language.syntax import Function, Program
from space.simulator.python.wrapper import is_python_script, script_name, script_named

if TYPE_CHECKING:
    from space.simulator.program.session import Script


@dataclass(frozen=True)
class FoundFunction:
    """A function, and the script that it stands in."""

    script: str
    program: Program
    function: Function


def find_function(
    name: str, script: str, program: Program | None, scripts: Mapping[int, Script]
) -> FoundFunction | None:
    """Find a function in a script, then in all others; None if there is none.

    Parameters
    ----------
    name : str
        ``function``, or ``script::function``.
    script, program : str, Program
        The script in which the call stands; None for a call from elsewhere.
    scripts : mapping
        Number → script, of all scripts that there are.
    """
    where, between, function = name.rpartition(BETWEEN)
    places = []
    if program is not None and (not between or where.lower() in _names(script, program)):
        places = [(script, program)]
    other = script_named(scripts, where)
    others = [each for _, each in sorted(scripts.items()) if not between or each is other]
    places += _readable(others)
    for place, read in places:
        found = read.functions.get(function.upper())
        if found is not None:
            return FoundFunction(place, read, found)
    return None


def _names(script: str, program: Program) -> tuple[str, ...]:
    """What a running script may be called: it need not be one of the numbered ones."""
    return script.lower(), (program.name or script).lower()


def _readable(scripts: list[Script]) -> Iterator[tuple[str, Program]]:
    """Scripts in SerialEM's own language, as far as they can be read."""
    for script in scripts:
        if is_python_script(script.text):
            continue
        try:
            yield script_name(script), parse(script.text)
        except LanguageError:
            continue
