"""Measures of models, on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import scores
from benchmarks.detection import Tally
from space.lamellae import Box

SQUARE = np.array([[0, 0, 10, 10]])


def test_overlap_of_boxes():
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 0, 0]])
    assert scores.iou(SQUARE, others)[0] == pytest.approx([1, 1 / 3, 0, 0])


def test_each_true_box_is_taken_once_by_the_most_probable():
    found = np.array([[1, 0, 11, 10], [0, 0, 10, 10]])
    assert scores.greedy_hits(SQUARE, found, [0.3, 0.9]) == [False, True]
    assert scores.greedy_hits(np.empty((0, 4)), found, [0.3, 0.9]) == [False, False]


def test_average_precision_falls_with_a_false_box_above_and_with_a_missed_one():
    assert scores.average_precision([True, True], [0.9, 0.8], 2) == 1.0
    assert scores.average_precision([True, False], [0.5, 0.9], 1) == 0.5
    assert scores.average_precision([False, True], [0.5, 0.9], 1) == 1.0
    assert scores.average_precision([True], [0.9], 2) == 0.5
    assert scores.average_precision([], [], 3) == 0.0
    with pytest.raises(ValueError, match="nothing is there"):
        scores.average_precision([], [], 0)


def test_dice_of_all_maps_together_leaves_out_what_is_no_picture():
    truth = np.array([[1, 1, 1, 2], [0, 0, 2, 2]])
    predicted = np.array([[1, 1, 2, 2], [1, 2, 2, 1]])
    table = scores.confusion(truth, predicted, 3)
    assert table.tolist() == [[0, 0, 0], [0, 2, 1], [0, 1, 2]]
    assert scores.dice(table, least_px=1) == pytest.approx({1: 2 / 3, 2: 2 / 3})
    assert scores.dice(table, least_px=4) == {}


@pytest.mark.parametrize(("shift", "wanted"), [(0, 1.0), (3, 1.0), (4, None), (12, 0.0)])
def test_a_boundary_may_be_three_pixels_off(shift, wanted):
    truth = np.ones((60, 60), np.uint8)
    truth[20:40, 20:40] = 2
    predicted = np.ones_like(truth)
    predicted[20:40, 20 + shift : 40 + shift] = 2
    f1 = scores.boundary_f1(scores.boundary_counts(truth, predicted, 2))
    if wanted is None:
        assert 0.4 < f1 < 0.95  # the two sides along the shift are still right
    elif wanted == 0.0:
        assert f1 < 0.6
    else:
        assert f1 == wanted


def test_the_end_of_the_picture_is_no_boundary():
    everywhere = np.full((9, 9), 3, np.uint8)
    assert scores.boundary_counts(everywhere, everywhere, 3).tolist() == [0, 0, 0, 0]
    assert scores.boundary_f1(np.zeros(4)) == 0.0


def test_detections_are_counted_by_class():
    truth = np.array([[2, 0, 0, 40, 40], [3, 200, 0, 240, 40], [2, 0, 200, 40, 240]], float)
    boxes = [
        Box(2, 0, 42, 40, "good", 0.9),
        Box(200, 0, 240, 40, "good", 0.8),  # is thick
        Box(500, 500, 540, 540, "wedge", 0.5),  # is nothing
    ]
    tally = Tally()
    tally.add(truth, boxes, pixel_um=0.4)
    tally.add_candidates(truth, boxes)
    numbers = tally.numbers()
    assert numbers["lamellae"] == 3
    assert numbers["recall"] == numbers["precision"] == 0.6667
    assert numbers["class_accuracy"] == 0.5
    assert numbers["center_error_um_median"] == 0.4  # 2 px and 0 px
    assert numbers["average_precision"] == {"good": 0.5, "thick": 0.0}
    assert numbers["map50"] == 0.25
    assert numbers["confusion"]["good"] == {"good": 1, "none": 1}
    assert numbers["confusion"]["none"] == {"wedge": 1}


def test_a_grid_without_boxes_counts_as_missed():
    tally = Tally()
    tally.add(np.array([[0, 0, 0, 40, 40]], float), [], pixel_um=0.4)
    tally.add_candidates(np.array([[0, 0, 0, 40, 40]], float), [])
    numbers = tally.numbers()
    assert (numbers["recall"], numbers["precision"], numbers["map50"]) == (0.0, 0.0, 0.0)
    assert numbers["center_error_um_median"] is None
