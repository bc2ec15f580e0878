"""Small maps, results and a worker script without models, for the tests of jobs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from space.images import fingerprint, write_json_beside, write_png
from space.jobs import JobFolder
from space.jobs.presence import beat_path
from space.jobs.workers import Worker

REPOSITORY = Path(__file__).resolve().parents[2]


def make_map(folder: Path, name: str, seed: int = 0, shape=(20, 30), described=True) -> Path:
    path = Path(folder) / name
    array = np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)
    write_png(path, array, 16.0, "test")
    if described:
        write_json_beside(path, {"pixel_nm": 16.0})
    return path


def write_result(folder: Path, name: str, **text) -> Path:
    path = Path(folder) / f"{Path(name).stem}_seg.png"
    mark = fingerprint(Path(folder) / name)
    write_png(path, np.zeros((20, 30), np.uint8), 16.0, name, map=mark, **text)
    return path


def beat(folder: Path, worker: Worker, count: int, **more: object) -> None:
    text = json.dumps({**asdict(worker), "beat": count, **more})
    beat_path(folder, worker.name).write_text(text, encoding="utf-8")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def watch_for(folder: JobFolder, clock: Clock, seconds: float, meanwhile=lambda: None) -> None:
    """Let time pass while somebody looks at the folder every few seconds."""
    for _ in range(round(seconds / 5)):
        clock.now += 5
        meanwhile()
        folder.reap()


class FakeRunner:
    """Writes an empty segmentation; may be told to fail."""

    def __init__(self, error: Exception | None = None):
        self.error = error
        self.done: list[str] = []

    def run(self, job, map_dir, say, may_write, progressed=lambda share=None: None):
        if self.error is not None:
            raise self.error
        self.done.append(job.map_name)
        return write_result(map_dir, job.map_name)


def meet(map_dir: Path, seconds: float = 150.0) -> None:
    """Wait in the first job of a process until as many processes as are awaited have one."""
    path = Path(map_dir) / "parties.txt"
    parties = int(path.read_text()) if path.exists() else 0
    Path(map_dir, f"begun_{os.getpid()}").touch()
    end = time.monotonic() + seconds
    while len(list(Path(map_dir).glob("begun_*"))) < parties and time.monotonic() < end:
        time.sleep(0.05)


WORKER_SCRIPT = """
import os, sys, time
from pathlib import Path
sys.path[:0] = [{repository!r}, {tests!r}]
{before}
import helpers
from space.jobs import worker

class Runner(helpers.FakeRunner):
    def run(self, job, map_dir, say, may_write, progressed):
        {action}
        with open(Path(map_dir) / "ran.txt", "a") as stream:
            stream.write(f"{{job.map_name}} {{os.getpid()}}\\n")
        return super().run(job, map_dir, say, may_write)

worker.Engine = lambda *args: Runner()
worker.POLL_SECONDS = 0.1
worker.Timing.__init__.__defaults__ = (600.0, 0.1, 60.0)
sys.exit(worker.main(space_dir=Path(__file__).parent))
"""


def write_worker_script(space_dir: Path, before: str = "", action: str = "pass") -> None:
    """Write a SPACEtomo_nnUNet.py whose worker needs no model."""
    text = WORKER_SCRIPT.format(
        repository=str(REPOSITORY),
        tests=str(REPOSITORY / "tests" / "jobs"),
        before=before,
        action=action,
    )
    (Path(space_dir) / "SPACEtomo_nnUNet.py").write_text(text, encoding="utf-8")
