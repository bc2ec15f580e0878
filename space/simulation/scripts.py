"""Reads scripts, and changes the settings at their top as a user does in the editor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.simulation.problems import problems_of_the_simulator
from space.simulator import options


def read_script(path: Path, option: str = "") -> str:
    """Read a script's text.

    Parameters
    ----------
    path : Path
    option : str
        Name of the option in messages, such as ``--script``.

    Raises
    ------
    SpaceError
        If there is no such file, or it is not text.
    """
    with problems_of_the_simulator():
        return options.read_script(path, option)


def has_setting(text: str, name: str) -> bool:
    """Whether a script has a setting: an assignment at the start of a line."""
    return _setting(name).search(text) is not None


def with_settings(text: str, values: Mapping[str, Any]) -> str:
    """Change settings in a script's text.

    Parameters
    ----------
    text : str
        The script; a setting is an assignment at the start of a line.
    values : mapping
        New values by name, written with `repr`.

    Raises
    ------
    SpaceError
        If the script has no such setting.
    """
    for name, value in values.items():
        found = _setting(name).search(text)
        if found is None:
            raise SpaceError(f"The script has no setting '{name}'.", do="Check the name.")
        text = f"{text[: found.start()]}{found[1]}{value!r}{found[2]}{text[found.end() :]}"
    return text


def with_own_settings(text: str, values: Mapping[str, Any]) -> str:
    """Change only settings that the script has; scripts of others may lack some."""
    return with_settings(text, {n: v for n, v in values.items() if has_setting(text, n)})


def _setting(name: str) -> re.Pattern[str]:
    return re.compile(rf"^({re.escape(name)}\s*=(?!=)\s*)[^#\n]*?([ \t]*(?:#.*)?)$", re.MULTILINE)
