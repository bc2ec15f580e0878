"""What runs the models, and on which device: as asked for, else what this computer has.

Devices have the names of torch (``cpu``, ``cuda:0``); ``dml:0`` is any GPU on Windows, by ONNX
Runtime.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError
from space.onnx_session import gpu_kinds, has_onnxruntime
from space.packages import is_installed
from space.threads import threads_here

log = logging.getLogger("space.jobs")


@dataclass(frozen=True)
class Place:
    """What runs a model (``torch`` or ``onnx``), and on which device."""

    runtime: str
    device: str


def place_for(device: str, runtime: str, has_onnx: bool) -> Place:
    """Return what runs a model here.

    ONNX Runtime does if it is installed and the model has a file for it, unless there is a GPU that
    only torch can use. PyTorch is not imported to find that out on a computer without such a GPU.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, or the number of a GPU.
    runtime : str
        ``torch``, ``onnx`` or ``auto``, as ``inference_runtime``.
    has_onnx : bool
        Whether the model has an .onnx file of use.

    Raises
    ------
    SpaceError
        If the package that is needed is missing.
    """
    if runtime == "torch" or (runtime == "auto" and not (has_onnx and has_onnxruntime())):
        if runtime == "auto" and has_onnx and not is_installed("torch"):
            gpu_kinds()  # says what is missing
        return Place("torch", torch_device(device))
    number = _gpu_number(device)
    kinds = gpu_kinds() if number is not None else ()
    if number is None:
        return Place("onnx", "cpu")
    if "cuda" in kinds and 0 <= number < nvidia_gpus():
        return Place("onnx", f"cuda:{number}")
    if "dml" in kinds and number >= 0:
        return Place("onnx", f"dml:{number}")
    if runtime == "auto" and is_installed("torch") and (nvidia_gpus() or _has_amd_gpus()):
        usable = torch_device(device)
        return Place("onnx" if usable == "cpu" else "torch", usable)
    if not _is_auto(device):
        log.warning("ONNX Runtime cannot use the GPU %r here: the CPU is used.", device)
    return Place("onnx", "cpu")


def torch_device(device: str) -> str:
    """Return the torch name of a device (``cpu``, ``cuda:0``), and set the CPU threads.

    ``auto`` is the first GPU where torch can use one. A GPU that torch cannot use is replaced
    by the CPU with a warning: slow results are better than none.

    Raises
    ------
    SpaceError
        If torch is missing.
    """
    try:
        import torch
    except ImportError as error:
        raise SpaceError(
            f"torch is missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[predict]"',
        ) from error
    number = _gpu_number(device)
    threads = threads_here(torch.get_num_threads())
    if number is None:
        torch.set_num_threads(threads)
        return "cpu"
    if number >= 0 and torch.cuda.is_available() and number < torch.cuda.device_count():
        return f"cuda:{number}"
    if not _is_auto(device):
        log.warning("torch cannot use the GPU %r here: the CPU is used.", device)
    torch.set_num_threads(threads)
    return "cpu"


def nvidia_gpus() -> int:
    """Return how many GPUs the driver of NVIDIA knows; 0 without one."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
        count = ctypes.c_int(0)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def _has_amd_gpus() -> bool:
    return Path("/dev/kfd").exists()  # what ROCm, by which torch runs there, opens


def _gpu_number(device: str) -> int | None:
    """Return the number of a GPU, -1 for what is none, None for the CPU."""
    wanted = device.strip().lower().removeprefix("cuda:").removeprefix("dml:")
    if wanted == "cpu":
        return None
    if wanted in ("auto", "cuda", ""):
        return 0
    return int(wanted) if wanted.isdigit() else -1


def _is_auto(device: str) -> bool:
    return device.strip().lower() == "auto"
