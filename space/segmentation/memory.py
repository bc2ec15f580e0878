"""Telling a full memory, and a device that does not work, from other errors."""

from __future__ import annotations

_FULL = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
_DEVICE = ("cuda error", "no kernel image", "cudnn", "cublas", "nvrtc", "device-side", "driver")


def is_memory_full(error: BaseException) -> bool:
    """Tell whether `error` says that memory (of the GPU or the machine) is used up."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _FULL)


def is_device_fault(error: BaseException) -> bool:
    """Tell whether `error` comes from the GPU or its driver, not from the data."""
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _DEVICE)
