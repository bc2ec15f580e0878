"""Random numbers that depend on where something happens, not on when.

Which lamella is acquired first may depend on how quickly a model answered in another process. With
one running sequence of random numbers, every later picture would then differ; with numbers drawn
for the place, a session is the same for the same seed whatever its timing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

_STEPS_PER_UNIT = 1000  # places differ when they differ by a nanometre or a thousandth of a degree


class RandomSource:
    """Generators by purpose and place; coming back to a place gives new numbers.

    Attributes
    ----------
    visits : list of tuple of int
        Purposes and places drawn for so far, which is all that a session kept on disk needs.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.visits: list[tuple[int, ...]] = []
        self._counts: Counter[tuple[int, ...]] = Counter()

    def at(self, purpose: int, *place: float) -> np.random.Generator:
        """Generator for the next event of this purpose at this place.

        Parameters
        ----------
        purpose : int
            Keeps what is drawn for one thing apart from what is drawn for another.
        *place : float
            Coordinates (µm, degrees, indexes).
        """
        key = (purpose, *(round(value * _STEPS_PER_UNIT) for value in place))
        self.revisit([key])
        return np.random.default_rng(
            [self._seed, self._counts[key], *(part % 2**32 for part in key)]
        )

    def forget(self) -> None:
        """Forget all visits."""
        self.visits.clear()
        self._counts.clear()

    def revisit(self, visits: Iterable[tuple[int, ...]]) -> None:
        """Count visits without drawing."""
        for key in visits:
            self.visits.append(key)
            self._counts[key] += 1
