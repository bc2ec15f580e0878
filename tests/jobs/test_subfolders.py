import os
import sys
import threading
import time

import pytest
from helpers import Clock, make_map
from test_monitor import Starts, make_monitor

from space.jobs import JobFolder, map_watch, monitor_command, subfolders
from space.jobs.executors import LocalProcesses
from space.jobs.monitor import Monitor, watch
from space.jobs.subfolders import Subfolders, folders_below, has_other_folders
from space.jobs.workers import this_machine


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def starts():
    return Starts()


def with_map(path, name="G_L01.png"):
    path.mkdir(parents=True, exist_ok=True)
    make_map(path, name)
    return path


def found(root, **options):
    return folders_below([root], **options)[0]


def used_at(folder, time_s):
    for path in folder.iterdir():
        os.utime(path, (time_s, time_s))
    return folder


def test_folders_with_maps_are_found_and_no_others(tmp_path):
    one, deep = with_map(tmp_path / "one"), with_map(tmp_path / "two/in/here")
    with_map(tmp_path / "too/deep/for/us")
    with_map(tmp_path / ".hidden")
    (tmp_path / "empty").mkdir()
    with_map(tmp_path / "other", "grid.png")
    queue = tmp_path / "queue"
    queue.mkdir()
    (queue / "SPACE_queue.txt").touch()
    make_map(tmp_path, "G_L01.png")  # the folder itself is named already
    assert set(found(tmp_path)) == {one, queue, deep}
    assert set(found(tmp_path, depth=1)) == {one, queue}
    assert len(found(tmp_path, most=1)) == 1
    assert found(tmp_path / "none") == []


def test_the_search_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(subfolders, "_MOST_VISITED", 5)
    monkeypatch.setattr(subfolders, "_MOST_ENTRIES", 3)
    for i in range(9):
        with_map(tmp_path / f"f{i}")
    assert len(found(tmp_path)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_not_followed(tmp_path):
    there = with_map(tmp_path / "there")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(there, target_is_directory=True)
    assert found(root) == []


def test_folders_that_come_and_go_are_noticed_every_few_seconds(tmp_path, clock):
    below = Subfolders([tmp_path], clock)
    assert below.changes([tmp_path]) == ([], [])
    one = with_map(tmp_path / "one")
    assert below.changes([tmp_path]) == ([], [])
    clock.now += 11
    assert below.changes([tmp_path]) == ([one], [])
    clock.now += 11
    (one / "G_L01.png").rename(tmp_path / "G_L01.png")
    (one / "G_L01.json").unlink()
    assert below.changes([tmp_path, one]) == ([], []), "its results may still be waited for"
    one.rmdir()
    clock.now += 11
    assert below.changes([tmp_path, one]) == ([], [one])


def test_folders_of_a_share_that_is_away_are_kept(tmp_path, clock):
    root = tmp_path / "share"
    one = with_map(root / "one")
    below = Subfolders([root], clock)
    root.rename(tmp_path / "away")
    assert below.changes([root, one]) == ([], [])


def test_of_many_folders_those_used_last_are_watched(tmp_path, clock, monkeypatch, caplog):
    monkeypatch.setattr(subfolders, "MOST_FOLDERS", 3)
    folders = [used_at(with_map(tmp_path / f"f{i}"), 1000.0 + i) for i in range(3)]
    below = Subfolders([tmp_path], clock)
    assert below.changes([tmp_path]) == (folders[::-1], [])
    assert "not watched" not in caplog.text
    for name, time_s in (("a new one", 2000.0), ("an old one", 10.0)):
        used_at(with_map(tmp_path / name), time_s)
    clock.now += 11
    assert below.changes([tmp_path, *folders]) == ([tmp_path / "a new one"], [folders[0]])
    assert "2 folders with maps are not watched" in caplog.text
    # A queue that is written again counts, also where its maps are old.
    (folders[0] / "SPACE_queue.txt").touch()
    clock.now += 11
    watched = [tmp_path, folders[1], folders[2], tmp_path / "a new one"]
    assert below.changes(watched) == ([folders[0]], [folders[1]])
    assert caplog.text.count("not watched") == 1


@pytest.mark.parametrize(
    ("served", "watched", "busy", "expected"),
    [
        ("ab", "ab", "a", False),
        ("ab", "abc", "a", False),
        ("ab", "abc", "c", True),
        ("ab", "a", "", True),
    ],
)
def test_a_worker_without_a_job_is_replaced_only_where_that_helps(served, watched, busy, expected):
    assert has_other_folders(list(served), list(watched), list(busy)) is expected


# --- the monitor ----------------------------------------------------------------------------------


def watching(tmp_path, starts, clock):
    return Monitor([tmp_path], tmp_path, ["0"], 1, LocalProcesses(starts), clock, subfolders=True)


def test_a_monitor_takes_up_folders_below_also_those_that_appear(tmp_path, starts, clock):
    one = with_map(tmp_path / "one")
    monitor = watching(tmp_path, starts, clock)
    assert monitor.watched() == [tmp_path, one]
    for _ in range(3):
        counts = monitor.tick()
    assert counts["queued"] == 1 and counts["broken"] == 0
    assert len(starts) == 1
    two = with_map(tmp_path / "two")
    clock.now += 11
    for _ in range(3):
        counts = monitor.tick()
    assert monitor.watched() == [tmp_path, one, two]
    assert counts["queued"] == 2


def test_a_busy_worker_is_left_to_its_job(tmp_path, starts, clock, monkeypatch):
    one = with_map(tmp_path / "one")
    monitor = watching(tmp_path, starts, clock)
    for _ in range(3):
        monitor.tick()
    name = f"{this_machine()}-{starts[0].pid}-abc123"
    monkeypatch.setattr(monitor, "_busy_names", lambda: {name})
    with_map(tmp_path / "two")
    clock.now += 11
    for _ in range(3):
        monitor.tick()
    assert starts[0].code is None
    monkeypatch.setattr(monitor, "_busy_names", set)
    monitor.tick()
    assert starts[0].code == -15
    clock.now += 60
    monitor.tick()
    assert len(starts) == 2
    assert monitor._served[0] == [tmp_path, one, tmp_path / "two"]


def test_a_folder_that_was_removed_does_not_stop_the_others(tmp_path, starts, clock, caplog):
    one = with_map(tmp_path / "one")
    monitor = watching(tmp_path, starts, clock)
    monitor.tick()
    for path in one.iterdir():
        path.unlink()
    one.rmdir()
    clock.now += 11
    make_map(tmp_path, "G_L02.png")
    for _ in range(3):
        counts = monitor.tick()
    assert monitor.watched() == [tmp_path]
    assert counts["queued"] == 1


def test_without_the_choice_maps_below_are_reported(tmp_path, starts, clock):
    with_map(tmp_path / "one")
    monitor = make_monitor(tmp_path, starts, clock)
    assert monitor.watched() == [tmp_path]
    assert monitor.tick()["broken"] == 1
    assert map_watch.misplaced(tmp_path, subfolders=True) == {}


def test_a_map_in_a_folder_that_appeared_wakes_the_monitor(tmp_path, starts, monkeypatch):
    monkeypatch.setattr(subfolders, "_LOOK_SECONDS", 0.0)
    monitor = watching(tmp_path, starts, time.monotonic)
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(monitor, False, 60.0, stop))
    below = tmp_path / "below"

    def has_waiting(count):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if below in monitor.watched() and JobFolder(below).waiting() == count:
                return True
            time.sleep(0.05)
        return False

    with_map(below)
    monitor.folders, monitor._maps = monitor.folders[:1], monitor._maps[:1]
    thread.start()
    try:
        assert has_waiting(1)
        make_map(below, "G_L02.png", seed=2)
        assert has_waiting(2), "the monitor looks every minute only"
    finally:
        stop.set()
        thread.join(30)


def test_a_stop_in_the_folder_above_ends_the_monitor(tmp_path, starts, clock):
    one = with_map(tmp_path / "one")
    monitor = watching(tmp_path, starts, clock)
    (one / "SPACE_stop.txt").touch()
    assert not monitor.is_stopped()
    (tmp_path / "SPACE_stop.txt").touch()
    assert monitor.is_stopped()


def test_the_status_of_folders_below(tmp_path, capsys):
    with_map(tmp_path / "one")
    asked = ["--status", "--dir", str(tmp_path)]
    assert monitor_command.main(asked) == 1
    assert "start the monitor with --subfolders" in capsys.readouterr().out
    assert monitor_command.main([*asked, "--subfolders"]) == 1
    assert "DEAD: 1 map waits and nobody works" in capsys.readouterr().out
