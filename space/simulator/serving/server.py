"""Listens at a port; one command after the other is carried out by the thread that serves."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.acquire import run_acquire
from space.simulator.column.errors import SEMerror, SEMexited, SEMmoduleError
from space.simulator.commands import all_commands
from space.simulator.external import ExternalConnection
from space.simulator.python.module import build_module
from space.simulator.serving import wire

if TYPE_CHECKING:
    from space.simulator.simulation import Simulation

BEFORE, AFTER = "before", "after"
"""When a line is cut: before a command is carried out, or after it, before its answer."""

BUSY = "SerialEM is busy"
_TICK_S = 0.02


@dataclass(frozen=True)
class Cut:
    """A cut of the line.

    Attributes
    ----------
    at : int
        Commands that have come from outside, this one included.
    when : str
        `BEFORE` or `AFTER`.
    silent_s : float
        For how long nobody can connect afterwards.
    """

    at: int
    when: str = AFTER
    silent_s: float = 0.0


class _Control(ExternalConnection):
    """The control from outside; what is to start at its end starts when `Exit` was answered."""

    ended_well = False

    def end(self, text: str = "", failed: bool = False) -> None:
        """Give up control by Exit."""
        self.release()
        self.ended_well = not failed


@dataclass(eq=False)
class _Caller:
    """A process at the other end of a line."""

    line: socket.socket
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, table: dict[str, Any], data: bytes = b"") -> None:
        """Send an answer; whoever has gone gets none."""
        with contextlib.suppress(OSError), self.lock:
            wire.send(self.line, table, data)

    def close(self) -> None:
        """Close the line at once, also for who waits at the other end."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)
        self.line.close()


class Server:
    """The simulated program as processes outside see it.

    One of them has control, from its first command to `Exit` or the end of its line. While a
    script or Acquire at Items runs, nobody gets control.

    Parameters
    ----------
    simulation : Simulation
    host, port :
        Where to listen; port 0 takes a free one.
    cuts : iterable of Cut
        When lines are cut.
    idle : callable, optional
        Called again and again while no command waits.

    Attributes
    ----------
    port : int
        Where it listens.
    count : int
        Commands that have come from outside.
    names : list of str
        Their names.
    """

    def __init__(
        self,
        simulation: Simulation,
        host: str = "127.0.0.1",
        port: int = 0,
        cuts: Iterable[Cut] = (),
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = simulation.session
        self._commands = all_commands()
        self._control = _Control(self._session, self._commands)
        self._module, _ = build_module(self._session, self._commands, self._control)
        self._cuts = {cut.at: cut for cut in cuts}
        self._idle = idle
        self._asked: queue.Queue[tuple[_Caller, dict[str, Any] | None]] = queue.Queue()
        self._owner: _Caller | None = None
        self._callers: set[_Caller] = set()
        self._busy = threading.Event()
        self._silent = threading.Event()
        self._socket = socket.create_server((host, port))
        self.port = int(self._socket.getsockname()[1])
        self.count = 0
        self.names: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for caller in list(self._callers):
            caller.close()
        self._control.release()

    def serve(self, until: Callable[[], bool] = lambda: False) -> None:
        """Carry out commands until `until` is true, which is asked while none waits."""
        while True:
            try:
                caller, asked = self._asked.get(timeout=_TICK_S)
            except queue.Empty:
                if until():
                    return
                self._idle()
                continue
            if asked is None:
                self._gone(caller)
            else:
                self._carry_out(caller, asked)

    # --- in threads -------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            if self._silent.is_set():
                line.close()
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = _Caller(line)
            self._callers.add(caller)
            threading.Thread(target=self._listen, args=(caller,), daemon=True).start()

    def _listen(self, caller: _Caller) -> None:
        while True:
            try:
                asked, _ = wire.receive(caller.line)
            except (OSError, ValueError):
                self._asked.put((caller, None))
                caller.close()
                self._callers.discard(caller)
                return
            if self._busy.is_set():
                caller.answer({"error": "SEMmoduleError", "text": BUSY})
            else:
                self._asked.put((caller, asked))

    # --- in the thread that serves ----------------------------------------------------------------

    def _gone(self, caller: _Caller) -> None:
        caller.close()
        if caller is self._owner:
            self._owner = None
            if self._control.controlling:
                self._session.acquire.start_at_end = False
                self._control.release()

    def _carry_out(self, caller: _Caller, asked: dict[str, Any]) -> None:
        if self._owner not in (None, caller):
            caller.answer({"error": "SEMmoduleError", "text": BUSY})
            return
        self._owner = caller
        name = str(asked.get("call"))
        self.count += 1
        self.names.append(name)
        cut = self._cuts.get(self.count)
        if cut is not None and cut.when == BEFORE:
            self._cut(caller, cut)
            return
        answer, data = self._answer(name, asked.get("args", []))
        if self._starts():  # before whoever is answered can ask again
            self._busy.set()
        if cut is None:
            caller.answer(answer, data)
        else:
            self._cut(caller, cut)
        if not self._control.controlling:
            self._owner = None
            self._start_acquisition()

    def _cut(self, caller: _Caller, cut: Cut) -> None:
        if cut.silent_s:
            self._silent.set()
            threading.Timer(cut.silent_s, self._silent.clear).start()
        self._gone(caller)

    def _answer(self, name: str, args: list[Any]) -> tuple[dict[str, Any], bytes]:
        try:
            if name == "bufferImage":
                self._control.listen()
                picture = np.asarray(self._module.bufferImage(*args))
                shape, kind = list(picture.shape), picture.dtype.str
                return {"shape": shape, "type": kind}, picture.tobytes()
            return {"value": getattr(self._module, name)(*args)}, b""
        except (SEMerror, SEMexited, SEMmoduleError, TypeError) as error:
            kind = next(
                one.__name__ for one in (SEMerror, SEMexited, SEMmoduleError, TypeError)
                if isinstance(error, one)
            )  # fmt: skip
            return {"error": kind, "text": str(error)}, b""
        except (SystemError, AttributeError, OverflowError) as error:
            return {"error": "SEMmoduleError", "text": str(error.__cause__ or error)}, b""

    def _starts(self) -> bool:
        """Whether an acquisition starts, now that control was given up."""
        ended = not self._control.controlling and self._control.ended_well
        return ended and self._session.acquire.start_at_end

    def _start_acquisition(self) -> None:
        if not self._starts():
            return
        self._control.ended_well = False
        try:
            run_acquire(self._session, self._commands)
        finally:
            self._busy.clear()
