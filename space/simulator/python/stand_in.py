"""The module `serialem` for code that is imported before there is a microscope."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator

from space.simulator.column.errors import SEMerror, SEMexited, SEMmoduleError
from space.simulator.python.argkeys import command_table

MODULE_FUNCTIONS = (
    "ConnectToSEM",
    "ScriptIsInitialized",
    "PutImageInBuffer",
    "bufferImage",
    "ReturnAllValuesAsTuples",
    "ReportNumModuleFuncs",
    "SetBufferImageTimeout",
)
"""What the module has besides the commands of the table."""


class StandIn(types.ModuleType):
    """`serialem` without a program behind it; calls go on to the module it is connected to.

    Code that was imported once can thus be used with one microscope after the other.
    """

    def __init__(self) -> None:
        super().__init__("serialem", "Simulated SerialEM, not connected")
        self._target: types.ModuleType | None = None
        self.SEMerror = SEMerror
        self.SEMexited = SEMexited
        self.SEMmoduleError = SEMmoduleError
        for name in (*command_table(), *MODULE_FUNCTIONS):
            setattr(self, name, self._forwarding(name))

    def _forwarding(self, name: str) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            if self._target is None:
                raise SEMmoduleError(f"{name}: there is no simulated microscope to talk to")
            return getattr(self._target, name)(*args, **options)

        call.__name__ = call.__qualname__ = name
        return call

    @contextlib.contextmanager
    def connected_to(self, module: types.ModuleType) -> Iterator[StandIn]:
        """Send calls to a module while the block runs."""
        before, self._target = self._target, module
        try:
            yield self
        finally:
            self._target = before
