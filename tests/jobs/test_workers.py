"""Who a worker is, and whether its process lives."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from space.jobs import workers
from space.jobs.workers import Worker, has_mark, pid_alive, this_machine


def test_each_worker_of_a_process_has_a_name_of_its_own():
    first, second = Worker.this_process("0"), Worker.this_process("0")
    assert first.name != second.name
    assert first.name.startswith(f"{this_machine()}-{os.getpid()}-")
    assert first.is_here and first.device == "0"


def test_a_name_shows_who_started_the_worker():
    first, second = Worker.this_process("0", "c0ffee"), Worker.this_process("0", "c0ffee")
    assert first.name != second.name and Worker.from_dict(vars(first)) == first
    assert has_mark(first.name, "c0ffee") and not has_mark(first.name, "beef")
    plain = Worker.this_process("0")
    # Its machine and process are no mark, nor is anything that a short name may hold.
    assert not any(has_mark(plain.name, part) for part in [*plain.name.split("-"), ""])
    assert not has_mark("a-c0ffee-b", "c0ffee")


WORKER = {"name": "pc-1-a", "machine": "pc-1", "pid": 7, "device": "0"}


def test_a_worker_is_read_from_outside():
    assert Worker.from_dict(WORKER) == Worker("pc-1-a", "pc-1", 7, "0")
    assert Worker.from_dict({"name": "a", "pid": 7}) == Worker("a", "", 7, "cpu")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([1], "not a worker"),
        ({**WORKER, "name": 5}, "must be strings"),
        ({**WORKER, "machine": None}, "must be strings"),
        ({**WORKER, "name": "../../x"}, "'../../x' is not the name"),
        ({**WORKER, "name": "x" * 151}, "is not the name"),
        ({**WORKER, "machine": "x" * 151}, "is not the name"),
        ({**WORKER, "pid": -1}, "process number"),
        ({**WORKER, "pid": 2**53}, "process number"),
        ({**WORKER, "pid": "7"}, "process number"),
        ({**WORKER, "pid": True}, "process number"),
    ],
)
def test_what_is_no_worker_is_refused(values, word):
    with pytest.raises(ValueError, match=word):
        Worker.from_dict(values)


@pytest.fixture
def new_machine():
    """Forget the name of this machine, before and after."""
    this_machine.cache_clear()
    yield
    this_machine.cache_clear()


def test_the_name_of_a_machine_can_stand_in_a_file_name(monkeypatch, new_machine):
    monkeypatch.setattr(workers.socket, "gethostname", lambda: "Ünser PC/7." + "x" * 99)
    name, mark = this_machine().rsplit("-", 1)
    assert name.startswith("-nser-PC-7-x") and len(name) == 60 and len(mark) == 8


def test_where_the_system_has_no_mark_the_network_card_is_one(monkeypatch, new_machine):
    """As on Windows and macOS."""
    usual = this_machine()
    this_machine.cache_clear()

    def missing(*args, **more):
        raise FileNotFoundError

    monkeypatch.setattr(workers.Path, "read_text", missing)
    monkeypatch.setattr(workers.uuid, "getnode", lambda: 12)
    first = this_machine()
    this_machine.cache_clear()
    monkeypatch.setattr(workers.uuid, "getnode", lambda: 13)
    assert len({usual, first, this_machine()}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_a_process_that_ended_and_was_not_collected_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie from here on
    assert not pid_alive(process.pid)
    process.wait()
    assert not pid_alive(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_a_process_of_another_user_is_alive(monkeypatch):
    def refused(pid, signal):
        raise PermissionError

    monkeypatch.setattr(workers.os, "kill", refused)
    assert pid_alive(4321)


STILL_ACTIVE, ACCESS_DENIED = 259, 5


@pytest.mark.parametrize(
    ("handle", "error", "code", "alive"),
    [
        (11, 0, STILL_ACTIVE, True),
        (11, 0, 0, False),
        (11, 0, 1, False),
        (0, ACCESS_DENIED, 0, True),  # of another user
        (0, 87, 0, False),  # no such process
    ],
)
def test_processes_of_windows(monkeypatch, handle, error, code, alive):
    closed = []

    class Kernel:
        class OpenProcess:
            restype = None

            def __new__(cls, access, inherit, pid):
                assert (access, pid) == (0x1000, 4321)
                return handle

        def GetExitCodeProcess(self, of, target):
            assert of.value == handle
            target._obj.value = code

        def CloseHandle(self, of):
            closed.append(of.value)

    monkeypatch.setattr(workers, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: Kernel(), raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert pid_alive(4321) == alive
    assert closed == ([handle] if handle else []), "handles are not lost"
