"""How well classes are found in a volume: precision, recall, F1 (which is Dice) and Jaccard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from space.learning import ClassScore, class_scores, confusion
from space.organelles.label_borders import excluded

IGNORED = 255
"""Label of voxels that do not count."""


def counted(truth: np.ndarray, predicted: np.ndarray, widths: Mapping[int, int]) -> np.ndarray:
    """Count voxels by true and predicted label; what several blocks come to can be added up.

    Parameters
    ----------
    truth, predicted : ndarray of uint8, shape (z, y, x)
    widths : mapping of int to int
        Voxels around the border of each class that do not count.

    Returns
    -------
    ndarray of int64, shape (256, 256)
    """
    left_out = excluded(truth, widths)
    return confusion(np.where(left_out, IGNORED, truth).astype(np.uint8), predicted, (IGNORED,))


def scores_of(counts: np.ndarray, classes: Sequence[str]) -> dict[str, ClassScore]:
    """Return the scores of classes, whose values are 1, 2, ..."""
    found = class_scores(counts, range(1, len(classes) + 1))
    return dict(zip(classes, found))


def to_dict(scores: Mapping[str, ClassScore]) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {
        name: {
            "f1": one.dice,
            "dice": one.dice,
            "jaccard": one.iou,
            "precision": one.precision,
            "recall": one.recall,
            "true_voxels": one.true_px,
            "predicted_voxels": one.predicted_px,
        }
        for name, one in scores.items()
    }
