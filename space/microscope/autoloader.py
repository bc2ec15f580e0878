"""Grids in the autoloader: names and loading."""

from __future__ import annotations

import logging
import re

from space.errors import SpaceError
from space.microscope.column import close_valve
from space.microscope.sem import error_text, sem_errors, serialem

_LOADED_SLOT = "SPACE_LOADED_SLOT"
"""SerialEM variable that lives as long as the program: the slot loaded by this script."""

_NONE = "none"
_STATUS_AND_NAME = 2
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")
_LONGEST_NAME = 40
log = logging.getLogger("space.microscope")


def folder_safe(name: str) -> str:
    """Turn a grid's name into one that is safe in file names, notes and labels.

    Letters, digits, '-' and '_' stay, everything else becomes '_'; '_tgts' is taken out
    because targets files are recognised by it. The result may be empty.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")
    safe = re.sub(r"(?i)_tgt", "-tgt", safe)[:_LONGEST_NAME].rstrip("_-")
    return f"{safe}_" if _RESERVED.fullmatch(safe) else safe


def is_absent(slot: int) -> bool:
    """Whether SerialEM knows that there is no autoloader, from its property and from a slot."""
    sem = serialem()
    try:
        if float(sem.ReportProperty("ScopeHasAutoloader")) != 0:
            return False
    except sem_errors():
        return False
    try:
        sem.ReportSlotStatus(int(slot))
    except sem_errors():
        return True
    return False


def slot_name(slot: int) -> str:
    """Return the name that the autoloader gives the grid in a slot, or an empty string.

    Raises
    ------
    SpaceError
        When the slot is empty or the autoloader does not answer.
    """
    try:
        answer = serialem().ReportSlotStatus(int(slot))
    except sem_errors() as error:
        raise SpaceError(
            f"The autoloader does not answer: {error_text(error)}.",
            f"slot {slot}",
            'Correct grid_list; ["stage"] stands for the grid that is loaded.',
        ) from error
    values = answer if isinstance(answer, tuple) else (answer,)
    # The slot of the grid that is on the stage may count as empty. JEOL's answers begin with an
    # identity instead of a status.
    has_status = len(values) <= _STATUS_AND_NAME
    if has_status and int(values[0]) == 0 and not is_on_stage(slot):
        raise SpaceError(
            "The slot is empty.",
            f"slot {slot}",
            'Correct grid_list; ["stage"] stands for the grid that is loaded.',
        )
    return values[-1].strip() if isinstance(values[-1], str) else ""


def loaded_slot() -> int | None:
    """Return the slot that this program loaded last since SerialEM started, if any."""
    sem = serialem()
    if not sem.IsVariableDefined(_LOADED_SLOT):
        return None
    slot = str(sem.GetVariable(_LOADED_SLOT))
    return None if slot == _NONE else int(float(slot))


def is_on_stage(slot: int) -> bool:
    """Whether the grid of a slot is on the stage, loaded by this program or by somebody else.

    What SerialEM reports counts more than what this program has loaded: a person may have put
    another grid there since. Where it reports none, the latter counts.
    """
    return slot == (_reported_slot() or loaded_slot())


def _reported_slot() -> int | None:
    """Slot of the grid on the stage as SerialEM reports it; older versions do not."""
    report = getattr(serialem(), "ReportLoadedSlot", None)
    if report is None:
        return None
    try:
        answer = report()
    except sem_errors():
        return None
    slot = int(answer[0] if isinstance(answer, tuple) else answer or 0)
    return slot if slot > 0 else None


def load(slot: int) -> bool:
    """Load the grid of a slot onto the stage; False when it was there already."""
    sem = serialem()
    if is_on_stage(slot):
        log.info("Slot %d is already on the stage: not loaded again.", slot)
        sem.SetPersistentVar(_LOADED_SLOT, str(slot))
        return False
    log.info("Loading the grid of slot %d...", slot)
    close_valve()
    sem.SetPersistentVar(_LOADED_SLOT, _NONE)  # whatever happens, the old grid may be gone
    try:
        answer = sem.LoadCartridge(int(slot))
    except sem_errors() as error:
        raise SpaceError(
            f"The grid cannot be loaded: {error_text(error)}.",
            f"slot {slot}",
            "Check the autoloader.",
        ) from error
    code = int(answer[0] if isinstance(answer, tuple) else answer or 0)
    if code:
        raise SpaceError(
            f"The grid was not loaded (code {code}).", f"slot {slot}", "Check the autoloader."
        )
    sem.SetPersistentVar(_LOADED_SLOT, str(slot))
    return True
