"""Whether targets hit: chosen on what was found, judged by what is true."""

from __future__ import annotations

import numpy as np
import pytest

from space.learning import Aim, Hits, chosen, judged
from space.targeting import TargetingOptions

NAMES = {"lamella": 1, "mitos": 2, "ice": 3, "ignore": 200}
PIXEL_NM = 20.0
AIM = Aim(TargetingOptions(target_list=("mitos",), avoid_list=("ice", "black")), (0.8, 0.4), 1.0)
"""A field of 20 rows and 40 columns, whose middle has 10 and 20."""


def truth() -> np.ndarray:
    labels = np.ones((200, 300), np.uint8)
    labels[50:60, 100:120] = 2
    labels[140:150, 200:220] = 2
    labels[20:22, 20:22] = 2  # too small to be worth a target
    labels[140:150, 235:237] = 3
    labels[100:110, 20:40] = 200
    return labels


def at(*points) -> Hits:
    return judged(np.array(points, float).reshape(-1, 2), truth(), NAMES, AIM, PIXEL_NM)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((55.0, 110.0), Hits(1, 1, 1, 0, 2, 1)),
        ((59.9, 119.9), Hits(1, 1, 1, 0, 2, 1)),
        ((60.1, 110.0), Hits(1, 0, 1, 0, 2, 1)),  # beside it, but the middle of its field holds it
        ((67.0, 110.0), Hits(1, 0, 0, 0, 2, 0)),
        ((145.0, 218.0), Hits(1, 1, 1, 1, 2, 1)),  # with ice in its field
        ((105.0, 30.0), Hits(1, 0, 0, 0, 2, 0)),  # where nobody knows
        ((21.0, 21.0), Hits(1, 1, 1, 0, 2, 0)),
        ((200.0, 300.0), Hits(1, 0, 0, 0, 2, 0)),  # the last corner
    ],
)
def test_a_target_hits_where_its_centre_lies_on_what_is_wanted(point, expected):
    assert at(point) == expected


def test_hits_of_pictures_are_added_and_rates_are_of_all():
    both = at((55.0, 110.0), (55.0, 114.0)) + at((70.0, 110.0))
    assert both == Hits(3, 2, 2, 0, 4, 1)
    assert both.hit_rate == 2 / 3 and both.reached_rate == 0.25
    assert at().hit_rate is None and Hits().reached_rate is None


def test_targets_on_the_true_labels_reach_all_places():
    names = {name: value for name, value in NAMES.items() if name != "ignore"}
    points = chosen(truth(), names, AIM, PIXEL_NM)
    found = judged(points, truth(), NAMES, AIM, PIXEL_NM)
    assert (found.targets, found.hits, found.reached_rate) == (2, 2, 1.0)


def test_what_a_model_does_not_know_is_neither_wanted_nor_avoided():
    names = {"lamella": 1, "mitos": 2}
    assert len(chosen(np.minimum(truth(), 2), names, AIM, PIXEL_NM)) == 3  # one is on unknown ice
    assert chosen(np.ones((50, 60), np.uint8), {"lamella": 1}, AIM, PIXEL_NM).shape == (0, 2)
    assert judged(np.ones((1, 2)), np.ones((50, 60), np.uint8), {"lamella": 1}, AIM, 20) == Hits(1)
    whole = Aim(TargetingOptions(target_list=("lamella", "mitos")), (0.8, 0.4), 1.0)
    assert len(chosen(np.ones((200, 300), np.uint8), {"lamella": 1}, whole, PIXEL_NM)) > 3


def test_where_nobody_knows_the_class_nothing_is_hit():
    whole = Aim(TargetingOptions(target_list=("lamella",)), (0.8, 0.4), 1.0)
    for point, hits in ((105.0, 30.0), 0), ((105.0, 60.0), 1):
        assert judged(np.array([point]), truth(), NAMES, whole, PIXEL_NM).hits == hits
