"""Whether the optics are as they were when a state or area was first used in this run.

SerialEM says that it has set a state; where the microscope then stands is asked for here. No
command tells for certain what a state holds. What was found where a run first went, while somebody
is there, is therefore what all later visits are held to.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from space.errors import SpaceError
from space.microscope import memory
from space.microscope.sem import sem_errors, serialem
from space.predicates import is_number

_SEEN = "SPACE_CONDITIONS"
"""SerialEM variable that lives as long as the program: what was found where, as JSON."""

_UNANSWERED = "SPACE_UNANSWERED"
"""SerialEM variable of the same kind: words for what this microscope could not answer."""

_EARLIER = "of an earlier run"

MAGNIFICATION, AREA = "magnification", "low dose area"
_GRAVE = (MAGNIFICATION, AREA)
"""With these wrong, another place is exposed, or with another dose."""

_SAME = 0.01
_WITHIN = {
    "beam diameter in um": 0.1,  # as a fraction: it is read from lenses
    "C2 in percent": 0.02,
}

Values = Mapping[str, float]
log = logging.getLogger("space.microscope")


@dataclass(frozen=True)
class Deviation:
    """One thing that is not as it should be."""

    name: str
    found: float
    wanted: float

    @property
    def grave(self) -> bool:
        """Whether nothing may be exposed like this."""
        return self.name in _GRAVE

    def __str__(self) -> str:
        return f"{self.name} {self.found:g} in place of {self.wanted:g}"


def deviations(found: Values, wanted: Values) -> list[Deviation]:
    """Return in what conditions differ; what one of them does not know is no difference."""
    return [
        Deviation(name, found[name], wanted[name])
        for name in wanted
        if name in found
        and not math.isclose(
            found[name], wanted[name], rel_tol=_WITHIN.get(name, _SAME), abs_tol=_SAME
        )
    ]


def read() -> dict[str, float]:
    """Ask for magnification, area, spot, slit and beam; what is not answered is left out."""
    sem = serialem()
    ask = _Asking(set(memory.recalled(_UNANSWERED).split()))
    known = len(ask.unanswered)
    area = getattr(sem, "ReportIlluminatedArea", None)
    lens = "beam diameter in um", ask("illuminated-area", area, scale=100.0)
    if not lens[1]:  # two condensers: the lens itself is all that is known
        ask.unanswered.add("illuminated-area")
        lens = "C2 in percent", ask("C2", getattr(sem, "ReportPercentC2", None))
    answers = {
        MAGNIFICATION: ask("", getattr(sem, "ReportMag", None)),
        AREA: ask("", getattr(sem, "ReportLowDose", None), position=1),
        "spot size": ask("spot", getattr(sem, "ReportSpotSize", None)),
        "probe mode": ask("probe", getattr(sem, "ReportProbeMode", None)),
        "slit width in eV (0: out)": _slit_ev(ask, getattr(sem, "ReportEnergyFilter", None)),
        lens[0]: lens[1],
    }
    if len(ask.unanswered) > known:
        memory.remember(_UNANSWERED, " ".join(sorted(ask.unanswered)))
    return {name: value for name, value in answers.items() if value is not None}


@dataclass(frozen=True)
class _Asking:
    """Asks for one number of an answer; what a microscope does not have is not asked for again.

    Each failure leaves a line "SCRIPT ERROR" in SerialEM's log.
    """

    unanswered: set[str]

    def __call__(
        self, what: str, report: Callable[[], Any] | None, position: int = 0, scale: float = 1.0
    ) -> float | None:
        """Return the number; None if there is no such command or answer.

        Without a word for what is asked, which every microscope has, it is asked for always.
        """
        if report is None or what in self.unanswered:
            return None
        try:
            answer = report()
        except sem_errors():  # no energy filter, for example
            if what:
                self.unanswered.add(what)
            return None
        values = answer if isinstance(answer, tuple) else (answer,)
        value = values[position] if position < len(values) else None
        return scale * float(value) if is_number(value) and math.isfinite(value) else None


def _slit_ev(ask: _Asking, report: Callable[[], Any] | None) -> float | None:
    is_in = ask("filter", report, position=2)
    return 0.0 if is_in == 0 else ask("filter", report)


# --- arriving -------------------------------------------------------------------------------------


def begin_anew() -> None:
    """Take what is found from now on as right: a person has started this run.

    What earlier runs found is still compared, for a warning.
    """
    seen = {place: {**values, _EARLIER: 1.0} for place, values in _seen().items()}
    if seen:
        _keep(seen)


def arrive(
    place: str,
    go: Callable[[], None],
    again: Callable[[], None] | None = None,
    require: Callable[[], None] = lambda: None,
    expected: Values | None = None,
) -> None:
    """Go somewhere, and see that the optics are as when this run first went there.

    What is wrong is set right by going once more. If that does not help, magnification and low
    dose area end the step; of all else the log warns, and the present value counts from then on.

    Parameters
    ----------
    place : str
        What is gone to, by which it is found again and named.
    go, again : callable
        Go there for the first time, and once more; without `again`, in the same way.
    require : callable
        Raises `SpaceError` when this is not a place to work at.
    expected : mapping of str to float, optional
        What is to be found at the first visit; only warned of.

    Raises
    ------
    SpaceError
        When the second attempt did not help.
    """
    go()
    wanted = _seen().get(place)
    if wanted is None:
        wanted = {**(expected or {}), _EARLIER: 1.0}
    trouble = _trouble(require, wanted)
    if trouble:
        log.warning("%s: %s. It is set once more.", place, trouble)
        (again or go)()
    require()
    found = read()
    left = deviations(found, wanted)
    if trouble and not left:
        log.info("%s is right now.", place)
    for deviation in left:
        if deviation.grave and not wanted.get(_EARLIER):
            raise SpaceError(
                f"The microscope is not as it was when this run first went there: {deviation}, "
                "also after it was set once more.",
                place,
                "Nothing is exposed like this. Put it right in SerialEM, then run the script "
                "again: a run that you start takes what it finds first as right.",
            )
        log.warning(
            "%s: %s, also after it was set once more. The session goes on with it. If it is not "
            "meant, stop the run, put it right in SerialEM and run the script again.",
            place,
            deviation,
        )
    _keep({**_seen(), place: found})


def _trouble(require: Callable[[], None], wanted: Values) -> str:
    try:
        require()
    except SpaceError as error:
        return error.what.rstrip(".")
    return ", ".join(map(str, deviations(read(), wanted)))


# --- what was found -------------------------------------------------------------------------------


def _seen() -> dict[str, dict[str, float]]:
    try:
        places = json.loads(memory.recalled(_SEEN) or "{}")
    except ValueError:
        return {}
    if not isinstance(places, dict):
        return {}
    return {
        place: {name: float(value) for name, value in values.items() if is_number(value)}
        for place, values in places.items()
        if isinstance(values, dict)
    }


def _keep(seen: Mapping[str, Values]) -> None:
    memory.remember(_SEEN, json.dumps(seen))
