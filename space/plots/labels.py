"""Where labels go so that they hide neither one another nor what they name."""

from __future__ import annotations

import numpy as np

GAP = 4.0
"""Between a frame and its label."""

_RINGS = (0.0, 1.0, 2.2, 3.6, 5.2)
"""Distances that are tried, in heights of the label."""

_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Directions (across, up) that are tried, the best first."""

_FARTHER, _LATER = 0.03, 0.003
"""What another ring and another direction cost; a label that is all covered costs 1."""

_OUTSIDE = 3.0
"""What a label costs that lies outside of the picture."""


def place(
    frames: np.ndarray, sizes: np.ndarray, inside: tuple[float, float, float, float]
) -> np.ndarray:
    """Find a place for the label of each frame.

    Parameters
    ----------
    frames : ndarray (n, 4)
        x0, y0, x1, y1 of what is labelled, y upwards, in any unit.
    sizes : ndarray (n, 2)
        Width and height of the labels.
    inside : tuple of float
        x0, y0, x1, y1 of the picture.

    Returns
    -------
    middles : ndarray (n, 2)
        Middles of the labels. One after the other each takes the place, near its frame, where it
        covers least of the frames and of the labels before it and is least cut by the picture's
        edge.
    """
    frames = np.asarray(frames, float).reshape(-1, 4)
    taken = frames.copy()
    middles = np.empty((len(frames), 2))
    for index, (frame, size) in enumerate(zip(frames, np.asarray(sizes, float).reshape(-1, 2))):
        tried, dearness = _candidates(frame, size)
        boxes = np.hstack([tried - size / 2, tried + size / 2])
        area = size[0] * size[1]
        cost = dearness + _shared(boxes, taken).sum(axis=1) / area
        cost += _OUTSIDE * (1 - _shared(boxes, np.array([inside]))[:, 0] / area)
        best = int(np.argmin(cost))
        middles[index] = tried[best]
        taken = np.vstack([taken, boxes[best]])
    return middles


def _candidates(frame: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return middles (m, 2) that are tried and how much each is disliked."""
    middle, half = (frame[:2] + frame[2:]) / 2, (frame[2:] - frame[:2]) / 2
    tried, dearness = [], []
    for ring, distance in enumerate(_RINGS):
        reach = half + size / 2 + GAP + distance * size[1]
        for order, side in enumerate(_SIDES):
            tried.append(middle + np.array(side) * reach)
            dearness.append(_FARTHER * ring + _LATER * order)
    return np.array(tried), np.array(dearness)


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the areas (n, m) that boxes share with others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=2)
