"""A network that looks at windows, run by torch or by ONNX Runtime.

Without torch installed, nothing here imports it, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from space.errors import SpaceError
from space.lamellae.outputs import TRIAL_WINDOW, check_output
from space.models import NO_DETECTOR, OnnxFacts, detection_onnx, is_onnx
from space.onnx_session import OnnxSession, can_use


class WindowNetwork(Protocol):
    """A detection network that was loaded and checked."""

    @property
    def runtime(self) -> str:
        """What runs it: ``torch`` or ``onnx``."""

    @property
    def device(self) -> str:
        """Where it runs: ``cpu``, ``cuda:<n>`` or ``dml:<n>``."""

    @property
    def names(self) -> dict[int, str]:
        """Categories by their numbers in its output."""

    def look(self, windows: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Return the checked output for each window, and whether it is end to end.

        Raises
        ------
        SpaceError
            If an output is none of a detector (see `space.lamellae.outputs.check_output`).
        RuntimeError, MemoryError
            If it cannot be run.
        """


def open_network(weights: Path, device: str, runtime: str = "auto") -> WindowNetwork:
    """Load a detection network.

    Parameters
    ----------
    weights : Path
        A ``.pt`` file of ultralytics, or an ``.onnx`` file that was made from one.
    device : str
        ``cpu``, ``cuda:<n>`` or ``dml:<n>``.
    runtime : str
        ``torch``; ``onnx``; or ``auto``, which takes ONNX Runtime where it is installed, can use
        the device, and the weights are or have beside them an ``.onnx`` file made from them.

    Raises
    ------
    SpaceError
        If there is no such network, or it is not fit.
    """
    if runtime == "torch":
        if is_onnx(weights):
            raise SpaceError(
                "This is an .onnx file, which torch does not run.",
                str(weights),
                'Name the .pt file as detection_weights, or set inference_runtime = "auto".',
            )
        return TorchNetwork.load(weights, device)
    found = detection_onnx(weights)
    if found is None:
        if runtime == "onnx":
            raise SpaceError(
                "There is no .onnx file made from these weights beside them.",
                str(weights),
                'Make it by spacetomo models convert, or set inference_runtime = "auto".',
            )
        return TorchNetwork.load(weights, device)
    only = runtime == "onnx" or is_onnx(weights) or not Path(weights).is_file()
    if only or can_use(device):
        return OnnxNetwork(*found, device)
    return TorchNetwork.load(weights, device)


class TorchNetwork:
    """A network of ultralytics, run by torch."""

    runtime = "torch"

    def __init__(self, network: Any, names: dict[int, str], device: str) -> None:
        self.network, self.names, self.device = network, names, device

    @classmethod
    def load(cls, weights: Path, device: str) -> TorchNetwork:
        """Load the network of a ``.pt`` file."""
        from space.lamellae.network import load_network

        return cls(*load_network(weights, device), device)

    def look(self, windows: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Return the checked output for each window, and whether it is end to end."""
        from space.lamellae.network import run_network

        return run_network(self.network, windows, self.device)


class OnnxNetwork:
    """A network in an .onnx file, run by ONNX Runtime; tried on a blank window."""

    runtime = "onnx"

    def __init__(self, path: Path, facts: OnnxFacts, device: str = "cpu") -> None:
        self.names = dict(enumerate(facts.categories))
        self._facts = facts
        self._session = OnnxSession(path, device)
        try:
            self.look([TRIAL_WINDOW])
        except SpaceError as error:
            raise SpaceError(error.what, str(path), error.do) from error
        except RuntimeError as error:
            if self.device != "cpu":
                return  # the device, and not the network, may be what fails: see Detector
            raise SpaceError(
                f"The detection network does not run ({error}).",
                str(path),
                "Make the file again by spacetomo models convert, or use other weights.",
            ) from error

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._session.device

    @property
    def about(self) -> tuple[str, str]:
        """Runtime and device in words."""
        return self._session.about

    def look(self, windows: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Return the checked output for each window, and whether it is end to end."""
        batch = np.stack(windows).astype(np.float32)[:, None] / np.float32(255.0)
        shape = (len(windows), self._facts.channels, *batch.shape[2:])
        output = self._session.run(self._facts.outputs[:1], np.broadcast_to(batch, shape))[0]
        if output.ndim != 3 or len(output) != len(windows):
            raise SpaceError(
                f"The detection network gives an output of {output.shape} for {len(windows)} "
                "windows, which is none of a detector of boxes.",
                do=NO_DETECTOR,
            )
        array = output.astype(np.float32, copy=False)
        for one in array:
            check_output(one, len(self.names), self._facts.end_to_end)
        return list(array), self._facts.end_to_end
