"""What a runtime has to do for the tiler: run tiles, and hold scores where it runs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from space.models import NetworkPlan
from space.models.presets import Copies
from space.segmentation.plan import TilePlan


class Strip(Protocol):
    """Class scores of the rows of a map that tiles are being added to, as high as a tile.

    On a map that is wider than high it lies the other way: its rows are columns of the map.
    """

    def add(self, output: Any, column: int) -> None:
        """Add the weighted scores of a tile that begins at a column.

        Of a plain tile they are an array of shape (classes, 1, 1).
        """

    def winner(self, rows: int) -> np.ndarray:
        """Return the number of the best class in the upper rows, as uint8."""

    def advance(self, rows: int) -> None:
        """Forget the upper rows; those below move up."""


class Network(Protocol):
    """A segmentation network that a runtime has loaded.

    Attributes
    ----------
    runtime : str
        Its name, as ``inference_runtime`` has it.
    labels : dict of str to int
        Classes and their labels, in the order of the scores.
    plan : NetworkPlan
        What it sees.
    """

    runtime: str
    labels: dict[str, int]
    plan: NetworkPlan

    def first_plan(self, copies: Copies) -> TilePlan:
        """Return the fastest way to run it on its device."""

    def scores(self, tiles: np.ndarray, plan: TilePlan) -> Iterable[Any]:
        """Return the scores of tiles, averaged over folds and mirrored copies.

        Parameters
        ----------
        tiles : ndarray of float32, shape (n, rows, columns)
        plan : TilePlan

        Returns
        -------
        iterable of arrays
            For each tile what `Strip.add` takes, shape (classes, rows, columns).
        """

    def as_array(self, scores: Any) -> np.ndarray:
        """Return a part of the scores of a tile as an array."""

    def strip(self, columns: int, weights: np.ndarray, plan: TilePlan) -> Strip:
        """Return an empty strip for a map with so many columns.

        Parameters
        ----------
        columns : int
        weights : ndarray of float32
            Of the pixels of a tile. Outputs lie in memory as these do, and so should the scores.
        plan : TilePlan
        """

    def free(self, device: str) -> None:
        """Give back what is held on a device."""
