"""Acquire at Items."""

from space.simulator.acquire.items import run_acquire, run_with_acquisitions

__all__ = ["run_acquire", "run_with_acquisitions"]
