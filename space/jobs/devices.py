"""The device that a model runs on, as torch names it."""

from __future__ import annotations

import logging

from space.errors import SpaceError
from space.threads import threads_here

log = logging.getLogger("space.jobs")


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
    wanted = device.strip().lower().removeprefix("cuda:")
    threads = threads_here(torch.get_num_threads())
    if wanted == "cpu":
        torch.set_num_threads(threads)
        return "cpu"
    number = 0 if wanted in ("auto", "cuda", "") else int(wanted) if wanted.isdigit() else -1
    if number >= 0 and torch.cuda.is_available() and number < torch.cuda.device_count():
        return f"cuda:{number}"
    if wanted != "auto":
        log.warning("torch cannot use the GPU %r here: the CPU is used.", device)
    torch.set_num_threads(threads)
    return "cpu"
