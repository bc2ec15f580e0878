"""Control by a Python process outside of SerialEM, such as a test that calls commands itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from space.simulator.acquire.items import run_acquire
from space.simulator.column.errors import SEMexited, SEMmoduleError
from space.simulator.python.module import Connection, build_module
from space.simulator.python.script_state import script_settings
from space.simulator.python.stand_in import StandIn

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

NATIVE = (".pyd", ".so")


class ExternalConnection(Connection):
    """The line from an external process: its first command takes control until `Exit`.

    The next command takes control again. What scripts start with and what is undone at their
    end holds from taking control to giving it up.
    """

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session = session
        self._commands = commands
        self._control = contextlib.ExitStack()
        self.controlling = False

    def listen(self) -> None:
        """Take control if this has not been done.

        Raises
        ------
        SEMmoduleError
            If the program does not allow it.
        """
        if self.controlling:
            return
        if not self._session.scope.properties.get("EnableExternalPython", 1.0):
            raise SEMmoduleError("SerialEM does not listen: set the property EnableExternalPython")
        self._session.last_error = ""
        self._session.write_log("EXTERNAL CONTROL")
        self._control.enter_context(script_settings(self._session))
        self.controlling = True

    def release(self) -> None:
        """Give up control, as when the process ends."""
        if self.controlling:
            self.controlling = False
            self._control.close()

    def stop(self, text: str) -> NoReturn:
        """End the control; an external process lives on.

        Raises
        ------
        SEMexited
            Always.
        """
        self._session.acquire.start_at_end = False
        self.release()
        raise SEMexited("User STOP") from None

    def end(self, text: str = "", failed: bool = False) -> None:
        """Give up control by Exit, and let start what was to start at the end."""
        self.release()
        if not failed and self._session.acquire.start_at_end:
            run_acquire(self._session, self._commands)


class NativeModuleError(RuntimeError):
    """The module of a real SerialEM was imported where the simulated one is wanted."""


@contextlib.contextmanager
def external_python(
    session: Session, commands: Commands
) -> Iterator[tuple[StandIn, ExternalConnection]]:
    """Let this process control the session by `import serialem`.

    The module stays importable afterwards, without connection, so that code which holds it can
    be used with the next session.

    Raises
    ------
    NativeModuleError
        If `serialem` is that of a real microscope, which must not move by mistake.
    """
    previous = sys.modules.get("serialem")
    file = str(getattr(previous, "__file__", None) or "")
    if file.endswith(NATIVE):
        raise NativeModuleError(
            f"The module serialem of a real microscope is loaded ({file}): code that "
            "holds it would move that one. Run this where SerialEM's module is not found."
        )
    stand_in = previous if isinstance(previous, StandIn) else StandIn()
    connection = ExternalConnection(session, commands)
    module, _ = build_module(session, commands, connection)
    sys.modules["serialem"] = stand_in
    try:
        with stand_in.connected_to(module):
            yield stand_in, connection
    finally:
        connection.release()
        if previous is not None:
            sys.modules["serialem"] = previous
