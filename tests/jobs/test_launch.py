import json
import os
import sys
import time
from types import SimpleNamespace

import pytest
from helpers import beat, make_map, write_worker_script

from space.errors import SpaceError
from space.jobs import JobFolder, launch
from space.jobs.launch import ensure_worker, python_executable
from space.jobs.workers import Worker, pid_alive, this_machine


@pytest.fixture
def space_dir(tmp_path):
    path = tmp_path / "program"
    path.mkdir()
    return path


@pytest.fixture
def maps(tmp_path):
    path = tmp_path / "maps"
    path.mkdir()
    return path


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def stop_all(maps):
    (maps / "SPACE_stop.txt").touch()
    wait_for(lambda: not list(maps.glob(".SPACE_worker*")))


def submit(maps, name="G_L01.png"):
    make_map(maps, name)
    JobFolder(maps).submit(name)


def test_worker_starts_once_works_and_stays(maps, space_dir):
    write_worker_script(space_dir)
    submit(maps)
    ensure_worker(JobFolder(maps), space_dir)
    for _ in range(3):
        ensure_worker(JobFolder(maps), space_dir)  # starting, or alive
    folder = JobFolder(maps)
    wait_for(lambda: folder.status("G_L01.png").state == "done")
    submit(maps, "G_L02.png")
    ensure_worker(JobFolder(maps), space_dir)
    wait_for(lambda: folder.status("G_L02.png").state == "done")
    lines = (maps / "ran.txt").read_text().split()
    assert lines[0::2] == ["G_L01.png", "G_L02.png"]
    assert lines[1] == lines[3]  # the same process
    stop_all(maps)


def test_nothing_waits_nothing_starts(maps, space_dir, monkeypatch):
    monkeypatch.setattr(launch, "start_worker", None)
    ensure_worker(JobFolder(maps), space_dir)


def test_crashed_worker_is_replaced_and_its_job_done(maps, space_dir, monkeypatch):
    monkeypatch.setattr(launch, "RETRY_SECONDS", 0.0)
    once = 'p = Path(map_dir) / "died"\n        if not p.exists(): p.touch(); os._exit(9)'
    write_worker_script(space_dir, action=once)
    submit(maps)
    folder = JobFolder(maps)

    def done():
        ensure_worker(JobFolder(maps), space_dir)
        return folder.status("G_L01.png").state == "done"

    wait_for(done)
    assert "died" in folder.log_path("G_L01.png").read_text(encoding="utf-8")
    stop_all(maps)


def test_worker_that_cannot_start_is_told_and_given_up(maps, space_dir, monkeypatch):
    monkeypatch.setattr(launch, "RETRY_SECONDS", 0.0)
    write_worker_script(space_dir, before="raise ImportError('no module named torchlight')")
    submit(maps)
    folder = JobFolder(maps)
    starts = []
    start = launch.start_worker
    monkeypatch.setattr(launch, "start_worker", lambda *a: starts.append(a) or start(*a))

    def failed():
        ensure_worker(JobFolder(maps), space_dir)
        return folder.status("G_L01.png").state == "failed"

    wait_for(failed)
    assert len(starts) == 3
    assert "no module named torchlight" in folder.status("G_L01.png").reason
    ensure_worker(JobFolder(maps), space_dir)
    assert len(starts) == 3


def test_living_worker_of_this_machine_is_enough(maps, space_dir, monkeypatch):
    submit(maps)
    beat(maps, Worker("x", this_machine(), os.getpid(), "auto"), 1)
    monkeypatch.setattr(launch, "start_worker", None)
    ensure_worker(JobFolder(maps), space_dir)


def test_job_of_a_far_worker_gets_somebody_who_watches_it(maps, space_dir, monkeypatch):
    submit(maps)
    far = Worker("far", "far", 1)
    beat(maps, far, 1)
    JobFolder(maps).claim(far)
    started = []
    monkeypatch.setattr(launch, "_start_or_give_up", lambda *a: started.append(a[2]))
    ensure_worker(JobFolder(maps), space_dir)
    assert started == ["auto"]


def test_stop_file_keeps_workers_from_starting(maps, space_dir, monkeypatch):
    submit(maps)
    (maps / "SPACE_stop.txt").touch()
    monkeypatch.setattr(launch, "start_worker", None)
    ensure_worker(JobFolder(maps), space_dir)


def test_missing_script_is_told(maps, space_dir):
    submit(maps)
    with pytest.raises(SpaceError, match="script"):
        ensure_worker(JobFolder(maps), space_dir)


def test_workers_run_in_this_python_or_in_the_one_that_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("SPACETOMO_PYTHON", raising=False)
    assert python_executable() == sys.executable
    other = tmp_path / "python.exe"
    monkeypatch.setenv("SPACETOMO_PYTHON", str(other))
    with pytest.raises(SpaceError, match="SPACETOMO_PYTHON"):
        python_executable()
    other.touch()
    assert python_executable() == str(other)


def test_processes_that_live_and_do_not():
    assert pid_alive(os.getpid())
    assert not pid_alive(0) and not pid_alive(-1)


NOTE = launch.StartNote(pid=7, time_s=0.0, failures=0)
THIRD = launch.StartNote(pid=7, time_s=0.0, failures=2)


@pytest.mark.parametrize(
    ("note", "age_s", "is_starting", "has_workers", "expected"),
    [
        (None, 0.0, False, False, ("start", 0)),
        (NOTE, 100.0, True, False, ("wait", 0)),  # importing torch takes its time
        (NOTE, 700.0, True, False, ("start", 1)),  # it never began
        (NOTE, 1.0, False, False, ("wait", 1)),
        (NOTE, 6.0, False, False, ("start", 1)),
        (THIRD, 1.0, False, False, ("give up", 3)),
        (THIRD, 1.0, False, True, ("wait", 3)),  # others do the jobs
        (THIRD, 700.0, False, True, ("start", 3)),
        (THIRD, 100.0, True, False, ("wait", 2)),
    ],
)
def test_when_the_next_worker_is_started(note, age_s, is_starting, has_workers, expected):
    assert launch.next_move(note, age_s, is_starting, has_workers) == expected


def test_a_worker_that_does_not_start_is_not_blamed_on_the_jobs_while_the_disk_is_full(
    maps, space_dir, monkeypatch
):
    submit(maps)
    folder = JobFolder(maps)
    note = {"pid": 0, "time": time.time() - 1000, "failures": 2}
    (maps / f".SPACE_start_{this_machine()}_auto.json").write_text(json.dumps(note))
    started = []

    def start(map_dirs, space_dir, device):
        started.append(device)
        return SimpleNamespace(pid=0, poll=lambda: 0)

    monkeypatch.setattr(launch, "start_worker", start)
    monkeypatch.setattr(folder, "takes_files", lambda: False)
    ensure_worker(folder, space_dir)
    assert started == ["auto"] and folder.status("G_L01.png").state == "queued"
    monkeypatch.setattr(folder, "takes_files", lambda: True)
    ensure_worker(folder, space_dir)
    assert started == ["auto"] and folder.status("G_L01.png").state == "failed"
