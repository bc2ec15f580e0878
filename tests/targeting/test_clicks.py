"""What a person clicked, save after save: the last word counts, and only for the same map."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space.errors import SpaceError
from space.targeting import Clicks, merged_clicks, read_clicks, write_clicks

SHAPE = (100, 200)
NONE = np.empty((0, 2))


def at(*points) -> np.ndarray:
    return np.array(points, float).reshape(-1, 2)


def test_clicks_of_several_saves_are_kept_once_each():
    first = merged_clicks(Clicks(), at((10, 20), (30, 40)), at((50, 60)))
    again = merged_clicks(first, at((10.5, 20), (70, 80)), at((50, 61)))
    assert again.added_map_px.tolist() == [[10, 20], [30, 40], [70, 80]]
    assert again.removed_map_px.tolist() == [[50, 60]]


def test_the_last_word_counts():
    first = merged_clicks(Clicks(), at((10, 20)), at((50, 60)))
    later = merged_clicks(first, at((50, 60)), at((10, 20), (5, 5)))
    assert later.added_map_px.tolist() == [[50, 60]]
    # The person's own target was taken away: nobody says that such places are unwanted.
    assert later.removed_map_px.tolist() == [[5, 5]]


def test_they_are_read_back_for_the_same_map_alone(tmp_path):
    path = tmp_path / "G1_L01_clicks.json"
    assert not read_clicks(path, SHAPE, "a")
    write_clicks(path, Clicks(at((10, 20)), at((50, 60.126))), SHAPE, "a")
    read = read_clicks(path, SHAPE, "a")
    assert (read.added_map_px.tolist(), read.removed_map_px.tolist()) == ([[10, 20]], [[50, 60.13]])
    assert not read_clicks(path, SHAPE, "b") and not read_clicks(path, (100, 201), "a")


@pytest.mark.parametrize("entry", [[-1, 5], [5, 201], ["a", 1], [1], None, [float("nan"), 1]])
def test_what_is_no_place_is_refused(tmp_path, entry):
    path = tmp_path / "clicks.json"
    write_clicks(path, Clicks(at((1, 1))), SHAPE, "a")
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**values, "removed": [entry]}), "utf-8")
    with pytest.raises(SpaceError):
        read_clicks(path, SHAPE, "a")
