"""How soon things happen around the queue: with real processes, on a machine that has other work.

worker
    A session has saved a map and queues it; a worker idles with its model loaded. Until the
    model is given the map.
monitor
    A map of another program is copied into the folder of a monitor, whose worker idles with its
    model loaded. Until the model is given the map.
result
    A worker has written the result. Until the script that waits for it goes on.
idle
    Processor time of an idle worker and an idle monitor, in per cent of one core.

The worker is the real one but for its network, which notes when it is called. Maps have 1600 x 1600
pixels; others are in the folder, done, as in a long session. Programs that do nothing but compute,
one for each core, run at a low priority meanwhile (`--load 0`: none).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, parser, report
from space.config import load_config
from space.images import fingerprint, write_json_beside, write_png
from space.jobs import QUEUE_NAME, RUNS_NAME, JobFolder, ModelMarks

PATIENCE_S = 180.0
PIXEL_NM = load_config(PROJECT).segmentation_pixel_nm
_LOOK_S = 0.05

_WORKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {project!r})
import numpy
from space.jobs import engine, worker

if not {events!r}:
    sys.modules["watchdog"] = None

class Network:
    labels = {{"background": 0, "lamella": 1}}

    def segment(self, image, progress=None):
        with open({notes!r}, "a") as notes:
            notes.write(f"{{time.time()!r}}\\n")
        return numpy.zeros(image.shape, "uint8")

class Noting(engine.Engine):
    def __init__(self, space_dir, device):
        make = lambda *args, **more: Network()
        super().__init__(Path({project!r}), "cpu", make_segmenter=make)

worker.Engine = Noting
sys.exit(worker.main(space_dir=Path({project!r})))
"""

_MONITOR = """
import sys
from pathlib import Path
sys.path.insert(0, {project!r})
if not {events!r}:
    sys.modules["watchdog"] = None
from space.jobs import monitor_command
monitor_command.missing_here = lambda config, space_dir: []
sys.exit(monitor_command.main(space_dir=Path({home!r})))
"""


@dataclass(frozen=True)
class Latency:
    """Times of several trials, in seconds."""

    times_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The usual time."""
        return statistics.median(self.times_s)

    @property
    def worst_s(self) -> float:
        """The longest time."""
        return max(self.times_s)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "median_s": round(self.median_s, 3),
            "worst_s": round(self.worst_s, 3),
            "n": len(self.times_s),
        }


class Bench:
    """A folder with maps that are done, and the processes that work on it.

    Parameters
    ----------
    home : Path
        An empty folder for everything.
    done : int
        How many maps are done in it.
    events : bool
        Whether events of the file system are used; else files are looked at only, as on a
        network folder.
    """

    def __init__(self, home: Path, done: int = 100, events: bool = True) -> None:
        self.home = home
        self.maps = home / "maps"
        self.maps.mkdir()
        values = {
            "project": str(PROJECT),
            "home": str(home),
            "notes": str(home / "notes.txt"),
            "events": events,
        }
        self._monitor_code = _MONITOR.format(**values)
        (home / "SPACEtomo_nnUNet.py").write_text(_WORKER.format(**values), encoding="utf-8")
        shutil.copy(PROJECT / "SPACEtomo_config.py", home)
        config = home / "SPACEtomo_config.py"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace('"models/', f'"{PROJECT.as_posix()}/models/'), "utf-8")
        self.random = np.random.default_rng(0)
        self._count = 0
        self._make_done(done)

    def picture(self) -> np.ndarray:
        """Return a new map."""
        blocks = self.random.normal(120, 30, (50, 50)).repeat(32, 0).repeat(32, 1)
        return (blocks + self.random.normal(0, 20, blocks.shape)).clip(0, 255).astype(np.uint8)

    def next_name(self) -> str:
        """Return the name of a map that is not there."""
        self._count += 1
        return f"new_L{self._count:03d}.png"

    def begun_s(self) -> list[float]:
        """Return when the model was given each map."""
        with contextlib.suppress(FileNotFoundError):
            text = (self.home / "notes.txt").read_text(encoding="utf-8")
            return [float(line) for line in text.splitlines() if line]
        return []

    @contextlib.contextmanager
    def worker(self) -> Iterator[int]:
        """Run a worker whose model is loaded; gives its process."""
        script = str(self.home / "SPACEtomo_nnUNet.py")
        command = [sys.executable, script, "--worker", "--device", "cpu", "--dir", str(self.maps)]
        with _process(command) as pid:
            self.run_one()
            yield pid

    @contextlib.contextmanager
    def monitor(self) -> Iterator[int]:
        """Run a monitor with a worker whose model is loaded; gives its process."""
        command = [sys.executable, "-c", self._monitor_code, "--dir", str(self.maps)]
        with _process([*command, "--gpu", "cpu"]) as pid:
            self.run_one()
            yield pid

    def run_one(self) -> None:
        """Have one map processed, which loads the model; then wait until all is idle."""
        name = self.next_name()
        self.save(name)
        JobFolder(self.maps).submit(name)
        self.until_done(name)
        time.sleep(1.0)

    def save(self, name: str) -> None:
        """Save a map as a session does."""
        write_json_beside(self.maps / name, {"pixel_nm": PIXEL_NM})
        write_png(self.maps / name, self.picture(), PIXEL_NM, "benchmark")

    def until_done(self, name: str) -> None:
        """Wait until a map is done."""
        folder = JobFolder(self.maps)
        _until(lambda: folder.status(name).state == "done")

    def _make_done(self, number: int) -> None:
        folder = JobFolder(self.maps)
        mark = ModelMarks(lambda: load_config(self.home))("segment")
        labels = np.zeros((200, 200), np.uint8)
        lines = []
        for index in range(number):
            name = f"old_L{index:03d}.png"
            write_png(self.maps / name, labels + np.uint8(index), PIXEL_NM, "benchmark")
            more = {"map": fingerprint(self.maps / name), "model_hash": mark, "labels": "{}"}
            write_png(folder.result_path(name), labels, PIXEL_NM, name, **more)
            lines.append(f'{name}\tsegment\t{{"attempt": 1, "state": "done"}}\n')
        (self.maps / RUNS_NAME).write_text("".join(lines), encoding="utf-8")
        (self.maps / QUEUE_NAME).write_text("", encoding="utf-8")


def latency_worker_s(n: int = 10, done: int = 100, events: bool = True) -> Latency:
    """From a map that a session has saved and queues to its inference, with a warm worker."""
    times_s = []
    with _bench(done, events) as bench, bench.worker():
        for _ in range(n):
            name = bench.next_name()
            bench.save(name)
            before, start_s = len(bench.begun_s()), time.time()
            JobFolder(bench.maps).submit(name)
            _until(lambda before=before: len(bench.begun_s()) > before)
            times_s.append(bench.begun_s()[-1] - start_s)
            bench.until_done(name)
            time.sleep(bench.random.uniform(0.5, 2.5))
    return Latency(tuple(times_s))


def latency_monitor_s(n: int = 10, done: int = 100, events: bool = True) -> Latency:
    """From the end of a copy into a monitor's folder to the inference, with a warm worker."""
    times_s = []
    with _bench(done, events) as bench, bench.monitor():
        for _ in range(n):
            name = bench.next_name()
            write_png(bench.home / name, bench.picture(), PIXEL_NM, "elsewhere")
            before = len(bench.begun_s())
            shutil.copyfile(bench.home / name, bench.maps / name)
            start_s = time.time()
            _until(lambda before=before: len(bench.begun_s()) > before)
            times_s.append(bench.begun_s()[-1] - start_s)
            bench.until_done(name)
            time.sleep(bench.random.uniform(0.5, 5.5))
    return Latency(tuple(times_s))


def latency_result_s(n: int = 10, done: int = 100) -> Latency:
    """From a result to the step that waits for it, in a process with a Delay in real time."""
    times_s = []
    with _bench(done, True) as bench:
        for _ in range(n):
            name = bench.next_name()
            bench.save(name)
            folder = JobFolder(bench.maps)
            folder.submit(name)
            command = [sys.executable, "-c", _WAITING.format(project=str(PROJECT))]
            ready = bench.home / "ready"
            ready.unlink(missing_ok=True)
            with subprocess.Popen(
                [*command, str(bench.maps), name, str(ready)], stdout=subprocess.PIPE, text=True
            ) as script:
                _until(ready.exists)
                time.sleep(bench.random.uniform(0.5, 2.5))
                # A worker's part: here, so that the time of its result is known.
                start_s = _finish(folder, bench, name)
                out, _ = script.communicate(timeout=PATIENCE_S)
            times_s.append(float(out) - start_s)
    return Latency(tuple(times_s))


_WAITING = """
import sys, time, types
from pathlib import Path
sys.path.insert(0, {project!r})
serialem = types.ModuleType("serialem")
serialem.Delay = lambda seconds, unit: time.sleep(seconds)
serialem.KeyBreak = lambda key: 0.0
sys.modules["serialem"] = serialem
from space.steps import inference
maps, name, ready = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
session = types.SimpleNamespace(map_dir=maps, directory=maps, grid="G1", own_inference=False)
folder = inference.job_folder(session)

def poll():
    status = folder.status(name, "segment")
    ready.touch()
    return status.result if status.state == "done" else None

inference.wait_for_jobs(session, folder, poll, "a result", 60.0)
print(time.time())
"""


def _finish(folder: JobFolder, bench: Bench, name: str) -> float:
    from space.jobs import Worker

    claim = folder.claim(Worker.this_process())
    assert claim is not None and claim.job.map_name == name
    more = {"map": fingerprint(bench.maps / name), "labels": "{}"}
    write_png(folder.result_path(name), np.zeros((1600, 1600), np.uint8), PIXEL_NM, name, **more)
    written_s = time.time()
    folder.finish(claim)
    return written_s


def idle_percent(seconds: float = 60.0, done: int = 100) -> dict[str, float]:
    """Return the processor time of an idle worker and an idle monitor, in % of one core."""
    found = {}
    for name in ("worker", "monitor"):
        with _bench(done, True) as bench, getattr(bench, name)() as pid:
            before_s, start_s = _cpu_s(pid), time.monotonic()
            time.sleep(seconds)
            spent_s = _cpu_s(pid) - before_s
            found[f"idle_{name}_percent"] = round(100 * spent_s / (time.monotonic() - start_s), 2)
    return found


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _bench(done: int, events: bool) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        yield Bench(Path(home), done, events)


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[int]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SPACETOMO_THREADS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep cores busy at a low priority while the block runs."""
    code = "import os\nos.nice(10)\nwhile True: sum(range(100000))"
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(_process([sys.executable, "-c", code]))
        yield


def _until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError("waited in vain")
        time.sleep(_LOOK_S)


def main() -> None:
    """Command line."""
    options = parser(__doc__ or "", 10)
    options.add_argument("--load", type=int, default=os.cpu_count() or 1, help="busy processes")
    options.add_argument("--done", type=int, default=100, help="maps that are done in the folder")
    options.add_argument("--idle", type=float, default=60.0, help="seconds of idle time; 0: none")
    args = options.parse_args()
    numbers: dict[str, Any] = {"load": args.load, "done": args.done}
    with load(args.load):
        for events, kind in ((True, ""), (False, "_polled")):
            worker = latency_worker_s(args.n, args.done, events)
            monitor = latency_monitor_s(args.n, args.done, events)
            numbers[f"latency_worker{kind}"] = worker.to_dict()
            numbers[f"latency_monitor{kind}"] = monitor.to_dict()
        numbers["latency_result"] = latency_result_s(args.n, args.done).to_dict()
    if args.idle:
        numbers.update(idle_percent(args.idle, args.done))
    report(numbers, args.json)


if __name__ == "__main__":
    main()
