"""What the microscope answers without being moved: for the check before a session.

None of these commands moves anything, changes a state or exposes the specimen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from space.errors import SpaceError
from space.microscope.column import OBJECTIVE_APERTURE
from space.microscope.sem import error_text, sem_errors, serialem
from space.microscope.states import AREAS

_STATE_ANSWERS = 4


@dataclass(frozen=True)
class StateFacts:
    """An imaging state.

    Attributes
    ----------
    number : int
    name : str
    area : str
        The low dose area that it was made in; empty for one with low dose off, or if SerialEM does
        not say.
    area_known : bool
        Whether SerialEM says it.
    """

    number: int
    name: str
    area: str = ""
    area_known: bool = True


@dataclass(frozen=True)
class CameraFacts:
    """The current camera: its name, and the width and height of its pictures."""

    name: str
    size_px: tuple[int, int]


def imaging_state(state: int | str) -> StateFacts | None:
    """Return what SerialEM knows of an imaging state; None if this SerialEM does not tell.

    Raises
    ------
    SpaceError
        When there is no such state.
    """
    properties = getattr(serialem(), "ImagingStateProperties", None)
    if properties is None:
        return None
    answer = _state_answer(properties, state)
    values = answer if isinstance(answer, tuple) else (answer,)
    name = next((value for value in values if isinstance(value, str)), "")
    if len(values) != _STATE_ANSWERS or not isinstance(values[-1], str):
        return StateFacts(0, name, area_known=False)
    area = int(values[1])
    names = tuple(AREAS.values())
    found = StateFacts(int(values[0]), name, names[area] if 0 <= area < len(names) else "")
    if isinstance(state, str) and not name.lower().startswith(state.strip().lower()):
        raise SpaceError(f"no imaging state is called {state!r}; number {state} is {name!r}")
    return found


def _state_answer(properties: Callable[[str], Any], state: int | str) -> Any:
    """Ask for a state. No name begins with a sign, which therefore stands for a number."""
    texts = (f"+{state}", str(state)) if isinstance(state, int) else (state,)
    for text in texts[:-1]:
        try:
            return properties(text)
        except sem_errors():
            pass  # a sign may not count as part of a number
    try:
        return properties(texts[-1])
    except sem_errors() as error:
        raise SpaceError(f"{error_text(error)}") from error


def camera() -> CameraFacts | None:
    """Return the current camera; None if it does not answer."""
    answer = _asked(lambda: serialem().CameraProperties())
    if not isinstance(answer, tuple) or len(answer) < 2:
        return None
    report = getattr(serialem(), "ReportCameraName", None)
    name = None if report is None else _asked(lambda: report(0))
    return CameraFacts(name if isinstance(name, str) else "", (int(answer[0]), int(answer[1])))


def low_dose_is_on() -> bool:
    """Whether low dose is on."""
    return bool(_first(_asked(lambda: serialem().ReportLowDose())))


def tells_illuminated_area() -> bool:
    """Whether the microscope reports how wide the beam is."""
    value = _first(_asked(lambda: serialem().ReportIlluminatedArea()))
    return value is not None and value > 0


def tells_objective_aperture() -> bool:
    """Whether SerialEM can read the objective aperture, and so drive it."""
    return _asked(lambda: serialem().ReportApertureSize(OBJECTIVE_APERTURE)) is not None


def image_shift_limit_um() -> float | None:
    """Return how far image shift reaches; None if SerialEM does not tell."""
    return _first(_asked(lambda: serialem().ReportProperty("ImageShiftLimit")))


def frame_folder() -> str:
    """Return where movies are saved; empty if nowhere."""
    folder = _asked(lambda: serialem().ReportFrameSavingPath())
    return "" if not isinstance(folder, str) or folder == "NONE" else folder


def _asked(question: Callable[[], Any]) -> Any:
    """Return the answer to a command; None if SerialEM refuses it."""
    try:
        return question()
    except sem_errors():
        return None


def _first(answer: Any) -> float | None:
    value = answer[0] if isinstance(answer, tuple) and answer else answer
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
