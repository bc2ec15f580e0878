"""A wait ends early when something changes in the folder: by an event, or by a look."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import ModuleType

import pytest
from helpers import make_map

from space.files import write_text_atomic
from space.jobs import QUEUE_NAME, JobFolder
from space.jobs import worker as worker_module
from space.jobs.stopping import StopSwitch
from space.jobs.wake import FolderGlance, Waker, file_glance
from space.jobs.worker import _queue_waker


class Time:
    """A clock that a sleep advances, and what happens meanwhile."""

    def __init__(self, meanwhile=lambda now: None):
        self.now = 0.0
        self.sleeps = []
        self.meanwhile = meanwhile

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds
        self.meanwhile(self.now)


def polling(folder, *glances, time=None):
    time = time or Time()
    how = {"events": False, "clock": time, "sleep": time.sleep}
    return Waker([folder], lambda name: True, glances, 0.5, **how)


def test_a_wait_in_which_nothing_changes_lasts_to_its_end_in_few_looks(tmp_path):
    looks = []
    time = Time()
    waker = polling(tmp_path, lambda: looks.append(time.now), time=time)
    assert not waker.wait(5.0)
    assert time.now == 5.0 and time.sleeps == [0.5] * 10
    assert len(looks) == 11  # one at the beginning


def test_a_wait_ends_soon_after_a_file_was_replaced(tmp_path):
    path = tmp_path / QUEUE_NAME
    write_text_atomic(path, "a\n")
    time = Time(lambda now: write_text_atomic(path, "b\n") if now == 1.5 else None)
    waker = polling(tmp_path, file_glance(path), time=time)
    assert waker.wait(100.0) and time.now == 1.5
    assert not waker.wait(3.0)  # it is told once


def test_what_changed_between_two_waits_ends_the_next(tmp_path):
    """A job may come while the worker finds the queue empty and before it waits."""
    path = tmp_path / QUEUE_NAME
    time = Time()
    waker = polling(tmp_path, file_glance(path), time=time)
    assert not waker.wait(1.0)
    path.write_text("a\n")
    assert waker.wait(100.0) and time.now <= 1.5


def test_a_request_to_end_ends_a_wait(tmp_path):
    time = Time()
    waker = polling(tmp_path, time=time)
    assert not waker.wait(100.0, lambda: time.now >= 2.0)
    assert time.now == 2.0


def test_a_folder_that_is_away_is_no_error_and_its_return_is_noticed(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    path = folder / QUEUE_NAME
    path.write_text("a\n")
    glance = FolderGlance(folder, lambda name: True)
    time = Time()
    waker = polling(folder, file_glance(path), glance, time=time)
    folder.rename(tmp_path / "away")
    assert waker.wait(10.0)
    assert not waker.wait(10.0)
    (tmp_path / "away").rename(folder)
    assert waker.wait(10.0)


def test_a_folder_is_listed_only_when_its_time_changed_and_signs_of_life_wake_nobody(
    tmp_path, monkeypatch
):
    listed = []
    listing = FolderGlance._listed
    monkeypatch.setattr(FolderGlance, "_listed", lambda self: listed.append(1) or listing(self))
    make_map(tmp_path, "G_L01.png")
    glance = FolderGlance(tmp_path, lambda name: name.endswith(".png"))
    first = glance()
    for _ in range(5):
        assert glance() == first
    assert len(listed) == 2
    write_text_atomic(tmp_path / ".SPACE_worker_x.txt", "1")
    for _ in range(5):
        assert glance() == first
    assert len(listed) == 4
    make_map(tmp_path, "G_L02.png")
    assert glance() != first


def test_a_file_that_comes_in_the_same_tick_of_the_clock_is_seen_by_the_next_look(tmp_path):
    glance = FolderGlance(tmp_path, lambda name: True)
    first = glance()
    before = tmp_path.stat()
    (tmp_path / "G_L01.png").write_text("x")
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert glance() != first


@pytest.mark.skipif(sys.platform == "win32", reason="identities of files are not listed there")
def test_a_map_that_replaces_another_is_another(tmp_path):
    make_map(tmp_path, "G_L01.png")
    glance = FolderGlance(tmp_path, lambda name: True)
    first = glance()
    make_map(tmp_path, "G_L01.png")
    assert glance() != first


# --- events ---------------------------------------------------------------------------------


def after(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_an_event_ends_a_wait_without_any_look(tmp_path):
    pytest.importorskip("watchdog")
    write_text_atomic(tmp_path / QUEUE_NAME, "a\n")
    start = time.monotonic()
    with Waker([tmp_path], lambda name: name == QUEUE_NAME, [], poll_s=60.0) as waker:
        timer = after(0.1, lambda: write_text_atomic(tmp_path / QUEUE_NAME, "b\n"))
        assert waker.wait(60.0)
        timer.join()
    assert time.monotonic() - start < 30.0


def test_reading_and_files_of_no_interest_wake_nobody(tmp_path):
    pytest.importorskip("watchdog")
    make_map(tmp_path, "G_L01.png")
    with Waker([tmp_path], lambda name: name.endswith(".png"), [], poll_s=0.05) as waker:
        (tmp_path / "G_L01.png").read_bytes()
        write_text_atomic(tmp_path / ".SPACE_worker_x.txt", "1")
        assert not waker.wait(0.3)
        make_map(tmp_path, "G_L02.png")  # events do come here
        assert waker.wait(30.0)


def broken_watchdog(monkeypatch, error):
    """Have watchdog fail when it is to begin."""
    observers = ModuleType("watchdog.observers")
    events = ModuleType("watchdog.events")

    class Observer:
        def schedule(self, *args, **more):
            raise error

        def stop(self):
            raise RuntimeError("never started")

    observers.Observer = Observer
    events.FileSystemEventHandler = object
    for kind in ("Created", "Moved", "Deleted", "Closed", "Modified"):
        setattr(events, f"File{kind}Event", object)
    package = ModuleType("watchdog")
    package.events, package.observers = events, observers
    for name, module in (("", package), (".events", events), (".observers", observers)):
        monkeypatch.setitem(sys.modules, f"watchdog{name}", module)


@pytest.mark.parametrize(
    "error", [OSError(28, "inotify watch limit reached"), RuntimeError("cannot schedule")]
)
def test_without_events_it_looks_and_says_so_once(tmp_path, monkeypatch, caplog, error):
    broken_watchdog(monkeypatch, error)
    path = tmp_path / QUEUE_NAME
    with caplog.at_level(logging.INFO, "space"):
        with Waker([tmp_path], lambda name: True, [file_glance(path)], poll_s=0.01) as waker:
            path.write_text("a\n")
            assert waker.wait(30.0)
    assert [str(error) in record.message for record in caplog.records] == [True]
    assert "looked for every 0.5 s" in caplog.text


def test_without_the_package_it_looks(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "watchdog", None)
    with caplog.at_level(logging.INFO, "space"), Waker([tmp_path], bool, [], poll_s=0.01) as waker:
        assert not waker.wait(0.02)
    assert caplog.text.count("without events") == 1


def test_no_thread_is_left_and_none_keeps_a_process(tmp_path):
    pytest.importorskip("watchdog")
    before = set(threading.enumerate())
    with Waker([tmp_path], bool, []):
        new = set(threading.enumerate()) - before
        assert new and all(thread.daemon for thread in new)
    assert not [thread for thread in new if thread.is_alive()]


# --- a worker -------------------------------------------------------------------------------


def test_a_worker_is_woken_by_a_job_and_not_by_its_own_signs_of_life(tmp_path):
    make_map(tmp_path, "G_L01.png")
    folder = JobFolder(tmp_path)
    with _queue_waker([tmp_path]) as waker:
        write_text_atomic(tmp_path / ".SPACE_worker_x.txt", "1")
        assert not waker.wait(0.2)
        folder.submit("G_L01.png")
        assert waker.wait(30.0)


def test_an_idle_worker_waits_where_it_is_woken(tmp_path):
    waits = []
    switch = StopSwitch()

    def wait(seconds):
        waits.append(seconds)
        switch.asked = len(waits) == 3

    timing = worker_module.Timing(idle_s=100.0, poll_s=7.0)
    place = worker_module.Place(JobFolder(tmp_path), None)
    worker_module.work(
        [place], worker_module.Worker.this_process(), None, timing, switch, wait=wait
    )
    assert waits == [7.0] * 3
