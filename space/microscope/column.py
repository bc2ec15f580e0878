"""Column valves and the objective aperture, also where SerialEM cannot drive them.

SerialEM refuses a command in the same way whether the microscope lacks a device or the device
failed. The two differ in whether the state can be read: if it can, the device is there, and a
refusal is a failure. If it cannot, a person has to operate it, and the log says so once.
"""

from __future__ import annotations

from space.errors import SpaceError
from space.microscope.log import warn_once
from space.microscope.sem import check_space_left, error_text, sem_errors, serialem
from space.microscope.waiting import pause

OBJECTIVE_APERTURE = 2
"""SerialEM's number of the objective aperture."""

_CLOSED, _OPEN = 0, 1
_POLLS, _POLL_EVERY_S = 10, 1.0


def open_valve() -> None:
    """Open the column or gun valve.

    Raises
    ------
    SpaceError
        When the microscope reports that it stays closed.
    """
    _drive_valve(_OPEN, "open")


def close_valve() -> None:
    """Close the column or gun valve; errors as for `open_valve`."""
    _drive_valve(_CLOSED, "close")


def valve_is_closed() -> bool:
    """Whether the microscope reports it closed; a valve that is not reported counts as open."""
    return _valve_state() == _CLOSED


def _valve_state() -> int | None:
    """Return whether the valve is open or closed; None if the microscope does not report it."""
    try:
        state = int(serialem().ReportColumnOrGunValve())
    except sem_errors():
        return None
    return state if state in (_CLOSED, _OPEN) else None


def _drive_valve(wanted: int, verb: str) -> None:
    refusal = ""
    try:
        serialem().SetColumnOrGunValve(wanted)
    except sem_errors() as error:
        check_space_left(error)
        refusal = error_text(error)
    state = _valve_state()
    for _ in range(0 if refusal else _POLLS):
        if state is None or state == wanted:
            break
        pause(_POLL_EVERY_S)
        state = _valve_state()
    if state is None and refusal:
        warn_once(
            "valves",
            "SerialEM cannot drive the column valves of this microscope (%s). Open them by hand "
            "now; a dark picture will show if they are closed.",
            refusal,
        )
    elif state is not None and state != wanted:
        raise SpaceError(
            f"The column valves did not {verb}{f': {refusal}' if refusal else ''}.",
            "column valves",
            "Check the vacuum and the valves, then run the script again.",
        )


def retract_objective_aperture() -> None:
    """Take the objective aperture out (low magnifications need the whole field).

    Raises
    ------
    SpaceError
        When it is there but was not moved.
    """
    _set_objective_aperture(0, "taken out")


def insert_objective_aperture(size_um: int) -> None:
    """Put the objective aperture of this size in; errors as for `retract_objective_aperture`."""
    _set_objective_aperture(int(size_um), "put in")


def _set_objective_aperture(size_um: int, done: str) -> None:
    sem = serialem()
    try:
        sem.SetApertureSize(OBJECTIVE_APERTURE, size_um)
        return
    except sem_errors() as error:
        check_space_left(error)
        refusal = error_text(error)
    try:
        sem.ReportApertureSize(OBJECTIVE_APERTURE)
    except sem_errors():
        warn_once(
            "apertures",
            "SerialEM cannot drive the apertures of this microscope (%s). By hand: the objective "
            "aperture must be out for whole-grid maps and in for lamella maps and tilt series. Set "
            "aperture_control = False.",
            refusal,
        )
        return
    raise SpaceError(
        f"The objective aperture was not {done}: {refusal}.",
        f"objective_aperture = {size_um}" if size_um else "objective aperture",
        "Set a size that the microscope has, or set aperture_control = False and move it by hand.",
    )
