"""The queue under random trouble: processes killed or stopped, a full or absent folder, odd files.

Each schedule is one folder with maps, two monitors with their workers (real processes, without
models), and three seconds of trouble drawn from its seed. Then the trouble ends, a monitor is
started anew where none is left, and every healthy map must be done once, every map that kills its
worker must have failed with a reason, within the time stated.

What counts:

lost
    Healthy maps that were not done at the end, or had failed.
twice
    Maps whose result was written more than once.
stuck
    Schedules in which something was still open after the stated time.
blamed
    Maps that kill their worker and were not told as failed.
tracebacks
    In what monitors and workers wrote, but for the one that a broken map is meant to cause.

Times inside (signs of life, silence, limits) are about 30 times shorter than in use, so that a
schedule takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, parser, report
from space.errors import SpaceError
from space.images import write_json_beside, write_png
from space.jobs import JobFolder, Patience

TROUBLE_S = 3.0
SETTLED_WITHIN_S = 60.0
"""The time stated: the longest chain is a silence (2 s), three attempts and pauses between starts,
beside other work on the machine."""

CLUSTER_TROUBLE_S, CLUSTER_SETTLED_WITHIN_S, CLUSTER_SILENCE_S = 12.0, 180.0, 20.0
"""The same where Dask starts processes, which takes it seconds each time."""

QUICK = Patience(
    beat_s=0.15, stale_s=2.0, missing_s=0.7, look_s=0.7, stall_s=3.0, job_s=6.0, job_per_mpx_s=0.0
)

_COMMON = """
import errno, os, random, sys, time, types
from pathlib import Path
sys.path.insert(0, {project!r})
from space.jobs import monitor_command as monitor
from space.jobs import cluster, folder_view, map_watch, presence, queue_files, slots, worker

quick = presence.Patience(**{quick!r})
folder_view.Patience = lambda: quick
queue_files.LOCK_SECONDS = 1.0
fail = Path({home!r}) / "fail"
replace = os.plain_replace = getattr(os, "plain_replace", os.replace)  # once, if read twice

def shaky(source, target, **more):
    if fail.exists() and random.random() < 0.5:
        raise OSError(random.choice([errno.ENOSPC, errno.EIO]), "no luck", str(target))
    return replace(source, target, **more)

os.replace = shaky
"""

_WORKER = """
class Runner:
    def run(self, job, map_dir, say, may_write, progressed):
        ran = Path({home!r}) / "ran"
        if "poison" in job.map_name:
            os._exit(9)
        once = ran / f"hung {{job.map_name}}"
        if "hang" in job.map_name and not once.exists():
            once.touch()
            time.sleep(1e6)
        for _ in range(random.randint(1, 6)):
            time.sleep(0.05)
            progressed()
        if not may_write():
            raise worker.ClaimLost(job.map_name)
        from space.images import fingerprint, write_png
        import numpy
        path = Path(map_dir) / job.map_name
        target = path.with_name(path.stem + "_seg.png")
        write_png(target, numpy.zeros((20, 30), "uint8"), 16.0, "x", map=fingerprint(path))
        with open(ran / job.map_name, "a") as stream:
            stream.write(f"{{os.getpid()}}\\n")
        if "distributed" in sys.modules:
            with open(Path({home!r}) / "by_dask.txt", "a") as stream:
                stream.write(f"{{job.map_name}}\\n")

worker.Engine = lambda *args: Runner()
"""

_ALONE = """
worker.LONGEST_PAUSE_SECONDS = 0.5
worker.Timing.__init__.__defaults__ = (600.0, 0.1, 60.0)
sys.exit(worker.main(space_dir=Path({home!r})))
"""

_MONITOR = """
slots.FIRST_PAUSE_SECONDS = 0.1
slots.LONGEST_PAUSE_SECONDS = 1.0
cluster.DaskExecutor.silence_s = {silence_s!r}
map_watch.BROKEN_SECONDS = 2.0
monitor.load_config = lambda space_dir: types.SimpleNamespace(runs_per_gpu=1)
monitor.missing_here = lambda config, space_dir: []
monitor.ModelMarks = lambda load: None
if __name__ == "__main__":  # processes of Dask read this file as well
    sys.exit(monitor.main(space_dir=Path({home!r})))
"""


@dataclass
class Outcome:
    """What one schedule came to."""

    seed: int
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    settled_s: float = 0.0
    done: int = 0
    done_by_dask: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.twice or self.stuck or self.blamed or self.tracebacks)


class Schedule:
    """One folder and its trouble.

    Parameters
    ----------
    home : Path
        An empty folder for everything.
    seed : int
    cluster : bool
        Whether every second monitor has its worker run by Dask.
    """

    def __init__(self, home: Path, seed: int, cluster: bool = False) -> None:
        self.home = home
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.maps = home / "maps"
        self.away = home / "away"
        self.maps.mkdir()
        (home / "ran").mkdir()
        values = {"project": str(PROJECT), "home": str(home), "quick": asdict(QUICK)}
        values["silence_s"] = CLUSTER_SILENCE_S
        programs = {
            "SPACEtomo_nnUNet.py": _WORKER + _ALONE,
            "monitor.py": _MONITOR,
            "node.py": _WORKER,  # loaded by each process of Dask
        }
        for name, text in programs.items():
            (home / name).write_text((_COMMON + text).format(**values), encoding="utf-8")
        self.monitors: list[subprocess.Popen[bytes]] = []
        self.outcome = Outcome(seed)
        names = [
            f"G{i % 2}_L{i:02d}.png"
            for i in range(1, self.rng.randint(5, 9) * (4 if cluster else 1))
        ]
        self.healthy = names + [f"hang_L{i:02d}.png" for i in range(self.rng.randint(0, 1))]
        self.poison = [f"poison_L{i:02d}.png" for i in range(self.rng.randint(0, 2))]

    def run(self) -> Outcome:
        """Run it to its end."""
        try:
            for _ in range(2):
                self._start_monitor()
            self._trouble()
            self._settle()
            self._count()
        finally:
            self._end()
        return self.outcome

    # --- trouble ------------------------------------------------------------------------

    def _trouble(self) -> None:
        waiting = self.healthy + self.poison
        self.rng.shuffle(waiting)
        deeds = [
            self._kill_worker,
            self._kill_worker,
            self._kill_monitor,
            self._stop_worker,
            self._failing_writes,
            self._folder_away,
            self._tamper,
            self._odd_line,
            self._odd_file,
            self._submit_again,
        ]
        end = time.monotonic() + (CLUSTER_TROUBLE_S if self.cluster else TROUBLE_S)
        while time.monotonic() < end:
            if waiting:
                self._make_map(waiting.pop())
            deed = self.rng.choice(deeds)
            self.outcome.trouble.append(deed.__name__)
            with contextlib.suppress(OSError, SpaceError):
                deed()
            time.sleep(self.rng.uniform(0.05, 0.4))
        for name in waiting:
            self._make_map(name)

    def _make_map(self, name: str) -> None:
        path = self.maps / name
        array = np.random.default_rng(len(name)).integers(1, 256, (20, 30)).astype(np.uint8)
        write_png(path, array, 16.0, "test")
        write_json_beside(path, {"pixel_nm": 16.0})
        if self.rng.random() < 0.5:
            with contextlib.suppress(OSError, SpaceError):
                JobFolder(self.maps).submit(name)

    def _worker_pids(self) -> list[int]:
        found = []
        for path in self.maps.glob(".SPACE_worker_*.txt"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(int(json.loads(path.read_text(encoding="utf-8"))["pid"]))
        return found

    def _kill_worker(self) -> None:
        pids = self._worker_pids()
        if pids:
            os.kill(self.rng.choice(pids), signal.SIGKILL)

    def _kill_monitor(self) -> None:
        running = [process for process in self.monitors if process.poll() is None]
        if len(running) > 1 or (running and self.rng.random() < 0.3):
            self.rng.choice(running).kill()

    def _stop_worker(self) -> None:
        pids = self._worker_pids()
        if pids:
            pid = self.rng.choice(pids)
            os.kill(pid, signal.SIGSTOP)
            if self.rng.random() < 0.5:
                time.sleep(self.rng.uniform(0.1, 0.6))
                os.kill(pid, signal.SIGCONT)

    def _failing_writes(self) -> None:
        (self.home / "fail").touch()
        time.sleep(self.rng.uniform(0.1, 0.8))
        (self.home / "fail").unlink()

    def _folder_away(self) -> None:
        self.maps.rename(self.away)
        try:
            time.sleep(self.rng.uniform(0.1, 1.5))
        finally:
            self._folder_back()

    def _folder_back(self) -> None:
        if self.away.exists():
            if self.maps.exists():  # somebody wrote into the empty place
                shutil.rmtree(self.maps)
            self.away.rename(self.maps)

    def _tamper(self) -> None:
        kinds = (".SPACE_claim_*.json", ".SPACE_worker_*.txt", ".SPACE_start_*.json")
        paths = [path for kind in kinds for path in self.maps.glob(kind)]
        texts = ["", "{", "[1, 2]", '{"worker": 5, "attempt": "x", "job": null}', "[" * 5000]
        texts += ['{"worker": {"name": "../../x", "pid": 1e999}}', "\x00\x00", "null"]
        if paths:
            text = self.rng.choice(texts)
            self.rng.choice(paths).write_text(text, encoding="utf-8")

    def _odd_line(self) -> None:
        lines = ["\x00\x01\x02", "x" * 230 + ".png", "a" * 9000, "../../etc/passwd", "\t\t\t"]
        lines += ["nowhere_L99.png\tsegment\t{", "G1_L01.png\tsegment\t" + "[" * 4000]
        line = self.rng.choice(lines)
        runs = [
            'nobody_L98.png\tsegment\t{"state": "dancing"}',
            'x.png\tsegment\t{"attempt": 1e400}',
        ]
        runs += ['y_L97.png\tsegment\t{"state": 5, "attempt": "many", "params": [1]}']
        name = self.rng.choice(["SPACE_queue.txt", "SPACE_runs.txt"])
        if name == "SPACE_runs.txt":
            line = self.rng.choice([*runs, line])
        with open(self.maps / name, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _odd_file(self) -> None:
        path = self.maps / f"odd{self.rng.randint(0, 9)}_L0{self.rng.randint(1, 9)}.png"
        if self.rng.random() < 0.5:
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    def _submit_again(self) -> None:
        for path in sorted(self.maps.glob("G?_L*.png")):
            if not path.stem.endswith("_seg"):
                JobFolder(self.maps).submit(path.name)

    # --- the end ------------------------------------------------------------------------

    def _start_monitor(self) -> None:
        with open(self.home / f"monitor_{len(self.monitors)}.log", "ab") as output:
            command = [sys.executable, str(self.home / "monitor.py"), "--dir", str(self.maps)]
            by_dask = self.cluster and len(self.monitors) % 2 == 0
            # Another device, since a device that somebody uses gets no worker.
            command += ["--gpu", "auto", "--executor", "local"] if by_dask else ["--gpu", "cpu"]
            node = str(self.home / "node.py")
            self.monitors.append(
                subprocess.Popen(
                    [*command, "--interval", "0.2"],
                    env={**os.environ, "DASK_DISTRIBUTED__WORKER__PRELOAD": node},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def _settle(self) -> None:
        self._folder_back()
        with contextlib.suppress(FileNotFoundError):
            (self.home / "fail").unlink()
        for pid in self._worker_pids():
            if not self._has_monitor(pid):
                # Nobody else can tell a process that is stopped from one that is at work, and it
                # may hold the lock: a person has to continue or end it.
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGCONT)
        for name in self.healthy + self.poison:
            if not (self.maps / name).exists():
                self._make_map(name)
        start = time.monotonic()
        folder = JobFolder(self.maps)
        open_jobs = self.healthy
        within_s = CLUSTER_SETTLED_WITHIN_S if self.cluster else SETTLED_WITHIN_S
        while open_jobs and time.monotonic() - start < within_s:
            if all(process.poll() is not None for process in self.monitors):
                self._start_monitor()  # also where the last one just found the folder away
            time.sleep(0.2)
            with contextlib.suppress(OSError, SpaceError):
                states = folder.statuses()
                open_jobs = [
                    name
                    for name in self.healthy + self.poison
                    if name not in states or states[name].state not in ("done", "failed")
                ]
        self.outcome.settled_s = round(time.monotonic() - start, 1)
        self.outcome.stuck = sorted(open_jobs)

    def _has_monitor(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            parent = int(text.rsplit(")", 1)[1].split()[1])
            return any(m.pid == parent and m.poll() is None for m in self.monitors)
        return False

    def _count(self) -> None:
        folder = JobFolder(self.maps)
        for name in self.healthy:
            status = folder.status(name)
            self.outcome.done += status.state == "done"
            if status.state == "failed":
                self.outcome.lost.append(f"{name}: {status.reason}")
            elif status.state != "done" and name not in self.outcome.stuck:
                self.outcome.lost.append(f"{name}: {status.state}")
            ran = self.home / "ran" / name
            if ran.exists() and len(ran.read_text(encoding="utf-8").split()) > 1:
                self.outcome.twice.append(name)
        by_dask = self.home / "by_dask.txt"
        if by_dask.exists():
            self.outcome.done_by_dask = len(by_dask.read_text(encoding="utf-8").split())
        for name in self.poison:
            status = folder.status(name)
            if status.state != "failed" or not status.reason:
                self.outcome.blamed.append(f"{name}: {status.state} {status.reason}")
        for path in [*self.home.glob("*.log"), *self.maps.glob("*.log")]:
            text = path.read_text(encoding="utf-8", errors="replace")
            if "Traceback" in text:
                place = text.index("Traceback")
                self.outcome.tracebacks.append(f"{path.name}: {text[place : place + 1500]}")

    def _end(self) -> None:
        for process in self.monitors:
            process.kill()
            process.wait()
        for pid in self._worker_pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def run_schedule(seed: int, keep: Path | None = None, cluster: bool = False) -> Outcome:
    """Run one schedule in a temporary folder; one that went wrong is kept in `keep`."""
    home = Path(tempfile.mkdtemp(prefix=f"queue_{seed}_")).resolve()
    try:
        outcome = Schedule(home, seed, cluster).run()
        if keep is not None and not outcome.is_good:
            shutil.copytree(home, keep / str(seed), symlinks=True, ignore=_special)
        return outcome
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _special(folder: str, names: list[str]) -> list[str]:
    """Return what is neither a file nor a folder; a pipe would be copied for ever."""
    paths = {name: Path(folder) / name for name in names}
    return [
        name
        for name, path in paths.items()
        if path.is_symlink() or not (path.is_file() or path.is_dir())
    ]


def measure(seeds: range, at_once: int, keep: Path | None, cluster: bool = False) -> dict[str, Any]:
    """Run schedules and count what went wrong."""
    outcomes = []
    with ThreadPoolExecutor(at_once) as pool:
        for outcome in pool.map(lambda seed: run_schedule(seed, keep, cluster), seeds):
            outcomes.append(outcome)
            if not outcome.is_good:
                print(json.dumps(asdict(outcome), indent=1), flush=True)
    settled = sorted(outcome.settled_s for outcome in outcomes)
    return {
        "schedules": len(outcomes),
        "deeds": sum(len(outcome.trouble) for outcome in outcomes),
        "maps_done": sum(outcome.done for outcome in outcomes),
        "done_by_dask": sum(outcome.done_by_dask for outcome in outcomes),
        "lost": sum(len(outcome.lost) for outcome in outcomes),
        "twice": sum(len(outcome.twice) for outcome in outcomes),
        "stuck": sum(bool(outcome.stuck) for outcome in outcomes),
        "blamed": sum(len(outcome.blamed) for outcome in outcomes),
        "tracebacks": sum(len(outcome.tracebacks) for outcome in outcomes),
        "stated_s": CLUSTER_SETTLED_WITHIN_S if cluster else SETTLED_WITHIN_S,
        "settled_s_median": settled[len(settled) // 2],
        "settled_s_longest": settled[-1],
    }


def main() -> None:
    """Command line."""
    options = parser(__doc__.splitlines()[0], n=200)
    options.add_argument("--at-once", type=int, default=2, help="schedules at the same time")
    options.add_argument("--keep", type=Path, help="keep folders of schedules that went wrong here")
    options.add_argument(
        "--cluster", action="store_true", help="every second monitor has its worker run by Dask"
    )
    args = options.parse_args()
    logging.getLogger("space").setLevel(logging.ERROR)
    seeds = range(args.seed_start, args.seed_start + args.n)
    report(measure(seeds, args.at_once, args.keep, args.cluster), args.json)


if __name__ == "__main__":
    main()
