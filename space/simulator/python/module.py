"""Builds the module `serialem` that scripts import."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from space.simulator.column.errors import (
    ScriptStopped,
    SEMerror,
    SEMexited,
    SEMmoduleError,
    TaskError,
)
from space.simulator.python.argkeys import CommandRow, check_arguments, command_table
from space.simulator.python.images import buffer_image_type, put_image_in_buffer
from space.simulator.python.report_lines import report_line

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Command, Commands, Reply

MOST_VALUES = 6
MODULE_COMMANDS = ("Exit", "Return")
"""Simulated commands that act on the connection and so are made here."""
ERROR_HEADING = "SCRIPT ERROR WITH THIS MESSAGE\n" + "*" * 30 + "\n"

# Commands whose values SerialEM keeps as 32-bit floats, which they show.
SINGLE_PRECISION = frozenset(
    {
        *(name for name in command_table() if name.lower().endswith("matrix")),
        "CameraProperties",
        "ImageProperties",
        "ReportCameraProperty",
        "ReportCurrentPixelSize",
        "ReportNavItem",
        "ReportNextNavAcqItem",
        "ReportOtherItem",
        "ReportProperty",
        "ReportUserSetting",
    }
)


class Connection:
    """The line between a script's process and the program.

    Attributes
    ----------
    ended : bool
        The script has ended on the program's side; nobody listens any more.
    failed : bool
        It ended as after an exception.
    exit_text : str
        Text given to Exit.
    returned : bool
        It ended by Return: a script that called it continues.
    refused : bool
        The last command was refused.
    stopped : str
        Why the process was ended, "" while it was not.
    all_tuples : bool
        Whether single numbers are given as tuples.
    """

    def __init__(self) -> None:
        self.ended = False
        self.failed = False
        self.exit_text = ""
        self.returned = False
        self.refused = False
        self.stopped = ""
        self.all_tuples = False

    def listen(self) -> None:
        """Get ready for a command.

        Raises
        ------
        SEMmoduleError
            When the script has ended.
        ScriptStopped
            When its process should have ended: blocks that clean up give no commands either.
        """
        if self.stopped:
            raise ScriptStopped(self.stopped)
        if self.ended:
            raise SEMmoduleError("The script has ended; SerialEM does not listen any more")

    def stop(self, text: str) -> NoReturn:
        """End the script's process, as the STOP button does.

        Raises
        ------
        ScriptStopped
            Always; no handler in the script sees it.
        """
        self.stopped = text
        raise ScriptStopped(text)

    def end(self, text: str = "", failed: bool = False) -> None:
        """End the script on the program's side."""
        self.ended, self.exit_text, self.failed = True, text, failed


def as_python_result(value: Reply | list[float] | np.ndarray, all_tuples: bool = False) -> Reply:
    """Result as the module gives it: numbers as float, several values as a tuple."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (tuple, list, np.ndarray)):
        if len(value) > MOST_VALUES:
            raise ValueError(f"A command reports at most {MOST_VALUES} values, not {len(value)}")
        values = tuple(item if isinstance(item, str) else float(item) for item in value)
        if len(values) == 1:
            return as_python_result(values[0], all_tuples)
        return values or None
    number = float(value)
    return (number,) if all_tuples else number


def _single(value: Reply) -> Reply:
    """Numbers as they come out of 32-bit floats."""
    if isinstance(value, tuple):
        return tuple(item if isinstance(item, str) else _rounded(item) for item in value)
    return _rounded(value) if isinstance(value, float) else value


def _rounded(number: float) -> float:
    return float(np.float32(number))


def _remember_reported(session: Session, value: Reply) -> None:
    if value is None:
        session.reported = ()
    elif isinstance(value, tuple):
        session.reported = value
    else:
        session.reported = (value,)


def raise_error(session: Session, text: str) -> NoReturn:
    """Log an error and raise it as scripts see it.

    The text is in the exception only when no message box was shown before.

    Raises
    ------
    SEMerror
        Always.
    """
    session.last_error = text
    session.write_log(f"SCRIPT ERROR: {text}")
    if session.options.no_message_box or session.options.try_level:
        raise SEMerror(ERROR_HEADING + text) from None
    session.note_dialog("error", text, "ok")
    raise SEMerror("") from None


def _task_failed(session: Session, connection: Connection, text: str) -> NoReturn:
    """Raise an error of a task or, after its message box, end the script, also in StartTry."""
    if session.options.no_message_box:
        raise_error(session, text)
    session.last_error = text
    session.write_log(f"SCRIPT STOPPED: {text}")
    session.note_dialog("error", text, "ok")
    connection.stop(text)


def _carry_out(
    session: Session,
    connection: Connection,
    name: str,
    function: Command | None,
    values: Sequence[Any],
) -> Reply:
    if function is None:
        raise_error(session, f"{name}: not simulated")
    for position, value in enumerate(values, start=1):
        if isinstance(value, float) and not math.isfinite(value):
            raise_error(session, f"{name}: argument {position} is {value}, not a finite number")
    try:
        session.faults.command_begins(name, session.acquire.script_running)
        return as_python_result(function(session, *values))
    except TaskError as error:
        _task_failed(session, connection, str(error))
    except (SEMerror, OSError) as error:
        raise_error(session, str(error))
    except SEMexited:
        connection.end()
        raise
    except ScriptStopped as stopped:
        connection.stop(str(stopped))


def _command(
    session: Session, connection: Connection, row: CommandRow, function: Command | None
) -> Callable[..., object]:
    def call(*args: object) -> object:
        values = check_arguments(row, args)
        connection.listen()
        if row.name != "GetVariable":
            session.reported = ()
        connection.refused = True
        with session.watching(row.name, function is not None):
            result = _carry_out(session, connection, row.name, function, values)
        connection.refused = False
        if row.name in SINGLE_PRECISION:
            result = _single(result)
        _remember_reported(session, result)
        line = report_line(row.name, session.reported)
        if line is not None and not session.options.suppress_reports:
            session.write_log(line)
        session.between_commands()
        return as_python_result(result, connection.all_tuples)

    call.__name__ = row.name
    call.__doc__ = f"{row.name}({row.keys})"
    return call


def _exit(session: Session, connection: Connection) -> Callable[..., None]:
    row = command_table()["Exit"]

    def Exit(*args: object) -> None:
        values = check_arguments(row, args)
        connection.listen()
        code = values[0] if values and values[0] is not None else 0.0
        text = values[1] if len(values) > 1 and values[1] is not None else ""
        if text:
            session.write_log(text)
        if code < 0:
            session.last_error = text
        connection.refused = False
        connection.end(text, failed=code < 0)
        if code == 0:
            raise SEMexited("Normal exit")

    return Exit


def _return(session: Session, connection: Connection) -> Callable[..., None]:
    row = command_table()["Return"]

    def Return(*args: object) -> None:
        values = check_arguments(row, args)
        connection.listen()
        if values:
            connection.refused = True
            raise_error(session, "Return: values for the calling script are not simulated")
        connection.refused = False
        connection.end()
        connection.returned = True
        raise SEMexited("Normal exit")

    return Return


def _module_functions(connection: Connection, count: int) -> dict[str, Callable[..., object]]:
    """Functions of the module that are not commands of the program."""

    def connect_to_sem(*args: object) -> None:
        # The simulated program stands for that of any address.
        check_arguments(CommandRow("ConnectToSEM", "is"), args)

    def script_is_initialized(*args: object) -> None:
        check_arguments(CommandRow("ScriptIsInitialized", ""), args)

    def return_all_values_as_tuples(*args: object) -> None:
        values = check_arguments(CommandRow("ReturnAllValuesAsTuples", "i"), args)
        connection.all_tuples = bool(values[0]) if values else True

    def set_buffer_image_timeout(*args: object) -> None:
        check_arguments(CommandRow("SetBufferImageTimeout", "D"), args)

    def report_num_module_funcs(*args: object) -> int:
        check_arguments(CommandRow("ReportNumModuleFuncs", ""), args)
        return count

    return {
        "ConnectToSEM": connect_to_sem,
        "ScriptIsInitialized": script_is_initialized,
        "ReturnAllValuesAsTuples": return_all_values_as_tuples,
        "SetBufferImageTimeout": set_buffer_image_timeout,
        "ReportNumModuleFuncs": report_num_module_funcs,
    }


def build_module(
    session: Session, commands: Commands, connection: Connection | None = None
) -> tuple[types.ModuleType, Connection]:
    """Make a fresh `serialem` module for one script.

    Parameters
    ----------
    session : Session
        What the commands act on.
    commands : dict
        Command name → function(session, *arguments). Commands of the table that are not in it
        raise SEMerror when called; those that came later than the session's SerialEM are not
        in the module.
    connection : Connection, optional
        The line to the program; a new one otherwise.
    """
    connection = connection or Connection()
    module = types.ModuleType("serialem", "Simulated SerialEM")
    for error in (SEMerror, SEMexited, SEMmoduleError):
        setattr(module, error.__name__, error)
    functions = {
        row.name: _command(session, connection, row, commands.get(row.name))
        for row in command_table().values()
        if session.installation.is_at_least(*row.since)
    }
    functions |= {"Exit": _exit(session, connection), "Return": _return(session, connection)}
    functions |= _module_functions(connection, len(functions))
    functions["PutImageInBuffer"] = put_image_in_buffer(session)
    for name, function in functions.items():
        function.__module__, function.__qualname__ = module.__name__, name
        setattr(module, name, function)
    image_type = buffer_image_type(session)
    setattr(module, image_type.__name__, image_type)
    return module, connection
