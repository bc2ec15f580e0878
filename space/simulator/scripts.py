"""Runs scripts, in Python or in SerialEM's own language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from space.simulator.language import run_own_function, run_own_language
from space.simulator.python.host import ScriptResult, run_python
from space.simulator.python.script_state import script_settings
from space.simulator.python.wrapper import is_python_script

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands, Reply


def run_process(session: Session, text: str, name: str, commands: Commands) -> ScriptResult:
    """Run one script within the settings that are in force.

    Parameters
    ----------
    session : Session
        What the commands act on.
    text : str
        The script. It is Python when its first significant line begins with ``#!Python``.
    name : str
        Name in messages.
    commands : dict
        Command name → function(session, *arguments).
    """
    run = run_python if is_python_script(text) else run_own_language
    return run(session, text, name, commands)


def run_function(
    session: Session, name: str, values: Sequence[float], text: str, commands: Commands
) -> tuple[Reply, ScriptResult]:
    """Run a function of a script in SerialEM's own language.

    Parameters
    ----------
    name : str
        The function; ``script::function`` where several scripts may have one of this name.
    values : sequence of float
        Its values.
    text : str
        Its text, if it takes one.

    Returns
    -------
    reply : Reply
        What the function has returned.
    result : ScriptResult
        How it ended.
    """
    return run_own_function(session, name, values, text, commands)


def run_script(session: Session, text: str, name: str, commands: Commands) -> ScriptResult:
    """Run one script and put back what SerialEM puts back at its end."""
    session.last_error = ""
    with script_settings(session):
        result = run_process(session, text, name, commands)
    if not result.ok:
        session.acquire.start_at_end = False
        last = (result.error.strip().splitlines() or ["no message"])[-1]
        why = "" if result.exited and result.error else f": {last}"  # Exit has said it
        session.write_log(f"{name}: script stopped{why}")
    return result
