"""What a runtime has to do for the tiler: run tiles, and hold scores where it runs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from space.models import NetworkPlan
from space.models.presets import Copies
from space.segmentation.plan import TilePlan
from space.segmentation.strips import Strip


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

    def strip(self, shape: tuple[int, int], weights: np.ndarray, plan: TilePlan) -> Strip:
        """Return an empty strip.

        Parameters
        ----------
        shape : tuple of int
            The most rows that two strips have in common, and the columns of the map.
        weights : ndarray of float32
            Of the pixels of a tile. Outputs lie in memory as these do, and so should the scores.
        plan : TilePlan
        """

    def free(self, device: str) -> None:
        """Give back what is held on a device."""
