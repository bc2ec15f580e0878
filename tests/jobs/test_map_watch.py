"""Which files count as maps, and when: at once if they are whole, never if a part is missing."""

from __future__ import annotations

import io
import json
import os
import re
import zlib

import numpy as np
import pytest
from helpers import Clock, make_map, write_result
from PIL import Image

from space.images import json_path, whole_png_texts, write_png
from space.jobs import map_watch
from space.jobs.map_watch import BROKEN_SECONDS, REPLACED_SECONDS, MapWatch
from space.jobs.monitor import Monitor

NAME = "G_L01.png"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def maps(clock):
    return MapWatch(clock)


def whole_map(seed: int = 0) -> bytes:
    """Return a map in several pieces, with its pixel size in it."""
    array = np.random.default_rng(seed).integers(1, 256, (40, 50)).astype(np.uint8)
    return png_of(array, 700, {"pixel_nm": "16.0"})


def png_of(array: np.ndarray, piece: int, texts: dict) -> bytes:
    rows, columns = array.shape
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in array), 0)
    pieces = [packed[i : i + piece] for i in range(0, len(packed), piece)]
    header = rows_and_columns(rows, columns)
    chunks = [(b"IHDR", header)]
    chunks += [(b"tEXt", f"{key}\0{value}".encode()) for key, value in texts.items()]
    chunks += [(b"IDAT", body) for body in pieces]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, [*chunks, (b"IEND", b"")]))


def rows_and_columns(rows, columns):
    return columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])


def chunk(kind_and_body):
    kind, body = kind_and_body
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def without_text(data: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, format="PNG")
    return stream.getvalue()


def test_a_map_that_is_whole_counts_at_the_first_look_after_it_came(maps, tmp_path):
    path = make_map(tmp_path, NAME, described=False)
    write_result(tmp_path, "G_L07.png")
    for other in ("G.png", "G_L02_old.png", "G_L02_segmentation.png"):
        make_map(tmp_path, other)
    assert maps.ready_maps(tmp_path) == [path] and not maps.unsettled


@pytest.mark.parametrize("step", [1, 97])
def test_a_copy_that_stalls_at_any_byte_is_never_taken(maps, clock, tmp_path, step):
    data, path = whole_map(), tmp_path / NAME
    for end in range(0, len(data), step * 13):
        path.write_bytes(data[:end])
        for _ in range(3):
            assert maps.ready_maps(tmp_path) == [] and not maps.has_settled()
            clock.now += 100 * BROKEN_SECONDS if end % 5 == 0 else 0.5
    path.write_bytes(data)
    assert maps.ready_maps(tmp_path) == [path]


@pytest.mark.parametrize("missing", ["zeros", "old"])
def test_a_copy_that_has_its_final_size_before_its_content_is_never_taken(
    maps, clock, tmp_path, missing
):
    """Some programs give a file its size first, or write over an older map of the same size."""
    data, path = whole_map(1), tmp_path / NAME
    before = whole_map(2) if missing == "old" else bytes(len(data))
    assert len(before) == len(data)
    pieces = [found.start() - 4 for found in re.finditer(b"IDAT", data)][1:]
    assert len(pieces) >= 2
    for end in [*range(200, len(data) - 30, 61), *pieces]:
        path.write_bytes(data[:end] + before[end:])
        os.utime(path, ns=(end, end))
        for _ in range(2):
            assert maps.ready_maps(tmp_path) == [] and not maps.has_settled()
            clock.now += 2 * BROKEN_SECONDS  # it stalls
    path.write_bytes(data)
    assert maps.ready_maps(tmp_path) == [path]


def test_chunks_that_are_whole_one_by_one_do_not_make_a_whole_map(tmp_path):
    """New pieces in front, old ones behind: only the checksum over all pixels tells."""
    new, old, path = whole_map(1), whole_map(2), tmp_path / NAME
    cut = new.index(b"IDAT", new.index(b"IDAT") + 4) - 4
    path.write_bytes(new[:cut] + old[cut:])
    assert whole_png_texts(path) is not None
    assert whole_png_texts(path, pixels=True) is None
    path.write_bytes(new)
    assert whole_png_texts(path, pixels=True) == {"pixel_nm": "16.0"}


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGB", "LA"])
def test_maps_of_other_programs_are_whole_too(tmp_path, mode):
    Image.new("L", (300, 200), 77).convert(mode).save(tmp_path / NAME)
    assert whole_png_texts(tmp_path / NAME, pixels=True) == {}


def test_a_map_that_is_copied_slowly_is_waited_for(maps, clock, tmp_path):
    data, path = whole_map(), tmp_path / NAME
    for end in range(10, len(data), 40):
        path.write_bytes(data[:end])
        assert maps.ready_maps(tmp_path) == [] and maps.unsettled and not maps.broken
        clock.now += 20
    path.write_bytes(data)
    assert maps.ready_maps(tmp_path) == [path]


def test_without_its_pixel_size_a_map_counts_when_it_and_its_json_are_steady(maps, clock, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(without_text(whole_map()))
    text = json.dumps({"pixel_nm": 16.0})
    for end in range(len(text)):
        json_path(path).write_text(text[:end])
        assert maps.ready_maps(tmp_path) == [] and maps.unsettled
        clock.now += 0.5
        assert not maps.has_settled()
    json_path(path).write_text(text)
    assert maps.ready_maps(tmp_path) == []  # only just written
    clock.now += 0.5
    assert maps.has_settled() and maps.ready_maps(tmp_path) == [path]


def test_the_json_of_an_older_map_is_not_taken_for_that_of_the_new_one(maps, clock, tmp_path):
    path = tmp_path / NAME
    json_path(path).write_text('{"pixel_nm": 16.0}')
    path.write_bytes(without_text(whole_map(1)))
    maps.ready_maps(tmp_path)
    clock.now += 0.5
    assert maps.ready_maps(tmp_path) == [path]
    path.write_bytes(without_text(whole_map(2)) + b"x")
    maps.ready_maps(tmp_path)
    clock.now += 0.5
    assert maps.ready_maps(tmp_path) == []
    json_path(path).write_text('{"pixel_nm": 8.0}')
    maps.ready_maps(tmp_path)
    clock.now += REPLACED_SECONDS
    assert maps.ready_maps(tmp_path) == [path]


def test_what_follows_the_end_of_a_map_keeps_it_waiting_only(maps, clock, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(whole_map() + bytes(1000))
    assert maps.ready_maps(tmp_path) == []
    clock.now += BROKEN_SECONDS
    assert maps.ready_maps(tmp_path) == [path]


def counted_reads(monkeypatch):
    reads = []

    def read(path, pixels=False):
        reads.append(path)
        return whole_png_texts(path, pixels)

    monkeypatch.setattr(map_watch, "whole_png_texts", read)
    return reads


def test_neither_a_steady_map_nor_one_without_an_end_is_read_at_each_look(
    maps, clock, tmp_path, monkeypatch
):
    reads = counted_reads(monkeypatch)
    make_map(tmp_path, NAME)
    (tmp_path / "cut_L02.png").write_bytes(whole_map()[:-20])
    for _ in range(50):
        maps.ready_maps(tmp_path)
        maps.has_settled()
        clock.now += 0.5
    assert reads == [tmp_path / NAME]
    for _ in range(100):
        maps.ready_maps(tmp_path)
        clock.now += 0.5
    assert len(reads) <= 3 and "cut_L02.png" in maps.broken


def test_a_large_damaged_map_takes_a_fifth_of_the_time_at_most(maps, clock, tmp_path, monkeypatch):
    reads = []

    def read(path, pixels=False):
        reads.append(clock.now)
        clock.now += 1.0

    monkeypatch.setattr(map_watch, "whole_png_texts", read)
    path = tmp_path / NAME
    for count in range(40):
        path.write_bytes(whole_map())
        os.utime(path, ns=(count, count))
        maps.ready_maps(tmp_path)
        clock.now += 0.5
    assert len(reads) >= 2 and min(b - a for a, b in zip(reads, reads[1:])) >= 6.0


def test_a_broken_map_that_is_copied_again_counts_at_once(maps, clock, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(whole_map()[:-20])
    maps.ready_maps(tmp_path)
    clock.now += BROKEN_SECONDS
    maps.ready_maps(tmp_path)
    assert NAME in maps.broken
    write_png(path, np.arange(600, dtype=np.uint8).reshape(20, 30), 16.0, "again")
    assert maps.ready_maps(tmp_path) == [path] and not maps.broken


# --- the monitor between two looks --------------------------------------------------------------


class Waits:
    """A waker that nothing wakes; `meanwhile` happens in each wait."""

    def __init__(self, meanwhile=lambda: None, wakes=False):
        self.meanwhile, self.wakes, self.count = meanwhile, wakes, 0

    def wait(self, seconds, stop):
        self.count += 1
        assert self.count < 100 and seconds <= 0.5
        self.meanwhile()
        return self.wakes


def test_a_monitor_rests_until_a_map_is_copied_to_its_end(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(whole_map()[:500])
    monitor = Monitor([tmp_path], tmp_path, ("0",))
    assert monitor.tick()["queued"] == 0
    pieces = iter([whole_map()[:700], whole_map()[:-1], whole_map()])
    waiter = Waits(lambda: path.write_bytes(next(pieces)))
    monitor.rest(waiter, 100.0, lambda: False)
    assert waiter.count == 3
    monitor._start_in = lambda index, now_s: None
    assert monitor.tick()["queued"] == 1


def test_a_monitor_rests_until_something_changes_or_it_is_to_end(tmp_path):
    monitor = Monitor([tmp_path], tmp_path, ("0",))
    waiter = Waits(wakes=True)
    monitor.rest(waiter, 100.0, lambda: False)
    assert waiter.count == 1
    waiter = Waits()
    monitor.rest(waiter, 100.0, lambda: waiter.count >= 4)
    assert waiter.count == 4


def test_a_monitor_is_woken_by_maps_and_the_queue_alone(tmp_path):
    with Monitor([tmp_path], tmp_path, ("0",)).waker() as waker:
        for name in (
            ".SPACE_worker_x.txt",
            "SPACE_runs.txt",
            "G_L01_seg.png",
            ".G_L01.1a.part.png",
        ):
            (tmp_path / name).write_text("x")
        assert not waker.wait(0.6)
        for name in (NAME, "G_L01.json", "SPACE_queue.txt", "SPACE_stop.txt"):
            (tmp_path / name).write_text("x")
            assert waker.wait(30.0)
