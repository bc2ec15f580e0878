"""Segmentation of a lamella map by a network (worker side).

A map is normalised as a whole and labelled in strips of tiles (`tiles`), by PyTorch or by ONNX
Runtime (`choice`). What does not fit into memory is tried again with less (`plan`).
Everything runs in this process, so it works however it was started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from space.config import Config
from space.errors import SpaceError
from space.models.presets import DEFAULT_PRESET, PRESETS, Preset
from space.segmentation.choice import load_network
from space.segmentation.grid import tile_grid
from space.segmentation.memory import is_device_fault, is_memory_full
from space.segmentation.normalise import normalisation
from space.segmentation.plain import PlainPlaces
from space.segmentation.plan import TilePlan, plan_after
from space.segmentation.tiles import best_classes, blended_scores

log = logging.getLogger("space.segmentation")
_Found = TypeVar("_Found")


class Segmenter:
    """A segmentation model, loaded once and kept.

    Parameters
    ----------
    model : Path
        The folder of an nnU-Net model with ``dataset.json``, ``plans.json`` and
        ``fold_<n>/checkpoint_final.pth`` or ``model.onnx``; or an .onnx file.
    folds : sequence of int or str
        Folds whose scores are averaged.
    device : str
        ``cpu``, ``cuda:<n>``, or for ONNX Runtime also ``dml:<n>``.
    preset : Preset
        What the network is asked to do; its folds are those given.
    checkpoint : str
        Name of the weights' file in each fold.
    runtime : str
        ``torch``, ``onnx``, or ``auto`` (see `space.segmentation.choice`).
    off_lamella : collection of str
        Classes that are vacuum or bulk: where nothing else is, the network may be spared.

    Attributes
    ----------
    labels : dict of str to int
    runtime : str
        The one that is used.

    Raises
    ------
    SpaceError
        If the model is missing or does not fit this program.
    """

    def __init__(
        self,
        model: Path,
        folds: Sequence[int | str] = (0,),
        device: str = "cpu",
        preset: Preset = PRESETS[DEFAULT_PRESET],
        checkpoint: str = Config.segmentation_checkpoint,
        runtime: str = Config.inference_runtime,
        off_lamella: Collection[str] = (),
    ) -> None:
        self._network = load_network(Path(model), folds, checkpoint, device, runtime)
        self.labels = self._network.labels
        self.runtime = self._network.runtime
        self._preset = preset
        self._plan = self._network.first_plan(preset.copies)
        # The scores are in the order of the labels.
        plain = off_lamella if preset.skips_plain_tiles else ()
        self._off_lamella = [i for i, name in enumerate(self.labels) if name in plain]

    @property
    def about(self) -> tuple[str, str] | None:
        """Runtime and device in words; None for torch, which tells it itself."""
        told: tuple[str, str] | None = getattr(self._network, "about", None)
        return told

    def segment(
        self, image: np.ndarray, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """Return the label of every pixel.

        Parameters
        ----------
        image : ndarray of uint8, shape (rows, cols)
            At the pixel size of the model.
        progress : callable, optional
            Told the finished part, 0..1.

        Returns
        -------
        ndarray of uint8, shape (rows, cols)
        """
        image, tell = np.asarray(image), progress or (lambda done: None)
        return self._tried(image, lambda plan: self._segment(image, plan, tell))

    def segment_with_confidence(
        self, image: np.ndarray, counts_as: Mapping[int, int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the label of every pixel, and how probable the model takes it to be.

        The network sees every tile, whatever the preset says of plain ones.

        Parameters
        ----------
        image : ndarray of uint8, shape (rows, cols)
            At the pixel size of the model.
        counts_as : mapping of int to int, optional
            Labels of classes that count as the same: their probabilities are added up.

        Returns
        -------
        labels : ndarray of uint8, shape (rows, cols)
        confidence : ndarray of float32, shape (rows, cols)
            0 to 1; 1 where the model was not asked, since there is no picture.
        """
        image = np.asarray(image)
        groups = [
            label if counts_as is None else counts_as[label] for label in self.labels.values()
        ]

        def work(plan: TilePlan) -> tuple[np.ndarray, np.ndarray]:
            confidence = np.ones(image.shape, np.float32)
            return self._segment(image, plan, confidence=confidence, groups=groups), confidence

        return self._tried(image, work)

    def _tried(self, image: np.ndarray, work: Callable[[TilePlan], _Found]) -> _Found:
        """Do it, with less memory when it is full."""
        if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
            raise SpaceError(f"A map must be 2-D uint8, not {image.dtype} of shape {image.shape}.")
        plan = self._plan
        while True:
            problem: BaseException
            try:
                return work(plan)
            except (RuntimeError, MemoryError) as error:
                if not (is_memory_full(error) or is_device_fault(error)):
                    raise
                problem = error.with_traceback(None)  # its frames would hold the memory
            following = plan_after(plan, problem)
            if following is None:
                raise SpaceError(
                    f"Segmentation of {image.shape[0]} x {image.shape[1]} pixels needs more "
                    f"memory than there is ({problem}).",
                    do="Close other programs or use another computer",
                ) from problem
            log.warning(
                "Segmentation with %s failed (%s): trying %s.",
                plan,
                _first_line(problem),
                following,
            )
            self._network.free(plan.device)
            if following.device != "cpu":
                self._plan = following  # what did not fit once is not tried for each map again
            plan = following

    def _segment(
        self,
        image: np.ndarray,
        plan: TilePlan,
        progress: Callable[[float], None] = lambda done: None,
        confidence: np.ndarray | None = None,
        groups: Sequence[int] = (),
    ) -> np.ndarray:
        """Return the labels; with an array for the confidence, that is filled in, too."""
        seen = self._network.plan
        labels = np.zeros(image.shape, np.uint8)
        normal = normalisation(image, seen.scheme, seen.use_mask, seen.intensities)
        if normal is None:
            return labels
        row0, row1, col0, col1 = normal.bounds
        picture, target = image[row0:row1, col0:col1], labels[row0:row1, col0:col1]
        sure = None if confidence is None else confidence[row0:row1, col0:col1]
        if seen.axes_swapped:
            picture, target = picture.T, target.T
            sure = None if sure is None else sure.T

        def part(rows: slice, cols: slice) -> np.ndarray:
            if seen.axes_swapped:
                return normal.apply(image, cols, rows).T
            return normal.apply(image, rows, cols)

        table = np.array(list(self.labels.values()), dtype=np.uint8)
        grid = tile_grid(picture.shape, seen.patch_px, self._preset.tile_step)
        if sure is not None:
            for rows, columns, scores in blended_scores(grid, part, self._network, plan, progress):
                best = scores.argmax(axis=0)
                target[rows, columns] = table[best]
                sure[rows, columns] = _probability(scores, best, np.array(groups))
            return labels
        plain = None
        if self._off_lamella:
            plain = PlainPlaces(picture, grid, self._off_lamella, len(self.labels))
        for rows, columns, best in best_classes(grid, part, self._network, plan, progress, plain):
            target[rows, columns] = table[best]
        return labels


def _probability(scores: np.ndarray, best: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how probable the best classes are, together with those of the same group."""
    each = np.exp(scores - scores.max(axis=0))
    own = np.zeros(best.shape, np.float32)
    for group in np.unique(groups):
        members = groups == group
        np.copyto(own, each[members].sum(axis=0), where=members[best])
    probability: np.ndarray = own / each.sum(axis=0)
    return probability


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
