"""Tiles run by PyTorch (worker side: needs torch, nnunetv2)."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.models.presets import Copies
from space.segmentation.loading import load_model
from space.segmentation.plan import TilePlan, first_plan, mirrored_axes


class TorchNetwork:
    """An nnU-Net model in its folder (see `space.segmentation.network.Network`).

    Parameters
    ----------
    folder : Path
    folds : sequence of int or str
    checkpoint : str
    labels : mapping of str to int
    device : str
        ``cpu`` or ``cuda:<n>``.
    """

    runtime = "torch"

    def __init__(
        self,
        folder: Path,
        folds: Sequence[int | str],
        checkpoint: str,
        labels: Mapping[str, int],
        device: str,
    ) -> None:
        self.labels = dict(labels)
        self._model = load_model(folder, folds, checkpoint)
        self.plan = self._model.plan
        self._device = device
        self._networks: dict[str, list[Any]] = {}

    def first_plan(self, copies: Copies) -> TilePlan:
        """Return the fastest way to run it on its device."""
        return first_plan(self._device, copies)

    def scores(self, tiles: np.ndarray, plan: TilePlan) -> Any:
        """Return the scores of a stack of tiles, averaged over folds and mirrored copies."""
        import torch

        networks = self._networks_on(plan.device)
        copies = mirrored_axes(self._model.mirroring_axes, plan.copies)
        flips = [tuple(axis + 2 for axis in copied) for copied in copies]
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
            count = len(networks) * len(flips)
            return total if count == 1 else total.div_(count)  # a copy would need 75 MB

    def as_array(self, scores: Any) -> np.ndarray:
        """Return a part of the scores of a tile as an array."""
        array: np.ndarray = scores.float().cpu().numpy()
        return array

    def strip(self, columns: int, weights: np.ndarray, plan: TilePlan) -> TorchStrip:
        """Return an empty strip for a map with so many columns."""
        return TorchStrip(len(self.labels), columns, weights, plan.collect_on)

    def free(self, device: str) -> None:
        """Give back what is held on a device."""
        self._networks.pop(device, None)
        if device != "cpu":
            import torch

            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()

    def _networks_on(self, device: str) -> list[Any]:
        if device not in self._networks:
            networks = []
            for weights in self._model.weights:
                network = copy.deepcopy(self._model.network)
                network.load_state_dict(weights)
                networks.append(network.eval().to(device))
            self._networks[device] = networks
        return self._networks[device]


class TorchStrip:
    """Scores on the CPU or on a GPU (see `space.segmentation.network.Strip`)."""

    def __init__(self, classes: int, columns: int, weights: np.ndarray, device: str) -> None:
        import torch

        self._device = device
        self._weights = torch.from_numpy(weights).to(device)
        if weights.flags.c_contiguous:
            self._scores = torch.zeros((classes, len(weights), columns), device=device)
        else:
            upright = torch.zeros((classes, columns, len(weights)), device=device)
            self._scores = upright.swapaxes(1, 2)

    def add(self, output: Any, column: int) -> None:
        """Add the weighted scores of a tile that begins at a column."""
        import torch

        width = self._weights.shape[1]
        pieces = torch.as_tensor(output, dtype=torch.float32, device=self._device)
        for scores, piece in zip(self._scores, pieces):
            scores[:, column : column + width] += piece * self._weights

    def winner(self, rows: int) -> np.ndarray:
        """Return the number of the best class in the upper rows."""
        import torch

        best: np.ndarray = self._scores[:, :rows].argmax(dim=0).to("cpu", torch.uint8).numpy()
        return best

    def advance(self, rows: int) -> None:
        """Forget the upper rows; those below move up."""
        for scores in self._scores:  # one class at a time needs little memory
            kept = scores.shape[0] - rows
            scores[:kept] = scores[rows:].clone()
            scores[kept:] = 0.0
