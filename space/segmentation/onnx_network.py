"""Tiles run by ONNX Runtime (worker side: needs onnxruntime, and no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from space.models import OnnxFacts, fold_output
from space.models.presets import Copies
from space.onnx_session import OnnxSession
from space.segmentation.plan import TilePlan, first_plan, mirrored_axes
from space.segmentation.strips import Strip


class OnnxNetwork:
    """A segmentation model in an .onnx file (see `space.segmentation.network.Network`).

    Parameters
    ----------
    path : Path
    facts : OnnxFacts
        What the file says about itself.
    folds : sequence of int or str
        Those whose scores are averaged; others in the file are not run.
    device : str
        ``cpu``, ``cuda:<n>`` or ``dml:<n>``.
    """

    runtime = "onnx"

    def __init__(
        self, path: Path, facts: OnnxFacts, folds: Sequence[int | str], device: str
    ) -> None:
        assert facts.plan is not None, "facts of a segmentation are checked before"
        self.labels = dict(facts.labels)
        self.plan = facts.plan
        self._path = Path(path)
        self._mirroring_axes = facts.mirroring_axes
        self._outputs = [fold_output(fold) for fold in folds]
        session = OnnxSession(self._path, device)
        self._device = session.device
        self._sessions = {session.device: session}

    def first_plan(self, copies: Copies) -> TilePlan:
        """Return the fastest way to run it on its device; scores are collected on the CPU."""
        return replace(first_plan(self._device, copies), collect_on="cpu")

    def scores(self, tiles: np.ndarray, plan: TilePlan) -> np.ndarray:
        """Return the scores of a stack of tiles, averaged over folds and mirrored copies."""
        if plan.device not in self._sessions:
            self._sessions[plan.device] = OnnxSession(self._path, plan.device)
        session = self._sessions[plan.device]
        copies = mirrored_axes(self._mirroring_axes, plan.copies)
        total: np.ndarray | None = None
        for copied in copies:
            flip = tuple(axis + 2 for axis in copied)
            for output in session.run(self._outputs, np.flip(tiles[:, None], flip)):
                scores = np.flip(output, flip)
                total = scores if total is None else total + scores
        assert total is not None
        count = len(copies) * len(self._outputs)
        return total if count == 1 else total / np.float32(count)

    def as_array(self, scores: np.ndarray) -> np.ndarray:
        """Return a part of the scores of a tile as an array: they are one."""
        return scores

    def strip(self, shape: tuple[int, int], weights: np.ndarray, plan: TilePlan) -> ArrayStrip:
        """Return an empty strip."""
        return ArrayStrip(len(self.labels), shape, weights)

    @property
    def about(self) -> tuple[str, str]:
        """Runtime and device in words: where it was run last."""
        sessions = list(self._sessions.values())  # another thread may ask while it is freed
        return sessions[-1].about if sessions else ("", "")

    def free(self, device: str) -> None:
        """Give back what is held on a device."""
        self._sessions.pop(device, None)


class ArrayStrip(Strip):
    """Scores in a numpy array.

    Parameters
    ----------
    classes : int
    shape : tuple of int
        Rows that two strips have in common, and columns of the map.
    weights : ndarray of float32
        Of the pixels of a tile. Scores lie in memory as these do.
    """

    def __init__(self, classes: int, shape: tuple[int, int], weights: np.ndarray) -> None:
        if weights.flags.c_contiguous:
            shared = np.zeros((classes, *shape), np.float32)
        else:
            shared = np.zeros((classes, *shape[::-1]), np.float32).swapaxes(1, 2)
        super().__init__(shared, weights)

    def _weighted(self, output: np.ndarray) -> np.ndarray:
        whole = output.shape[1:] == self._weights.shape
        weighted: np.ndarray = np.multiply(output, self._weights, out=output if whole else None)
        return weighted

    def best(self, scores: np.ndarray) -> np.ndarray:
        """Return the number of the best class."""
        best = scores[0].copy(order="K")
        winner = np.zeros_like(best, np.uint8)
        for number, others in enumerate(scores[1:], 1):
            better = others > best  # of equal ones the first stays, as argmax has it
            # The number grows, so the larger one is the later one: faster than setting by a mask.
            np.maximum(winner, better.view(np.uint8) * np.uint8(number), out=winner)
            np.maximum(best, others, out=best)
        return winner

    def _copied(self, scores: np.ndarray) -> np.ndarray:
        return scores.copy(order="K")
