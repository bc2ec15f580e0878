"""How many CPU threads a network may use on this computer."""

from __future__ import annotations

import os

THREADS_VARIABLE = "SPACETOMO_THREADS"


def thread_count(wanted: str, usual: int) -> int:
    """Return how many CPU threads to use: as asked for, else all but one processor."""
    if wanted.strip().isdigit() and int(wanted) > 0:
        return int(wanted)
    return max(1, min(usual, (os.cpu_count() or 2) - 1))


def threads_here(usual: int | None = None) -> int:
    """Return how many CPU threads to use, as the environment says (see `thread_count`)."""
    return thread_count(os.environ.get(THREADS_VARIABLE, ""), usual or os.cpu_count() or 1)
