"""SerialEM on another computer, or in another process: the same module, at the end of a line.

`import serialem` gives a module that passes commands on to SerialEM's own. It translates paths,
gets the line back when it was lost, and then does what `repeating` says.
"""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from space.errors import SpaceError
from space.microscope import repeating
from space.microscope.sem import LineLostError
from space.microscope.translation import UNTRANSLATED, PathTranslation

PORT = 48888
"""Where SerialEM listens for Python from outside."""

_LARGEST_PORT = 65535
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_BUSY_S = 2 * 3600.0
"""How long SerialEM may take for what it was doing when the line was lost."""

_SAYS_BUSY = "busy"
_NOTICED_S = 3.0
_REFUSED = object()
_MARK = "SPACE_LINE"
"""SerialEM variable that lives as long as SerialEM."""

_TRIES = 3
log = logging.getLogger("space.microscope")


@dataclass(frozen=True)
class Address:
    """Where SerialEM listens."""

    host: str = "127.0.0.1"
    port: int = PORT

    @classmethod
    def read(cls, text: str) -> Address:
        """Read ``HOST[:PORT]``.

        Raises
        ------
        SpaceError
            When it is something else.
        """
        host, colon, port = text.strip().rpartition(":")
        if not colon:
            host, port = text.strip(), str(PORT)
        if host and port.isdecimal() and 0 < int(port) <= _LARGEST_PORT and " " not in host:
            return cls(host, int(port))
        raise SpaceError(
            f"{text!r} is no address of SerialEM.", "--sem", "Write --sem 192.168.1.10:48888"
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Translated(ModuleType):
    """A module `serialem` of which paths are translated.

    Parameters
    ----------
    module : ModuleType
        SerialEM's own, or one that does what it does.
    path_translation : PathTranslation
    """

    def __init__(self, module: ModuleType, path_translation: PathTranslation) -> None:
        super().__init__("serialem", module.__doc__)
        self.module = module
        self.path_translation = path_translation

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
            return value

        def call(*args: Any) -> Any:
            paths = self.path_translation
            return paths.answer(name, self.carry_out(name, paths.arguments(name, args)))

        return call

    def carry_out(self, name: str, args: tuple[Any, ...]) -> Any:
        """Give a command to SerialEM."""
        return getattr(self.module, name)(*args)


class Line(Translated):
    """SerialEM's own module, whose line is got back when it was lost.

    Parameters
    ----------
    module : ModuleType
    address : Address
    path_translation : PathTranslation
    patience_s : float
        For how long SerialEM may not be reached.
    show : callable
        Gets messages while nothing can be written into SerialEM's log.

    Attributes
    ----------
    starts_acquisition : bool
        Whether Acquire at Items starts when the control ends.
    losses : int
        How often the line was lost.
    """

    def __init__(
        self,
        module: ModuleType,
        address: Address,
        path_translation: PathTranslation = UNTRANSLATED,
        patience_s: float = 900.0,
        show: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__(module, path_translation)
        self.address, self.patience_s = address, patience_s
        self.losses = 0
        self._show = show
        self._lasting: dict[str, tuple[str, tuple[Any, ...]]] = {}
        self._telling: tuple[str, tuple[Any, ...]] | None = None
        self._mark = uuid.uuid4().hex

    @property
    def starts_acquisition(self) -> bool:
        """Whether Acquire at Items starts when the control ends."""
        return "StartNavAcquireAtEnd" in self._lasting

    # --- control ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect and take control, which the first command does."""
        self.module.ConnectToSEM(self.address.port, self.address.host)
        self.module.IsVersionAtLeast("40200")

    def take_control(self) -> bool:
        """Connect and take control; False when SerialEM is not reached, or busy."""
        try:
            self._connect()
        except self.module.SEMmoduleError:
            return False
        return True

    def begin(self) -> None:
        """Take control for a run; what was to last before is forgotten.

        Raises
        ------
        SpaceError
            When SerialEM is not reached.
        """
        self._lasting.clear()
        self._telling = None
        began = time.monotonic()
        while True:
            try:
                self._connect()
                self.module.SetPersistentVar(_MARK, self._mark)
            except self.module.SEMmoduleError as error:
                # It may not have noticed yet that an earlier line has ended.
                if time.monotonic() - began < _NOTICED_S and _SAYS_BUSY in str(error).lower():
                    time.sleep(_FIRST_PAUSE_S)
                    continue
                raise self._no_answer(error) from None
            return

    def _no_answer(self, error: Exception) -> SpaceError:
        return SpaceError(
            f"SerialEM does not answer: {error}.",
            str(self.address),
            "Is SerialEM running there, with EnableExternalPython 1 in SerialEMproperties.txt, and "
            "does the firewall let this port through? While a script runs, nobody else gets "
            "control; while items are acquired, add --acquiring with the session's folder. See "
            "docs/external.md.",
        )

    def give_up(self) -> None:
        """End the control, after which Acquire at Items starts if that was asked for."""
        left = self._ask("ReportNumNavAcquire") if self.starts_acquisition else None
        for _ in range(_TRIES):
            try:
                self.module.Exit()
            except self.module.SEMexited:
                return
            except self.module.SEMmoduleError:
                # Busy: it has heard it. Nothing left to acquire: it has even done it.
                if not self._reached():
                    return
                self._set_again()
                if left != self._ask("ReportNumNavAcquire"):
                    return
            else:
                return

    def break_off(self) -> None:
        """End the control as after an error: nothing starts."""
        self._lasting.clear()
        with suppress(self.module.SEMmoduleError, self.module.SEMexited, self.module.SEMerror):
            self.module.Exit(-1)

    def left_after_acquisition(self) -> int | None:
        """Return how many items an acquisition has left; None while it runs, or SerialEM is away.

        Takes control for a moment. -1 stands for a closed Navigator: SerialEM was started anew.
        """
        if not self.take_control():
            return None
        try:
            acquiring = self.module.ReportIfNavAcquiring()
            left = self.module.ReportNumNavAcquire()
        except self.module.SEMmoduleError:
            return None
        finally:
            with suppress(self.module.SEMmoduleError, self.module.SEMexited):
                self.module.Exit()
        return None if acquiring[0] else int(left[0])

    def regain(self) -> None:
        """Get the line and the control back, and set again what SerialEM has forgotten.

        Raises
        ------
        LineLostError
            When SerialEM is not reached in time.
        """
        began, pause_s = time.monotonic(), _FIRST_PAUSE_S
        self.losses += 1
        while not self._reached():
            if time.monotonic() - began > _BUSY_S:
                raise LineLostError(f"SerialEM at {self.address} does something else all the time")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._set_again()

    def _reached(self) -> bool:
        """Wait until SerialEM is reached, and return whether it gives control: it may be busy."""
        began, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                self._connect()
            except self.module.SEMmoduleError as error:
                if _SAYS_BUSY in str(error).lower():
                    return False
                waited_s = time.monotonic() - began
                if waited_s > self.patience_s:
                    raise LineLostError(
                        f"SerialEM at {self.address} was not reached again within "
                        f"{waited_s / 60:.3g} min: {error}"
                    ) from None
                if pause_s == _FIRST_PAUSE_S:
                    self._show(f"The line to SerialEM at {self.address} is lost; trying again.")
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return True

    def _set_again(self) -> None:
        """Set what SerialEM has forgotten with the line.

        Raises
        ------
        LineLostError
            When it has forgotten all: it was started anew.
        """
        if (
            not self._ask("IsVariableDefined", _MARK)
            or self._ask("GetVariable", _MARK) != self._mark
        ):
            raise LineLostError(f"SerialEM at {self.address} was started anew")
        for name, args in list(self._lasting.values()):
            if self._ask(name, *args, refused=_REFUSED) is _REFUSED:
                self._show(f"SerialEM did not accept {name} again.")
        self._show("The line to SerialEM is back.")

    def _ask(self, name: str, *args: Any, refused: Any = None) -> Any:
        """Give a command without more ado; `refused` when SerialEM refuses it."""
        try:
            return getattr(self.module, name)(*args)
        except (self.module.SEMerror, AttributeError):
            return refused

    # --- commands ---------------------------------------------------------------------------------

    def carry_out(self, name: str, args: tuple[Any, ...]) -> Any:
        """Give a command to SerialEM, once.

        Raises
        ------
        LineLostError
            When it was lost, and nothing shows whether it was carried out.
        """
        if name == "RunScriptAfterNavAcquire":
            return None  # this program goes on itself
        key = repeating.lasting_key(name, args)
        if key:
            self._lasting.pop(key, None)
            self._lasting[key] = (name, args)
        if name in repeating.TELLING:
            self._telling = (name, args)
        witness = repeating.witness_of(name)
        for last in (False,) * (_TRIES - 1) + (True,):
            # A loss while the witness is asked is none of the order, which was not given yet.
            before = None if witness is None else self._seen(witness)
            try:
                return getattr(self.module, name)(*args)
            except (self.module.SEMmoduleError, SystemError) as error:
                if last or not self._is_loss(error):
                    raise
                answer, is_known = self._after_loss(name, args, witness, before)
                if is_known:
                    return answer
        raise AssertionError  # the last try returns or raises

    def _seen(self, witness: repeating.Witness) -> Any:
        """Ask a witness, again if the line is lost meanwhile."""
        while True:
            try:
                return witness.look(self._ask)
            except self.module.SEMmoduleError:
                self.regain()

    def _is_loss(self, error: Exception) -> bool:
        """Whether an error is one of the line; a bad picture is a SystemError, too."""
        return isinstance(error.__cause__ or error, self.module.SEMmoduleError)

    def _after_loss(
        self, name: str, args: tuple[Any, ...], witness: repeating.Witness | None, before: Any
    ) -> tuple[Any, bool]:
        """Get the line back; return the answer to a command, and whether it needs no repetition."""
        self.regain()
        if witness is not None:
            seen = self._seen(witness)
            return (witness.answer(args, seen), True) if seen != before else (None, False)
        if name in repeating.UNREPEATED:
            return None, True
        if not repeating.is_repeated(name):
            raise LineLostError(
                f"The line was lost at {name}: whether it was carried out is not known"
            )
        if name == "GetVariable" and self._telling is not None:
            with suppress(self.module.SEMmoduleError):
                self._ask(self._telling[0], *self._telling[1])
        return None, False


@contextmanager
def in_place_of_serialem(module: ModuleType) -> Iterator[None]:
    """Let `import serialem` give another module while the block runs."""
    before = sys.modules.get("serialem")
    sys.modules["serialem"] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules["serialem"]
        else:
            sys.modules["serialem"] = before
