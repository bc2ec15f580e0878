"""Runs the text of a script in Python as SerialEM runs it."""

from __future__ import annotations

import linecache
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import ScriptStopped, SEMerror, SEMexited
from space.simulator.python.module import Connection, build_module
from space.simulator.python.process import script_process
from space.simulator.python.wrapper import (
    IncludeError,
    compile_script,
    python_version,
)

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended.

    Attributes
    ----------
    ok : bool
        Completed, by its end or by Exit.
    error : str
        Message or traceback, "" when it completed.
    exited : bool
        Ended by Exit.
    tolerated : bool
        It failed while it had message boxes switched off itself.
    stopped : bool
        Its process was ended, by the STOP button or by an error in a task; no handler in the
        script ran.
    returned : bool
        Ended by Return.
    """

    ok: bool
    error: str = ""
    exited: bool = False
    tolerated: bool = False
    stopped: bool = False
    returned: bool = False


@contextmanager
def _shown_in_tracebacks(text: str, name: str) -> Iterator[None]:
    """Let tracebacks show the lines of a script that is not a file."""
    before = linecache.cache.get(name)
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        yield
    finally:
        linecache.cache.pop(name, None)
        if before is not None:
            linecache.cache[name] = before


def _traceback(error: BaseException) -> str:
    """Traceback from the script's own first line on."""
    own = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, own))


def outcome(session: Session, error: BaseException | None, connection: Connection) -> ScriptResult:
    """How the program sees the end of the script's process."""
    if connection.stopped or isinstance(error, ScriptStopped):
        return ScriptResult(False, connection.stopped or str(error), stopped=True)
    if connection.ended:
        # The program went on without this process; what it did afterwards is lost.
        return ScriptResult(
            not connection.failed,
            connection.exit_text,
            exited=True,
            returned=connection.returned,
        )
    if error is None or isinstance(error, (SystemExit, SEMexited)):
        return ScriptResult(True, exited=error is not None)
    tolerated = session.options.no_message_box
    if not isinstance(error, SEMerror):
        text = _traceback(error)
        session.last_error = text
        session.write_log(text)
        return ScriptResult(False, text, tolerated=tolerated)
    if connection.refused:
        return ScriptResult(False, session.last_error or str(error), tolerated=tolerated)
    # The wrapper passes over SEMerror; the program refused nothing and learns nothing.
    session.write_log(f"The script raised a SEMerror itself: {error}")
    return ScriptResult(True)


def _execute(
    session: Session, code: types.CodeType, module: types.ModuleType, connection: Connection
) -> ScriptResult:
    error: BaseException | None = None
    try:
        with script_process(session, module) as names:
            try:
                exec(code, names)
            except (Exception, SystemExit, ScriptStopped) as raised:
                error = raised
            return outcome(session, error, connection)
    finally:
        connection.ended = True  # a thread that the script left behind gets no answers


def refusal(session: Session, message: str) -> ScriptResult:
    """Refuse a script before it begins."""
    session.last_error = message
    session.write_log(message)
    return ScriptResult(False, message)


def run_python(session: Session, text: str, name: str, commands: Commands) -> ScriptResult:
    """Run one script in Python in a process of its own, within the settings that are in force.

    Parameters
    ----------
    session : Session
        What the commands act on.
    text : str
        The script.
    name : str
        Name in messages and tracebacks.
    commands : dict
        Command name → function(session, *arguments).
    """
    wanted, known = python_version(text), session.installation.pythons
    if wanted and known and wanted not in known:
        return refusal(
            session,
            f"{name}: there is no PathToPython property for version {wanted}, which the first "
            f"line of the script names; those there are for {', '.join(known)}",
        )
    folders = tuple(
        Path(part.strip())
        for part in session.options.python_include_path.split(";")
        if part.strip()
    )
    try:
        code = compile_script(text, name, session.scripts, folders)
    except SyntaxError as error:
        return refusal(session, f"{name}: line {error.lineno}: {error.msg}")
    except IncludeError as error:
        return refusal(session, f"{name}: {error}")
    module, connection = build_module(session, commands)
    with _shown_in_tracebacks(text, name):
        return _execute(session, code, module, connection)
