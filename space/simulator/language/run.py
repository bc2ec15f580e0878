"""Runs scripts in SerialEM's own language."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import ScriptStopped, SEMerror, SEMexited
from space.simulator.language.check import Surroundings, look_through
from space.simulator.language.interpreter import Interpreter
from space.simulator.language.library import find_function
from space.simulator.language.parse import LanguageError, parse
from space.simulator.language.values import shown
from space.simulator.python.host import ScriptResult, outcome, refusal
from space.simulator.python.module import build_module

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands, Reply


_PYTHON = re.compile(r"^(?:import|from)[ \t]+\w", re.MULTILINE)


def run_own_language(session: Session, text: str, name: str, commands: Commands) -> ScriptResult:
    """Run one script, after a look through all of it.

    Parameters
    ----------
    session : Session
        What the commands act on.
    text : str
        The script.
    name : str
        Name in messages.
    commands : dict
        Command name → function(session, *arguments).
    """
    try:
        program = parse(text)
    except LanguageError as error:
        return refusal(session, f"{name}: {error}{_hint(text)}")
    found = look_through(
        program, name, Surroundings(commands, session.installation, session.scripts)
    )
    if found.problems:
        problems = "\n".join(f"{name}: {problem}" for problem in found.problems)
        return refusal(session, problems + _hint(text))
    for warning in found.warnings:
        session.write_log(f"{name}: {warning}; the script ends there if it gets so far")
    return _run(session, name, commands, lambda interpreter: interpreter.run(program))


def run_own_function(
    session: Session, name: str, values: Sequence[float], text: str, commands: Commands
) -> tuple[Reply, ScriptResult]:
    """Run a function of one of the scripts, and give what it returns.

    Parameters
    ----------
    name : str
        ``function`` or ``script::function``.
    values : sequence of float
        Its values.
    text : str
        Its text, if it takes one.
    """
    found = find_function(name, "", None, session.scripts)
    if found is None:
        return None, refusal(session, f"{name}: there is no such function")
    given = [shown(value) for value in values]
    returned: list[Reply] = []
    result = _run(
        session,
        found.script,
        commands,
        lambda interpreter: returned.append(interpreter.call(name, given, text)),
    )
    return (returned[0] if returned else None), result


def _run(
    session: Session, name: str, commands: Commands, go: Callable[[Interpreter], None]
) -> ScriptResult:
    module, connection = build_module(session, commands)
    interpreter = Interpreter(session, module, connection, name)
    error: BaseException | None = None
    try:
        with _in_folder(session), session.variables.level():
            go(interpreter)
    except SEMerror:
        line = interpreter.line
        text = f"{interpreter.name}: {line}: {line.text}: {session.last_error}"
        session.last_error = text
        return ScriptResult(False, text, tolerated=session.options.no_message_box)
    except (SEMexited, ScriptStopped) as raised:
        error = raised
    return outcome(session, error, connection)


def _hint(text: str) -> str:
    """What to do when a script is in Python and does not say so."""
    hint = "\nA script in Python begins with #!Python: only blank lines may stand above it."
    return hint if _PYTHON.search(text) else ""


@contextlib.contextmanager
def _in_folder(session: Session) -> Iterator[None]:
    """Let relative names of files be those of the session's folder."""
    before = Path.cwd()
    os.chdir(session.directory)
    try:
        yield
    finally:
        os.chdir(before)
