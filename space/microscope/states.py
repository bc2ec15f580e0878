"""Imaging states, low dose areas and magnifications."""

from __future__ import annotations

import logging
from collections.abc import Callable

from space.errors import SpaceError
from space.microscope import conditions
from space.microscope.sem import error_text, sem_errors, serialem

_HIGHEST_MAG_INDEX = 50
_FOCUS_CHECKED = "SPACE_FOCUS_CHECKED"
_FAR_OFFSET_UM, _LIKE_OFFSET = 20.0, 0.2
_SAME_MAGNIFICATION = 0.2

AREAS = {"V": "View", "F": "Focus", "T": "Trial", "R": "Record", "S": "Search"}
"""Names of low dose areas by the letter that commands take, in the order of their numbers."""

log = logging.getLogger("space.microscope")

_UNKNOWN_NAME, _NO_SUCH_NUMBER = 1, 3
_STATE_FAILURES = {
    _UNKNOWN_NAME: "no imaging state has this name",
    2: "two or more imaging states begin with this name",
    _NO_SUCH_NUMBER: "there is no imaging state with this number",
    4: "the state of a map is in force; SerialEM's Imaging States dialog must restore it first",
    5: "the state belongs to a camera that is not active",
    6: "a low dose state of another camera is in force",
}


# --- imaging states -------------------------------------------------------------------------------


def go_to_imaging_state(setting: str, state: int | str) -> None:
    """Go to an imaging state: an integer is its number, a string its name.

    Parameters
    ----------
    setting : str
        Name of the setting that it comes from, for messages.
    state : int or str
        Number from 1, or a name (also one of digits) or its beginning.

    Raises
    ------
    SpaceError
        When SerialEM did not set it (it only returns a code), or would take a name for a number.
    """
    code = _go_to_number(state) if isinstance(state, int) else _go_to_name(setting, state)
    if code:
        raise SpaceError(
            f"The imaging state was not set: {_STATE_FAILURES.get(code, f'code {code}')}.",
            _place(setting, state),
            f"Correct {setting}, or the states in SerialEM.",
        )


def _go_to_number(number: int) -> int:
    """Go to a state by its number; return SerialEM's code.

    SerialEM first compares the string with the beginnings of names: "2" would go to a state "2k".
    No name begins with a sign.
    """
    sem = serialem()
    code = int(sem.GoToImagingState(f"+{number}"))
    if code in (_UNKNOWN_NAME, _NO_SUCH_NUMBER):  # a sign may not count as part of a number
        code = int(sem.GoToImagingState(str(number)))
    return code


def _go_to_name(setting: str, name: str) -> int:
    """Go to a state by its name; return SerialEM's code.

    A string of digits that is no name would go to the state with this number.
    """
    if name.strip().isdigit():
        found = _name_found(name)
        if found is None:
            log.warning(
                "%s: SerialEM reports no names of imaging states. If none is called %s, it "
                "goes to number %s.",
                _place(setting, name),
                name,
                name,
            )
        elif not found.strip().lower().startswith(name.strip().lower()):
            raise SpaceError(
                f"No imaging state is called {name!r}; number {name} is {found!r}.",
                _place(setting, name),
                f"Correct the name, or give the number without quotes: {setting} = {int(name)}.",
            )
    return int(serialem().GoToImagingState(name))


def _name_found(name: str) -> str | None:
    """Return the name of the state that SerialEM finds by a string; None if it reports none.

    Among the properties of a state the name is the only string.
    """
    properties = getattr(serialem(), "ImagingStateProperties", None)
    try:
        answer = properties(name) if properties else None
    except sem_errors():
        return None
    values = answer if isinstance(answer, tuple) else (answer,)
    return next((value for value in values if isinstance(value, str)), None)


def _place(setting: str, state: object) -> str:
    return f"{setting} = {list(state) if isinstance(state, tuple) else state!r}"


def go_to_whole_grid_state(state: int | str) -> None:
    """Go to the state for whole-grid montages and make sure that it is in low magnification."""
    setting = "WG_image_state"

    def require_low_magnification() -> None:
        _require_no_low_dose(setting, state)
        magnification, low, *_ = serialem().ReportMag()
        if not low:
            raise SpaceError(
                f"The magnification is {magnification:g}, not a low one.",
                _place(setting, state),
                "Set the state for whole-grid montages.",
            )

    conditions.arrive(
        _place(setting, state),
        lambda: go_to_imaging_state(setting, state),
        require=require_low_magnification,
    )


def go_to_intermediate_state(state: int | str) -> None:
    """Go to the state for pictures of whole lamellae."""
    setting = "IM_image_state"
    conditions.arrive(
        _place(setting, state),
        lambda: go_to_imaging_state(setting, state),
        require=lambda: _require_no_low_dose(setting, state),
    )


def _require_no_low_dose(setting: str, state: int | str) -> None:
    """Pictures are taken with the Record set, which in low dose means in the Record area."""
    is_on, *_ = serialem().ReportLowDose()
    if is_on:
        raise SpaceError(
            "This is a low dose state.",
            _place(setting, state),
            "Set a state that was made with low dose off.",
        )


def go_to_low_dose_states(states: int | str | tuple[int | str, ...]) -> None:
    """Go to the low dose state (or states) for lamella maps and tilt series, and to View.

    A low dose state sets the one area that it was made in, so that Record is as it was set up, or
    has a state of its own.
    """
    setting = "MM_image_state"

    def set_states() -> None:
        for state in states if isinstance(states, tuple) else (states,):
            go_to_imaging_state(setting, state)

    set_states()
    place = _place(setting, states)
    record = _magnification_of("R", place, set_states)
    view = _magnification_of("V", place, set_states)
    if record <= view:
        raise SpaceError(
            f"Record is at {record:g}x, not above View ({view:g}x).",
            place,
            "A low dose state sets one area only. Set up Record, or add a state in Record and set "
            f"both: {setting} = [View's, Record's].",
        )


def _magnification_of(letter: str, place: str, set_states: Callable[[], None]) -> float:
    """Go to a low dose area and return its magnification, which must not be a low one."""

    def require_high_magnification() -> None:
        magnification, low, *_ = serialem().ReportMag()
        if low:
            raise SpaceError(
                f"{AREAS[letter]} is at {magnification:g}x, a low magnification.",
                place,
                "Set up View and Record, then add the state in View.",
            )

    try:
        _arrive_in(letter, set_states, require_high_magnification)
    except sem_errors() as error:
        raise SpaceError(
            f"There is no {AREAS[letter]} area: {error_text(error)}.",
            place,
            "Set a low dose state. Set up View and Record first, then add the state in View.",
        ) from error
    return float(serialem().ReportMag()[0])


def give_record(letter: str) -> None:
    """Give Record the magnification and beam of another low dose area; ends in View.

    Until `go_to_low_dose_states` with a state made in Record puts it back.

    Raises
    ------
    SpaceError
        When this SerialEM cannot do it.
    """
    copy = getattr(serialem(), "CopyLowDoseArea", None)
    if copy is None:
        raise SpaceError(
            "This SerialEM has no command CopyLowDoseArea.",
            "broad_area",
            f"Copy {AREAS[letter]} to Record by hand, or update SerialEM.",
        )
    go_to_area("V")  # what is in force is not overwritten
    try:
        copy(letter, "R")
    except sem_errors() as error:
        raise SpaceError(
            f"Record cannot be set as {AREAS[letter]}: {error_text(error)}.",
            "broad_area",
            "Look at the low dose areas in SerialEM.",
        ) from error


def correct_focus_left_in_view() -> None:
    """Take off View's defocus offset if SerialEM ended while in View, once after each start.

    View has a defocus of its own, tens of micrometres away. If SerialEM ends in View, it never goes
    back, and after the next start it takes the present focus for that of Record: the next tilt
    series would be out of focus by as much. Ends in View.
    """
    sem = serialem()
    if sem.IsVariableDefined(_FOCUS_CHECKED):
        return
    sem.SetPersistentVar(_FOCUS_CHECKED, "1")
    offset_um = float(sem.ReportLDDefocusOffset("V"))
    go_to_area("R")
    defocus_um = float(sem.ReportDefocus())
    if abs(offset_um) >= _FAR_OFFSET_UM and abs(defocus_um / offset_um - 1) <= _LIKE_OFFSET:
        sem.SetDefocus(defocus_um - offset_um)
        log.warning(
            "Record had a defocus of %.0f um, about the offset of View (%.0f um), probably left "
            "over from the last end of SerialEM: it was subtracted. Check the focus.",
            defocus_um,
            offset_um,
        )
    go_to_area("V")


def go_to_area(letter: str) -> None:
    """Go to a low dose area (V, F, T, R or S).

    Raises
    ------
    SpaceError
        When the microscope is not there as it was when this run first went there.
    """
    _arrive_in(letter)


def _arrive_in(
    letter: str,
    set_again: Callable[[], None] = lambda: None,
    require: Callable[[], None] = lambda: None,
) -> None:
    sem = serialem()

    def once_more() -> None:
        set_again()
        # SerialEM leaves everything as it is where it believes to be already.
        sem.GoToLowDoseArea("R" if letter == "V" else "V")
        sem.GoToLowDoseArea(letter)

    conditions.arrive(
        AREAS[letter],
        lambda: sem.GoToLowDoseArea(letter),
        once_more,
        require,
        {conditions.AREA: float(list(AREAS).index(letter))},
    )


# --- magnifications -------------------------------------------------------------------------------


def set_magnification(value: int) -> None:
    """Set a magnification; values below 50 are magnification indexes.

    Raises
    ------
    SpaceError
        When it cannot be set, or the microscope is not there as at the first time in this run.
    """
    conditions.arrive(
        f"IM_mag_index = {value}",
        lambda: _set_magnification(value),
        require=lambda: _require_magnification(value),
    )


def _set_magnification(value: int) -> None:
    sem = serialem()
    try:
        if value < _HIGHEST_MAG_INDEX:
            sem.SetMagIndex(int(value))
        else:
            sem.SetMag(float(value))
    except sem_errors() as error:
        raise SpaceError(
            f"The magnification cannot be set: {error_text(error)}.",
            f"IM_mag_index {value}",
            "Set an index or a magnification that the microscope has.",
        ) from error


def _require_magnification(value: int) -> None:
    sem = serialem()
    if value < _HIGHEST_MAG_INDEX:
        now = sem.ReportMagIndex()
        is_set = int(now[0] if isinstance(now, tuple) else now) == value
    else:
        now = sem.ReportMag()[0]
        is_set = abs(now / value - 1) < _SAME_MAGNIFICATION
    if not is_set:
        raise SpaceError(
            f"The magnification was not set; the microscope reports {now}.",
            f"IM_mag_index {value}",
            "Check whether the microscope lets SerialEM change the magnification.",
        )


def low_magnification() -> float:
    """Return the magnification if it is in the low range (LM), else 0."""
    magnification, low, *_ = serialem().ReportMag()
    return float(magnification) if low else 0.0
