"""Workers of a script that is run as SerialEM runs it: as the standard input of a Python process,
whose standard error SerialEM reads until it is closed. When it is closed itself, it ends that
process and all that this one has started."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import REPOSITORY, make_map, write_worker_script

from space.jobs import JobFolder, pid_alive

PATIENCE_S = 60.0
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from space.jobs.launch import ensure_worker
from space.jobs import JobFolder
ensure_worker(JobFolder(Path({maps!r})), Path({program!r}))
print("told on standard error", file=sys.stderr)
"""
# A worker in the middle of a map, with a process of its own as nnU-Net has several.
IN_THE_MIDDLE = """import subprocess
        if not (Path(map_dir) / "go").exists():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
            (Path(map_dir) / "pids.tmp").write_text(f"{os.getpid()} {child.pid}")
            (Path(map_dir) / "pids.tmp").rename(Path(map_dir) / "pids")
            time.sleep(300)"""


@pytest.fixture
def folders(tmp_path):
    for name in ("maps", "program"):
        (tmp_path / name).mkdir()
    write_worker_script(tmp_path / "program", action=IN_THE_MIDDLE)
    return tmp_path / "maps", tmp_path / "program"


def run_as_serialem_does(maps, program) -> str:
    """Run a script that starts a worker; return what it said on standard error."""
    text = SCRIPT.format(repository=str(REPOSITORY), maps=str(maps), program=str(program))
    process = subprocess.Popen(
        [sys.executable],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        return process.communicate(text, timeout=PATIENCE_S)[1]
    finally:
        process.kill()


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def end_all(pids) -> None:
    """End processes at once, without a chance to tidy up."""
    for pid in pids:
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/F", "/PID", str(pid)], check=False)
        else:
            os.kill(pid, signal.SIGKILL)


def test_workers_keep_no_script_from_ending_and_lose_no_map_when_serialem_is_closed(folders):
    maps, program = folders
    make_map(maps, "G_L01.png")
    queue = JobFolder(maps)
    queue.submit("G_L01.png")

    # With a worker on the other end of the pipe this would wait for the worker.
    assert run_as_serialem_does(maps, program).strip() == "told on standard error"
    wait_for((maps / "pids").exists)
    pids = [int(text) for text in (maps / "pids").read_text().split()]
    try:
        assert all(pid_alive(pid) for pid in pids)
        assert queue.status("G_L01.png").state == "running"
    finally:
        end_all(pids)
    assert not (maps / "G_L01_seg.png").exists()

    (maps / "go").touch()
    # Until its parent, if it has one here, has taken notice, a process that was ended is there.
    wait_for(lambda: not any(pid_alive(pid) for pid in pids))
    run_as_serialem_does(maps, program)
    wait_for(lambda: queue.status("G_L01.png").state == "done")
    (maps / "SPACE_stop.txt").touch()
    wait_for(lambda: not list(maps.glob(".SPACE_worker*")))
