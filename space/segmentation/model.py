"""Segmentation of a lamella map with an nnU-Net model (worker side: needs torch, nnunetv2).

The network sees overlapping tiles at the places nnU-Net would choose for the whole map, and
their outputs are blended with nnU-Net's Gaussian weights. Only a strip of the map is held as
class scores at a time: 18 classes for a map of 100 Mpx would need 7 GB, a strip some 100 MB,
with the same result. Everything runs in this process, so it works however it was started.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.config import Config
from space.errors import SpaceError
from space.models import read_labels, segmentation_problems
from space.segmentation.loading import load_model, normalisation_scheme
from space.segmentation.memory import is_device_fault, is_memory_full
from space.segmentation.normalise import normalisation

log = logging.getLogger("space.segmentation")

TILE_STEP = 0.75


@dataclass(frozen=True)
class TilePlan:
    """How to run the network: where, how many tiles at once, where scores are collected."""

    device: str
    batch: int
    collect_on: str
    mirroring: bool

    def __str__(self) -> str:
        """Return the plan as a log shows it."""
        scores = "" if self.collect_on == self.device else ", scores on the CPU"
        return f"{self.batch} tile{'s' * (self.batch > 1)} at a time on {self.device}{scores}"


def first_plan(device: str, mirroring: bool | None = None) -> TilePlan:
    """Return the fastest way for a device; mirroring is off on the CPU unless asked for."""
    if device == "cpu":
        return TilePlan("cpu", 1, "cpu", bool(mirroring))
    return TilePlan(device, 8, device, True if mirroring is None else mirroring)


def smaller_plan(plan: TilePlan) -> TilePlan | None:
    """Return a way that needs less memory: smaller batches, scores on the CPU, all on the CPU.

    None when there is nothing smaller.
    """
    if plan.device == "cpu":
        return None
    if plan.batch > 1:
        return replace(plan, batch=max(1, plan.batch // 4))
    if plan.collect_on != "cpu":
        return replace(plan, collect_on="cpu")
    return TilePlan("cpu", 1, "cpu", False)


def _plan_after(plan: TilePlan, problem: BaseException) -> TilePlan | None:
    """Return how to go on after a failure: smaller, or on the CPU if the device itself failed."""
    if is_device_fault(problem) and not is_memory_full(problem) and plan.device != "cpu":
        return TilePlan("cpu", 1, "cpu", False)
    return smaller_plan(plan)


def tile_starts(length_px: int, tile_px: int, step: float = TILE_STEP) -> tuple[int, ...]:
    """Return where tiles begin along an axis of at least `tile_px`.

    As few tiles as cover the axis with steps of at most `step` of a tile, evenly spread (the
    rule of nnU-Net's sliding window).
    """
    span = length_px - tile_px
    if span < 0:
        raise ValueError(f"an axis of {length_px} px is shorter than a tile of {tile_px} px")
    steps = math.ceil(span / (tile_px * step))
    return tuple(round(i * span / steps) for i in range(steps + 1)) if steps else (0,)


class Segmenter:
    """An nnU-Net model, loaded once and kept.

    Parameters
    ----------
    model_folder : Path
        With ``dataset.json``, ``plans.json`` and ``fold_<n>/checkpoint_final.pth``.
    folds : sequence of int or str
        Folds whose scores are averaged.
    device : str
        ``cpu`` or ``cuda:<n>``.
    mirroring : bool, optional
        Average over mirrored tiles; by default on a GPU only.
    tile_step : float
        Step between tiles as a fraction of a tile.
    checkpoint : str
        Name of the weights' file in each fold.

    Raises
    ------
    SpaceError
        If the model is missing or does not fit this program.
    """

    def __init__(
        self,
        model_folder: Path,
        folds: Sequence[int | str] = (0,),
        device: str = "cpu",
        mirroring: bool | None = None,
        tile_step: float = TILE_STEP,
        checkpoint: str = Config.segmentation_checkpoint,
    ) -> None:
        self.model_folder = Path(model_folder)
        problems = segmentation_problems(self.model_folder, folds, checkpoint)
        if problems:
            raise SpaceError(" ".join(problems))
        self.labels = read_labels(self.model_folder)
        self._tile_step = tile_step
        self._plan = first_plan(device, mirroring)
        self._model = load_model(self.model_folder, folds, checkpoint)
        self._networks: dict[str, list[Any]] = {}
        self._weights: dict[str, Any] = {}

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
            following = _plan_after(plan, problem)
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
            self._free(plan.device)
            if following.device != "cpu":
                self._plan = following  # what did not fit once is not tried for each map again
            plan = following

    def _segment(
        self, image: np.ndarray, plan: TilePlan, progress: Callable[[float], None]
    ) -> np.ndarray:
        trained = self._model.plan
        labels = np.zeros(image.shape, np.uint8)
        scheme = normalisation_scheme(trained.scheme)
        normal = normalisation(image, scheme, trained.use_mask, trained.intensities)
        if normal is None:
            return labels
        row0, row1, col0, col1 = normal.bounds
        shape = (row1 - row0, col1 - col0)
        swapped = trained.axes_swapped
        if swapped:
            shape = shape[::-1]

        def part(rows: slice, cols: slice) -> np.ndarray:
            if swapped:
                return normal.apply(image, cols, rows).T
            return normal.apply(image, rows, cols)

        target = labels[row0:row1, col0:col1]
        target = target.T if swapped else target
        for rows, strip in self._strips(shape, part, plan, progress):
            target[rows] = strip
        return labels

    def _strips(
        self,
        shape: tuple[int, int],
        part: Callable[[slice, slice], np.ndarray],
        plan: TilePlan,
        progress: Callable[[float], None],
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield finished rows of labels from top to bottom."""
        import torch

        tile = self._model.plan.patch_px
        padded = tuple(max(n, t) for n, t in zip(shape, tile))
        before = tuple((p - n) // 2 for p, n in zip(padded, shape))
        row_starts = tile_starts(padded[0], tile[0], self._tile_step)
        col_starts = tile_starts(padded[1], tile[1], self._tile_step)
        networks = self._networks_on(plan.device)
        gaussian = self._gaussian_on(plan.collect_on, tile)
        heads = len(self.labels)
        scores = torch.zeros((heads, tile[0], padded[1]), device=plan.collect_on)
        for i, row in enumerate(row_starts):
            for start in range(0, len(col_starts), plan.batch):
                group = col_starts[start : start + plan.batch]
                tiles = [_padded_part(part, row, col, tile, before, shape) for col in group]
                outputs = self._scores_of(np.stack(tiles), networks, plan)
                for col, output in zip(group, outputs):
                    piece = output.to(plan.collect_on, torch.float32)
                    scores[:, :, col : col + tile[1]] += piece * gaussian
                progress((i + (start + len(group)) / len(col_starts)) / len(row_starts))
            following = row_starts[i + 1] if i + 1 < len(row_starts) else padded[0]
            done = following - row
            # All weights of a pixel are positive and the same for each class, so dividing by
            # their sum would not change which class has the highest score.
            winner = scores[:, :done].argmax(dim=0).to("cpu", torch.uint8).numpy()
            first, last = max(row, before[0]), min(row + done, before[0] + shape[0])
            if last > first:
                inner = winner[first - row : last - row, before[1] : before[1] + shape[1]]
                yield slice(first - before[0], last - before[0]), self._as_labels(inner)
            if done < tile[0]:
                unfinished = scores[:, done:].clone()
                scores.zero_()
                scores[:, : tile[0] - done] = unfinished

    def _scores_of(self, tiles: np.ndarray, networks: Sequence[Any], plan: TilePlan) -> Any:
        """Return the scores of a stack of tiles, averaged over folds and mirrored copies."""
        import torch

        axes = self._model.mirroring_axes if plan.mirroring else ()
        flips: list[tuple[int, ...]] = [()]
        for axis in axes:
            flips += [(*flip, axis + 2) for flip in flips]
        on_gpu = plan.device.startswith("cuda")
        with (
            torch.inference_mode(),
            torch.autocast("cuda") if on_gpu else contextlib.nullcontext(),
        ):
            data = torch.from_numpy(tiles[:, None]).to(plan.device)
            total: Any = None
            for network in networks:
                for flip in flips:
                    output = network(torch.flip(data, flip) if flip else data).float()
                    output = torch.flip(output, flip) if flip else output
                    total = output if total is None else total + output
            return total / (len(networks) * len(flips))

    def _as_labels(self, winner: np.ndarray) -> np.ndarray:
        table = np.array(list(self.labels.values()), dtype=np.uint8)
        return table[winner]

    def _networks_on(self, device: str) -> list[Any]:
        if device not in self._networks:
            networks = []
            for weights in self._model.weights:
                network = copy.deepcopy(self._model.network)
                network.load_state_dict(weights)
                networks.append(network.eval().to(device))
            self._networks[device] = networks
        return self._networks[device]

    def _gaussian_on(self, device: str, tile: tuple[int, ...]) -> Any:
        if device not in self._weights:
            import torch

            self._weights[device] = torch.from_numpy(_gaussian(tile)).to(device)
        return self._weights[device]

    def _free(self, device: str) -> None:
        self._networks.pop(device, None)
        self._weights.pop(device, None)
        if device != "cpu":
            import torch

            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()


def _gaussian(tile: tuple[int, ...]) -> np.ndarray:
    """Return tile weights: a Gaussian of sigma tile / 8 with peak 1, nowhere 0."""
    curves = [
        np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8.0)) ** 2).astype(np.float32) for n in tile
    ]
    # nnU-Net cuts its Gaussian at 4 sigma, which only the outermost pixel row reaches.
    return np.maximum(np.outer(*curves), 1e-7).astype(np.float32)


def _padded_part(
    part: Callable[[slice, slice], np.ndarray],
    row: int,
    col: int,
    tile: tuple[int, ...],
    before: tuple[int, ...],
    shape: tuple[int, int],
) -> np.ndarray:
    """Return a tile of the normalised map; beyond the map it is 0 (the mean)."""
    data = np.zeros(tile, np.float32)
    r0, c0 = row - before[0], col - before[1]
    rows = slice(max(r0, 0), min(r0 + tile[0], shape[0]))
    cols = slice(max(c0, 0), min(c0 + tile[1], shape[1]))
    data[rows.start - r0 : rows.stop - r0, cols.start - c0 : cols.stop - c0] = part(rows, cols)
    return data


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
