"""Class scores of tiles that overlap: added up, and forgotten as soon as nothing is added to them.

Tiles come from left to right, and strip by strip from the top. What no later tile reaches is
decided at once, so that of a strip only the rows are held that the next one reaches, and of a tile
only the columns that the next one reaches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Strip(ABC):
    """Scores that tiles are being added to, in arrays of a runtime.

    On a map that is wider than high it lies the other way: its rows are columns of the map.

    Parameters
    ----------
    shared : array of float32, shape (classes, rows, columns)
        Room for the most rows that two strips have in common, over the whole map.
    weights : array of float32
        Of the pixels of a tile.
    """

    def __init__(self, shared: Any, weights: Any) -> None:
        self._shared = shared
        self._weights = weights
        self._above = 0  # so many rows of `shared` are of the strip above
        self._left: Any = None

    def add(self, output: Any, column: int, rows: int, columns: int) -> np.ndarray:
        """Add the scores of a tile, and decide what no later tile reaches.

        Parameters
        ----------
        output, column, rows, columns :
            As in `finished`.

        Returns
        -------
        ndarray of uint8, shape (rows, columns)
            The number of the best class.
        """
        return self.best(self.finished(output, column, rows, columns))

    def finished(self, output: Any, column: int, rows: int, columns: int) -> Any:
        """Add the scores of a tile, and return what no later tile reaches.

        Parameters
        ----------
        output : array of shape (classes, rows, columns)
            May be overwritten. Of a plain tile its shape is (classes, 1, 1).
        column : int
            Where the tile begins.
        rows, columns : int
            So many of its upper rows the next strip does not reach, and so many of its left columns
            the next tile does not reach.

        Returns
        -------
        array of shape (classes, rows, columns)
            Sums of scores times weights, to be used before the next tile is added.
        """
        scores = self._weighted(output)
        width = scores.shape[2]
        known = 0 if self._left is None else self._left.shape[2]
        for k, piece in enumerate(scores):  # a class at a time fits the cache
            if known:
                piece[:, :known] += self._left[k]
            above = self._shared[k, : self._above, column + known : column + width]
            piece[: self._above, known:] += above
        below = scores[:, rows:, :columns]
        self._shared[:, : below.shape[1], column : column + columns] = below
        self._left = self._copied(scores[:, :, columns:]) if columns < width else None
        return scores[:, :rows, :columns]

    def advance(self, rows: int) -> None:
        """Go on with the next strip, which lies so many rows lower."""
        self._above = len(self._weights) - rows
        self._left = None

    @abstractmethod
    def _weighted(self, output: Any) -> Any:
        """Return the scores times the weights, in the array that was given where that is whole."""

    @abstractmethod
    def best(self, scores: Any) -> np.ndarray:
        """Return the number of the best class, of equal ones the first."""

    @abstractmethod
    def _copied(self, scores: Any) -> Any:
        """Return a copy that lies in memory alike."""
