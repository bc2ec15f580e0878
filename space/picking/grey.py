"""Tomograms with grey values of one scale, in memory where they fit and read by parts where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

HELD_BYTES = 1 << 30
"""All tomograms of a training together that are kept in memory."""

_LINEAR = 3.0
_SECTIONS, _EVERY = 16, 3


class Readable(Protocol):
    """An array (z, y, x), or what gives parts of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides along z, y and x."""

    def __getitem__(self, part: tuple[slice, slice, slice], /) -> np.ndarray:
        """Return a part."""


@dataclass(frozen=True)
class Grey:
    """A tomogram of which parts are normalised when they are read.

    Attributes
    ----------
    source : Readable
    middle, spread : float
        Median, and deviation as far as a few bright things do not matter.
    """

    source: Readable
    middle: float
    spread: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides along z, y and x."""
        return self.source.shape

    def __getitem__(self, part: tuple[slice, slice, slice]) -> np.ndarray:
        grey = (np.asarray(self.source[part], np.float32) - self.middle) / self.spread
        # Gold stays darker than all else, but does not drown it.
        beyond = np.maximum(np.abs(grey) - _LINEAR, 0)
        return np.asarray(np.sign(grey) * (np.abs(grey) - beyond + np.log1p(beyond)), np.float32)


def linear(grey: np.ndarray) -> np.ndarray:
    """Return grey values as they were before what is far out was drawn in."""
    beyond = np.expm1(np.maximum(np.abs(grey, dtype=np.float32) - _LINEAR, 0))
    return np.asarray(np.sign(grey) * (np.minimum(np.abs(grey), _LINEAR) + beyond), np.float32)


def grey_of(source: Readable) -> Grey:
    """Return a tomogram with median 0 and spread 1; what is far out (gold) is drawn in.

    Some of its sections tell both.
    """
    deep, rows, columns = source.shape
    at = np.unique(np.linspace(0, deep - 1, _SECTIONS).astype(int))
    whole = slice(0, rows), slice(0, columns)
    some = np.concatenate(
        [source[(slice(z, z + 1), *whole)][:, ::_EVERY, ::_EVERY].ravel() for z in at]
    ).astype(np.float32)
    middle = float(np.median(some))
    spread = 1.4826 * float(np.median(np.abs(some - middle)))
    return Grey(source, middle, max(spread, 1e-12))


def held(grey: Grey) -> np.ndarray:
    """Return all of it in memory, as float16."""
    found = np.empty(grey.shape, np.float16)
    whole = slice(0, grey.shape[1]), slice(0, grey.shape[2])
    for z in range(0, grey.shape[0], 8):
        found[z : z + 8] = grey[(slice(z, min(z + 8, grey.shape[0])), *whole)]
    return found
