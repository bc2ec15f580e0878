"""What a detection network gives for a window: whether it can be used, and the boxes in it.

The same for each runtime: what is wrong with a network is told in the same words.
"""

from __future__ import annotations

import numpy as np

from space.errors import SpaceError
from space.models import NO_DETECTOR

TRIAL_WINDOW = np.full((128, 128), 128, np.uint8)
"""A blank window, for trying a network before the first map."""


def check_output(output: np.ndarray, classes: int, end_to_end: bool) -> None:
    """Refuse an output that is no list of boxes with probabilities.

    Parameters
    ----------
    output : ndarray
        As `decode` takes it.
    classes : int
        Number of classes of the network.

    Raises
    ------
    SpaceError
        With what is wrong with it.
    """
    places = output.shape[0] if end_to_end else output.shape[-1]
    wanted = (places, 6) if end_to_end else (4 + classes, places)
    if output.shape != wanted or not places:
        raise SpaceError(
            f"The detection network gives an output of {output.shape}, where {wanted} is expected.",
            do=NO_DETECTOR,
        )
    if not np.isfinite(output).all():
        raise SpaceError(
            "The detection network gives values that are not numbers (NaN or infinite): its "
            "weights are damaged, its training failed, or the GPU miscalculates.",
            do="Try it on the CPU (--gpu cpu). If the problem persists, use other weights.",
        )
    probabilities = output[:, 4] if end_to_end else output[4:]
    low, high = float(probabilities.min()), float(probabilities.max())
    if low < 0 or high > 1:
        raise SpaceError(
            f"The detection network gives {low:.3g} to {high:.3g} where probabilities from 0 to 1 "
            "are expected: its last layer is another one.",
            do="Use the weights as ultralytics wrote them, unchanged.",
        )
    if end_to_end and not set(np.unique(output[:, 5])) <= set(range(classes)):
        raise SpaceError(
            f"The detection network gives classes beyond its own (it has {classes}).",
            do=NO_DETECTOR,
        )


def decode(
    output: np.ndarray, threshold: float, end_to_end: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn the raw output for one window into boxes.

    Parameters
    ----------
    output : ndarray
        ``(4 + classes, n)``: centre x, centre y, width, height and one probability per class
        for each of n places (YOLOv8 to v12); or, with `end_to_end`, ``(n, 6)``: x0, y0, x1,
        y1, probability, class.
    threshold : float
        Least probability (inclusive).

    Returns
    -------
    corners_px : ndarray, shape (k, 4)
        x0, y0, x1, y1 in window pixels.
    probabilities : ndarray, shape (k,)
    classes : ndarray of int, shape (k,)
    """
    if end_to_end:
        wanted = output[:, 4] >= threshold
        rows = output[wanted]
        return rows[:, :4].astype(float), rows[:, 4].astype(float), rows[:, 5].astype(int)
    probabilities = output[4:].max(axis=0)
    wanted = probabilities >= threshold
    x, y, width, height = output[:4, wanted].astype(float)
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    classes = output[4:, wanted].argmax(axis=0)
    return corners, probabilities[wanted].astype(float), classes
