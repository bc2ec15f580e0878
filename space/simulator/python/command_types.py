"""Types of the functions behind the commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Union

Reply = Union[None, float, str, tuple[Union[float, str], ...]]
"""What a command gives back: nothing, a number, a text, or several of them."""

Command = Callable[..., Reply]
"""function(session, *arguments); which arguments, `commands.tsv` has."""

Commands = Mapping[str, Command]
"""Command name → function."""
