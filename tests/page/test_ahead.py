"""What is worked out before it is asked for, or once for several who ask."""

from __future__ import annotations

import threading
import time

from space import steps
from space.page import ahead
from space.page.ahead import Ahead
from tests.page import maps


def test_of_what_waits_the_latest_alone_is_done_and_only_when_it_is_quiet(monkeypatch):
    monkeypatch.setattr(ahead, "QUIET_S", 0.3)
    done, first, go = [], threading.Event(), threading.Event()
    own = Ahead()
    own.wish(lambda: (first.set(), go.wait(5)))
    assert first.wait(5)
    for number in range(3):
        own.wish(lambda number=number: done.append((number, time.monotonic())))
    own.hold()
    held = time.monotonic()
    go.set()
    deadline = time.monotonic() + 5
    while not done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [number for number, _ in done] == [2]
    assert done[0][1] - held > 0.25
    own.wish(lambda: done.append((9, 0)))
    own.hold()
    own.close()  # does not wait until it is quiet, and begins nothing more
    own.wish(lambda: done.append((10, 0)))
    assert [number for number, _ in done] in ([2], [2, 9]) and done[-1][0] != 10


def test_what_fails_ahead_is_told_to_who_asks(folder, page, caplog):
    maps.draw(folder.directory, 2)
    maps.choose(folder.directory, 2, [maps.MITOS[0]])
    (folder.directory / "G1_L02_seg.png").write_bytes(b"no picture")
    page.page.session.look(now=True)
    assert page.json("/api/lamella/G1/2")["label"] == "L02"
    assert "error" in page.post("/api/choose_again/G1/2", {}, 422)


def test_what_may_be_changed_is_worked_out_once_for_each_state_of_the_files(
    folder, page, monkeypatch
):
    asked, original = [], steps.scene_on_disk
    monkeypatch.setattr(
        steps, "scene_on_disk", lambda *a, **k: asked.append(a) or original(*a, **k)
    )
    for _ in range(2):
        before = page.json("/api/review/G1")
        page.json("/api/grid/G1")
    assert len(asked) == 1
    folder.acquire_off(2)
    page.page.session.look(now=True)
    page.json("/api/review/G1")
    assert len(asked) == 2 and before["grid"] == "G1"
