import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.lamellae import Box
from space.lamellae.boxes import (
    LONGEST_LAMELLA_UM,
    intersection_px2,
    keep_best,
    mark_cut_sides,
    merge_boxes,
    overlap_px,
    same_lamella,
    window_starts,
)


def box(x0, y0, x1, y1, category="good", probability=0.5, cut=""):
    return Box(x0, y0, x1, y1, category, probability, cut)


boxes = st.builds(
    lambda x, y, w, h, c, p, cut: Box(x, y, x + w, y + h, c, p, cut),
    st.integers(0, 120),
    st.integers(0, 120),
    st.integers(5, 60),
    st.integers(5, 60),
    st.sampled_from(["good", "broken", "thick"]),
    st.integers(1, 20).map(lambda n: n / 20),
    st.sampled_from(["", "l", "r", "tb"]),
)


@given(st.lists(boxes, max_size=12), st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_order(items, rng: random.Random):
    shuffled = list(items)
    rng.shuffle(shuffled)
    assert merge_boxes(shuffled) == merge_boxes(items)


@given(st.lists(boxes, max_size=12))
def test_merged_boxes_show_different_lamellae_and_lose_none(items):
    merged = merge_boxes(items)
    for i, a in enumerate(merged):
        assert not any(same_lamella(a, b) for b in merged[i + 1 :])
    for item in items:
        assert any(intersection_px2(item, m) > 0 for m in merged)
    assert merge_boxes(merged) == merged
    if items:
        assert merged[0].probability == max(b.probability for b in items)


def test_a_box_that_another_brings_into_a_frame_beside_it_is_not_lost():
    upper = box(0, 41, 5, 46, probability=0.1)
    lower = box(0, 46, 5, 51, probability=0.1, cut="l")
    # Part of the lower one. The frame around these two is largely inside the upper one.
    between = box(1, 43, 6, 50, probability=0.05)
    elsewhere = box(0, 0, 5, 5, probability=0.05)
    assert merge_boxes([upper, lower, between]) == [upper, lower]
    assert merge_boxes([upper, lower, between, *[elsewhere] * 4]) == [upper, lower, elsewhere]


def test_a_box_that_is_taken_out_again_takes_its_name_along():
    upper = box(0, 41, 5, 46, "thick", 0.1)
    lower = box(0, 46, 5, 51, "good", 0.18, "l")
    between = box(1, 43, 6, 50, "broken", 0.05)
    assert merge_boxes([upper, lower, between]) == [lower, upper]


def test_same_lamella_in_two_windows_becomes_one():
    a = box(100, 100, 140, 160, "good", 0.8)
    b = box(101, 99, 141, 161, "thick", 0.6)
    assert merge_boxes([b, a]) == [a]


def test_cut_part_goes_into_the_whole_box_but_may_name_the_class():
    whole = box(100, 100, 140, 160, "broken", 0.5)
    sliver = box(100, 100, 110, 160, "good", 0.7, "r")
    (merged,) = merge_boxes([sliver, whole])
    assert (merged.x0_px, merged.x1_px) == (100, 140)
    assert (merged.category, merged.probability) == ("good", 0.7)


def test_halves_at_window_borders_are_joined():
    left = box(100, 100, 175, 140, "good", 0.6, "r")
    right = box(125, 100, 200, 141, "good", 0.5, "l")
    (merged,) = merge_boxes([left, right])
    assert (merged.x0_px, merged.y0_px, merged.x1_px, merged.y1_px) == (100, 100, 200, 141)
    assert merged.cut_sides == ""


def test_cut_box_alone_is_not_lost():
    assert len(merge_boxes([box(0, 0, 30, 30, cut="l")])) == 1


def test_neighbouring_lamellae_stay_two_even_in_a_chain():
    a, b, c = (box(x, 0, x + 40, 40, probability=p) for x, p in ((0, 0.9), (30, 0.8), (60, 0.7)))
    assert len(merge_boxes([a, b, c])) == 3
    close = box(12, 0, 52, 40, probability=0.3)  # shares enough with a to be the same
    assert close not in merge_boxes([close, a])


@given(st.integers(1, 5000), st.integers(64, 1024), st.integers(0, 63))
def test_windows_cover_everything_and_overlap(length, window, overlap):
    starts = window_starts(length, window, overlap)
    if length <= window:
        assert len(starts) == 1
        assert starts[0] <= 0 and starts[0] + window >= length
        return
    assert starts[0] == 0 and starts[-1] + window == length
    for a, b in zip(starts, starts[1:]):
        assert a < b <= a + window - overlap


@given(st.integers(0, 2900), st.integers(10, 150))
def test_every_lamella_is_whole_in_some_window(start, length):
    starts = window_starts(3100, 1024, overlap_px(400, 1024))
    end = min(start + length, 3100)
    assert any(s <= start and end <= s + 1024 for s in starts)


def test_overlap_is_longer_than_a_lamella():
    assert overlap_px(400.0, 1024) == 151
    assert overlap_px(400.0, 1024) * 0.4 > LONGEST_LAMELLA_UM
    assert overlap_px(10.0, 1024) == 768


def test_bad_windows_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        window_starts(100, 50, 50)


def test_only_borders_inside_the_image_cut():
    shape = (1000, 2000)
    assert mark_cut_sides(box(0, 0, 40, 40), (0, 0, 1024, 1024), shape).cut_sides == ""
    assert mark_cut_sides(box(990, 10, 1023, 40), (0, 0, 1024, 1024), shape).cut_sides == "r"
    assert mark_cut_sides(box(976, 10, 1000, 40), (976, 0, 2000, 1024), shape).cut_sides == "l"


@given(st.integers(0, 1000))
def test_suppression_does_not_depend_on_order(seed):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 50, (15, 2))
    frames = np.hstack([corner, corner + rng.integers(5, 40, (15, 2))]).astype(float)
    scores = rng.integers(1, 5, 15) / 5
    order = rng.permutation(15)
    kept = {tuple(frames[i]) for i in keep_best(frames, scores)}
    assert kept == {tuple(frames[order][i]) for i in keep_best(frames[order], scores[order])}


def test_suppression_of_nothing():
    assert keep_best(np.zeros((0, 4)), np.zeros(0)).size == 0


def test_dict_round_trip():
    a = box(1.5, 2, 3, 4, "thick", 0.25)
    assert Box.from_dict(a.to_dict()) == a


GOOD = Box(1.0, 2.0, 3.0, 4.0, "good", 0.5)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("x0_px", "1", "x0_px of a box is '1', not a number"),
        ("y1_px", math.nan, "y1_px of a box is 'nan', not a number"),
        ("y1_px", True, "not a number"),
        ("x1_px", 0.5, "ends before it begins"),
        ("probability", 1.5, "the probability of a box is 1.5"),
        ("category", "a\nb", "not a short name"),
        ("category", "n" * 101, "not a short name"),
        ("category", "", "not a short name"),
        ("category", None, "not a short name"),
    ],
)
def test_a_box_from_outside_is_checked(key, value, told):
    assert Box.from_dict(GOOD.to_dict()) == GOOD
    with pytest.raises(ValueError, match=told):
        Box.from_dict({**GOOD.to_dict(), key: value})
    with pytest.raises(ValueError, match="not a table"):
        Box.from_dict([1, 2, 3])
