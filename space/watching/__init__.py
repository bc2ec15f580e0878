"""Tilt series become tomograms while the microscope runs: what is ready, a queue, its workers.

The queue is the one of maps (docs/queue.md) in a folder of its own, so that no worker for which a
session waits is busy with it. A running session is reached by reading its files alone.
"""

from space.watching.loop import WORKER_IDLE_S, Told, Watch, watch
from space.watching.ready import Looked, ready_series
from space.watching.worker import serve

__all__ = ["WORKER_IDLE_S", "Looked", "Told", "Watch", "ready_series", "serve", "watch"]
