"""Runs the text of a script as SerialEM runs it."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
import traceback
import types
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from space.simulator.errors import SEMerror, SEMexited
from space.simulator.module import Connection, build_module

INDENT = "   "
HEADER_LINES = 2
_FIRST_LINE = re.compile(r"^#!\s*Python", re.IGNORECASE)
_PRINT = re.compile(r"(^|(?<=\s))print\(")
_NEWLINE_LITERALS = ("'\\n'", '"\\n"', "'\\r\\n'", '"\\r\\n"')


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
    """

    ok: bool
    error: str = ""
    exited: bool = False
    tolerated: bool = False


def is_python_script(text: str) -> bool:
    """Whether the first significant line starts with #!Python."""
    for line in text.lstrip("\ufeff").splitlines():
        stripped = line.strip()
        if stripped in ("", "#"):
            continue
        return bool(_FIRST_LINE.match(stripped))
    return False


def transform_line(line: str) -> str:
    """Substitutions that SerialEM makes in a line of a script.

    Backslashes are doubled unless written `|\\` or inside a literal that is nothing but a
    line end; a bare `print(` becomes the flushing print.
    """
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"\0{len(kept) - 1}\0"

    for literal in _NEWLINE_LITERALS:
        if literal in line:
            line = line.replace(literal, keep(literal))
    line = line.replace("|\\", keep("\\"))
    line = line.replace("\\", "\\\\")
    line = re.sub("\0(\\d+)\0", lambda match: kept[int(match.group(1))], line)
    return _PRINT.sub(lambda match: match.group(1) + "SEMprint(", line)


def _included(lines: list[str], scripts: dict, depth: int = 0) -> Iterator[str]:
    for line in lines:
        match = re.match(r"^#include\s+(.+?)\s*$", line)
        found = None
        if match and depth < 10:
            wanted = match.group(1).lower()
            found = next((s for s in scripts.values() if s.name.lower() == wanted), None)
        if found is None:
            yield line
        else:
            yield from _included(found.text.splitlines(), scripts, depth + 1)


def compile_script(text: str, name: str, scripts: dict | None = None) -> types.CodeType:
    """Compile a script indented into a block, as SerialEM's wrapper holds it.

    Line numbers are those of the text (as long as it includes nothing).

    Raises
    ------
    SyntaxError
        For text that the wrapper makes invalid too, such as `from __future__`.
    """
    lines = _included(text.lstrip("\ufeff").splitlines(), scripts or {})
    body = "\n".join(INDENT + transform_line(line) for line in lines)
    tree = ast.parse(f"if True:\n{INDENT}pass\n{body}\n", filename=name)
    ast.increment_lineno(tree, -HEADER_LINES)
    for node in ast.walk(tree):
        if getattr(node, "lineno", 1) < 1:
            node.lineno = 1
        if getattr(node, "end_lineno", 1) is not None and getattr(node, "end_lineno", 1) < 1:
            node.end_lineno = 1
    return compile(tree, name, "exec")


class _LogStream(io.TextIOBase):
    """Standard output of a script: whole lines go to the log."""

    def __init__(self, session) -> None:
        self._session = session
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._session.write_log(line)
        return len(text)

    def finish(self) -> None:
        if self._rest:
            self._session.write_log(self._rest)
            self._rest = ""


def _namespace(module: types.ModuleType) -> dict:
    """Globals of a script in the order in which SerialEM's wrapper makes them."""

    def to_floats(value):
        if isinstance(value, str):
            return [float(part) for part in value.split("\n")]
        return [float(value)]

    def to_ints(value):
        return [int(number) for number in to_floats(value)]

    def list_to_array(values):
        return "\n".join(str(value) for value in values)

    def sem_print(*args, **options):
        print(*args, **options)
        sys.stdout.flush()

    return {
        "__name__": "__main__",
        "__builtins__": __builtins__,
        "sys": sys,
        "SEMexited": module.SEMexited,
        "SEMerror": module.SEMerror,
        "ConnectToSEM": module.ConnectToSEM,
        "SEMecho": module.Echo,
        "SEMarrayToFloats": to_floats,
        "SEMarrayToInts": to_ints,
        "listToSEMarray": list_to_array,
        "SEMargStrings": [],
        "SEMprint": sem_print,
        "SEMflush": sys.stdout.flush,
    }


def _refers_to(holder: types.ModuleType, targets: list[types.ModuleType], names: set[str]) -> bool:
    for value in list(vars(holder).values()):
        if any(value is target for target in targets):
            return True
        if isinstance(value, (type, types.FunctionType)) and value.__module__ in names:
            return True
    return False


def _forget_users_of(module: types.ModuleType, before: set[str]) -> None:
    """Drop imported modules that hold this run's `serialem`, so that the next run gets its own.

    Each script is a process of its own in SerialEM; here they share one interpreter.
    """
    candidates = {
        name: found
        for name, found in list(sys.modules.items())
        if isinstance(found, types.ModuleType)
        and (name not in before or "serialem" in vars(found) or "sem" in vars(found))
    }
    stale: dict[str, types.ModuleType] = {}
    growing = True
    while growing:
        targets, names = [module, *stale.values()], {"serialem", *stale}
        fresh = {
            name: found
            for name, found in candidates.items()
            if name not in stale and found is not module and _refers_to(found, targets, names)
        }
        stale.update(fresh)
        growing = bool(fresh)
    for name in stale:
        sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        holder = sys.modules.get(parent)
        if holder is not None and getattr(holder, child, None) is stale[name]:
            delattr(holder, child)


@contextlib.contextmanager
def _process(session, module: types.ModuleType) -> Iterator[_LogStream]:
    """What a new Python process would have of its own."""
    before = set(sys.modules)
    previous = sys.modules.get("serialem")
    path, argv, folder = list(sys.path), list(sys.argv), Path.cwd()
    stream = _LogStream(session)
    sys.modules["serialem"] = module
    sys.argv = [""]
    session.real_stdout = sys.stdout
    os.chdir(session.directory)
    try:
        with contextlib.redirect_stdout(stream):
            yield stream
    finally:
        stream.finish()
        session.real_stdout = None
        os.chdir(folder)
        sys.path[:], sys.argv = path, argv
        if previous is None:
            sys.modules.pop("serialem", None)
        else:
            sys.modules["serialem"] = previous
        _forget_users_of(module, before)


@contextlib.contextmanager
def _temporary_settings(session) -> Iterator[None]:
    """Undo at the end of a script what SerialEM undoes."""
    kept = (deepcopy(session.options.user_settings), session.options.frame_base_name)
    areas = dict(session.scope.areas)
    session.files.overwrite = False
    session.options.no_message_box = False
    session.options.suppress_reports = False
    session.options.matrix_binning = 1.0
    session.options.kept_settings = {}
    session.clock.reset()
    session.reported = ()
    try:
        yield
    finally:
        options = session.options
        options.user_settings = {**kept[0], **options.kept_settings}
        session.scope.shift_to_tilt_axis = bool(options.user_settings["ShiftToTiltAxis"])
        if not options.keep_frame_name:
            options.frame_base_name = kept[1]
        options.no_message_box = False
        options.suppress_reports = False
        options.align_limit_um = 0.0
        session.files.overwrite = False
        session.camera.restore()
        for letter in session.updated_areas:
            session.scope.areas[letter] = areas[letter]
        session.updated_areas.clear()
        session.following_areas.clear()
        session.variables.clear_regular()


def _execute(session, code: types.CodeType, module, connection: Connection) -> ScriptResult:
    with _process(session, module):
        try:
            exec(code, _namespace(module))
        except SystemExit:
            return ScriptResult(True, exited=True)
        except SEMerror as error:
            text = session.last_error or str(error)
            return ScriptResult(False, text, tolerated=session.options.no_message_box)
        except SEMexited:
            return ScriptResult(True, exited=True)
        except Exception:
            if connection.ended:
                # The program went on without this process; what it did afterwards is lost.
                return ScriptResult(not connection.failed, connection.exit_text, exited=True)
            text = traceback.format_exc()
            session.write_log(text)
            return ScriptResult(False, text, tolerated=session.options.no_message_box)
    if connection.failed:
        return ScriptResult(False, connection.exit_text, exited=True)
    return ScriptResult(True, exited=connection.ended)


def run_script(session, text: str, name: str, commands: dict) -> ScriptResult:
    """Run one script and put back what SerialEM puts back at its end."""
    if not is_python_script(text):
        return ScriptResult(False, f"{name}: only scripts that start with #!Python are simulated")
    session.last_error = ""
    try:
        code = compile_script(text, name, session.scripts)
    except SyntaxError as error:
        message = f"{name}: line {max(1, (error.lineno or 1) - HEADER_LINES)}: {error.msg}"
        session.write_log(message)
        return ScriptResult(False, message)
    module, connection = build_module(session, commands)
    with _temporary_settings(session):
        result = _execute(session, code, module, connection)
    if not result.ok:
        session.acquire.start_at_end = False
        session.write_log(f"{name}: script stopped: {result.error.strip().splitlines()[-1:]}")
    return result
