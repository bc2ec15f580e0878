"""Files of others are read up to a limit, and cost as much memory as they are large."""

from __future__ import annotations

import os
import stat
import tracemalloc

import pytest

from space.files import read_bytes_bounded


def test_a_small_file_takes_little_memory_whatever_the_limit(tmp_path):
    path = tmp_path / "small.png"
    path.write_bytes(b"picture")
    tracemalloc.start()
    try:
        assert read_bytes_bounded(path, 500_000_000) == b"picture"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("there", [0, 3, 10])
def test_a_file_that_grows_while_it_is_read_is_read_to_its_end_or_refused(
    tmp_path, monkeypatch, there
):
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    real = os.lstat

    def earlier(asked):
        found = real(asked)
        values = list(found)
        values[stat.ST_SIZE] = there
        return os.stat_result(values) if str(asked) == str(path) else found

    monkeypatch.setattr(os, "lstat", earlier)
    assert read_bytes_bounded(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="larger than 9 bytes"):
        read_bytes_bounded(path, 9)
