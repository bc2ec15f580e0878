import json
import os
import time

import pytest

from space.jobs import monitor_sign
from space.jobs.monitor_sign import (
    Look,
    MonitorBeat,
    MonitorSign,
    all_monitors,
    monitor_path,
    read_monitor,
)
from space.jobs.presence import Patience
from space.jobs.workers import Worker, this_machine

QUICK = Patience(beat_s=0.02, stale_s=0.3, missing_s=0.1, look_s=0.1)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def only(folder):
    ((beat, _),) = all_monitors(folder)
    return beat


def test_a_monitor_tells_what_it_watches_and_when_it_looked(tmp_path):
    look = Look(time.monotonic() - 30, 2, {tmp_path: {"a_L01.png": "it is cut off"}})
    with MonitorSign(lambda: [tmp_path], ("0", "cpu"), lambda: look):
        beat = only(tmp_path)
        assert beat.folders == (str(tmp_path),)
        assert (beat.devices, beat.workers) == (("0", "cpu"), 2)
        assert 30 <= beat.looked_s < 60
        assert beat.broken == {"a_L01.png": "it is cut off"}
        assert (beat.who.machine, beat.who.pid) == (this_machine(), os.getpid())
    assert not list(tmp_path.iterdir())


def test_its_signs_go_on_while_nothing_is_looked_at(tmp_path):
    with MonitorSign(lambda: [tmp_path], ("cpu",), lambda: None, QUICK):
        wait_for(lambda: only(tmp_path).count > 3)
        assert (only(tmp_path).looked, only(tmp_path).looked_s) == ("", 0.0)


def test_a_folder_that_is_away_is_reported_once_and_taken_again_when_it_is_back(tmp_path, caplog):
    away = tmp_path / "away"
    sign = MonitorSign(lambda: [away, tmp_path], ("cpu",), lambda: None)
    sign.beat()
    sign.beat()
    assert caplog.text.count("no sign of life could be written") == 1
    assert only(tmp_path).count == 2
    away.mkdir()
    sign.beat()
    assert only(away).count == 3


def test_signs_of_monitors_that_died_are_removed(tmp_path):
    here = Worker(f"{this_machine()}-4-abc123", this_machine(), 2**22 + 1)
    far = Worker("far-4-abc123", "far", 4)
    for who in (here, far):
        text = json.dumps(MonitorBeat(who).to_dict())
        monitor_path(tmp_path, who.name).write_text(text, encoding="utf-8")
    with MonitorSign(lambda: [tmp_path], ("cpu",), lambda: None, QUICK):
        assert {b.who.name for b, _ in all_monitors(tmp_path)} >= {"far-4-abc123"}
        wait_for(lambda: len(all_monitors(tmp_path)) == 1)


def test_a_sign_is_small_however_much_is_broken(tmp_path, caplog):
    broken = {f"{i}" * 200 + "\U0001f600" * 200: "\U0001f600" * 400 for i in range(500)}
    folders = [tmp_path, *[tmp_path / str(i) for i in range(200)]]
    look = Look(0.0, 0, {tmp_path: broken})
    sign = MonitorSign(lambda: folders, ("cpu",), lambda: look)
    sign.beat()
    path = monitor_path(tmp_path, sign._who.name)
    assert path.stat().st_size < monitor_sign.LARGEST_BEAT_BYTES
    assert len(read_monitor(path).broken) == 20


@pytest.mark.parametrize(
    "more",
    [
        {"folders": 3, "devices": "cpu", "workers": -1, "looked": 5, "looked_s": "x", "broken": []},
        {"workers": 1e300, "broken": {"a": 3}, "clock_s": -5},
        {},
    ],
)
def test_odd_details_are_left_out(tmp_path, more):
    path = monitor_path(tmp_path, "far-4-abc123")
    values = {"name": "far-4-abc123", "machine": "far", "pid": 4, **more}
    path.write_text(json.dumps(values), encoding="utf-8")
    assert read_monitor(path) == MonitorBeat(Worker("far-4-abc123", "far", 4))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "../x", "pid": 1}', "7"])
def test_what_names_no_monitor_is_none(tmp_path, content):
    monitor_path(tmp_path, "x").write_text(content, encoding="utf-8")
    assert all_monitors(tmp_path) == []


def test_a_copy_under_another_name_is_no_monitor(tmp_path):
    text = json.dumps(MonitorBeat(Worker("far-4-abc123", "far", 4)).to_dict())
    monitor_path(tmp_path, "other").write_text(text, encoding="utf-8")
    assert all_monitors(tmp_path) == []
