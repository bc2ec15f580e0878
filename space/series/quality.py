"""What became of a tilt series, and whether its target is in all pictures.

Two facts of physics decide, one of the counts and one of the place:

* A lamella is a plate (`plate`). What deviates from its counts by more than beam and thickness
  vary is not the lamella alone: a grid bar or the wall of the trench, vacuum beside it, no beam.
* A point of the specimen stays where it is. Tilted, it moves across the tilt axis by
  y (cos - cos) - z (sin - sin), with a height z that is small, since the height was set before.

A series is lost from the tilt on from which most pictures of that side are off. Single ones that
are off, as when the beam was blanked, are named, but do not make it lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from space.series.pictures import Picture, TiltSeries
from space.series.plate import FEWEST, GRAZING_DEG, Plate, fit

Verdict = Literal["good", "spoilt", "lost", "not judged"]

VERDICTS: dict[Verdict, str] = {
    "good": "its pictures are all of one plate that stays where it is",
    "spoilt": "single pictures are off, as if the beam had been blanked",
    "lost": "from a tilt on, its pictures show something else",
    "not judged": "there are too few pictures, or their counts are not known",
}
"""What is said about a series, and what it means."""

BEAM_VARIES = 0.10
"""Of the logarithm of counts: beam current, camera, ice that grows."""

THICKNESS_VARIES = 0.15
"""Part of the way through the plate: other tilts show other parts of it, and it is a wedge."""

HEIGHT_UM = 3.0
"""A target is not farther from the height that was set, nor does it change its height by more."""

THROW_UM = 2.0
"""A stage that is tilted throws the specimen no farther, summed up over a series."""

RUN = 2
"""One picture that is off may be a blanked beam; so many in a row are something else."""

_STAYS_OFF = 0.5  # part of the pictures from there on that are off, too
_DARK = 0.02  # of the median, where no plate can be fitted: a thick plate leaves no less at 70°
_STEEPEST_LEAN = 0.35  # tan(19°)
_BLACK = 0.02  # of what is expected


@dataclass(frozen=True)
class Loss:
    """A side of a series on which the target was lost.

    Attributes
    ----------
    from_deg : float
        Tilt of the first picture that is off.
    pictures : int
        How many there are from there on.
    why : str
        What is off there.
    """

    from_deg: float
    pictures: int
    why: str


@dataclass(frozen=True)
class Quality:
    """What became of a series.

    Attributes
    ----------
    verdict : Verdict
    losses : tuple of Loss
        At most one for each side.
    spoilt_deg : tuple of float
        Tilts of single pictures that are off.
    expected : tuple of float
        Counts to be expected of each picture, in their order; empty without a plate.
    plate : Plate or None
    lost : tuple of bool
        Whether each picture belongs to a side that was lost; empty if nothing was judged.
    """

    verdict: Verdict
    losses: tuple[Loss, ...] = ()
    spoilt_deg: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()
    plate: Plate | None = None
    lost: tuple[bool, ...] = ()

    @property
    def text(self) -> str:
        """In words."""
        parts = [
            f"lost from {loss.from_deg:+.0f}° on ({_pictures(loss.pictures)}): {loss.why}"
            for loss in self.losses
        ]
        if self.spoilt_deg:
            at = ", ".join(f"{tilt:+.0f}°" for tilt in self.spoilt_deg[:6])
            more = f" and {len(self.spoilt_deg) - 6} more" if len(self.spoilt_deg) > 6 else ""
            parts.append(f"{_pictures(len(self.spoilt_deg))} spoilt, at {at}{more}")
        return "; ".join(parts) or self.verdict


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def judge(series: TiltSeries) -> Quality:
    """Tell what became of a tilt series."""
    pictures = series.pictures
    if not pictures:
        return Quality("not judged")
    tilt = np.array([picture.tilt_deg for picture in pictures])
    counts = _rates(pictures)
    plate = fit(tilt, counts)
    ratio = _ratios(tilt, counts, plate)
    dim, bright = _counts_off(tilt, ratio, plate)
    away = _places_off(pictures)
    off = dim | bright | away
    losses, lost = _losses(tilt, off, (ratio, away))
    spoilt = tuple(float(t) for t in tilt[off & ~lost])
    expected = tuple(float(c) for c in plate.counts(tilt) * _seconds(pictures)) if plate else ()
    known = plate is not None or (len(pictures) >= FEWEST and away.any())
    verdict: Verdict = "lost" if losses else "spoilt" if spoilt else "good"
    if not known and not off.any():
        verdict = "not judged"
    return Quality(verdict, losses, spoilt, expected, plate, tuple(map(bool, lost)))


def _seconds(pictures: tuple[Picture, ...]) -> np.ndarray:
    """Exposure of each picture; 1 for all if one of them does not tell."""
    known = [picture.exposure_s for picture in pictures]
    return np.array([1.0 if None in known else value for value in known], float)


def _rates(pictures: tuple[Picture, ...]) -> np.ndarray:
    """Counts in a second, since a series may expose longer at high tilts; NaN if not known."""
    counts = [np.nan if one.counts is None else one.counts for one in pictures]
    return np.array(counts) / _seconds(pictures)


def _ratios(tilt: np.ndarray, counts: np.ndarray, plate: Plate | None) -> np.ndarray:
    """Counts over those expected of the plate, or over their median without one."""
    lit = counts[np.isfinite(counts)]
    if plate is not None:
        return np.maximum(counts, 0.0) / plate.counts(tilt)
    middle = float(np.median(lit)) if lit.size else 0.0
    return np.maximum(counts, 0.0) / middle if middle > 0 else np.full(len(counts), np.nan)


def _counts_off(
    tilt: np.ndarray, ratio: np.ndarray, plate: Plate | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pictures have too few counts, and which too many."""
    if plate is None:
        return ratio < _DARK, np.zeros(len(ratio), bool)
    allowed = BEAM_VARIES + THICKNESS_VARIES * plate.path(tilt)
    allowed[np.abs(tilt - plate.pretilt_deg) > GRAZING_DEG] = np.inf
    return ratio < np.exp(-allowed), ratio > np.exp(allowed)


def _places_off(pictures: tuple[Picture, ...]) -> np.ndarray:
    """Return in which pictures the target was found where no point of the specimen can be."""
    off = np.zeros(len(pictures), bool)
    heights = [one.height_um for one in pictures if one.height_um is not None]
    middle = float(np.median(heights)) if heights else 0.0
    first = next((one for one in pictures if one.shift_um is not None), None)
    for index, picture in enumerate(pictures):
        if picture.height_um is not None:
            off[index] |= abs(picture.height_um - middle) > HEIGHT_UM
        if first is None or first.shift_um is None or picture.shift_um is None:
            continue
        (x0, y0), (x, y) = first.shift_um, picture.shift_um
        begin, end = np.radians([first.tilt_deg, picture.tilt_deg])
        lever = float(np.sin(end - begin) / np.cos(begin))
        # A target that is not on the axis is higher or lower by that on a lamella that leans.
        height = HEIGHT_UM + _STEEPEST_LEAN * abs(y0)
        across = y - y0 * float(np.cos(end) / np.cos(begin)) + middle * lever
        reach = THROW_UM + height * abs(lever)
        off[index] |= abs(across) > reach or abs(x - x0) > THROW_UM
    return off


def _losses(
    tilt: np.ndarray, off: np.ndarray, facts: tuple[np.ndarray, np.ndarray]
) -> tuple[tuple[Loss, ...], np.ndarray]:
    """Return the sides that were lost, and which pictures belong to them.

    In the middle is the longest stretch of tilts without several pictures off in a row. A side
    beyond it was lost if most of its pictures are off.
    """
    order = np.argsort(tilt, kind="stable")
    begin, end = _stretch(off[order])
    lost, losses = np.zeros(len(tilt), bool), []
    for side in (order[:begin][::-1], order[end:]):
        if len(side) >= RUN and off[side].mean() > _STAYS_OFF:
            lost[side] = True
            losses.append(Loss(float(tilt[side[0]]), len(side), _why(side[off[side]], facts)))
    return tuple(losses), lost


def _stretch(off: np.ndarray) -> tuple[int, int]:
    """Return begin and end of the longest stretch without `RUN` pictures off in a row."""
    best, begin, index = (0, 0), 0, 0
    while index < len(off):
        row = 0
        while index + row < len(off) and off[index + row]:
            row += 1
        if row >= RUN:
            best = max(best, (begin, index), key=lambda one: one[1] - one[0])
            begin = index + row
        index += row or 1
    return max(best, (begin, len(off)), key=lambda one: one[1] - one[0])


def _why(off: np.ndarray, facts: tuple[np.ndarray, np.ndarray]) -> str:
    """Say what is off in pictures that are."""
    ratio, away = facts[0][off], facts[1][off]
    known = ratio[np.isfinite(ratio)]
    parts = []
    if known.size and known.min() < _BLACK:
        parts.append("hardly any electrons")
    elif known.size and known.min() < 1 / (1 + BEAM_VARIES):
        parts.append(f"down to {100 * known.min():.0f} % of the counts of a plate")
    if known.size and known.max() > 1 + 2 * BEAM_VARIES:
        parts.append(f"up to {100 * known.max():.0f} %")
    if away.any():
        parts.append("the target was not found where it can be")
    return ", ".join(parts) or "other counts than those of a plate"
