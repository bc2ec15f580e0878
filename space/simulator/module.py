"""Builds the module `serialem` that scripts import."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from space.simulator.argkeys import CommandRow, check_arguments, command_table
from space.simulator.errors import SEMerror, SEMexited, SEMmoduleError
from space.simulator.images import LETTERS

PYTHON_BUFFERS = LETTERS[:20]
IMAGE_TYPES = (np.uint8, np.int16, np.uint16, np.float32)
ERROR_HEADING = "SCRIPT ERROR WITH THIS MESSAGE\n" + "*" * 30 + "\n"


class Connection:
    """Whether the script still has the program's ear, and how results are given."""

    def __init__(self) -> None:
        self.ended = False
        self.failed = False
        self.exit_text = ""
        self.all_tuples = False


def as_python_result(value: object, all_tuples: bool = False) -> object:
    """Result as the module gives it: numbers as float, several values as a tuple."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (tuple, list, np.ndarray)):
        values = tuple(item if isinstance(item, str) else float(item) for item in value)
        if len(values) == 1:
            return as_python_result(values[0], all_tuples)
        return values or None
    number = float(value)
    return (number,) if all_tuples else number


def _remember_reported(session, value: object) -> None:
    if value is None:
        session.reported = ()
    elif isinstance(value, tuple):
        session.reported = value
    else:
        session.reported = (value,)


def raise_error(session, text: str) -> None:
    """Log an error and raise it as scripts see it.

    The text is in the exception only when no message box was shown before.

    Raises
    ------
    SEMerror
        Always.
    """
    session.last_error = text
    session.write_log(f"SCRIPT ERROR: {text}")
    if session.options.no_message_box:
        raise SEMerror(ERROR_HEADING + text)
    session.note_dialog("error", text, "ok")
    raise SEMerror("")


def _command(session, connection: Connection, row: CommandRow, function) -> Callable:
    def call(*args):
        values = check_arguments(row, args)
        if connection.ended:
            raise SEMmoduleError("The script has ended; SerialEM does not listen any more")
        if row.name != "GetVariable":
            session.reported = ()
        if function is None:
            raise_error(session, f"{row.name}: not simulated")
        try:
            result = as_python_result(function(session, *values))
        except SEMerror as error:
            raise_error(session, str(error))
        _remember_reported(session, result)
        return as_python_result(result, connection.all_tuples)

    call.__name__ = call.__qualname__ = row.name
    call.__doc__ = f"{row.name}({row.keys})"
    return call


def _exit(session, connection: Connection) -> Callable:
    row = command_table()["Exit"]

    def exit_script(*args):
        values = check_arguments(row, args)
        if connection.ended:
            raise SEMmoduleError("The script has ended; SerialEM does not listen any more")
        code = values[0] if values and values[0] is not None else 0.0
        text = values[1] if len(values) > 1 and values[1] is not None else ""
        connection.ended = True
        connection.exit_text = text
        if text:
            session.write_log(text)
        if code == 0:
            raise SEMexited("Normal exit")
        connection.failed = code < 0
        if connection.failed:
            session.last_error = text
        return None

    exit_script.__name__ = exit_script.__qualname__ = "Exit"
    return exit_script


def _buffer_array(session, name: str) -> np.ndarray:
    """Read-only, contiguous copy of a buffer.

    Raises
    ------
    SystemError
        Caused by SEMmoduleError, as the interpreter makes of it, for a bad or empty buffer.
    """
    try:
        if len(name) != 1 or name not in PYTHON_BUFFERS:
            raise SEMmoduleError(f"Bad buffer letter {name!r}")
        image = session.buffers.get(name)
        if image is None:
            raise SEMmoduleError(f"There is no image in buffer {name}")
    except SEMmoduleError as error:
        raise SystemError("bufferImage returned a result with an exception set") from error
    data = np.ascontiguousarray(image.data)
    if data.dtype.type not in IMAGE_TYPES:
        data = data.astype(np.float32)
    snapshot = data.copy()
    snapshot.setflags(write=False)
    return snapshot


def buffer_image_type(session) -> type:
    """The type `bufferImage`: a snapshot of a buffer that arrays can be made of.

    From Python 3.12 on it has the buffer protocol as the real one; before, a class written in
    Python cannot have it and `numpy.asarray` is the way to read it.
    """

    class bufferImage:
        __slots__ = ("_data",)

        def __init__(self, buffer, /):
            if not isinstance(buffer, str):
                raise TypeError(f"argument 1 must be str, not {type(buffer).__name__}")
            self._data = _buffer_array(session, buffer)

        if sys.version_info >= (3, 12):

            def __buffer__(self, flags, /):
                return memoryview(self._data)

        else:

            def __array__(self, dtype=None, copy=None):
                if dtype is None or np.dtype(dtype) == self._data.dtype:
                    return self._data.copy() if copy else self._data
                return self._data.astype(dtype)

    bufferImage.__module__ = "serialem"
    bufferImage.__qualname__ = "bufferImage"
    return bufferImage


def _put_image(session) -> Callable:
    def PutImageInBuffer(obj, toBuf, sizeX=0, sizeY=0, baseBuf="", moreBinning=1, capFlag=0, /):
        if not isinstance(toBuf, str) or not isinstance(baseBuf, str):
            raise TypeError("buffers are named by str")
        try:
            view = memoryview(obj)
        except TypeError as error:
            raise SEMmoduleError("The object has no buffer interface") from error
        if not view.c_contiguous:
            raise SEMmoduleError("The image is not contiguous in memory")
        data = np.asarray(view)
        if data.dtype.type not in IMAGE_TYPES:
            raise SEMmoduleError(f"Images of type {data.dtype} cannot be put in a buffer")
        size_x, size_y = int(sizeX), int(sizeY)
        if size_x <= 0 or size_y <= 0:
            raise SEMmoduleError("The sizes in X and Y are needed for this object")
        if size_x * size_y != data.size:
            raise SEMmoduleError(f"Sizes {size_x} x {size_y} do not fit {data.size} pixels")
        base_name = baseBuf or toBuf
        for name in (toBuf, base_name):
            if len(name) != 1 or name not in PYTHON_BUFFERS:
                raise SEMmoduleError(f"Bad buffer letter {name!r}")
        base = session.buffers.get(base_name)
        if base is None:
            raise SEMmoduleError(f"There is no image in buffer {base_name}")
        pixels = data.reshape(size_y, size_x).copy()
        pixels.setflags(write=False)
        (a, b), (c, d) = base.stage_to_px
        more = float(moreBinning)
        image = replace(
            base,
            data=pixels,
            binning=base.binning * more,
            pixel_um=base.pixel_um * more,
            stage_to_px=((a / more, b / more), (c / more, d / more)),
            map_id=0,
            pieces=None,
            processed=True,
            from_current_file=False,
            exposure_index=-1,
        )
        if toBuf == "A":
            session.buffers.push(image)
        else:
            session.buffers.set(toBuf, image)

    return PutImageInBuffer


def build_module(session, commands: dict[str, Callable]) -> tuple[types.ModuleType, Connection]:
    """Make a fresh `serialem` module for one script.

    Parameters
    ----------
    session : Session
        What the commands act on.
    commands : dict
        Command name → function(session, *arguments). Commands of the table that are not in it
        raise SEMerror when called.
    """
    connection = Connection()
    module = types.ModuleType("serialem", "Simulated SerialEM")
    module.SEMerror = SEMerror
    module.SEMexited = SEMexited
    module.SEMmoduleError = SEMmoduleError
    for row in command_table().values():
        function = _command(session, connection, row, commands.get(row.name))
        setattr(module, row.name, function)
    module.Exit = _exit(session, connection)

    def connect_to_sem(port=0, ip="", /):
        return None

    def script_is_initialized():
        return None

    def return_all_values_as_tuples(on=1, /):
        connection.all_tuples = bool(on)

    def set_buffer_image_timeout(seconds, /):
        float(seconds)

    module.ConnectToSEM = connect_to_sem
    module.ScriptIsInitialized = script_is_initialized
    module.ReturnAllValuesAsTuples = return_all_values_as_tuples
    module.SetBufferImageTimeout = set_buffer_image_timeout
    module.ReportNumModuleFuncs = lambda: len(command_table())
    module.PutImageInBuffer = _put_image(session)
    module.bufferImage = buffer_image_type(session)
    return module, connection
