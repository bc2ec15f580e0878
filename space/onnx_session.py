"""An .onnx file run by ONNX Runtime (worker side: needs onnxruntime, and no torch).

Segmentation and detection run their networks by this, so both treat devices, threads and failures
alike. What a file says about itself is checked before (`space.models`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.packages import is_installed
from space.threads import threads_here

log = logging.getLogger("space.onnx")

GPU_PROVIDERS = {"cuda": "CUDAExecutionProvider", "dml": "DmlExecutionProvider"}
"""Kind of device -> what ONNX Runtime calls it; ``dml`` is any GPU on Windows (DirectML)."""

_CPU = "CPUExecutionProvider"
_FULL = ("out of memory", "failed to allocate", "bad allocation", "bad_alloc", "not enough memory")
_ERRORS_ONLY = 3
_NO_PACKAGE = 'In the folder of the project, run pip install -e ".[predict-lite]"'


def has_onnxruntime() -> bool:
    """Tell whether this Python has ONNX Runtime, without importing it."""
    return is_installed("onnxruntime")


def gpu_kinds() -> tuple[str, ...]:
    """Return the kinds of GPU that the installed ONNX Runtime was built for.

    Raises
    ------
    SpaceError
        If it is missing.
    """
    available = _onnxruntime().get_available_providers()
    return tuple(kind for kind, name in GPU_PROVIDERS.items() if name in available)


def can_use(device: str) -> bool:
    """Tell whether the ONNX Runtime here, if there is one, can use a device (``cuda:0``)."""
    return has_onnxruntime() and (device == "cpu" or device.partition(":")[0] in gpu_kinds())


class OnnxSession:
    """A network in an .onnx file, loaded once.

    Parameters
    ----------
    path : Path
    device : str
        ``cpu``, ``cuda:<n>`` or ``dml:<n>``. A GPU that cannot be used is replaced by the CPU, with
        a warning.

    Attributes
    ----------
    device : str
        Where it runs.

    Raises
    ------
    SpaceError
        If ONNX Runtime is missing, or does not load the file.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.path = Path(path)
        self._session = _opened(self.path, device)
        kind = device.partition(":")[0]
        on_gpu = GPU_PROVIDERS.get(kind) in self._session.get_providers()
        self.device = device if on_gpu else "cpu"
        if self.device != device:
            log.warning("ONNX Runtime cannot use %s here: the CPU is used.", device)
        (self._input,) = (given.name for given in self._session.get_inputs())

    @property
    def about(self) -> tuple[str, str]:
        """Runtime and device in words."""
        kind, _, number = self.device.partition(":")
        words = {"cuda": f"NVIDIA GPU {number}", "dml": f"GPU {number} (DirectML)"}
        threads = threads_here()
        device = words.get(kind, f"CPU, {threads} thread" + ("s" if threads != 1 else ""))
        return f"ONNX Runtime {_onnxruntime().__version__}", device

    def run(self, outputs: Sequence[str] | None, data: np.ndarray) -> list[np.ndarray]:
        """Return the named outputs (all of them for None) for a batch.

        Raises
        ------
        MemoryError
            If the memory, or that of the GPU, is full.
        RuntimeError
            If ONNX Runtime fails in another way.
        """
        wanted = None if outputs is None else list(outputs)
        try:
            return self._session.run(wanted, {self._input: np.ascontiguousarray(data)})
        except MemoryError:
            raise
        except Exception as error:  # its errors have no common type
            # Its own traceback would hold the memory of what it was given.
            raise _as_usual(error) from None


def _opened(path: Path, device: str) -> Any:
    package = _onnxruntime()
    options = package.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY + 1  # what fails is raised, too
    options.intra_op_num_threads = threads_here()
    options.inter_op_num_threads = 1
    # Memory laid out beforehand takes a fifth more of it (1.0 for 0.8 GB with a tile of the shipped
    # model) and no less time; DirectML wants none.
    options.enable_mem_pattern = False
    kind, _, number = device.partition(":")
    provider = GPU_PROVIDERS.get(kind)
    providers: list[Any] = [_CPU]
    if provider in package.get_available_providers():
        settings = {"device_id": number or "0"}
        if kind == "cuda":
            # Else the first map of each size waits for a search among all ways to compute it.
            settings["cudnn_conv_algo_search"] = "HEURISTIC"
            if hasattr(package, "preload_dlls"):
                package.preload_dlls()
        if kind == "dml":
            options.execution_mode = package.ExecutionMode.ORT_SEQUENTIAL
        providers.insert(0, (provider, settings))
    try:
        return package.InferenceSession(str(path), options, providers=providers)
    except MemoryError:
        raise
    except Exception as error:  # its errors have no common type
        usual = _as_usual(error)
        if isinstance(usual, MemoryError):
            raise usual from None
        raise SpaceError(
            f"ONNX Runtime {package.__version__} does not load this file ({usual}).",
            str(path),
            "Copy the file again, make it again by spacetomo models convert, or update "
            "onnxruntime.",
        ) from None


def _as_usual(error: Exception) -> MemoryError | RuntimeError:
    """Return an error of ONNX Runtime as one of Python's own, which callers know."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    text = "".join(c if c.isprintable() else "?" for c in line)[:300]
    if any(word in str(error).lower() for word in _FULL):
        return MemoryError(f"out of memory: {text}")
    return RuntimeError(text)


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        what = f"onnxruntime is missing for this Python ({error})."
        raise SpaceError(what, do=_NO_PACKAGE) from error
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    with contextlib.suppress(AttributeError):
        onnxruntime.disable_telemetry_events()  # a worker on an instrument network sends nothing
    return onnxruntime
