"""How well boxes and points were found. Pure functions of boxes.

Average precision is that of COCO: of 101 recalls, each with the best precision at that recall or a
higher one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.lamellae import Box

IOUS = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())
"""Overlaps of the mean average precision mAP50-95."""

NEAR_PX = (250, 100, 50, 25, 10)
"""Errors of centres that tables of keypoints count."""

MOST_FOUND = 100
"""Boxes of a picture and class that count, those of the highest probability."""

_RECALLS = np.linspace(0, 1, 101)
_ALMOST_ONE = 1 - 1e-10

Pair = tuple[Sequence[Box], Sequence[Box]]
"""True and found boxes of a picture."""


@dataclass(frozen=True)
class ClassDetection:
    """How well the boxes of a class were found.

    Attributes
    ----------
    category : str
    true, found : int
        How many there are.
    ap : tuple of float or None
        Average precision at each of `IOUS`; None without true boxes.
    """

    category: str
    true: int
    found: int
    ap: tuple[float, ...] | None

    @property
    def ap50(self) -> float | None:
        """Average precision where boxes have to overlap by a half."""
        return None if self.ap is None else self.ap[0]

    @property
    def ap50_95(self) -> float | None:
        """Mean over all overlaps."""
        return None if self.ap is None else math.fsum(self.ap) / len(self.ap)


def ious(one: Sequence[Box], other: Sequence[Box]) -> np.ndarray:
    """Return intersection over union of all pairs, (len(one), len(other))."""
    first, second = (_corners(boxes)[:, None] for boxes in (one, other))
    second = second.transpose(1, 0, 2)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    inside = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(each[..., 2:] - each[..., :2], axis=-1) for each in (first, second)]
    union = areas[0] + areas[1] - inside
    return np.divide(inside, union, out=np.zeros_like(inside), where=union > 0)


def _corners(boxes: Sequence[Box]) -> np.ndarray:
    corners = [(box.x0_px, box.y0_px, box.x1_px, box.y1_px) for box in boxes]
    return np.array(corners, np.float64).reshape(-1, 4)


def detection_scores(pictures: Sequence[Pair]) -> tuple[ClassDetection, ...]:
    """Return how well the boxes of each class were found in all pictures, by name."""
    names = sorted({box.category for pair in pictures for boxes in pair for box in boxes})
    return tuple(_class_scores(name, pictures) for name in names)


def mean_ap(scores: Sequence[ClassDetection]) -> tuple[float | None, float | None]:
    """Return mAP50 and mAP50-95: means over the classes of which there are true boxes."""
    found = [one for one in scores if one.ap is not None]
    if not found:
        return None, None
    return (
        math.fsum(one.ap50 or 0.0 for one in found) / len(found),
        math.fsum(one.ap50_95 or 0.0 for one in found) / len(found),
    )


def _class_scores(name: str, pictures: Sequence[Pair]) -> ClassDetection:
    probabilities: list[float] = []
    is_right: list[list[bool]] = [[] for _ in IOUS]
    true = found_in_all = 0
    for truth, found in pictures:
        wanted = [box for box in truth if box.category == name]
        these = _best([box for box in found if box.category == name])
        true += len(wanted)
        found_in_all += len(these)
        probabilities += [box.probability for box in these]
        overlaps = ious(these, wanted)
        for hits, least in zip(is_right, IOUS):
            hits.extend(_hits(overlaps, least))
    if not true:
        return ClassDetection(name, 0, found_in_all, None)
    order = np.argsort(-np.array(probabilities), kind="stable")
    ap = tuple(_average_precision(np.array(hits, bool)[order], true) for hits in is_right)
    return ClassDetection(name, true, found_in_all, ap)


def _best(found: Sequence[Box]) -> list[Box]:
    return sorted(found, key=lambda box: -box.probability)[:MOST_FOUND]


def _hits(overlaps: np.ndarray, least: float) -> list[bool]:
    """Say of each found box, the most probable first, whether it shows a true one not yet shown."""
    is_free = np.ones(overlaps.shape[1], bool)
    hits = []
    for row in overlaps:
        open_row = np.where(is_free, row, -1.0)
        is_hit = bool(len(row) and open_row.max() >= min(least, _ALMOST_ONE))
        if is_hit:  # of several alike the last one, as COCO has it
            is_free[len(row) - 1 - int(np.argmax(open_row[::-1]))] = False
        hits.append(is_hit)
    return hits


def _average_precision(hits: np.ndarray, true: int) -> float:
    if not len(hits):
        return 0.0
    right = np.cumsum(hits)
    recall = right / true
    precision = right / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    values = np.where(places < len(best), best[np.minimum(places, len(best) - 1)], 0.0)
    return float(values.mean())


def shown_by(truth: Sequence[Box], found: Sequence[Box], iou: float = 0.5) -> list[bool]:
    """Say of each found box, the most probable first, whether it shows a true one of its class.

    Each true box is shown by one, and `MOST_FOUND` boxes of a class count.
    """
    hits = []
    for name in sorted({box.category for box in found}):
        these = _best([box for box in found if box.category == name])
        hits += _hits(ious(these, [box for box in truth if box.category == name]), iou)
    return hits


@dataclass(frozen=True)
class AtThreshold:
    """What is found if only boxes of a probability count."""

    threshold: float
    recall: float | None
    precision: float | None


def over_thresholds(
    pictures: Sequence[Pair], thresholds: Sequence[float], iou: float = 0.5
) -> tuple[AtThreshold, ...]:
    """Return recall and precision of all classes together for several least probabilities."""
    found = []
    for threshold in thresholds:
        right = true = counted = 0
        for truth, boxes in pictures:
            hits = shown_by(truth, [b for b in boxes if b.probability >= threshold], iou)
            right, true, counted = right + sum(hits), true + len(truth), counted + len(hits)
        found.append(
            AtThreshold(
                threshold, right / true if true else None, right / counted if counted else None
            )
        )
    return tuple(found)


def centre_errors(
    truth: Sequence[tuple[float, float]], found: Sequence[tuple[float, float]]
) -> tuple[float, ...]:
    """Return how far each true point is from the found one that stands for it, in pixels.

    Each found point stands for one true point, so that the sum of distances is smallest. Infinity
    for a true point without one.

    Parameters
    ----------
    truth, found : sequence of (row, column)
        Centres of boxes, or keypoints of one name.
    """
    from scipy.optimize import linear_sum_assignment

    errors = [math.inf] * len(truth)
    if not truth or not found:
        return tuple(errors)
    apart = np.array(truth, np.float64)[:, None] - np.array(found, np.float64)[None]
    distances = np.hypot(apart[..., 0], apart[..., 1])
    for row, column in zip(*linear_sum_assignment(distances)):
        errors[row] = float(distances[row, column])
    return tuple(errors)


def shares_within(
    errors: Sequence[float], limits_px: Sequence[float] = NEAR_PX
) -> dict[float, float | None]:
    """Return which part of the errors is at most so large."""
    count = len(errors)
    return {
        limit: sum(error <= limit for error in errors) / count if count else None
        for limit in limits_px
    }
