"""What is done with a command whose answer was lost with the connection.

Nobody knows whether SerialEM carried it out. A question or an order that sets something to a value
is given again. For an order that must not be carried out twice there is a witness: something that
SerialEM reports, and that is another once the order was carried out. It is asked before the order,
and again when the connection is back. A picture is taken if buffer A holds one of another time, an
item is made if the Navigator has one more, a file is open if another one is the current file.

What is neither ends the run, as the end of SerialEM would: it is begun anew and finds on disk what
is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Ask = Callable[..., Any]
"""Gives a command to SerialEM: name and arguments; None when it is refused."""

PICTURES = frozenset({"V", "R", "L", "M", "G", "Eucentricity"})
"""Commands that expose."""

LASTING = frozenset(
    """
    AllowFileOverwrite NavAcqAtEndUseParams NoMessageBoxOnError SetNavAcqAtEndParams SetUserSetting
    SetVariable StartNavAcquireAtEnd SuppressReports
    """.split()
)
"""What SerialEM forgets when the control ends: given again when it is regained."""

_BY_FIRST_ARGUMENT = frozenset({"SetUserSetting", "SetVariable"})

TELLING = frozenset({"ImageProperties", "ReportNavItem", "ReportOtherItem"})
"""Questions whose answers are in part variables, which SerialEM forgets as well."""

_REPEATED = frozenset(
    """
    AddToAutodoc AdjustStagePosForNav AreDewarsFilling CameraProperties CameraToSpecimenMatrix
    ChangeItemColor ChangeItemLabel ChangeItemNote Delay EchoBreakLines EndAcquireAtItems
    GetVariable GoToImagingState GoToLowDoseArea IsVariableDefined IsVersionAtLeast KeyBreak
    LoadOtherMap MailSubject MoveStageTo MoveToNavItem NavIndexWithNote OpenNavigator
    ParamSetToUseForMontage ReadFile ReadNavFile ReadOtherFile ResetImageShift
    RunScriptAfterNavAcquire SaveLog SaveLogOpenNew SaveNavigator StageToSpecimenMatrix TiltTo
    UpdateItemZ YesNoBox bufferImage DoesFileExist
    """.split()
)


def is_repeated(name: str) -> bool:
    """Whether a command can be carried out twice with no other end than once."""
    if name in _WITNESSES or name in UNREPEATED:
        return False
    return name in LASTING | TELLING | _REPEATED or name.startswith(("Report", "Set"))


def lasting_key(name: str, args: tuple[Any, ...]) -> str:
    """Return what a later command replaces an earlier one under; "" for one that does not last."""
    if name not in LASTING or (name == "SetUserSetting" and len(args) > 2 and args[2]):
        return ""
    return f"{name} {args[0]}" if name in _BY_FIRST_ARGUMENT else name


# --- witnesses ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Witness:
    """What shows whether an order was carried out.

    Attributes
    ----------
    look : callable
        Returns what SerialEM reports; None when it does not.
    answer : callable
        Returns the answer that was lost, of the order's arguments and of what is seen now.
    """

    look: Callable[[Ask], Any]
    answer: Callable[[tuple[Any, ...], Any], Any] = lambda args, seen: None


def witness_of(name: str) -> Witness | None:
    """Return the witness of an order; None if there is none."""
    return _WITNESSES.get(name)


def _picture(ask: Ask) -> Any:
    """When the picture in buffer A was taken."""
    return None if ask("ImageProperties", "A") is None else ask("GetVariable", "imageTickTime")


def _count(ask: Ask) -> Any:
    return ask("ReportNumTableItems")


def _file(ask: Ask) -> Any:
    number = ask("ReportFileNumber")
    return number, ask("ReportCurrentFilename") if number and number > 0 else ""


def _image_shift(ask: Ask) -> Any:
    return ask("ReportImageShift")


_TAKEN, _FILE = Witness(_picture), Witness(_file)
_ADDED = Witness(_count, lambda args, seen: seen)
_WITNESSES: Mapping[str, Witness] = {
    **dict.fromkeys(PICTURES, _TAKEN),
    "AddImagePosAsNavPoint": _ADDED,
    "AddStagePosAsNavPoint": _ADDED,
    "NewMap": _ADDED,
    "DeleteNavigatorItem": Witness(_count),
    "ShiftItemsByMicrons": Witness(lambda ask: ask("ReportOtherItem", 1)),
    "AlignTo": Witness(_image_shift, lambda args, seen: 0.0),
    "ImageShiftByMicrons": Witness(_image_shift, lambda args, seen: 0.0),
    "CloseFile": _FILE,
    "OpenNewFile": _FILE,
    "OpenNewMontage": _FILE,
    "OpenOldFile": _FILE,
    "SetupFullMontage": _FILE,
    "S": Witness(lambda ask: ask("ReportFileZsize")),
    "CloseNavigator": Witness(lambda ask: ask("ReportIfNavOpen")),
    "LoadCartridge": Witness(lambda ask: ask("ReportLoadedSlot"), lambda args, seen: (0.0, 0.0)),
}
"""Of each order that must not be carried out twice."""

UNREPEATED = frozenset({"SendEmail"})
"""Orders that are taken as carried out: twice would be worse than not at all."""
