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

    def strip(self, columns: int, weights: np.ndarray, plan: TilePlan) -> ArrayStrip:
        """Return an empty strip for a map with so many columns."""
        return ArrayStrip(len(self.labels), columns, weights)

    @property
    def about(self) -> tuple[str, str]:
        """Runtime and device in words: where it was run last."""
        sessions = list(self._sessions.values())  # another thread may ask while it is freed
        return sessions[-1].about if sessions else ("", "")

    def free(self, device: str) -> None:
        """Give back what is held on a device."""
        self._sessions.pop(device, None)


class ArrayStrip:
    """Scores in a numpy array (see `space.segmentation.network.Strip`)."""

    def __init__(self, classes: int, columns: int, weights: np.ndarray) -> None:
        self._weights = weights
        if weights.flags.c_contiguous:
            self._scores = np.zeros((classes, len(weights), columns), np.float32)
        else:
            self._scores = np.zeros((classes, columns, len(weights)), np.float32).swapaxes(1, 2)

    def add(self, output: np.ndarray, column: int) -> None:
        """Add the weighted scores of a tile that begins at a column."""
        width = self._weights.shape[1]
        for scores, piece in zip(self._scores, output):  # a class at a time fits the cache
            scores[:, column : column + width] += piece * self._weights

    def winner(self, rows: int) -> np.ndarray:
        """Return the number of the best class in the upper rows."""
        best = self._scores[0, :rows].copy(order="K")
        winner = np.zeros_like(best, np.uint8)
        for number, scores in enumerate(self._scores[1:, :rows], 1):
            better = scores > best  # of equal ones the first stays, as argmax has it
            # The number grows, so the larger one is the later one: faster than setting by a mask.
            np.maximum(winner, better.view(np.uint8) * np.uint8(number), out=winner)
            np.maximum(best, scores, out=best)
        return winner

    def advance(self, rows: int) -> None:
        """Forget the upper rows; those below move up."""
        for scores in self._scores:
            kept = scores.shape[0] - rows
            scores[:kept] = scores[rows:].copy()
            scores[kept:] = 0.0
