"""Signs of life: what is in their files, how long they may stay the same, and who writes them."""

from __future__ import annotations

import errno
import json
import time

import pytest
from helpers import Clock, beat

from space.jobs import Patience, Worker, heartbeat, presence
from space.jobs.heartbeat import Heartbeat
from space.jobs.presence import Beat, Watch, all_beats, beat_path, is_alive, read_beat

FAR = Worker("far-1-a", "far", 1)
QUICK = Patience(beat_s=0.01)


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("values", "job", "count"),
    [
        ({"beat": 3, "job": ["a.png", "segment"], "progress": 5}, ("a.png", "segment"), 3),
        ({"beat": 3, "job": ["", ""]}, ("", ""), 3),
        ({"beat": 3}, None, 3),  # an older program
        ({"beat": "3", "job": ["a.png"]}, None, 0),
        ({"beat": 1e300, "job": [1, 2]}, None, 0),
    ],
)
def test_a_sign_of_life_is_read_from_outside(values, job, count):
    found = Beat.from_dict({"name": "far-1-a", "machine": "far", "pid": 1, **values})
    assert (found.worker, found.job, found.count) == (FAR, job, count)


def test_a_sign_of_life_is_read_as_it_was_written():
    written = Beat(FAR, 7, ("a.png", "detect"), 12)
    assert Beat.from_dict(json.loads(json.dumps(written.to_dict()))) == written


def test_a_copy_of_a_sign_of_life_is_no_second_worker(tmp_path):
    beat(tmp_path, FAR, 1)
    copy = beat_path(tmp_path, FAR.name).with_name(".SPACE_worker_copy.txt")
    copy.write_bytes(beat_path(tmp_path, FAR.name).read_bytes())
    assert [found.worker for found, _ in all_beats(tmp_path)] == [FAR]


def test_time_counts_only_while_somebody_watches():
    clock = Clock()
    watch = Watch(clock, look_s=20.0)
    assert watch.unchanged_s("a", 1) == 0.0
    clock.now += 15
    assert watch.unchanged_s("a", 1) == 15.0
    clock.now += 8 * 3600  # the computer slept
    assert watch.unchanged_s("a", 1) == 35.0
    clock.now -= 100  # no clock of ours, but nothing may come of it
    assert watch.unchanged_s("a", 1) == 35.0
    assert watch.unchanged_s("b", 1) == 0.0
    assert watch.unchanged_s("a", 2) == 0.0


def test_a_folder_that_does_not_answer_says_nothing_about_a_worker(tmp_path, monkeypatch):
    clock = Clock()
    watch = Watch(clock)

    def answer(number: int):
        def refuse(path):
            raise OSError(number, "odd", str(path))

        monkeypatch.setattr(presence, "read_bytes_bounded", refuse)
        for _ in range(10):
            clock.now += 20
            alive = is_alive(tmp_path, FAR, watch, Patience())
        return alive

    assert answer(errno.EIO), "the network does not answer"
    assert not answer(errno.EFBIG), "what is there was written by no worker"


def test_a_heartbeat_goes_on_when_a_sign_could_not_be_written(tmp_path, monkeypatch, caplog):
    write, troubles = heartbeat.write_text_atomic, []

    def shaky(path, text):
        if len(troubles) < 3 and '"beat": 1' not in text:
            troubles.append(path)
            raise OSError(errno.ENOSPC, "no space left")
        write(path, text)

    monkeypatch.setattr(heartbeat, "write_text_atomic", shaky)
    with Heartbeat(tmp_path, FAR, QUICK):
        path = beat_path(tmp_path, FAR.name)
        wait_for(lambda: (found := read_beat(path)) is not None and found.count > 4)
    assert caplog.text.count("The sign of life could not be written") == 3
    assert not path.exists()


def test_a_folder_that_takes_no_sign_is_noticed_at_once(tmp_path):
    with pytest.raises(OSError), Heartbeat(tmp_path / "none", FAR, QUICK):
        raise AssertionError("went on")


@pytest.mark.parametrize(
    ("patience", "word"),
    [
        (Patience(beat_s=0.01, stall_s=0.1), "no progress"),
        (Patience(beat_s=0.01, job_s=0.1, job_per_mpx_s=0.0), "still not done"),
    ],
)
def test_a_heartbeat_reports_a_job_that_hangs_once(tmp_path, patience, word):
    reasons = []
    with Heartbeat(tmp_path, FAR, patience, reasons.append) as beating:

        def has_reported() -> bool:
            if word == "still not done":
                beating.progressed()
            return bool(reasons)

        beating.begin("a.png", "segment", 1.0)
        wait_for(has_reported)
        time.sleep(0.1)
    (reason,) = reasons
    assert word in reason


def test_no_job_no_hang(tmp_path):
    reasons = []
    with Heartbeat(tmp_path, FAR, Patience(beat_s=0.01, stall_s=0.05), reasons.append) as beating:
        beating.begin("a.png", "segment", 1.0)
        beating.end()
        time.sleep(0.3)
    assert reasons == []
