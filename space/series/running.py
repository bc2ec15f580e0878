"""What goes wrong with a tilt series while it is being taken, by its mdoc as far as it has grown.

Nothing is said before there are pictures enough, nor of a single picture that is off. Three things
are looked at: counts and place as of a finished series (`quality`), how far the target was from
where the script expected it, and the measured defocus beside the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from space.series.pictures import Picture, TiltSeries
from space.series.plate import FEWEST
from space.series.quality import judge

Sign = Literal["counts", "tracking", "defocus"]

LARGEST_OFF_UM = 1.0
"""Farther from where it was expected, a target was hardly found: a field is a few micrometres."""

LARGEST_DEFOCUS_ERROR_UM = 2.0
"""Measured defocus that is farther from the one asked for is wrong, not only poorly measured."""

STEEPEST_FOR_DEFOCUS_DEG = 40.0
"""Where the specimen is tilted more, its defocus is measured poorly."""

IN_A_ROW = 3
"""So many pictures one after the other: fewer may be a poor measurement."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with a series.

    Attributes
    ----------
    sign : "counts", "tracking" or "defocus"
    text : str
        In words.
    """

    sign: Sign
    text: str


def troubles_of(series: TiltSeries) -> tuple[Trouble, ...]:
    """Return what goes wrong with a series as far as it was taken.

    What was wrong and is right again in the last pictures is not said.
    """
    if len(series.pictures) < FEWEST:
        return ()
    found = (_counts(series), _tracking(series), _defocus(series))
    return tuple(one for one in found if one is not None)


def _counts(series: TiltSeries) -> Trouble | None:
    quality = judge(series)
    if not quality.losses or not any(quality.lost[-2 * IN_A_ROW :]):
        return None
    return Trouble("counts", quality.text)


def _tracking(series: TiltSeries) -> Trouble | None:
    last = _last(series, lambda one: one.off_um, lambda one: True)
    if len(last) < IN_A_ROW or min(last) <= LARGEST_OFF_UM:
        return None
    return Trouble(
        "tracking",
        f"the target was {min(last):.1f} to {max(last):.1f} um from where it was expected in the "
        f"last {IN_A_ROW} pictures",
    )


def _defocus(series: TiltSeries) -> Trouble | None:
    last = _last(series, _defocus_error, lambda one: abs(one.tilt_deg) <= STEEPEST_FOR_DEFOCUS_DEG)
    if len(last) < IN_A_ROW or min(map(abs, last)) <= LARGEST_DEFOCUS_ERROR_UM:
        return None
    if min(last) < 0 < max(last):  # one that jumps was not measured well
        return None
    return Trouble(
        "defocus",
        f"the measured defocus is {min(map(abs, last)):.1f} um or more from the one asked for in "
        f"the last {IN_A_ROW} pictures",
    )


def _defocus_error(picture: Picture) -> float | None:
    """Return how far the defocus is off; programs give it with either sign."""
    if picture.defocus_um is None or picture.target_defocus_um is None:
        return None
    return abs(picture.defocus_um) - abs(picture.target_defocus_um)


def _last(
    series: TiltSeries, value: Callable[[Picture], float | None], counts: Callable[[Picture], bool]
) -> list[float]:
    """Return a value of the last pictures that count and have it."""
    known = [found for one in series.pictures if counts(one) and (found := value(one)) is not None]
    return known[-IN_A_ROW:]
