"""PACEtomo's settings for the tilt series of one area, as a targets file can set them.

A targets file may override numbers of PACEtomo's script for its own targets. Those of them that
say how a series is tilted can be given for each area of a lamella; what is not given stays as it
stands in PACEtomo's script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from space.predicates import is_number
from space.settings import STEEPEST_TILT_DEG

if TYPE_CHECKING:
    from space.targeting.options import ExposureOptics

START, LOWEST, HIGHEST = "startTilt", "minTilt", "maxTilt"
STEP, PRETILT, ROTATION = "step", "pretilt", "rotation"
MEASURED = (PRETILT, ROTATION)
"""What PACEtomo measures itself at geometry points; given by a person, it is not measured."""

Given = Mapping[str, float]
"""Values by PACEtomo's names, in degrees."""


@dataclass(frozen=True)
class SeriesSetting:
    """A setting of PACEtomo that an area may have of its own.

    Parameters
    ----------
    name : str
        As in PACEtomo's script.
    lowest_deg, highest_deg : float
        What it may be.
    meaning : str
        For people.
    """

    name: str
    lowest_deg: float
    highest_deg: float
    meaning: str


SERIES_SETTINGS = (
    SeriesSetting(START, -STEEPEST_TILT_DEG, STEEPEST_TILT_DEG, "tilt of the first picture"),
    SeriesSetting(LOWEST, -STEEPEST_TILT_DEG, STEEPEST_TILT_DEG, "lowest tilt of the stage"),
    SeriesSetting(HIGHEST, -STEEPEST_TILT_DEG, STEEPEST_TILT_DEG, "highest tilt of the stage"),
    SeriesSetting(STEP, 0.1, 30, "from one tilt to the next"),
    SeriesSetting(PRETILT, -45, 45, "pretilt of the lamella; measured, if it is not given"),
    SeriesSetting(ROTATION, -180, 180, "its rotation; measured, if it is not given"),
)
"""All of them, in the order in which they are written."""


def series_problem(values: Any) -> str:
    """Return what is wrong with the settings of an area, as a sentence; empty if nothing is."""
    if not isinstance(values, dict):
        return "These settings are no table of names and values."
    known = {one.name: one for one in SERIES_SETTINGS}
    for name, value in values.items():
        if name not in known:
            return f"Unknown: {name!r}. Known: {', '.join(known)}."
        low, high = known[name].lowest_deg, known[name].highest_deg
        if not is_number(value) or not low <= value <= high:
            return f"{name} is {_short(value)}. Allowed: a number from {low:g} to {high:g} degrees."
    return _order_problem(values)


def _order_problem(values: Given) -> str:
    """Return which of start, lowest and highest tilt stand in the wrong order."""
    ends = [(name, values[name]) for name in (LOWEST, START, HIGHEST) if name in values]
    for (low_name, low), (high_name, high) in zip(ends, ends[1:]):
        if low > high or (low == high and START not in (low_name, high_name)):
            return f"{low_name} ({low:g}) is not below {high_name} ({high:g})."
    return ""


def series_warning(given: Given, where: str, optics: ExposureOptics) -> str:
    """Return a warning if an area is tilted more than its targets were placed for; else empty."""
    steepest = max(
        (abs(given[name]) for name in (START, LOWEST, HIGHEST) if name in given), default=0
    )
    if steepest <= optics.max_tilt_deg:
        return ""
    return (
        f"The series{where} are tilted to {steepest:g} degrees, beyond max_tilt "
        f"({optics.max_tilt_deg:g}): beams that do not overlap up to there may do so beyond."
    )


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
