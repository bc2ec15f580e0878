"""Whether a picture shows anything: judged by its counts, before a model sees it.

Good pictures look odd, too: nearly all of a milled grid is black, half of a lamella's map can be
bulk, and vacuum may saturate. So only what no specimen looks like counts, and the thresholds lie
far from what was measured on real pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONSTANT_SHARE = 0.99
"""From this part of equal pixels on there is nothing in a picture.

Of real maps at most 36 % are (8 bits, a milled grid). A counting camera gives zeros nearly only
where few electrons come through; with one electron in a hundred pixels no lamella can be
recognised.
"""

SATURATED_SHARE = 0.4
"""Vacuum that saturates does no harm, and is up to a quarter of a lamella's map; from here on the
specimen itself saturates."""

DARK_PIECES, LOST_PIECES = 0.75, 0.5
"""More dark pieces than this, or more since the last lit one if all before were lit, are too many.

In two real montages of whole grids one piece of 25 and none of 62 had no light. Bulk around a
lamella takes up to 45 % of its map, more where few large pieces are needed.
"""

NOT_NUMBERS_SHARE = 0.01
"""A few dead pixels are filled in; more are no dead pixels."""

NO_LIGHT = (
    "Likely causes: beam blanked, column valve closed, aperture or grid bar in the way, shutter "
    "closed, screen down"
)
TOO_BRIGHT = (
    "Likely causes: beam too bright or spread too little, exposure too long, a frozen camera"
)
NO_STRUCTURE = (
    "Likely causes: no specimen there, an aperture or a grid bar in the way, beam blanked"
)
BAD_NUMBERS = "Likely causes: a broken gain reference or a broken file"

_OF_INTEREST = (16, 50, 99)
_DARK_NOISE = 3.0  # the 99th percentile of noise around zero is 2.3 standard deviations above it
_SAMPLE_PX = 1_000_000
_HALF_RANGE = 32768.0  # of 16 bits
_BLOCKS = 16
_NOISE_SPREAD = 4.0  # pure noise: 1; binned or shifted noise: 2; real maps: 60 and more
_LEAST_BLOCK_PX = 4


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a picture.

    Attributes
    ----------
    seen : str
        What was seen, as the rest of a sentence; empty if nothing is wrong.
    causes : str
        What it may come from, a sentence without its full stop.
    useless : bool
        Whether nothing can be found in it.
    """

    seen: str = ""
    causes: str = ""
    useless: bool = False

    def __bool__(self) -> bool:
        return bool(self.seen)


GOOD = Verdict()


def judge(data: np.ndarray) -> Verdict:
    """Judge the counts of a picture, of any real type.

    Parameters
    ----------
    data : ndarray, shape (rows, columns)
        As the camera or a file gave it; large ones are sampled.
    """
    sample = _sample(data)
    if sample.size == 0:
        return Verdict("it has no pixels", BAD_NUMBERS, useless=True)
    finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample.ravel()
    bad_share = 1.0 - finite.size / sample.size
    if bad_share >= NOT_NUMBERS_SHARE:
        useless = bad_share >= 0.5
        return Verdict(f"{_percent(bad_share)} of its pixels are not numbers", BAD_NUMBERS, useless)
    values, counts = _counted(finite)
    most = int(np.argmax(counts))
    share = counts[most] / finite.size
    if share >= CONSTANT_SHARE:
        causes = NO_LIGHT if values[most] <= 0 else TOO_BRIGHT
        # A few windows in a black grid are few pixels, but all in some places.
        useless = len(values) == 1 or bool(judge_structure(data))
        return Verdict(
            f"{_percent(share)} of its pixels have the value {values[most]:g}", causes, useless
        )
    if _is_dark(*_percentiles(values, counts)):
        return Verdict("it is dark: no beam reached the camera", NO_LIGHT, useless=True)
    top_share = counts[-1] / finite.size
    if top_share >= SATURATED_SHARE:
        text = f"{_percent(top_share)} of its pixels are at its highest value, {values[-1]:g}"
        return Verdict(f"it is saturated: {text}", TOO_BRIGHT)
    return GOOD


def judge_structure(data: np.ndarray) -> Verdict:
    """Judge whether a map holds more than noise: the means of its parts must differ.

    Not for pictures at high magnification, where a specimen may look like that.
    """
    side_px = min(data.shape) // _BLOCKS
    if side_px < _LEAST_BLOCK_PX:
        return GOOD
    step = max(1, math.isqrt(int(data.size // _SAMPLE_PX)))
    side_px = max(_LEAST_BLOCK_PX, side_px // step)
    sample = np.asarray(data[::step, ::step], dtype=np.float64)
    rows, columns = (length // side_px for length in sample.shape)
    blocks = sample[: rows * side_px, : columns * side_px].reshape(rows, side_px, columns, side_px)
    means = blocks.mean(axis=(1, 3))
    variances = blocks.var(axis=(1, 3))
    noise = float(np.sqrt(np.nanmedian(variances) or np.nanmean(variances)))
    spread = float(np.nanstd(means)) * side_px
    if not np.isfinite(spread) or not noise or spread > _NOISE_SPREAD * noise:
        return GOOD
    return Verdict(f"it holds only noise around {np.nanmean(means):.4g} counts", NO_STRUCTURE, True)


def judge_pieces(pieces: Sequence[np.ndarray]) -> Verdict:
    """Judge the pieces of a montage together, in the order in which they were taken."""
    lit = [not _is_dark(*np.percentile(_sample(piece), _OF_INTEREST)) for piece in pieces]
    dark = lit.count(False)
    lost = 0 < dark < len(lit) and not any(lit[-dark:])  # all before were lit
    if dark <= (LOST_PIECES if lost else DARK_PIECES) * len(lit):
        return GOOD
    since = f", all from number {len(lit) - dark + 1} on" if lost else ""
    return Verdict(f"{dark} of its {len(lit)} pieces are dark{since}", NO_LIGHT, dark == len(lit))


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values that occur, in order, and how often; without sorting if they are bytes."""
    if values.dtype != np.uint8:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values)
    (found,) = np.nonzero(counts)
    return found.astype(np.uint8), counts[found]


def _percentiles(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return what `np.percentile` says of the counted values."""
    up_to = np.cumsum(counts)
    places = np.array(_OF_INTEREST) / 100 * (up_to[-1] - 1)
    below = np.floor(places)
    low, high = (
        values[np.searchsorted(up_to, place, side="right")].astype(np.float64)
        for place in (below, np.ceil(places))
    )
    return low + (high - low) * (places - below)


def _is_dark(low: float, middle: float, high: float) -> bool:
    """Whether there is nothing but noise around zero.

    Even the darkest specimen has brighter places; a specimen of dark and bright halves has a wide
    spread, too, but no middle around zero.
    """
    if middle < -_HALF_RANGE / 2:  # unsigned counts kept as signed numbers, less half their range
        low, middle, high = low + _HALF_RANGE, middle + _HALF_RANGE, high + _HALF_RANGE
    noise = middle - low
    return bool(middle <= noise / 2 and high <= max(0.0, _DARK_NOISE * noise))


def _sample(data: np.ndarray) -> np.ndarray:
    step = max(1, math.isqrt(int(data.size // _SAMPLE_PX)))
    return data[::step, ::step]


def _percent(share: float) -> str:
    if share == 1.0:
        return "100 %"
    return f"{min(99.9, 100 * share):.1f} %" if share >= 0.99 else f"{100 * share:.0f} %"
