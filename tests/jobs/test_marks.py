"""What says by which model a result was made."""

import os
from types import SimpleNamespace

from space import trust
from space.jobs import ModelMarks


def marks_of(folder):
    config = SimpleNamespace(detection_weights=folder / "w.pt")
    return ModelMarks(lambda: config)


def test_a_mark_is_that_of_the_content(tmp_path):
    assert marks_of(tmp_path)("detect") == ""
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"one")
    first = marks_of(tmp_path)("detect")
    weights.write_bytes(b"other")
    second = marks_of(tmp_path)("detect")
    weights.write_bytes(b"one")
    os.utime(weights, (1e9, 1e9))
    assert first and first != second and marks_of(tmp_path)("detect") == first


def test_weights_that_have_not_changed_are_read_once(tmp_path):
    """Also by others who ask: each look at a job makes its own."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    before = trust._hash.cache_info().misses
    for _ in range(5):
        marks_of(tmp_path)("detect")
    assert trust._hash.cache_info().misses == before + 1
