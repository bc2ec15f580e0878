"""What a script's Python process has of its own.

In SerialEM every script is a new process. Here all share one interpreter, so whatever a script
changes in it is put back: modules it imported, folder, streams, environment, logging, warnings,
random numbers and plots. Threads and `atexit` functions that a script leaves behind stay, and so
do processes that it started, until the program is closed.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import logging
import os
import random
import sys
import sysconfig
import types
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.python.stand_in import StandIn

if TYPE_CHECKING:
    from space.simulator.program.session import Session

PIPE_SIZE = 8192
SIMULATOR = __name__.rpartition(".")[0]
_INSTALLED = ("site-packages", "dist-packages")


class LogStream(io.TextIOBase):
    """Standard output of a script: it reaches the log when flushed or when the pipe is full."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting = ""

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keep text until the pipe is full."""
        self._waiting += text
        if len(self._waiting) > PIPE_SIZE:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write whole lines to the log."""
        *lines, self._waiting = self._waiting.split("\n")
        for line in lines:
            self._session.write_log(line)

    def finish(self) -> None:
        """Write what is left when the process ends, an unfinished line as well."""
        self.flush()
        if self._waiting:
            self._session.write_log(self._waiting)
            self._waiting = ""


def wrapper_names(module: types.ModuleType) -> dict[str, object]:
    """Names that SerialEM's wrapper defines, in its order."""

    def to_floats(value: str | float) -> list[float]:
        if isinstance(value, str):
            return [float(part) for part in value.split("\n")]
        return [float(value)]

    def to_ints(value: str | float) -> list[int]:
        return [int(number) for number in to_floats(value)]

    def list_to_array(values: Iterable[object]) -> str:
        return "\n".join(str(value) for value in values)

    def sem_print(*args: object, **options: Any) -> None:
        print(*args, **options)
        sys.stdout.flush()

    return {
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


@contextlib.contextmanager
def script_process(session: Session, module: types.ModuleType) -> Iterator[dict[str, Any]]:
    """Surround a script by a process of its own; gives the globals to run it in."""
    with contextlib.ExitStack() as stack:
        for part in (_environment, _logging, _modules, _numbers, _plots):
            stack.enter_context(part())
        stack.enter_context(session.children.noted())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_serialem(module))
        main = types.ModuleType("__main__")
        stack.enter_context(_replaced(sys.modules, "__main__", main))
        stack.enter_context(_streams(session))
        main.__dict__.update({"__builtins__": builtins, **wrapper_names(module)})
        yield main.__dict__


@contextlib.contextmanager
def _replaced(table: dict[str, Any], name: str, value: types.ModuleType) -> Iterator[None]:
    missing = object()
    previous = table.get(name, missing)
    table[name] = value
    try:
        yield
    finally:
        if previous is missing:
            table.pop(name, None)
        else:
            table[name] = previous


@contextlib.contextmanager
def _serialem(module: types.ModuleType) -> Iterator[None]:
    """Let `import serialem` find this run's module."""
    stand_in = sys.modules.get("serialem")
    before = set(sys.modules)
    with contextlib.ExitStack() as stack:
        if isinstance(stand_in, StandIn):
            stack.enter_context(stand_in.connected_to(module))
        stack.enter_context(_replaced(sys.modules, "serialem", module))
        try:
            yield
        finally:
            _forget_users_of(module, before)


@contextlib.contextmanager
def _streams(session: Session) -> Iterator[None]:
    """Standard output to the log, nothing to read, the session's folder."""
    stream = LogStream(session)
    folder, argv, stdin = Path.cwd(), list(sys.argv), sys.stdin
    outer_stdout = session.real_stdout
    session.real_stdout = outer_stdout or sys.stdout
    sys.argv, sys.stdin = [""], io.StringIO("")
    os.chdir(session.directory)
    try:
        with contextlib.redirect_stdout(stream):
            yield
    finally:
        stream.finish()
        session.real_stdout = outer_stdout
        sys.argv, sys.stdin = argv, stdin
        os.chdir(folder)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Environment variables and search path; plots need no screen."""
    before, path = dict(os.environ), list(sys.path)
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        sys.path[:] = path


@contextlib.contextmanager
def _numbers() -> Iterator[None]:
    """Random numbers and numpy's choices."""
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with np.errstate(), np.printoptions():
            yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002


# --- modules -----------------------------------------------------------------------------------


def _refers_to(holder: types.ModuleType, targets: list[types.ModuleType], names: set[str]) -> bool:
    for value in list(vars(holder).values()):
        if any(value is target for target in targets):
            return True
        if isinstance(value, (type, types.FunctionType)) and value.__module__ in names:
            return True
    return False


def _forget_users_of(module: types.ModuleType, before: set[str]) -> None:
    """Drop imported modules that hold this run's `serialem`, so that the next run gets its own."""
    candidates = {
        name: found
        for name, found in list(sys.modules.items())
        if isinstance(found, types.ModuleType)
        and name != "__main__"
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
        _forget(name)


def _forget(name: str) -> None:
    found = sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    holder = sys.modules.get(parent)
    if holder is not None and vars(holder).get(child) is found:
        delattr(holder, child)


def _place(module: types.ModuleType) -> str | None:
    """File or folder that a module says it comes from, None for one made in memory.

    Only what the module itself holds counts: some answer to every name that they are asked for.
    """
    own = vars(module)
    path = own.get("__path__")
    folders = list(path) if isinstance(path, Iterable) else []
    for place in (own.get("__file__"), *folders):
        if isinstance(place, str) and place:
            return place
    return None


def _is_installed(name: str, module: types.ModuleType) -> bool:
    """Whether a module belongs to Python, to an installed package or to the simulator.

    Packages also hold modules that they make in memory, without a file or with one that is not
    theirs: those belong where their package belongs.
    """
    if name == SIMULATOR or name.startswith(SIMULATOR + "."):
        return True
    place = _place(module)
    if place is None or not os.path.isabs(place):
        package = name.rpartition(".")[0]
        if package:
            holder = sys.modules.get(package)
            return holder is None or _is_installed(package, holder)
        # What lies on a relative search path is the user's.
        return place is None
    parts = Path(place).parts
    if any(part in _INSTALLED for part in parts):
        return True
    library = Path(sysconfig.get_path("stdlib")).parts
    return parts[: len(library)] == library


@contextlib.contextmanager
def _modules() -> Iterator[None]:
    """Modules of the user's own, which a new process would import afresh."""
    before = set(sys.modules)
    try:
        yield
    finally:
        fresh = {name: found for name, found in list(sys.modules.items()) if name not in before}
        for name in [
            name
            for name, module in fresh.items()
            if isinstance(module, types.ModuleType) and not _is_installed(name, module)
        ]:
            _forget(name)


# --- logging and plots ---------------------------------------------------------------------------


def _loggers() -> dict[str, logging.Logger]:
    named = logging.root.manager.loggerDict
    found = {name: logger for name, logger in named.items() if isinstance(logger, logging.Logger)}
    return {"": logging.root, **found}


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Handlers and levels; loggers of modules that were forgotten begin anew."""
    before = {
        name: (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
        for name, logger in _loggers().items()
    }
    disabled = logging.root.manager.disable
    try:
        yield
    finally:
        logging.disable(disabled)
        for name, logger in _loggers().items():
            if name not in before and name.partition(".")[0] in sys.modules:
                continue
            handlers, level, logger.propagate, logger.disabled = before.get(
                name, ([], logging.NOTSET, True, False)
            )
            for handler in [h for h in logger.handlers if h not in handlers]:
                logger.removeHandler(handler)
                handler.close()
            for handler in [h for h in handlers if h not in logger.handlers]:
                logger.addHandler(handler)
            logger.setLevel(level)


@contextlib.contextmanager
def _plots() -> Iterator[None]:
    """Figures and settings of matplotlib, when a script uses it."""
    figures, known = _open_figures(), sys.modules.get("matplotlib")
    # Asking the table itself for the backend would choose one.
    settings = dict(known.rcParams.copy()) if known is not None else None
    try:
        yield
    finally:
        for number in _open_figures() - figures:
            sys.modules["matplotlib.pyplot"].close(number)
        library = sys.modules.get("matplotlib")
        if library is not None:
            backend = dict.get(library.rcParams, "backend")
            dict.update(library.rcParams, settings or _first_settings(library))
            wanted = dict.get(library.rcParams, "backend")
            plots = sys.modules.get("matplotlib.pyplot")
            if plots is not None and isinstance(wanted, str) and wanted != backend:
                plots.switch_backend(wanted)


def _first_settings(matplotlib: types.ModuleType) -> dict[str, object]:
    """Settings that it had when imported, but for the backend that `_environment` asked for."""
    undecided = dict.get(matplotlib.rcParamsDefault, "backend")
    return {**dict(matplotlib.rcParamsOrig.copy()), "backend": undecided}


def _open_figures() -> set[int]:
    plots = sys.modules.get("matplotlib.pyplot")
    return set(plots.get_fignums()) if plots is not None else set()
