"""Learned targets: where a heat map is hot, a label map has one more class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.errors import SpaceError
from space.targeting import (
    ExposureOptics,
    KnownMap,
    Memory,
    TargetingOptions,
    select_targets,
    with_learned,
)

NAMES = {name: number for number, name in enumerate(
    "background white black crack coating mitos ice lamella".split())}  # fmt: skip
OPTICS = ExposureOptics(40.0, (0.8, 0.6), 0.9, tilt_axis_deg=85.0)
LEARNED = TargetingOptions(("learned",), ("ice",), target_score_threshold=0.2)
SPOTS = [(40, 50), (80, 120), (40, 200)]
"""The last one lies beside the lamella."""


def lamella() -> np.ndarray:
    labels = np.full((120, 230), NAMES["white"], np.uint8)
    labels[10:110, 10:170] = NAMES["lamella"]
    return labels


def heat() -> np.ndarray:
    rows, columns = np.mgrid[:120, :230]
    hot = np.zeros((120, 230), np.uint8)
    for row, column in SPOTS:
        hot[np.hypot(rows - row, columns - column) < 9] = 250
    return hot


def painted(labels=None, options=LEARNED, hot=None, names=NAMES):
    known = KnownMap(lamella() if labels is None else labels)
    return with_learned(known, names, heat() if hot is None else hot, "a", options)


def test_targets_are_where_it_is_hot_and_on_the_lamella():
    known, names = painted()
    choice = select_targets(known, names, LEARNED, OPTICS)
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    assert len(points) == 2
    for row, column in SPOTS[:2]:
        assert np.hypot(*(points - (row, column)).T).min() < 4
    nothing, names = painted(hot=np.full((120, 230), 127, np.uint8))
    choice = select_targets(nothing, names, LEARNED, OPTICS)
    assert not choice.areas and "No targets" in choice.warnings[-1]


def test_a_threshold_of_its_own_and_an_order_among_classes_count_as_usual():
    labels = lamella()
    labels[75:100, 30:60] = NAMES["mitos"]
    both = TargetingOptions(
        {"mitos": 0.5, "learned": 1.0},
        (),
        target_score_threshold={"mitos": 0.1, "learned": 0.9},
    )
    known, names = painted(labels, both)
    choice = select_targets(known, names, both, OPTICS)
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    assert len(points) and (points[:, 1] < 70).all(), "no field is filled to 0.9"


@pytest.mark.parametrize("name", ["white", "black", "crack", "coating", "ice"])
def test_what_no_target_may_be_on_stays_what_it_is(name):
    labels = lamella()
    labels[30:50, 40:60] = NAMES[name]
    known, _ = painted(labels)
    assert (known.labels[30:50, 40:60] == NAMES[name]).all()
    assert known.labels[80, 120] not in NAMES.values()


def test_a_class_that_is_wanted_as_much_stays_and_one_that_is_wanted_less_does_not():
    labels = lamella()
    labels[30:50, 40:60] = NAMES["mitos"]
    for priority, stays in ((1.0, True), (0.5, True), (0.4, False)):
        options = TargetingOptions({"learned": 0.5, "mitos": priority}, ())
        known, _ = painted(labels, options)
        assert bool(known.labels[40, 50] == NAMES["mitos"]) is stays


def test_the_labels_that_were_read_are_not_changed_and_the_answer_is_remembered():
    before = lamella()
    known = KnownMap(before, Memory(10_000_000))
    first, _ = with_learned(known, NAMES, heat(), "a", LEARNED)
    again, _ = with_learned(known, NAMES, heat(), "a", LEARNED)
    other, _ = with_learned(known, NAMES, heat(), "b", LEARNED)
    assert (before == lamella()).all()
    assert again.labels is first.labels and other.labels is not first.labels
    assert first.made_by == again.made_by != other.made_by
    avoiding = replace(LEARNED, avoid_list=("lamella",))
    assert (with_learned(known, NAMES, heat(), "a", avoiding)[0].labels == before).all()


def test_numbers_without_a_name_are_not_taken_for_learned_targets():
    labels = lamella()
    labels[0, 0] = 255
    known, names = painted(labels)
    assert names["learned"] == 254 and known.labels[0, 0] == 255


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(SpaceError, match='has a class "learned" itself'):
        painted(names={**NAMES, "learned": 9})
    with pytest.raises(SpaceError, match="The heat map has"):
        painted(hot=heat()[1:])
    with pytest.raises(SpaceError, match="too many classes"):
        painted(names={**NAMES, **{f"class {number}": number for number in range(8, 256)}})
