"""Learned targets as one more class of a label map.

A heat map says how much each pixel looks like places that people clicked on. Where it is hot, the
map gets a class of its own, so that scores, thresholds, pieces and pictures treat it as any other.

What is off the lamella, cracks, coating and avoided classes stay what they are, and so does a
class that is wanted as much or more by name.
"""

from __future__ import annotations

import numpy as np

from space.errors import SpaceError
from space.models import LEARNED
from space.targeting.options import TargetingOptions
from space.targeting.scoring.masks import COATING, CRACK, STRIP_PX, off_lamella
from space.targeting.scoring.memory import KnownMap, frozen

HOT = 128
"""Of 255: from here on a pixel is rather wanted than not."""

_LAST_LABEL = 255


def with_learned(
    known: KnownMap,
    label_names: dict[str, int],
    heat: np.ndarray,
    mark: str,
    options: TargetingOptions,
) -> tuple[KnownMap, dict[str, int]]:
    """Return a label map with the class `LEARNED` where a heat map is hot, and its classes.

    Parameters
    ----------
    known : KnownMap
        Labels (uint8).
    label_names : dict of str to int
    heat : ndarray of uint8
        Of the same shape.
    mark : str
        What stands for the heat map: equal ones have the same.
    options : TargetingOptions

    Raises
    ------
    SpaceError
        If the model has a class of this name itself, or no number is left for one more.
    """
    if LEARNED in label_names:
        raise SpaceError(
            f'The segmentation model has a class "{LEARNED}" itself.',
            "target_list",
            f"Rename it, or leave {LEARNED} out of target_list.",
        )
    labels = known.labels
    if heat.shape != labels.shape:
        raise SpaceError(
            f"The heat map has {heat.shape} pixels and the segmentation {labels.shape}.",
            "target selection",
        )
    used = set(label_names.values()) | set(np.flatnonzero(_counts(labels)).tolist())
    free = next((number for number in range(_LAST_LABEL, -1, -1) if number not in used), None)
    if free is None:
        raise SpaceError("The segmentation model has too many classes to add one.", "target_list")
    table = np.arange(256, dtype=np.uint8)
    table[~_kept(label_names, options)] = free
    key = ("learned", mark, table.tobytes())
    painted = known.memory.get(key)
    if painted is None:
        painted = labels.copy()
        rows = max(1, STRIP_PX // max(1, labels.shape[1]))
        for first in range(0, len(labels), rows):  # in strips, to keep memory small
            part = painted[first : first + rows]
            hot = heat[first : first + rows] >= HOT
            part[hot] = table[part[hot]]
        painted = frozen(painted)
        known.memory.keep(key, painted, painted.nbytes)
    return KnownMap(painted, known.memory.about(key), key), {**label_names, LEARNED: free}


def _kept(label_names: dict[str, int], options: TargetingOptions) -> np.ndarray:
    """Which labels stay what they are where a heat map is hot, (256,) bool."""
    priorities = options.priorities
    own = priorities[LEARNED]
    names = {CRACK, COATING, *options.avoid_list, *off_lamella(label_names, options)}
    names |= {name for name in options.named_targets if priorities[name] >= own}
    kept = np.zeros(256, bool)
    kept[[label for name, label in label_names.items() if name in names]] = True
    return kept


def _counts(labels: np.ndarray) -> np.ndarray:
    counts = np.zeros(256, np.int64)
    rows = max(1, STRIP_PX // max(1, labels.shape[1]))
    for first in range(0, len(labels), rows):
        counts += np.bincount(labels[first : first + rows].ravel(), minlength=256)
    return counts
