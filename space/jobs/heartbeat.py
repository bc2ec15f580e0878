"""The thread of a worker that gives signs of life, and notices that the worker's job hangs."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from space.files import write_text_atomic
from space.jobs.presence import Beat, Patience, Watch, beat_path
from space.jobs.vitals import Pulse
from space.jobs.workers import Worker

log = logging.getLogger("space.jobs")


class Heartbeat:
    """Context manager: a thread that gives signs of life while the block runs.

    Parameters
    ----------
    map_dir : Path
    worker : Worker
    patience : Patience
    hanging : callable
        Called, once, when the job has made no progress for too long or takes too long. A worker
        process ends itself then; its starter replaces it.
    pulse : Pulse, optional
        What the worker tells of itself; one for all folders that it works in.
    """

    def __init__(
        self,
        map_dir: Path,
        worker: Worker,
        patience: Patience | None = None,
        hanging: Callable[[str], None] = lambda reason: None,
        pulse: Pulse | None = None,
    ) -> None:
        self._path = beat_path(map_dir, worker.name)
        self._worker = worker
        self._patience = patience or Patience()
        self._hanging = hanging
        self._pulse = pulse or Pulse()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._count = 0
        self._progress = 0
        self._job = ("", "")
        self._jobs = 0
        self._longest_s = 0.0
        self._watch = Watch(look_s=self._patience.look_s)

    def __enter__(self) -> Heartbeat:
        self._beat()  # the first one here: an unusable folder must be noticed at once
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30.0)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def begin(self, map_name: str, task: str, megapixels: float) -> None:
        """Note that a job has begun."""
        self._longest_s = self._patience.longest_job_s(megapixels)
        self._pulse.begin(megapixels)
        self._job = (map_name, task)
        self._jobs += 1
        self._progress += 1

    def progressed(self, share: float | None = None) -> None:
        """Note that the job has come on, and how much of its map is done if that is known."""
        self._progress += 1
        self._pulse.progressed(share)

    def waits(self, text: str) -> None:
        """Note what the worker waits for between jobs; empty if for nothing."""
        self._pulse.waits(text)

    def end(self) -> None:
        """Note that no job is being done."""
        self._job = ("", "")
        self._pulse.end()

    def _beat(self) -> None:
        self._count += 1
        vitals = self._pulse.vitals()
        if not self._job[0]:  # it may be at work in another folder
            vitals = vitals.between_jobs()
        beat = Beat(self._worker, self._count, self._job, self._progress, vitals)
        write_text_atomic(self._path, json.dumps(beat.to_dict()) + "\n")

    def _run(self) -> None:
        while not self._stop.wait(self._patience.beat_s):
            try:
                self._beat()
            except OSError as error:
                log.warning("The sign of life could not be written: %s", error)
            reason = self._hangs()
            if reason:
                self._hanging(reason)
                return

    def _hangs(self) -> str:
        stalled_s = self._watch.unchanged_s("progress", self._progress)
        taking_s = self._watch.unchanged_s("job", self._jobs)
        if not self._job[0]:
            return ""
        if stalled_s >= self._patience.stall_s:
            return f"no progress for {stalled_s / 60:.0f} min"
        if taking_s >= self._longest_s:
            return f"still not done after {taking_s / 60:.0f} min"
        return ""
