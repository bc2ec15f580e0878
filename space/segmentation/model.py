"""Segmentation of a lamella map by a network (worker side).

A map is normalised as a whole and labelled in strips of tiles (`tiles`), by PyTorch or by ONNX
Runtime (`choice`). What does not fit into memory is tried again with less (`plan`).
Everything runs in this process, so it works however it was started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

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
from space.segmentation.tiles import best_classes

log = logging.getLogger("space.segmentation")


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
        image = np.asarray(image)
        if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
            raise SpaceError(f"A map must be 2-D uint8, not {image.dtype} of shape {image.shape}.")
        plan = self._plan
        while True:
            problem: BaseException
            try:
                return self._segment(image, plan, progress or (lambda done: None))
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
        self, image: np.ndarray, plan: TilePlan, progress: Callable[[float], None]
    ) -> np.ndarray:
        seen = self._network.plan
        labels = np.zeros(image.shape, np.uint8)
        normal = normalisation(image, seen.scheme, seen.use_mask, seen.intensities)
        if normal is None:
            return labels
        row0, row1, col0, col1 = normal.bounds
        picture, target = image[row0:row1, col0:col1], labels[row0:row1, col0:col1]
        if seen.axes_swapped:
            picture, target = picture.T, target.T

        def part(rows: slice, cols: slice) -> np.ndarray:
            if seen.axes_swapped:
                return normal.apply(image, cols, rows).T
            return normal.apply(image, rows, cols)

        table = np.array(list(self.labels.values()), dtype=np.uint8)
        grid = tile_grid(picture.shape, seen.patch_px, self._preset.tile_step)
        plain = None
        if self._off_lamella:
            plain = PlainPlaces(picture, grid, self._off_lamella, len(self.labels))
        for rows, columns, best in best_classes(grid, part, self._network, plan, progress, plain):
            target[rows, columns] = table[best]
        return labels


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
