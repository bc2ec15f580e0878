"""Faults on demand: what goes wrong at the microscope, and when.

A fault is named with the moment at which it strikes::

    camera-timeout            the first picture
    camera-timeout@5          the fifth picture
    camera-timeout@5-7        the fifth to the seventh; 5- means from the fifth on
    stage-failure:0.02        each stage move with a probability of 2 %
    serialem-death@M:2        at the first occasion from the second call of the command M on

What counts as an occasion differs from fault to fault; `FAULT_KINDS` lists it, with what scripts
and people see. Occasions are counted from the start of the program, that is for each run of a
session that is kept on disk. Probabilities depend on the seed and on the count, so that the same
run with the same faults fails in the same way.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from space.simulator.column.errors import ScriptStopped, SEMerror, TaskError
from space.simulator.column.random_source import RandomSource

if TYPE_CHECKING:
    from space.simulator.program.session import Session

DEATH_EXIT_CODE = 86
"""Exit code of the process when the fault `serialem-death` has struck."""

STAGE_FAILED = "The stage did not reach its position in time (time-out)"
STAGE_OFF_UM = (3.0, -4.0)
TILT_SHORT_DEG = 3.0
LOST_FOCUS_UM = 12.0
DRIFT = (20.0, 90.0)  # nm/s at first, and the time in s with which it dies away
VIBRATION = (30.0, 2.0)
LOAD_FAILED_CODE = 1.0
REFILL_S = 900.0
PUMPING_S = 600.0  # of the autoloader's vacuum pump, after a grid was moved
CAMERA_TIMEOUT_S = 60.0

_SHOWN = 8  # of the times at which a fault struck
_STRIKES = 91  # what random numbers are drawn for


FaultName = Literal[
    "camera-timeout",
    "stage-failure",
    "stage-off",
    "autoloader-failure",
    "dark-image",
    "drift",
    "lost-focus",
    "refill",
    "disk-full",
    "user-stop",
    "script-error",
    "serialem-death",
    "state-off",
    "tilt-off",
]


@dataclass(frozen=True)
class Kind:
    """A way in which things go wrong.

    Attributes
    ----------
    occasion : str
        What is counted.
    counted : str
        The same in the plural, in front of a number.
    scripts : str
        What a script sees.
    operator : str
        What a person sees of it, and what helps.
    """

    occasion: str
    counted: str
    scripts: str
    operator: str


FAULT_KINDS: dict[FaultName, Kind] = {
    "camera-timeout": Kind(
        "picture, also a piece of a montage",
        "pictures",
        "the command fails as tasks do (SEMerror after NoMessageBoxOnError(1), otherwise the "
        "script is stopped); there is no new picture",
        "an error about the camera; a montage stays unfinished",
    ),
    "stage-failure": Kind(
        "stage move or tilt",
        "stage moves and tilts",
        "the command fails as tasks do (see above); the stage stands half way",
        "an error about the stage, which stands where the readout shows",
    ),
    "stage-off": Kind(
        "stage move in X and Y",
        "stage moves in X and Y",
        "nothing, but ReportStageXYZ is 5 um from where the stage was sent",
        "the wrong place in the picture; the readout shows the true position",
    ),
    "autoloader-failure": Kind(
        "attempt to load a grid",
        "attempts to load a grid",
        "LoadCartridge returns an error code that is not 0",
        "no grid on the stage, valves closed",
    ),
    "dark-image": Kind(
        "picture, also a piece of a montage",
        "pictures",
        "a picture without electrons; ReportColumnOrGunValve is 0",
        "dark pictures until the column valves are opened again",
    ),
    "drift": Kind(
        "picture, also a piece of a montage",
        "pictures",
        "pictures are blurred and wander for some minutes",
        "drift that dies away; waiting helps",
    ),
    "lost-focus": Kind(
        "picture, also a piece of a montage",
        "pictures",
        "pictures are out of focus by 12 um more; the readout does not show it",
        "wrong defocus until somebody focuses again",
    ),
    "refill": Kind(
        "picture, or question whether dewars are filling",
        "pictures and questions about dewars",
        "AreDewarsFilling is 1 for 15 minutes; pictures are blurred meanwhile",
        "vibrating pictures until the dewars are full",
    ),
    "disk-full": Kind(
        "saving of an image, the Navigator or a log",
        "savings",
        "the command fails (SEMerror with the message of the operating system); nothing is saved",
        "an error about the disk; free some space",
    ),
    "user-stop": Kind(
        "command",
        "commands",
        "the script is ended before the command; no handler of it runs",
        "the script has stopped, and Acquire at Items with it",
    ),
    "script-error": Kind(
        "command of a script that Acquire at Items runs",
        "commands during Acquire at Items",
        "the command is refused (SEMerror)",
        "Acquire at Items ends; the item keeps its Acquire",
    ),
    "serialem-death": Kind(
        "command that has been carried out",
        "commands carried out",
        "nothing: the process has ended",
        f"the program is gone (exit code {DEATH_EXIT_CODE}); buffers, variables and what was not "
        "saved are lost, the microscope is as it was",
    ),
    "state-off": Kind(
        "going to an imaging state outside low dose, or to a low dose area",
        "imaging states and areas gone to",
        "nothing, but ReportMag is one step off until another area or state is gone to",
        "another magnification than that of the state or area",
    ),
    "tilt-off": Kind(
        "tilt",
        "tilts",
        "nothing, but ReportTiltAngle is 3 degrees short of where the stage was tilted to",
        "the wrong tilt in the readout",
    ),
}


@dataclass(frozen=True)
class Fault:
    """A fault and when it strikes.

    Attributes
    ----------
    name : str
        One of `FAULT_KINDS`.
    first, last : int
        The occasions at which it strikes, counted from 1; `last` None = all from there on.
    probability : float
        If not 0, every occasion counts with this probability instead.
    command : str
        If not empty, the first occasion from the call `call` of this command on counts instead.
    call : int
        Counted from 1.
    """

    name: FaultName
    first: int = 1
    last: int | None = 1
    probability: float = 0.0
    command: str = ""
    call: int = 1

    def __str__(self) -> str:
        """Give the fault as it is written on the command line."""
        if self.probability:
            return f"{self.name}:{self.probability:g}"
        if self.command:
            return f"{self.name}@{self.command}:{self.call}"
        if self.first == self.last:
            return f"{self.name}@{self.first}"
        return f"{self.name}@{self.first}-{self.last or ''}"


class FaultSpecError(ValueError):
    """The text does not describe a fault; the message says what is wrong."""


_SPEC = re.compile(
    r"(?P<name>[a-z-]+)"
    r"(?: :(?P<probability>[0-9.eE+-]+)"
    r"| @(?P<first>\d+)(?:(?P<more>-)(?P<last>\d+)?)?"
    r"| @(?P<command>[A-Za-z]\w*)(?::(?P<call>\d+))?"
    r")?",
    re.VERBOSE,
)


def parse_fault(text: str) -> Fault:
    """Read a fault as it is written on the command line.

    Raises
    ------
    FaultSpecError
        With what is wrong with the text.
    """
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise FaultSpecError(
            f"{text!r} is not a fault: write NAME, NAME@N, NAME@N-M, NAME:PROBABILITY or "
            "NAME@COMMAND:N"
        )
    name = next((kind for kind in FAULT_KINDS if kind == found["name"]), None)
    if name is None:
        raise FaultSpecError(
            f"There is no fault {found['name']!r}; there are {', '.join(FAULT_KINDS)}"
        )
    if found["probability"]:
        return Fault(name, probability=_probability(found["probability"], text))
    if found["command"]:
        call = int(found["call"] or 1)
        if call < 1:
            raise FaultSpecError(f"{text!r}: calls are counted from 1")
        return Fault(name, command=found["command"], call=call)
    first = int(found["first"] or 1)
    last = int(found["last"]) if found["last"] else None if found["more"] else first
    if first < 1 or (last is not None and last < first):
        raise FaultSpecError(f"{text!r}: occasions are counted from 1")
    return Fault(name, first, last)


def _probability(number: str, text: str) -> float:
    try:
        probability = float(number)
    except ValueError:
        probability = 0.0
    if not 0.0 < probability <= 1.0:
        raise FaultSpecError(f"{text!r}: the probability must be above 0 and at most 1")
    return probability


def end_process() -> None:
    """End this process at once, as when SerialEM dies."""
    sys.stdout.flush()
    print("SerialEM has died (fault on demand)", file=sys.stderr, flush=True)
    os._exit(DEATH_EXIT_CODE)


class Faults:
    """The faults of one run.

    Parameters
    ----------
    faults : iterable of str or Fault
        What goes wrong.
    seed : int
        For those that strike by chance.
    die : callable
        What the fault `serialem-death` does.

    Attributes
    ----------
    struck : list of (str, int)
        What has gone wrong so far: name and the occasion's count.
    """

    def __init__(
        self,
        faults: Iterable[str | Fault] = (),
        seed: int = 0,
        die: Callable[[], None] = end_process,
    ) -> None:
        self.faults = tuple(
            parse_fault(fault) if isinstance(fault, str) else fault for fault in faults
        )
        self.struck: list[tuple[FaultName, int]] = []
        self.die = die
        self._random_source = RandomSource(seed)
        self._occasions: Counter[FaultName] = Counter()
        self._calls: Counter[str] = Counter()
        self._spent: set[int] = set()
        self._strikes: dict[int, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self.faults)

    def strikes(self, name: FaultName) -> bool:
        """Count an occasion for a fault; whether it strikes now."""
        if not self.faults:
            return False
        self._occasions[name] += 1
        count = self._occasions[name]
        hits = [
            number
            for number, fault in enumerate(self.faults)
            if fault.name == name and self._hits(number, fault, count)
        ]
        if hits:
            self.struck.append((name, count))
        for number in hits:
            self._strikes.setdefault(number, []).append(count)
        return bool(hits)

    def report(self) -> list[str]:
        """Report of each fault whether and when it struck."""
        return [self._described(number, fault) for number, fault in enumerate(self.faults)]

    def _described(self, number: int, fault: Fault) -> str:
        counted = FAULT_KINDS[fault.name].counted
        among = f"{counted}: {self._occasions[fault.name]}"
        struck = self._strikes.get(number, [])
        if struck:
            times = "once" if len(struck) == 1 else f"{len(struck)} times"
            when = ", ".join(map(str, struck[:_SHOWN])) + (", ..." if struck[_SHOWN:] else "")
            return f"{fault} struck {times}, at {when} ({among})."
        if fault.command:
            calls = self._calls[fault.command.lower()]
            among = f"calls of {fault.command}: {calls}"
            if calls >= fault.call:
                among += f"; {counted} after call {fault.call}: 0"
        return f"{fault} did not strike ({among})."

    def _hits(self, number: int, fault: Fault, count: int) -> bool:
        if fault.probability:
            place = (list(FAULT_KINDS).index(fault.name), number, count)
            return bool(self._random_source.at(_STRIKES, *place).random() < fault.probability)
        if not fault.command:
            return fault.first <= count and (fault.last is None or count <= fault.last)
        if number in self._spent or self._calls[fault.command.lower()] < fault.call:
            return False
        self._spent.add(number)
        return True

    # --- where the effects are not one line ---------------------------------------------------

    def command_begins(self, name: str, acquiring: bool = False) -> None:
        """Count a command of a script, and apply the faults that strike there.

        Parameters
        ----------
        name : str
            The command.
        acquiring : bool
            Whether Acquire at Items runs the script.

        Raises
        ------
        ScriptStopped
            When the user has pressed STOP.
        SEMerror
            When the command has to fail during Acquire at Items.
        """
        if not self.faults:
            return
        self._calls[name.lower()] += 1
        if self.strikes("user-stop"):
            raise ScriptStopped("Stopped by the user")
        if acquiring and self.strikes("script-error"):
            raise SEMerror(f"{name}: the command failed (fault on demand)")

    def check_disk(self, path: str | Path) -> None:
        """Count something that is about to be saved.

        Raises
        ------
        SEMerror
            When the disk is full.
        """
        if self.strikes("disk-full"):
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            raise SEMerror(f"The file could not be written: {error}")


def before_picture(session: Session) -> None:
    """Apply the faults of a picture that is about to be taken.

    Raises
    ------
    TaskError
        When the camera does not answer.
    """
    faults = session.faults
    if not faults:
        return
    scope = session.scope
    if faults.strikes("dark-image"):
        scope.valve_open = False
    if faults.strikes("lost-focus"):
        scope.focus_zero_um += LOST_FOCUS_UM
    if faults.strikes("drift"):
        scope.stage.drift.start(*DRIFT)
    if dewars_filling(session):
        scope.stage.drift.start(*VIBRATION)
    if faults.strikes("camera-timeout"):
        session.clock.advance(CAMERA_TIMEOUT_S)
        raise TaskError("The camera did not deliver a picture in time (time-out)")


def dewars_filling(session: Session) -> bool:
    """Whether the dewars are being filled."""
    if session.faults.strikes("refill"):
        session.dewars_full_at_s = session.clock.seconds + REFILL_S
    return session.clock.seconds < session.dewars_full_at_s
