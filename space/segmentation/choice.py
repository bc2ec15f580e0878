"""Which runtime a segmentation model is loaded by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError
from space.models import read_labels, segmentation_onnx
from space.models.fitness import segmentation_problems
from space.onnx_session import can_use
from space.segmentation.network import Network


def load_network(
    model: Path, folds: Sequence[int | str], checkpoint: str, device: str, runtime: str = "auto"
) -> Network:
    """Load a model, with ONNX Runtime if that is wanted, or can be taken.

    Parameters
    ----------
    model : Path
        The folder of an nnU-Net model, or an .onnx file.
    folds : sequence of int or str
    checkpoint : str
        Name of the weights' file in each fold.
    device : str
    runtime : str
        ``torch``, ``onnx``, or ``auto``: ONNX Runtime where it is installed, the model has a
        fitting .onnx file, and it can use the device.

    Raises
    ------
    SpaceError
        If the model or a package is missing, or does not fit.
    """
    found = None if runtime == "torch" else segmentation_onnx(model, folds, checkpoint)
    if runtime == "auto":
        runtime = _decided(model, folds, checkpoint, device, found is not None)
    problems = segmentation_problems(model, folds, checkpoint, runtime)
    if problems:
        raise SpaceError(" ".join(problems))
    if runtime == "onnx":
        from space.segmentation.onnx_network import OnnxNetwork

        assert found is not None, "it would be a problem"
        return OnnxNetwork(*found, folds, device)
    from space.segmentation.torch_network import TorchNetwork

    return TorchNetwork(model, folds, checkpoint, read_labels(model), device)


def _decided(
    model: Path, folds: Sequence[int | str], checkpoint: str, device: str, has_file: bool
) -> str:
    if not has_file:
        return "torch"
    if can_use(device):
        return "onnx"
    # The .onnx file may be all that there is; then loading it says what is missing.
    return "onnx" if segmentation_problems(model, folds, checkpoint, "torch") else "torch"
