"""Tilt series in a folder become tomograms through a queue, whatever happens to their workers."""

from __future__ import annotations

import json
import os
import time

import pytest

from space.errors import SpaceError
from space.jobs import TOMOGRAM, JobFolder
from space.jobs.worker import Timing, run_worker
from space.series import TOMOGRAMS
from space.watching import Told, Watch, ready_series, watch
from space.watching.worker import TomogramRunner

HOUR_S = 3600.0


def write_series(folder, name, tilts=range(-30, 31, 10), age_s=HOUR_S, content=b"stack"):
    """A stack and its mdoc, which have not changed for a while."""
    stack = folder / name
    stack.write_bytes(content)
    lines = ["PixelSpacing = 1.5", f"ImageFile = {name}", ""]
    for section, tilt in enumerate(tilts):
        lines += [f"[ZValue = {section}]", f"TiltAngle = {tilt}", "MinMaxMean = 0 9 5", ""]
    notes = folder / f"{name}.mdoc"
    notes.write_text("\n".join(lines), encoding="utf-8")
    then = time.time() - age_s
    for path in (stack, notes):
        os.utime(path, (then, then))
    return stack


def make_json(series, folder, options, tell, may_write, notes):
    """Stands for the making of a tomogram."""
    tell("aligned")
    if series.name.startswith("bad"):
        raise SpaceError("All pictures are dark.", series.name)
    if not may_write():
        return None
    target = folder / f"{series.stem}_tomogram.json"
    target.write_text(json.dumps({"bin": options.get("bin"), **notes}), encoding="utf-8")
    with open(folder / "made.txt", "a", encoding="utf-8") as stream:
        stream.write(f"{series.name}\n")
    return target


class Here:
    """A worker that does all that waits at the moment when it is started."""

    def __init__(self, wish, make=make_json, code=0):
        self.wish, self.make, self.code = wish, make, code
        self.started = 0

    def __call__(self, number):
        self.started += 1
        if self.code == 0:
            run_worker(
                [self.wish.folder],
                self.wish.directory,
                "cpu",
                Timing(idle_s=0.0, poll_s=0.01),
                TomogramRunner(self.wish.directory, self.make),
                sources=self.wish.directory,
            )
        return self

    def poll(self):
        return self.code

    def wait(self, timeout=None):
        return self.code


def run(wish, start=None, **more):
    start = start or Here(wish)
    return [one for one in watch(wish, start, pause=lambda _: None, **more)]


def states(events):
    return [(one.name, one.state) for one in events if isinstance(one, Told)]


def made(tmp_path):
    path = tmp_path / TOMOGRAMS / "made.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


class TestWhatIsReady:
    def test_only_tilt_series_that_have_rested(self, tmp_path):
        old = write_series(tmp_path, "b_ts_001.mrc", age_s=3 * HOUR_S)
        rested = write_series(tmp_path, "a_ts_002.mrc")
        growing = write_series(tmp_path, "c_ts_003.mrc", age_s=60)
        write_series(tmp_path, "map.mrc", tilts=[10.0] * 30)
        write_series(tmp_path, "preview.mrc", tilts=[0.0])
        (tmp_path / "alone.mrc.mdoc").write_text("[ZValue = 0]\nTiltAngle = 3\n", encoding="utf-8")
        (tmp_path / "folder.mrc.mdoc").mkdir()
        looked = ready_series(tmp_path, time.time(), 600)
        assert looked.ready == (old, rested)
        assert looked.growing == (growing,)

    def test_a_stack_that_is_still_written_keeps_its_series_waiting(self, tmp_path):
        stack = write_series(tmp_path, "a_ts_001.mrc")
        os.utime(stack)
        assert ready_series(tmp_path, time.time(), 600).growing == (stack,)


class TestWatching:
    def test_each_series_is_done_once_and_a_bad_one_costs_itself(self, tmp_path):
        for name in ("a_ts_001.mrc", "bad_ts_002.mrc", "c ü_ts_003.mrc"):
            write_series(tmp_path, name)
        wish = Watch(tmp_path, {"bin": 4}, once=True)
        told = dict(states(run(wish)))
        assert told == {
            "a_ts_001.mrc": "done", "bad_ts_002.mrc": "failed", "c ü_ts_003.mrc": "done",
        }  # fmt: skip
        assert made(tmp_path) == ["a_ts_001.mrc", "c ü_ts_003.mrc"]
        reasons = [one.reason for one in run(wish) if isinstance(one, Told) and one.reason]
        assert reasons and "All pictures are dark" in reasons[0]
        assert made(tmp_path) == ["a_ts_001.mrc", "c ü_ts_003.mrc"]  # none twice

    def test_a_series_that_grew_and_other_wishes_are_done_anew(self, tmp_path):
        write_series(tmp_path, "a_ts_001.mrc")
        run(Watch(tmp_path, {"bin": 4}, once=True))
        write_series(tmp_path, "a_ts_001.mrc", content=b"longer stack")
        run(Watch(tmp_path, {"bin": 4}, once=True))
        assert len(made(tmp_path)) == 2
        run(Watch(tmp_path, {"bin": 8}, once=True))
        assert len(made(tmp_path)) == 3
        facts = json.loads((tmp_path / TOMOGRAMS / "a_ts_001_tomogram.json").read_text())
        assert facts["asked"] == {"bin": 8}

    def test_failed_ones_are_tried_again_when_asked(self, tmp_path):
        write_series(tmp_path, "bad_ts_001.mrc")
        tries = []

        def make(series, *rest):
            tries.append(series.name)
            raise SpaceError("All pictures are dark.")

        wish = Watch(tmp_path, once=True)
        run(wish, Here(wish, make))
        first = len(tries)
        run(wish, Here(wish, make))
        assert len(tries) == first
        again = Watch(tmp_path, once=True, again=True)
        run(again, Here(again, make))
        assert len(tries) > first

    def test_series_are_found_while_it_watches(self, tmp_path):
        wish = Watch(tmp_path, settle_s=0)
        events = watch(wish, Here(wish), pause=lambda _: None)
        next(events)  # nothing is there
        write_series(tmp_path, "late_ts_001.mrc")
        for one in events:
            if isinstance(one, Told) and one.state == "done":
                break
        events.close()
        assert made(tmp_path) == ["late_ts_001.mrc"]

    def test_workers_that_do_not_start_are_told_with_their_words(self, tmp_path):
        write_series(tmp_path, "a_ts_001.mrc")
        wish = Watch(tmp_path, once=True)
        here = Here(wish, code=1)
        with pytest.raises(SpaceError, match="No worker starts"):
            run(wish, here)
        assert here.started == 3

    def test_the_stop_file_ends_it(self, tmp_path):
        write_series(tmp_path, "a_ts_001.mrc")
        (tmp_path / TOMOGRAMS).mkdir()
        (tmp_path / TOMOGRAMS / "SPACE_stop.txt").touch()
        wish = Watch(tmp_path, once=True)
        with pytest.raises(SpaceError, match=r"SPACE_stop\.txt"):
            run(wish, Here(wish))

    @pytest.mark.parametrize("odd", [{"processes": 0}, {"settle_s": -1}, {"settle_s": 1e9}])
    def test_odd_wishes_are_refused(self, tmp_path, odd):
        with pytest.raises(SpaceError):
            Watch(tmp_path, **odd)

    def test_a_missing_folder_is_told(self, tmp_path):
        with pytest.raises(SpaceError, match="no such folder"):
            run(Watch(tmp_path / "missing"))


def test_maps_and_series_do_not_meet(tmp_path):
    write_series(tmp_path, "a_ts_001.mrc")
    wish = Watch(tmp_path, once=True)
    run(wish)
    assert JobFolder(tmp_path).statuses() == {}
    assert JobFolder(wish.folder, sources=tmp_path).status("a_ts_001.mrc", TOMOGRAM).state == "done"
