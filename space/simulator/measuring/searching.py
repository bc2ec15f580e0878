"""Searches along one quantity: values to try, and the top between them."""

from __future__ import annotations

import math

import numpy as np


def steps(reach: float, step: float) -> np.ndarray:
    """Values from minus to plus a reach, in steps no larger than the given one."""
    count = math.ceil(reach / step - 1e-9)
    return np.linspace(-reach, reach, 2 * count + 1)


def top(before: float, at: float, after: float) -> float:
    """Place of the highest of three values at -1, 0 and 1, or of a parabola through them."""
    curvature = before - 2.0 * at + after
    if at < max(before, after) or curvature >= 0:
        return -1.0 if before > max(at, after) else 1.0 if after > at else 0.0
    return 0.5 * (before - after) / curvature
