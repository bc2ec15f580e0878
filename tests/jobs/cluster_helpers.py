"""A SLURM whose jobs are processes of this computer, and workers of Dask without models."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from helpers import REPOSITORY

#: Loaded by each worker process of Dask.
NODE = """
import os, sys, time
from pathlib import Path
sys.path[:0] = [{repository!r}, {tests!r}]
import helpers
from space.jobs import worker

class Runner(helpers.FakeRunner):
    def run(self, job, map_dir, say, may_write, progressed):
        once = Path(map_dir) / f"{{job.map_name}}.once"
        if "hang" in job.map_name and not once.exists():
            once.touch()
            os._exit(worker.STATUS_HUNG)
        slow = "slow" in job.map_name and not once.exists()
        helpers.meet(map_dir)
        for _ in range(600 if slow else 2):
            time.sleep(0.05)
            progressed()
        with open(Path(map_dir) / "ran.txt", "a") as stream:
            stream.write(f"{{job.map_name}} {{os.getpid()}}\\n")
        return super().run(job, map_dir, say, may_write)

worker.Engine = lambda *args: Runner()
worker.POLL_SECONDS = 0.1
"""

_COMMON = """#!{python}
import os, shlex, signal, subprocess, sys
from pathlib import Path
home = Path({home!r})
"""

_SBATCH = """
if (home / "refuse").exists():
    sys.exit("sbatch: error: invalid partition specified: nowhere")
script = Path(sys.argv[-1]).read_text()
number = len(list(home.glob("*.sh"))) + 1
(home / f"{number}.sh").write_text(script)
options = {}
for line in script.splitlines():
    if line.startswith("#SBATCH --"):
        name, _, value = shlex.split(line[8:])[0].partition("=")
        options[name] = value
if not (home / "hold").exists():
    with open(options["--output"].replace("%%", "%"), "ab") as output:
        job = subprocess.Popen(
            ["bash", str(home / f"{number}.sh")], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, cwd=options["--chdir"], start_new_session=True)
    (home / f"{number}.pid").write_text(str(job.pid))
print(f"Submitted batch job {number}")
"""

_SQUEUE = """
job = sys.argv[-1].partition("=")[2]
if not (home / f"{job}.sh").exists():
    sys.exit("slurm_load_jobs error: Invalid job id specified")
try:
    stat = Path("/proc", (home / f"{job}.pid").read_text(), "stat").read_text()
    print("" if stat.rsplit(")", 1)[1].split()[0] == "Z" else "RUNNING")
except FileNotFoundError:
    print("" if (home / f"{job}.pid").exists() else "PENDING")
"""

_SCANCEL = """
(home / f"{sys.argv[-1]}.cancelled").touch()
try:
    os.killpg(int((home / f"{sys.argv[-1]}.pid").read_text()), signal.SIGTERM)
except (FileNotFoundError, ProcessLookupError):
    pass
"""


def write_node(path: Path) -> Path:
    """Write what makes a worker process of Dask one without models."""
    tests = str(REPOSITORY / "tests" / "jobs")
    path.write_text(NODE.format(repository=str(REPOSITORY), tests=tests), encoding="utf-8")
    return path


class FakeSlurm:
    """sbatch, squeue and scancel in a folder for PATH.

    Files steer it: ``hold`` (jobs wait), ``refuse`` (they are not taken).
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.bin = home / "bin"
        self.bin.mkdir(parents=True)
        common = _COMMON.format(python=sys.executable, home=str(home))
        for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
            (self.bin / name).write_text(common + text, encoding="utf-8")
            (self.bin / name).chmod(0o755)

    @property
    def path(self) -> str:
        """PATH with these commands first."""
        return f"{self.bin}{os.pathsep}{os.environ['PATH']}"

    def scripts(self) -> list[str]:
        """Return the scripts of all jobs."""
        return [path.read_text(encoding="utf-8") for path in sorted(self.home.glob("*.sh"))]

    def cancelled(self) -> int:
        """Return how many jobs were cancelled."""
        return len(list(self.home.glob("*.cancelled")))

    def end(self) -> None:
        """Kill what is left."""
        for path in self.home.glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.killpg(int(path.read_text(encoding="utf-8")), signal.SIGKILL)


def wait_for(condition, seconds: float = 200.0) -> bool:
    """Wait until a condition holds; False if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
