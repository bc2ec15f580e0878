"""Workers as tasks of Dask, with real processes: each test takes some seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from helpers import REPOSITORY, make_map, write_worker_script

from space.jobs import JobFolder
from space.jobs.cluster_kinds import make_executor
from space.jobs.monitor import Monitor
from space.jobs.presence import all_beats
from space.jobs.workers import Worker, pid_alive
from tests.jobs.cluster_helpers import FakeSlurm, wait_for, write_node
from tests.jobs.tiny_models import write_config

pytest.importorskip("distributed")
pytest.importorskip("dask_jobqueue")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A folder of the project whose workers need no models, on whatever they run."""
    space_dir = tmp_path / "my program"
    space_dir.mkdir()
    write_config(space_dir)
    write_worker_script(space_dir, action="helpers.meet(map_dir)")
    (space_dir / "SPACEtomo_cluster.py").write_text("encrypt = False\ncores = 1\nmemory_gb = 2\n")
    node = write_node(space_dir / "node.py")
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", str(node))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    import dask

    with dask.config.set({"distributed.worker.preload": [str(node)]}):
        yield space_dir


@pytest.fixture
def maps(tmp_path):
    folder = tmp_path / "my maps"
    folder.mkdir()
    return folder


def ran(maps) -> Counter[str]:
    text = (maps / "ran.txt").read_text(encoding="utf-8") if (maps / "ran.txt").exists() else ""
    return Counter(line.split()[0] for line in text.splitlines())


def at_work(maps) -> dict[str, int]:
    """Return the process that works on each map."""
    return {b.job[0]: b.worker.pid for b, _ in all_beats(maps) if b.job and b.job[0]}


def test_processes_of_dask_share_maps_and_survive_deaths_and_hangs(program, maps, caplog):
    names = ["a_slow_L01.png", "b_hang_L01.png", *(f"c_L{n:02d}.png" for n in range(6))]
    for number, name in enumerate(names):
        make_map(maps, name, seed=number)
    executor = make_executor("local", 2, program, maps)
    monitor = Monitor([maps], program, ("cpu", "cpu"), 1, executor)
    try:
        killed = 0

        def all_done():
            nonlocal killed
            counts = monitor.tick()
            if not killed and "a_slow_L01.png" in at_work(maps):
                killed = at_work(maps)["a_slow_L01.png"]
                (maps / "a_slow_L01.png.once").touch()
                os.kill(killed, signal.SIGKILL)
            return counts["done"] == len(names)

        assert wait_for(all_done), (ran(maps), caplog.text)
        assert killed and ran(maps) == Counter(names)  # none twice, none lost
        runs = {run.job.map_name: run for run in JobFolder(maps)._files.read().runs.records}
        assert {name for name in names if runs[name].attempt == 2} == set(names[:2])
        assert "ended with status" not in caplog.text  # Dask has started them again by itself

        make_map(maps, "z_slow_L01.png")
        assert wait_for(lambda: monitor.tick() and "z_slow_L01.png" in at_work(maps))
        pid = at_work(maps)["z_slow_L01.png"]
    finally:
        monitor.close()
    folder = JobFolder(maps)
    assert folder.status("z_slow_L01.png").state == "queued"
    assert folder.claim(Worker("far", "far", 1)).attempt == 1
    assert not list(maps.glob(".SPACE_worker*")) and wait_for(lambda: not pid_alive(pid))


def start_monitor(program, maps, slurm, output, *options):
    code = (
        "import sys; from pathlib import Path; from space.jobs import monitor_command as m; "
        "m.missing_here = lambda config, space_dir: []; "
        f"sys.exit(m.main(['--dir', {str(maps)!r}, '--interval', '0.2', *sys.argv[1:]], "
        f"Path({str(program)!r})))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *options],
        env={**os.environ, "PATH": slurm.path},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def test_two_monitors_and_a_submitted_job_share_thirty_maps(program, maps, tmp_path):
    slurm = FakeSlurm(tmp_path / "slurm")
    names = [f"G_L{number:02d}.png" for number in range(1, 31)]
    for number, name in enumerate(names):
        make_map(maps, name, seed=number)
    (maps / "parties.txt").write_text("3")
    processes = []
    with open(tmp_path / "output.txt", "wb") as output:
        try:
            # On the cluster, where jobs start late; on this computer; and a job of somebody's own.
            cluster = start_monitor(program, maps, slurm, output, "--executor", "slurm")
            processes.append(cluster)
            folder = JobFolder(maps)
            processes.append(start_monitor(program, maps, slurm, output, "--gpu", "cpu"))
            job = [sys.executable, str(program / "SPACEtomo_nnUNet.py"), "--worker"]
            job += ["--device", "job", "--dir", str(maps)]
            processes.append(
                subprocess.Popen(job, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            )
            assert wait_for(
                lambda: sum(s.state == "done" for s in folder.statuses().values()) == 30
            )
            assert ran(maps) == Counter(names)
            pids = Counter(line.split()[1] for line in (maps / "ran.txt").read_text().splitlines())
            assert len(pids) == 3, pids
            cluster.send_signal(signal.SIGINT)
            assert cluster.wait(120) == 0
            assert slurm.cancelled() == 1
            assert not list(maps.glob(".SPACE_tls*"))
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)
            slurm.end()
