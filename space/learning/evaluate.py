"""How well label maps agree with the truth. Pure functions; what they return can be added up.

Over several pictures, counts and lengths are added before anything is divided, so that a picture
with three pixels of a class does not count as much as one that is full of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15
"""Of confidences, for calibration."""

_VALUES = 256


def confusion(
    truth: np.ndarray, predicted: np.ndarray, ignored: Collection[int] = ()
) -> np.ndarray:
    """Count pixels by their true label (rows) and by that which was predicted (columns).

    Parameters
    ----------
    truth, predicted : ndarray of uint8, one shape
    ignored : collection of int
        True labels of pixels that do not count.

    Returns
    -------
    ndarray of int64, shape (256, 256)
    """
    _check_shapes(truth, predicted)
    pairs = truth.astype(np.int64).ravel() * _VALUES + predicted.ravel()
    counts = np.bincount(pairs, minlength=_VALUES * _VALUES).reshape(_VALUES, _VALUES)
    counts[list(ignored)] = 0
    return counts


@dataclass(frozen=True)
class ClassScore:
    """How well one class was found; None where there is nothing to divide by.

    Attributes
    ----------
    value : int
    dice, iou, precision, recall : float or None
        None if the class is neither in the truth nor predicted (or, of the last two, not in one).
    true_px, predicted_px : int
    """

    value: int
    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None
    true_px: int
    predicted_px: int


def class_scores(counts: np.ndarray, values: Sequence[int]) -> tuple[ClassScore, ...]:
    """Return the scores of some classes from what `confusion` has counted."""
    found = []
    for value in values:
        both = int(counts[value, value])
        true, predicted = int(counts[value].sum()), int(counts[:, value].sum())
        found.append(
            ClassScore(
                value,
                _divided(2 * both, true + predicted),
                _divided(both, true + predicted - both),
                _divided(both, predicted),
                _divided(both, true),
                true,
                predicted,
            )
        )
    return tuple(found)


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that there are; None if there are none."""
    there = [value for value in values if value is not None]
    return _divided(math.fsum(there), len(there))


def _divided(part: float, whole: float) -> float | None:
    return part / whole if whole else None


# --- boundaries -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Boundary:
    """Lengths of the outlines of a class, and how much of them is near the other outline.

    Lengths are in the unit of the tolerance.
    """

    true: float = 0.0
    true_near: float = 0.0
    predicted: float = 0.0
    predicted_near: float = 0.0

    def __add__(self, other: Boundary) -> Boundary:
        return Boundary(
            self.true + other.true,
            self.true_near + other.true_near,
            self.predicted + other.predicted,
            self.predicted_near + other.predicted_near,
        )

    @property
    def precision(self) -> float | None:
        """Part of the predicted outline that is near the true one."""
        return _divided(self.predicted_near, self.predicted)

    @property
    def recall(self) -> float | None:
        """Part of the true outline that is near the predicted one."""
        return _divided(self.true_near, self.true)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; 0 if the class is only in one of the maps."""
        if not self.true and not self.predicted:
            return None
        precision, recall = self.precision or 0.0, self.recall or 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    @property
    def surface_dice(self) -> float | None:
        """Part of both outlines together that is near the other one."""
        return _divided(self.true_near + self.predicted_near, self.true + self.predicted)


def boundary(
    truth: np.ndarray,
    predicted: np.ndarray,
    value: int,
    tolerance: float,
    pixel: float = 1.0,
) -> Boundary:
    """Compare the outlines of a class, also where they run along the edge of the picture.

    Parameters
    ----------
    truth, predicted : ndarray of uint8, one shape
    value : int
        Label of the class.
    tolerance : float
        How far from each other outlines may be, in pixels, or in nm if `pixel` is given in nm.
    pixel : float
        Size of a pixel, in the unit of the tolerance.
    """
    from scipy import ndimage

    _check_shapes(truth, predicted)
    masks = _cropped_pair(truth == value, predicted == value)
    true_codes, predicted_codes = (_corner_codes(mask) for mask in masks)
    found = []
    for own, other in ((true_codes, predicted_codes), (predicted_codes, true_codes)):
        lengths = _LENGTHS[own] * pixel
        border = _LENGTHS[other] > 0
        if not border.any():
            found.append((float(lengths.sum()), 0.0))
            continue
        far = ndimage.distance_transform_edt(~border, sampling=pixel)
        found.append((float(lengths.sum()), float(np.where(far <= tolerance, lengths, 0).sum())))
    (true, true_near), (wide, wide_near) = found
    return Boundary(true, true_near, wide, wide_near)


def _cropped_pair(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both masks where one of them is something: distances elsewhere do not matter."""
    either = one | other
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if not len(rows):
        return one[:0, :0], other[:0, :0]
    place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return one[place], other[place]


def _corner_codes(mask: np.ndarray) -> np.ndarray:
    """Return for each corner between pixels which of the four around it are in a mask, as bits."""
    wide = np.pad(mask.astype(np.uint8), 1)
    return wide[:-1, :-1] * 8 + wide[:-1, 1:] * 4 + wide[1:, :-1] * 2 + wide[1:, 1:]


def _contour_lengths() -> np.ndarray:
    """Return the length of the outline at a corner, by its code.

    The outline cuts a corner off (half a diagonal) or runs straight on (a side). Where two pixels
    touch at the corner alone, it does the first twice.
    """
    lengths = np.zeros(16)
    for code in range(16):
        a, b, c, d = (bool(code & bit) for bit in (8, 4, 2, 1))
        inside = a + b + c + d
        if inside in (1, 3):
            lengths[code] = math.sqrt(2) / 2
        elif inside == 2:
            lengths[code] = math.sqrt(2) if a == d else 1.0
    return lengths


_LENGTHS = _contour_lengths()


# --- calibration ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """Pixels by the confidence of the model: how many, its sum, and how many were of the class.

    Attributes
    ----------
    counts, confidence, correct : tuple
        One value for each bin.
    """

    counts: tuple[int, ...] = (0,) * BINS
    confidence: tuple[float, ...] = (0.0,) * BINS
    correct: tuple[int, ...] = (0,) * BINS

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            tuple(map(sum, zip(self.counts, other.counts))),
            tuple(map(sum, zip(self.confidence, other.confidence))),
            tuple(map(sum, zip(self.correct, other.correct))),
        )

    @property
    def ece(self) -> float | None:
        """Expected calibration error: by how much confidence differs from being right, on average.

        0: of the pixels that are a mitochondrion with 80 %, 80 % are one.
        """
        off = [abs(seen - right) for seen, right in zip(self.confidence, self.correct)]
        return _divided(math.fsum(off), sum(self.counts))


def calibration(confidence: np.ndarray, is_class: np.ndarray) -> Calibration:
    """Compare the confidences of a model with what is true.

    Parameters
    ----------
    confidence : ndarray of float
        0 to 1, that a pixel is of a class.
    is_class : ndarray of bool, the same shape
        Whether it is.
    """
    _check_shapes(confidence, is_class)
    flat, right = confidence.ravel().astype(np.float64), is_class.ravel().astype(bool)
    bins = np.minimum((flat * BINS).astype(np.int64), BINS - 1)
    return Calibration(
        tuple(np.bincount(bins, minlength=BINS).tolist()),
        tuple(np.bincount(bins, flat, minlength=BINS).tolist()),
        tuple(np.bincount(bins[right], minlength=BINS).tolist()),
    )


def _check_shapes(one: np.ndarray, other: np.ndarray) -> None:
    if one.shape != other.shape:
        raise ValueError(f"maps of {one.shape} and {other.shape} cannot be compared")
