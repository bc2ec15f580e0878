import os
import subprocess
import sys
import threading
import time
import types

import pytest
from helpers import REPOSITORY, FakeRunner, make_map

from space.errors import SpaceError
from space.jobs import JobFolder, gpu_turns
from space.jobs.gpu_turns import GpuTurns, gpu_in_use, turns_folder
from space.jobs.heartbeat import Heartbeat
from space.jobs.presence import beat_path, read_beat
from space.jobs.stopping import StopSwitch
from space.jobs.worker import Place, Timing, work
from space.jobs.workers import Worker

USER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from space.jobs import gpu_turns
gpu_turns._POLL_SECONDS = 0.01
folder, name, jobs = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
turns = gpu_turns.GpuTurns(lambda: "0", folder=folder / "turns")
for _ in range(jobs):
    with turns.turn(lambda: False) as mine:
        with open(folder / "seen.txt", "a") as stream:
            stream.write(f"{name} begins\\n")
            stream.flush()
            time.sleep(0.05 if jobs < 100 else 60)
            stream.write(f"{name} ends\\n")
print("done")
"""


def user(folder, name, jobs=4):
    command = [sys.executable, "-c", USER, str(REPOSITORY), str(folder), name, str(jobs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_turns, "_POLL_SECONDS", 0.01)
    return tmp_path / "turns"


def held(folder, per_gpu=1, gpu="0"):
    return GpuTurns(lambda: gpu, lambda: per_gpu, folder)


def test_workers_of_two_users_never_use_the_gpu_together_and_none_waits_for_ever(tmp_path):
    users = [user(tmp_path, "ada"), user(tmp_path, "bob")]
    assert [process.wait(60) for process in users] == [0, 0]
    lines = (tmp_path / "seen.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 16
    for begins, ends in zip(lines[::2], lines[1::2]):
        assert (begins.split()[0], begins.split()[1], ends.split()[1]) == (
            ends.split()[0],
            "begins",
            "ends",
        )


def test_who_gives_a_turn_back_lets_those_go_first_who_wait(folder):
    order, waits = [], threading.Event()

    def other():
        with held(folder).turn(lambda: False, lambda text: waits.set()):
            order.append("other")

    thread = threading.Thread(target=other)
    with held(folder).turn(lambda: False):
        thread.start()
        assert waits.wait(60)
    with held(folder).turn(lambda: False):
        order.append("first")
    thread.join(60)
    assert order == ["other", "first"]


def test_a_worker_that_is_killed_frees_its_turn(tmp_path):
    hog = user(tmp_path, "hog", 100)
    try:
        wait_for(lambda: (tmp_path / "seen.txt").exists())
        other = user(tmp_path, "bob", 1)
        time.sleep(0.3)
        assert other.poll() is None
    finally:
        hog.kill()
        hog.wait()
    assert other.wait(60) == 0


def test_as_many_as_are_allowed_share_a_gpu(folder):
    with (
        held(folder, 2).turn(lambda: False) as first,
        held(folder, 2).turn(lambda: False) as second,
    ):
        assert first and second
        asked = iter([False, False, False, True])
        with held(folder, 2).turn(lambda: next(asked)) as third:
            assert not third


def test_every_gpu_has_turns_of_its_own(folder):
    with held(folder).turn(lambda: False), held(folder, gpu="1").turn(lambda: False) as other:
        assert other


def test_what_is_waited_for_is_told_and_the_wait_ends_by_a_stop(folder):
    told = []
    with held(folder).turn(lambda: False):
        with held(folder).turn(lambda: len(told) > 0, told.append) as mine:
            assert not mine
    assert told == ["turn on GPU 0", ""]


def test_on_the_cpu_no_turn_is_taken(folder):
    turns = GpuTurns(lambda: gpu_in_use("cpu"), folder=folder)
    with turns.turn(lambda: True) as mine:
        assert mine
    assert not turns.are_taken
    assert not folder.exists()


def test_memory_that_torch_keeps_is_freed_before_the_next_turn(folder, monkeypatch):
    freed = []

    def free():
        asked = iter([False, False, True, True])
        with held(folder).turn(lambda: next(asked)) as other:
            freed.append(other)

    cuda = types.SimpleNamespace(is_initialized=lambda: True, empty_cache=free)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    with held(folder).turn(lambda: False):
        assert freed == []
    assert freed[0] is False


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
def test_the_folder_can_be_used_by_all_users(folder):
    old = os.umask(0o077)
    try:
        with held(folder).turn(lambda: False):
            pass
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o7777 == 0o777
    # filelock may remove a file that nobody holds.
    assert all(path.stat().st_mode & 0o777 == 0o666 for path in folder.iterdir())


@pytest.mark.parametrize("make", ["file", "link", "no rights"])
def test_without_a_folder_for_turns_work_goes_on_with_a_warning(folder, caplog, make, monkeypatch):
    if make == "file":
        folder.touch()
    elif make == "link":
        if sys.platform == "win32":
            pytest.skip("links need rights there")
        folder.symlink_to(folder.parent)
    else:

        def refuse(*args, **more):
            raise PermissionError(13, "not yours")

        monkeypatch.setattr(gpu_turns.Path, "mkdir", refuse)
    turns = held(folder)
    for _ in range(3):
        with turns.turn(lambda: False) as mine:
            assert mine
    assert caplog.text.count("No turns on the GPU can be taken") == 1
    assert not turns.are_taken


def test_the_folder_of_the_turns_can_be_named_or_switched_off(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv(gpu_turns.VARIABLE, raising=False)
    usual = turns_folder()
    assert usual is not None and usual.name == "spacetomo_gpu_turns"
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    assert turns_folder() is None
    monkeypatch.setenv(gpu_turns.VARIABLE, str(tmp_path))
    assert turns_folder() == tmp_path
    monkeypatch.setenv(gpu_turns.VARIABLE, "Off")
    assert turns_folder() is None


def fake_torch(available):
    return types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: available))


def fake_onnx(*providers):
    return types.SimpleNamespace(get_available_providers=lambda: list(providers))


@pytest.mark.parametrize(
    ("torch", "onnx", "visible", "device", "expected"),
    [
        (fake_torch(True), None, "", "auto", "0"),
        (fake_torch(True), None, "", "1", "1"),
        (fake_torch(True), None, "3,5", "1", "5"),
        (fake_torch(True), None, "GPU-ab", "auto", "GPU-ab"),
        (fake_torch(True), None, "", "cpu", ""),
        (fake_torch(False), None, "", "0", ""),
        (fake_torch(False), fake_onnx("CUDAExecutionProvider"), "", "0", "0"),
        (None, fake_onnx("CPUExecutionProvider"), "", "0", ""),
        (None, fake_onnx("DmlExecutionProvider"), "", "auto", "0"),
    ],
)
def test_the_gpu_that_a_worker_uses(monkeypatch, torch, onnx, visible, device, expected):
    for name, module in (("torch", torch), ("onnxruntime", onnx)):
        if module is None:
            monkeypatch.delitem(sys.modules, name, raising=False)
        else:
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_in_use(device) == expected


def test_turns_are_still_taken_while_the_configuration_is_edited(folder, caplog):
    """Else two models would fight for the memory of the GPU from then on."""
    answers = iter([2, SpaceError("SPACEtomo_config.py cannot be read."), 2])

    def per_gpu():
        answer = next(answers)
        if isinstance(answer, SpaceError):
            raise answer
        return answer

    turns = GpuTurns(lambda: "0", per_gpu, folder)
    never = lambda: False  # noqa: E731
    for _ in range(3):
        with turns.turn(never) as got:
            assert got and turns.are_taken
            assert turns._allowed == 2
    assert "runs_per_gpu stays 2" in caplog.text and "No turns" not in caplog.text


def test_a_worker_leaves_its_jobs_to_others_while_it_waits_for_its_turn(tmp_path, folder):
    maps = tmp_path / "maps"
    maps.mkdir()
    make_map(maps, "G_L01.png")
    here = JobFolder(maps)
    here.submit("G_L01.png")
    worker = Worker.this_process("0")
    runner, switch = FakeRunner(), StopSwitch()
    with Heartbeat(maps, worker) as heartbeat:
        places = [Place(here, heartbeat)]
        timing = Timing(idle_s=0.1, poll_s=0.01)
        thread = threading.Thread(
            target=work, args=(places, worker, runner, timing, switch, held(folder))
        )
        with held(folder).turn(lambda: False):
            thread.start()
            wait_for(lambda: heartbeat._pulse.vitals().waits_for)
            heartbeat._beat()
            told = read_beat(beat_path(maps, worker.name)).vitals
            assert told.waits_for == "turn on GPU 0"
            assert here.status("G_L01.png").state == "queued"
        thread.join(30)
    assert not thread.is_alive()
    assert runner.done == ["G_L01.png"]
    assert here.status("G_L01.png").state == "done"
