"""Writing the .onnx file of a network (needs onnx, and torch for what is not ONNX yet)."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import atomic_path

INPUT = "picture"
OPSET = 17
"""Of the operators; what ONNX Runtime 1.17 and DirectML know."""

_NO_PACKAGE = 'In the folder of the project, run pip install -e ".[predict,convert]"'
_LARGEST_HALF = 65504.0
_FEWEST_HALVED = 64
"""Smaller arrays, such as shapes and limits, stay as they are: halving them saves nothing."""


def onnx_model(
    network: Any,
    example: Any,
    outputs: Sequence[str],
    varying: Mapping[str, Mapping[int, str]],
    folder: Path,
) -> Any:
    """Return a network as an ONNX model.

    Parameters
    ----------
    network : torch.nn.Module
        In the state for prediction; it gives one tensor for each output.
    example : torch.Tensor
        A batch that it takes.
    outputs : sequence of str
        Their names.
    varying : mapping
        Of the input (`INPUT`) and each output: axis -> name of its length, where it may vary.
    folder : Path
        Where a temporary file may be written.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    SpaceError
        If a package is missing, or the network cannot be written as ONNX.
    """
    onnx, torch = _onnx(), _torch()
    temporary = Path(folder) / f".{os.getpid()}.export.onnx"
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                network,
                (example,),
                str(temporary),
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_axes={name: dict(axes) for name, axes in varying.items()},
                opset_version=OPSET,
                # What belongs to a convolution is merged with it when the file is loaded, and not
                # here: weights that were saved with 16 bits stay what they are.
                training=torch.onnx.TrainingMode.PRESERVE,
                dynamo=False,
            )
        return onnx.load(str(temporary))
    except MemoryError:
        raise
    except Exception as error:  # whatever tracing a network may raise
        line = (str(error).splitlines() or [""])[0][:200]
        raise SpaceError(
            f"The network cannot be written as ONNX ({type(error).__name__}: {line}).",
            do='Use it with torch as it is (inference_runtime = "torch").',
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def halve_weights(model: Any) -> None:
    """Store the weights of an ONNX model with 16 bits; they are widened when it is loaded.

    The file is half as large, and the network calculates with 32 bits as before.
    """
    onnx = _onnx()
    import numpy as np

    graph = model.graph
    widened = []
    for weights in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weights)
        large = values.dtype == np.float32 and values.size >= _FEWEST_HALVED
        if not large or not np.abs(values).max() < _LARGEST_HALF:
            continue
        name = weights.name
        weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        widened.append(
            onnx.helper.make_node(
                "Cast", [f"{name}.half"], [name], name=f"{name}.wide", to=onnx.TensorProto.FLOAT
            )
        )
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*widened, *others])


def save_onnx(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX model with these entries and no others, whole or not at all."""
    onnx = _onnx()
    onnx.helper.set_model_props(model, dict(metadata))
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""  # where in which file of whom it was made
    onnx.checker.check_model(model)
    with atomic_path(Path(path)) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(model.SerializeToString())
            stream.flush()
            os.fsync(stream.fileno())


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise SpaceError(f"onnx is missing for this Python ({error}).", do=_NO_PACKAGE) from error
    return onnx


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise SpaceError(f"torch is missing for this Python ({error}).", do=_NO_PACKAGE) from error
    return torch


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what an export says to itself: what goes wrong is raised."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
