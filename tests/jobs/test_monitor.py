import os
import signal
import subprocess
import sys
import threading
import time

import filelock
import pytest
from helpers import Clock, beat, make_map, write_result, write_worker_script

from space.errors import SpaceError
from space.jobs import JobFolder, monitor_command
from space.jobs.executors import LocalProcesses
from space.jobs.monitor import Monitor, watch
from space.jobs.monitor_command import parse_devices
from space.jobs.worker import STATUS_FOLDER
from space.jobs.workers import Worker, has_mark, this_machine
from tests.jobs.tiny_models import write_config


class FakeProcess:
    def __init__(self, device, pid):
        self.device = device
        self.pid = pid
        self.code = None

    def poll(self):
        return self.code

    def terminate(self):
        self.code = -15

    def kill(self):
        self.code = -9

    def wait(self, timeout=None):
        return self.code


class Starts(list):
    def __call__(self, map_dirs, space_dir, device, idle_s):
        process = FakeProcess(device, 2**30 + len(self))  # no such processes
        self.append(process)
        return process


@pytest.fixture
def starts():
    return Starts()


@pytest.fixture
def clock():
    return Clock()


def make_monitor(tmp_path, starts, clock, devices=("0",), runs_per_gpu=1):
    return Monitor([tmp_path], tmp_path, devices, runs_per_gpu, LocalProcesses(starts), clock)


def test_one_worker_per_gpu_and_run_as_needed(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock, ("0", "1"), 2)
    assert [s.device for s in monitor.slots] == ["0", "1", "0", "1"]
    monitor.tick()
    assert starts == []
    for i in range(3):
        make_map(tmp_path, f"G_L0{i}.png", seed=i)
    monitor.tick()
    monitor.tick()
    assert [p.device for p in starts] == ["0", "1", "0"]
    monitor.tick()
    assert len(starts) == 3


def test_crashed_worker_frees_its_gpu_with_growing_pauses(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    waits = []
    for count in range(1, 4):
        assert len(starts) == count
        starts[-1].code = 1
        monitor.tick()
        waited = 0
        while len(starts) == count and waited < 1000:
            clock.now += 1
            waited += 1
            monitor.tick()
        waits.append(waited)
    assert waits == [5, 10, 20]


def test_worker_that_never_keeps_running_fails_the_jobs_instead_of_spinning(
    tmp_path, starts, clock
):
    monitor = make_monitor(tmp_path, starts, clock, ("0", "1"))
    (tmp_path / f"SPACE_worker_{this_machine()}_0.log").write_text("ImportError: no torchlight\n")
    make_map(tmp_path, "G_L01.png")
    for _ in range(300):
        monitor.tick()
        for process in starts:
            process.code = 1
        clock.now += 10
        if monitor.folders[0].status("G_L01.png").state == "failed":
            break
    status = monitor.folders[0].status("G_L01.png")
    assert status.state == "failed" and "torchlight" in status.reason
    count = len(starts)
    assert count <= 10
    for _ in range(50):
        clock.now += 1000
        monitor.tick()
    assert len(starts) == count


def test_worker_left_by_an_earlier_monitor_keeps_its_gpu(tmp_path, starts, clock):
    from space.jobs.heartbeat import Heartbeat

    make_map(tmp_path, "G_L01.png")
    with Heartbeat(tmp_path, Worker("old", this_machine(), os.getpid(), "0")):
        monitor = make_monitor(tmp_path, starts, clock)
        monitor.tick()
        monitor.tick()
        assert monitor.folders[0].waiting() == 1 and starts == []
    monitor.tick()
    assert len(starts) == 1


def test_failed_map_is_not_queued_for_ever(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    monitor.folders[0].give_up_waiting("x")
    monitor.tick()
    assert monitor.folders[0].status("G_L01.png").state == "failed"


def test_stopping_gives_jobs_back(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    starts[0].pid = os.getpid()
    worker = Worker("mine", this_machine(), os.getpid(), "0")
    claim = monitor.folders[0].claim(worker)
    monitor.close()
    assert starts[0].code == -15
    assert not monitor.folders[0].owns(claim)
    assert monitor.folders[0].claim(worker).attempt == 1


def test_loop_ends_on_stop_and_stop_file_and_when_finished(tmp_path, starts, clock):
    event = threading.Event()
    event.set()
    assert watch(make_monitor(tmp_path, starts, clock), False, 0.01, event) == 0
    assert watch(make_monitor(tmp_path, starts, clock), True, 0.01, threading.Event()) == 0
    (tmp_path / "SPACE_stop.txt").touch()
    assert watch(make_monitor(tmp_path, starts, clock), False, 0.01, threading.Event()) == 0


def test_folder_gone_for_good_ends_the_single_pass(tmp_path, starts, clock, monkeypatch):
    monitor = make_monitor(tmp_path, starts, clock)

    def gone():
        raise OSError("network")

    monkeypatch.setattr(monitor, "tick", gone)
    with pytest.raises(OSError, match="network"):
        watch(monitor, True, 0.0001, threading.Event())


# --- deaths, hangs and broken maps ----------------------------------------------------------


def claimed_by(folder, process, device="0"):
    worker = Worker(f"{this_machine()}-{process.pid}-x", this_machine(), process.pid, device)
    return folder.claim(worker)


def test_deaths_during_a_job_count_against_that_job_alone(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    folder = monitor.folders[0]
    for name in ("a_bad_L01.png", "b_bad_L01.png", "good_L01.png"):
        make_map(tmp_path, name)
    monitor.tick()
    monitor.tick()
    for _ in range(40):
        if starts[-1].code is None:
            claim = claimed_by(folder, starts[-1])
            if claim is not None and "bad" in claim.job.map_name:
                starts[-1].code = -11
            elif claim is not None:
                write_result(tmp_path, claim.job.map_name)
                folder.finish(claim)
        clock.now += 5
        monitor.tick()
    states = {name: status.state for name, status in folder.statuses().items()}
    assert states == {"a_bad_L01.png": "failed", "b_bad_L01.png": "failed", "good_L01.png": "done"}
    assert "died" in folder.status("a_bad_L01.png").reason


@pytest.mark.parametrize("status", [75, 76])
def test_a_worker_that_ends_for_its_folder_or_a_hang_is_no_bad_start(
    tmp_path, starts, clock, status
):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    for _ in range(60):
        monitor.tick()
        for process in starts:
            process.code = status
        clock.now += 6
    assert len(starts) > 20
    assert monitor.folders[0].status("G_L01.png").state == "queued"


def test_what_was_given_up_is_tried_when_a_monitor_starts(tmp_path, starts, clock):
    make_map(tmp_path, "G_L01.png")
    folder = JobFolder(tmp_path)
    folder.submit("G_L01.png")
    folder.give_up_waiting("no worker starts on this computer")
    monitor = make_monitor(tmp_path, starts, clock)
    monitor.retry(given_up_only=True)
    assert folder.status("G_L01.png").state == "queued"


def test_a_stopped_worker_is_ended_and_replaced(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    folder = monitor.folders[0]
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    starts[0].pid = os.getpid()  # a process that runs
    worker = Worker("stopped", this_machine(), os.getpid(), "0")
    for count in range(20):
        beat(tmp_path, worker, count)
        clock.now += 5
        monitor.tick()
    assert starts[0].code is None
    folder.claim(worker)
    for _ in range(20):  # silence
        clock.now += 5
        monitor.tick()
    assert starts[0].code == -9 and len(starts) == 2
    assert folder.status("G_L01.png").state == "queued"


def test_a_stopped_worker_that_holds_the_lock_is_ended(tmp_path, starts, clock, monkeypatch):
    monkeypatch.setattr("space.jobs.queue_files.LOCK_SECONDS", 0.01)
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    starts[0].pid = os.getpid()
    beat(tmp_path, Worker("stopped", this_machine(), os.getpid(), "0"), 1)
    monitor.tick()
    make_map(tmp_path, "G_L02.png")
    with filelock.FileLock(str(tmp_path / "SPACE_queue.lock")):
        for _ in range(20):
            clock.now += 5
            with pytest.raises(SpaceError, match="locked"):
                monitor.tick()
    assert starts[0].code == -9


def test_a_hanging_worker_is_ended(tmp_path, starts, clock):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    starts[0].pid = os.getpid()
    worker = Worker("hanging", this_machine(), os.getpid(), "0")
    beat(tmp_path, worker, 0, job=["G_L01.png", "segment"], progress=1)
    monitor.folders[0].claim(worker)
    for count in range(300):
        beat(tmp_path, worker, count, job=["G_L01.png", "segment"], progress=1)
        clock.now += 5
        monitor.tick()
        if starts[0].code is not None:
            break
    assert starts[0].code == -9


def broken_maps(folder):
    whole = make_map(folder, "G_L01.png").read_bytes()
    (folder / "cut_L01.png").write_bytes(whole[:60])
    (folder / "empty_L01.png").touch()
    make_map(folder, "bare_L01.png", described=False)
    path = folder / "bare_L01.png"
    from PIL import Image

    Image.open(path).save(path)  # without its texts
    (folder / "other_L01.tif").write_bytes(b"II*\0")
    (folder / "sub").mkdir()
    make_map(folder / "sub", "G_L02.png")
    (folder / "#hash_L01.png").write_bytes(whole)
    (folder / "line\nbreak_L01.png").write_bytes(whole)
    os.mkfifo(folder / "pipe_L01.png")
    (folder / "link_L01.png").symlink_to("/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="names and kinds of files of POSIX")
def test_broken_maps_are_told_and_stop_nobody(tmp_path, starts, clock, caplog):
    broken_maps(tmp_path)
    monitor = make_monitor(tmp_path, starts, clock)
    for _ in range(20):
        counts = monitor.tick()
        clock.now += 5
    folder = monitor.folders[0]
    assert folder.status("G_L01.png").state == "queued" and folder.waiting() == 1
    assert counts["broken"] == 9
    for words in ("cut_L01.png is not processed: it is empty, cut off", "pixel size is not known",
                  "8-bit PNG", "subfolders are not watched", "not a regular file", "a link out of",
                  "begins with #", "line break"):  # fmt: skip
        assert words in caplog.text, words
    assert caplog.text.count("cut_L01.png") == 1  # once, not at each look


@pytest.mark.skipif(sys.platform == "win32", reason="names and kinds of files of POSIX")
def test_a_single_pass_with_a_broken_map_does_not_end_well(tmp_path, starts, clock, monkeypatch):
    monitor = make_monitor(tmp_path, starts, clock)
    broken_maps(tmp_path)
    tick = monitor.tick

    def work_and_tick():
        clock.now += 5
        folder = monitor.folders[0]
        claim = folder.claim(Worker.this_process())
        if claim is not None:
            write_result(tmp_path, claim.job.map_name)
            folder.finish(claim)
        return tick()

    monkeypatch.setattr(monitor, "tick", work_and_tick)
    assert watch(monitor, True, 0.0, threading.Event()) == 1


def test_two_folders_share_the_slots(tmp_path, starts, clock):
    dirs = [tmp_path / "one", tmp_path / "two"]
    for folder in dirs:
        folder.mkdir()
        make_map(folder, "G_L01.png")
    monitor = Monitor([*dirs, dirs[0]], tmp_path, ("0",), 1, LocalProcesses(starts), clock)
    assert len(monitor.folders) == 2
    for _ in range(3):
        counts = monitor.tick()
    assert counts["queued"] == 2 and len(starts) == 1


# --- workers that cannot be started or ended -------------------------------------------------


def test_a_worker_that_cannot_be_started_is_tried_again_after_a_pause(tmp_path, clock, caplog):
    tries = []

    def refuse(map_dirs, space_dir, device, idle_s):
        tries.append(clock.now)
        raise SpaceError("The worker script is missing.", "x")

    monitor = Monitor([tmp_path], tmp_path, ("0",), 1, LocalProcesses(refuse), clock)
    make_map(tmp_path, "G_L01.png")
    for _ in range(40):
        monitor.tick()
        clock.now += 1
    assert [round(b - a) for a, b in zip(tries, tries[1:])] == [10, 20]
    assert "No worker can be started on 0: The worker script is missing" in caplog.text
    assert monitor.folders[0].status("G_L01.png").state == "queued"


def test_a_worker_that_never_begins_is_ended(tmp_path, starts, clock, caplog):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    for _ in range(130):
        monitor.tick()
        clock.now += 5
    assert starts[0].code == -9 and len(starts) == 2
    assert "has not begun to work within 10 min" in caplog.text


class Stubborn(FakeProcess):
    """Does not end when it is asked to, and takes its time when it is killed."""

    def terminate(self):
        pass

    def kill(self):
        self.killed = True

    def wait(self, timeout=None):
        raise subprocess.TimeoutExpired("worker", timeout)


def test_a_worker_that_does_not_end_is_killed_and_its_job_given_back(tmp_path, clock):
    process = Stubborn("0", os.getpid())
    monitor = Monitor([tmp_path], tmp_path, ("0",), 1, LocalProcesses(lambda *a: process), clock)
    make_map(tmp_path, "G_L01.png")
    monitor.tick()
    monitor.tick()
    worker = Worker("mine", this_machine(), os.getpid(), "0")
    beat(tmp_path, worker, 1)
    claim = monitor.folders[0].claim(worker)
    monitor.close()
    assert process.killed
    assert not monitor.folders[0].owns(claim)
    assert not list(tmp_path.glob(".SPACE_worker*"))


def test_a_status_is_logged_when_it_changes_and_only_then(tmp_path, starts, clock, caplog):
    monitor = make_monitor(tmp_path, starts, clock)
    make_map(tmp_path, "G_L01.png")
    with caplog.at_level("INFO", "space"):
        for _ in range(5):
            monitor.tick()
        monitor.folders[0].claim(Worker("far", "far", 1))
        for _ in range(5):
            monitor.tick()
    lines = [r.message for r in caplog.records if " done, " in r.message]
    assert lines == [
        "0 done, 0 running, 1 waiting, 0 failed",
        "0 done, 1 running, 0 waiting, 0 failed: G_L01.png (far)",
    ]


class FakeCluster:
    """Starts workers that wait in a queue until their computer is there."""

    uses_this_machine, silence_s = False, 60.0

    def __init__(self):
        self.started, self.closed = [], False

    def start(self, map_dirs, space_dir, device):
        self.started.append(FakeClusterJob(f"m{len(self.started)}", map_dirs[0] / "x.log"))
        return self.started[-1]

    def log_path(self, map_dir, device):
        return map_dir / "x.log"

    def close(self):
        self.closed = True


class FakeClusterJob:
    def __init__(self, mark, log_path):
        self.title, self.log_path, self.mark = f"job {mark}", log_path, mark
        self.code, self.pending, self.asked = None, True, False

    def poll(self):
        return self.code

    def waits(self):
        return self.pending

    def owns(self, worker):
        return has_mark(worker.name, self.mark)

    def is_named(self, name):
        return has_mark(name, self.mark)

    def terminate(self):
        self.asked, self.code = True, 0

    def kill(self):
        self.code = -9

    def wait(self, timeout_s):
        return self.code is not None


def node_worker(mark):
    return Worker(f"node7-55-{mark}-abcdef", "node7", 55, "auto")


def test_a_job_may_wait_for_days_in_the_queue_of_a_cluster(tmp_path, clock, caplog):
    cluster = FakeCluster()
    monitor = Monitor([tmp_path], tmp_path, ("auto",), 1, cluster, clock)
    make_map(tmp_path, "G_L01.png")
    for _ in range(100):
        monitor.tick()
        clock.now += 3600
    assert len(cluster.started) == 1 and "terminated" not in caplog.text
    cluster.started[0].pending = False  # it runs, but never works
    for _ in range(130):
        monitor.tick()
        clock.now += 5
    assert cluster.started[0].code == -9 and "has not begun to work" in caplog.text


def test_a_job_of_the_cluster_is_known_by_its_mark_and_given_back(tmp_path, clock):
    cluster = FakeCluster()
    monitor = Monitor([tmp_path], tmp_path, ("auto",), 1, cluster, clock)
    for number in range(3):
        make_map(tmp_path, f"G_L0{number}.png", seed=number)
    # A worker of somebody else on this computer takes no slot of the cluster.
    beat(tmp_path, Worker("here", this_machine(), os.getpid(), "auto"), 1)
    monitor.tick()
    monitor.tick()
    (job,) = cluster.started
    folder = monitor.folders[0]
    job.pending = False
    for count in range(40):  # it works for long, and gives signs of life
        beat(tmp_path, node_worker("m0"), count)
        if count == 1:
            mine = folder.claim(node_worker("m0"))
            others = folder.claim(node_worker("zz"))
            beat(tmp_path, node_worker("zz"), count)
        clock.now += 5
        monitor.tick()
        if count > 1:
            beat(tmp_path, node_worker("zz"), count)
    assert job.code is None and folder.owns(mine)
    monitor.close()
    assert job.asked and cluster.closed
    assert not folder.owns(mine) and folder.owns(others)
    assert folder.claim(node_worker("m1")).attempt == 1  # the attempt does not count


# --- the command line ------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command line of a monitor whose computer has everything, and whose workers are fakes."""
    space_dir, maps = tmp_path / "program", tmp_path / "maps"
    space_dir.mkdir()
    maps.mkdir()
    write_config(space_dir)
    with open(space_dir / "SPACEtomo_config.py", "a", encoding="utf-8") as stream:
        stream.write("runs_per_gpu = 2\n")
    made = []

    def make(*values, **more):
        made.append(Monitor(*values, executor=LocalProcesses(Starts()), **more))
        return made[-1]

    monkeypatch.setattr(monitor_command, "Monitor", make)
    monkeypatch.setattr(monitor_command, "missing_here", lambda config, space_dir: [])
    monkeypatch.setattr(monitor_command, "start_logging", lambda: None)
    monkeypatch.setattr(monitor_command, "catch_stop_signals", lambda ask: None)

    def run(*arguments: str) -> int:
        fixed = ["--dir", str(maps), "--once", "--interval", "0.01"]
        return monitor_command.main([*fixed, *arguments], space_dir)

    run.maps, run.made = maps, made
    return run


def test_the_command_line_ends_when_all_is_done(command):
    make_map(command.maps, "G_L01.png")
    write_result(command.maps, "G_L01.png")
    assert command("--gpu", "0,1") == 0
    assert [slot.device for slot in command.made[0].slots] == ["0", "1", "0", "1"]


def test_a_map_that_has_failed_shows_in_the_exit_status_and_is_tried_again_when_asked(command):
    folder = JobFolder(command.maps)
    make_map(command.maps, "G_L01.png")
    folder.submit("G_L01.png")
    for _ in range(3):
        folder.fail(folder.claim(Worker("far", "far", 1)), "ink")
    assert command("--gpu", "cpu") == 1
    (command.maps / "SPACE_stop.txt").touch()  # ends it before anybody works
    assert command("--gpu", "cpu", "--retry") == 0
    assert folder.status("G_L01.png").state == "queued"


def test_the_result_of_another_model_is_not_done_for_a_monitor(command):
    make_map(command.maps, "G_L01.png")
    write_result(command.maps, "G_L01.png", model_hash="older")
    (command.maps / "SPACE_stop.txt").touch()
    command("--gpu", "cpu")
    (folder,) = command.made[0].folders
    assert folder.status("G_L01.png").state == "done"  # no weights here, so nobody knows better
    weights = command.maps.parent / "program/models/lamella_segmentation/fold_0"
    weights.mkdir(parents=True)
    for path in (weights / "checkpoint_final.pth", weights.parent / "plans.json",
                 weights.parent / "dataset.json"):  # fmt: skip
        path.write_text(path.name, encoding="utf-8")
    assert folder.status("G_L01.png").state == "absent"


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--gpu", "best"), monitor_command.STATUS_MISSING, "is not understood"),
        # A share may be there later, so that a service is to try again.
        (("--gpu", "cpu", "--dir", "/no/such"), STATUS_FOLDER, "The map folder is missing"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_begun(
    command, arguments, status, text, caplog
):
    assert command(*arguments) == status
    assert text in caplog.text


def test_an_interval_of_nothing_is_refused(command):
    with pytest.raises(SystemExit):
        command("--interval", "0")


@pytest.mark.parametrize("text", ["", "x", "0,0", "-1", "gpu0"])
def test_devices_are_checked(text):
    with pytest.raises(SpaceError):
        parse_devices(text)


def test_devices():
    assert parse_devices("0, 1") == ("0", "1")
    assert parse_devices("CPU") == ("cpu",)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signal")
def test_monitor_process_stops_cleanly_in_the_middle_of_a_job(tmp_path):
    space_dir, maps = tmp_path / "program", tmp_path / "maps"
    space_dir.mkdir()
    maps.mkdir()
    write_worker_script(space_dir, action="time.sleep(60)")
    write_config(space_dir)
    make_map(maps, "G_L01.png")
    code = (
        "import sys; from pathlib import Path; from space.jobs import monitor_command as monitor; "
        "monitor.missing_here = lambda config, space_dir: []; "
        f"sys.exit(monitor.main(['--dir', {str(maps)!r}, '--gpu', 'cpu', '--interval', '0.1'], "
        f"Path({str(space_dir)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    folder = JobFolder(maps)
    try:
        end = time.monotonic() + 30
        while folder.status("G_L01.png").state != "running" and time.monotonic() < end:
            time.sleep(0.05)
        assert folder.status("G_L01.png").state == "running"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert folder.status("G_L01.png").state == "queued"
    assert folder.workers() == []
