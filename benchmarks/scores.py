"""Measures of detection and segmentation: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# --- Detection ----------------------------------------------------------------------------------


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4) as x0, y0, x1, y1."""
    a, b = np.asarray(a, float).reshape(-1, 1, 4), np.asarray(b, float).reshape(1, -1, 4)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., 2:], b[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(np.clip(x[..., 2:] - x[..., :2], 0, None), axis=-1) for x in (a, b)]
    union = areas[0] + areas[1] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def average_precision(hits: Sequence[bool], probabilities: Sequence[float], n_true: int) -> float:
    """Area under the curve of precision over recall.

    Parameters
    ----------
    hits : sequence of bool
        Whether each found box is right.
    probabilities : sequence of float
        Of the same boxes.
    n_true : int
        Number of boxes that are there, at least 1.

    Returns
    -------
    float
        With the precision at a recall taken as the best at that recall or above.
    """
    if n_true < 1:
        raise ValueError("nothing is there to be found")
    order = np.argsort(-np.asarray(probabilities, float), kind="stable")
    right = np.asarray(hits, bool)[order]
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / n_true)


def greedy_hits(
    truth: np.ndarray, found: np.ndarray, probabilities: Sequence[float], least_iou: float = 0.5
) -> list[bool]:
    """Whether each found box (m, 4) takes a true box (n, 4), the most probable first."""
    overlap = iou(found, truth)
    hits = [False] * len(found)
    for k in np.argsort(-np.asarray(probabilities, float), kind="stable"):
        if not overlap.shape[1]:
            break
        best = int(overlap[k].argmax())
        if overlap[k, best] >= least_iou:
            hits[k] = True
            overlap[:, best] = -1.0  # each true box once
    return hits


# --- Segmentation -------------------------------------------------------------------------------


def confusion(truth: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """Pixels (true class, predicted class) as an (n, n) table.

    Pixels of class 0 in the truth (no picture there) do not count.
    """
    valid = truth > 0
    flat = truth[valid].astype(np.int64) * n + predicted[valid]
    return np.bincount(flat, minlength=n * n).reshape(n, n)


def dice(table: np.ndarray, least_px: int = 50) -> dict[int, float]:
    """Dice of each class from a confusion table, for classes with `least_px` true pixels."""
    true, guessed = table.sum(axis=1), table.sum(axis=0)
    return {
        k: float(2 * table[k, k] / (true[k] + guessed[k]))
        for k in range(1, len(table))
        if true[k] >= least_px
    }


def rim(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask that have a neighbour (of four) outside of it; the picture's end is none."""
    padded = np.pad(mask, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def boundary_counts(
    truth: np.ndarray, predicted: np.ndarray, value: int, within_px: int = 3
) -> np.ndarray:
    """Boundary pixels of a class that have one of the other map near.

    Returns
    -------
    array of int: true ones, those of them met, predicted ones, those of them right
        "Near" is at most `within_px` rows and columns away.
    """
    valid = truth > 0
    at = _around((truth == value) | ((predicted == value) & valid), within_px + 1)
    if at is None:
        return np.zeros(4, np.int64)
    valid = valid[at]
    edges = [rim(labels[at] == value) & valid for labels in (truth, predicted)]
    wide = [
        ndimage.maximum_filter(edge, size=2 * within_px + 1, mode="constant", cval=False)
        for edge in edges
    ]
    return np.array(
        [
            edges[0].sum(),
            (edges[0] & wide[1]).sum(),
            edges[1].sum(),
            (edges[1] & wide[0]).sum(),
        ],
        dtype=np.int64,
    )


def boundary_f1(counts: np.ndarray) -> float:
    """F1 of what `boundary_counts` returned (or a sum of it); 0 where nothing agrees."""
    true, met, guessed, right = (float(v) for v in counts)
    recall = met / true if true else 0.0
    precision = right / guessed if guessed else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _around(mask: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    found = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    if not found[0].size:
        return None
    return tuple(slice(max(0, int(f[0]) - margin), int(f[-1]) + 1 + margin) for f in found)
