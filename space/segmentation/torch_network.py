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
from space.segmentation.strips import Strip


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

    def strip(self, shape: tuple[int, int], weights: np.ndarray, plan: TilePlan) -> TorchStrip:
        """Return an empty strip."""
        return TorchStrip(len(self.labels), shape, weights, plan.collect_on)

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


class TorchStrip(Strip):
    """Scores on the CPU or on a GPU.

    Parameters
    ----------
    classes : int
    shape : tuple of int
        Rows that two strips have in common, and columns of the map.
    weights : ndarray of float32
        Of the pixels of a tile. Scores lie in memory as these do.
    device : str
    """

    def __init__(
        self, classes: int, shape: tuple[int, int], weights: np.ndarray, device: str
    ) -> None:
        import torch

        self._device = device
        if weights.flags.c_contiguous:
            shared = torch.zeros((classes, *shape), device=device)
        else:
            shared = torch.zeros((classes, *shape[::-1]), device=device).swapaxes(1, 2)
        super().__init__(shared, torch.from_numpy(weights).to(device))

    def finished(self, output: Any, column: int, rows: int, columns: int) -> Any:
        """Add the scores of a tile, and return what no later tile reaches."""
        import torch

        with torch.inference_mode():  # as the scores were made, else they could not be changed
            return super().finished(output, column, rows, columns)

    def _weighted(self, output: Any) -> Any:
        import torch

        scores = torch.as_tensor(output, dtype=torch.float32, device=self._device)
        whole = scores.shape[1:] == self._weights.shape
        return scores.mul_(self._weights) if whole else scores * self._weights

    def best(self, scores: Any) -> np.ndarray:
        """Return the number of the best class."""
        import torch

        best: np.ndarray = scores.argmax(dim=0).to("cpu", torch.uint8).numpy()
        return best

    def _copied(self, scores: Any) -> Any:
        return scores.clone()
