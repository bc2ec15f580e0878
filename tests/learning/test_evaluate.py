"""Scores, compared with packages that others use for them, and with what can be counted by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.lamellae import Box
from space.learning.evaluate import (
    BINS,
    Boundary,
    Calibration,
    boundary,
    calibration,
    class_scores,
    confusion,
    mean,
)
from space.learning.evaluate_boxes import (
    IOUS,
    centre_errors,
    detection_scores,
    ious,
    mean_ap,
    over_thresholds,
    shares_within,
)

SEEDS = st.integers(0, 10_000)


def maps(seed: int, values: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Label maps of blobs that agree in part."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(4, 40, 2))
    coarse = rng.integers(0, values, (8, 8))
    truth = np.kron(coarse, np.ones((5, 5), int))[: shape[0], : shape[1]].astype(np.uint8)
    predicted = np.roll(truth, rng.integers(-2, 3, 2), (0, 1))
    noise = rng.random(shape) < 0.05
    return truth, np.where(noise, rng.integers(0, values, shape), predicted).astype(np.uint8)


@given(SEEDS)
def test_scores_of_labels_are_those_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted = maps(seed)
    counts = confusion(truth, predicted)
    flat, values = (truth.ravel(), predicted.ravel()), range(5)
    theirs = metrics.confusion_matrix(*flat, labels=values)
    assert np.array_equal(counts[:5, :5], theirs)
    want = {
        "dice": metrics.f1_score(*flat, labels=values, average=None, zero_division=np.nan),
        "iou": metrics.jaccard_score(*flat, labels=values, average=None, zero_division=0),
        "precision": metrics.precision_score(
            *flat, labels=values, average=None, zero_division=np.nan
        ),
        "recall": metrics.recall_score(*flat, labels=values, average=None, zero_division=np.nan),
    }
    for number, one in enumerate(class_scores(counts, values)):
        for name, theirs in want.items():
            ours = getattr(one, name)
            if ours is not None:
                assert ours == pytest.approx(theirs[number], abs=1e-6), name
            elif name != "iou":
                assert math.isnan(theirs[number])


@given(SEEDS, st.floats(0, 6), st.sampled_from([1.0, 2.283]))
def test_boundaries_are_those_of_surface_distance(seed, tolerance, pixel):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses old names of SciPy
        theirs = pytest.importorskip("surface_distance")
        truth, predicted = maps(seed, 3)
        for value in range(3):
            masks = truth == value, predicted == value
            ours = boundary(truth, predicted, value, tolerance, pixel)
            if not masks[0].any() or not masks[1].any():
                assert ours.true_near == ours.predicted_near == 0
                continue
            found = theirs.compute_surface_distances(*masks, (pixel, pixel))
            recall, precision = theirs.compute_surface_overlap_at_tolerance(found, tolerance)
            dice = theirs.compute_surface_dice_at_tolerance(found, tolerance)
            assert ours.recall == pytest.approx(recall, abs=1e-6)
            assert ours.precision == pytest.approx(precision, abs=1e-6)
            assert ours.surface_dice == pytest.approx(dice, abs=1e-6)
            if recall + precision:
                f1 = 2 * recall * precision / (recall + precision)
                assert ours.f1 == pytest.approx(f1, abs=1e-6)


def test_an_outline_in_nm_and_in_pixels():
    truth = np.zeros((30, 30), np.uint8)
    truth[5:15, 5:15] = 1
    moved = np.roll(truth, 2, 1)
    assert boundary(truth, moved, 1, 2.0).f1 == boundary(truth, moved, 1, 20.0, 10.0).f1 == 1.0
    assert boundary(truth, moved, 1, 1.9).f1 < 0.8
    assert boundary(truth, moved, 1, 0).true == pytest.approx(36 + 4 * math.sqrt(0.5))
    nothing = boundary(truth, moved, 9, 1.0)
    assert nothing.f1 is None and nothing.surface_dice is None
    only_one = boundary(truth, truth * 0, 1, 1.0)
    assert (only_one.f1, only_one.surface_dice, only_one.precision) == (0.0, 0.0, None)


def test_pictures_are_added_before_they_are_divided():
    pairs = [maps(seed) for seed in (1, 2)]
    added = sum((boundary(*pair, 1, 1.0) for pair in pairs), Boundary())
    assert added.true == sum(boundary(*pair, 1, 1.0).true for pair in pairs)
    counts = sum(confusion(*pair) for pair in pairs)
    both = [np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1)]
    assert np.array_equal(counts, confusion(*both))


def test_pixels_that_do_not_count_and_classes_that_are_nowhere():
    truth = np.array([[0, 1, 200, 200]], np.uint8)
    predicted = np.array([[0, 0, 1, 0]], np.uint8)
    found = class_scores(confusion(truth, predicted, ignored=[200]), [0, 1, 5])
    assert [one.true_px for one in found] == [1, 1, 0]
    assert [one.dice for one in found] == [pytest.approx(2 / 3), 0.0, None]
    assert found[1].precision is None and found[1].recall == 0.0
    assert mean([one.dice for one in found]) == pytest.approx(1 / 3) and mean([None]) is None
    with pytest.raises(ValueError, match="cannot be compared"):
        confusion(truth, predicted[:, :2])


@given(SEEDS)
def test_calibration_is_that_of_scikit_learn(seed):
    curve = pytest.importorskip("sklearn.calibration").calibration_curve
    rng = np.random.default_rng(seed)
    seen = rng.random((7, 9))
    right = rng.random((7, 9)) < seen**2
    ours = calibration(seen, right)
    true, predicted = curve(right.ravel(), seen.ravel(), n_bins=BINS)
    counts = [count for count in ours.counts if count]
    assert ours.ece == pytest.approx(np.average(np.abs(true - predicted), weights=counts), abs=1e-6)


def test_a_model_that_is_as_sure_as_it_is_right():
    seen = np.full(10, 0.8)
    right = np.arange(10) < 8
    assert calibration(seen, right).ece == pytest.approx(0.0)
    assert calibration(np.ones(10), right).ece == pytest.approx(0.2)
    both = calibration(seen, right) + calibration(np.ones(10), right)
    assert both.ece == pytest.approx(0.1) and Calibration().ece is None


# --- boxes ----------------------------------------------------------------------------------------


def boxes_of(seed: int) -> list[tuple[list[Box], list[Box]]]:
    """Pictures with true boxes, and found ones that are off, double or of another class."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(3):
        truth, found = [], []
        for _ in range(rng.integers(0, 6)):
            x, y, wide, high = rng.uniform(5, 60, 4)
            name = str(rng.choice(["good", "broken"]))
            truth.append(Box(x, y, x + wide, y + high, name, 1.0))
            for _ in range(rng.integers(0, 3)):
                off = rng.normal(0, 4, 4)
                other = name if rng.random() < 0.8 else "thick"
                found.append(
                    Box(x + off[0], y + off[1], x + wide + abs(off[2]), y + high + abs(off[3]),
                        other, float(rng.random()))
                )  # fmt: skip
        pictures.append((truth, found))
    return pictures


def by_coco(pictures) -> tuple[float, float]:
    """mAP50-95 and mAP50 by COCO's own evaluation."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    names = ["broken", "good", "thick"]

    def tables(side: int, **more):
        return [
            {
                "id": number + 1, "image_id": place + 1, "category_id": names.index(box.category),
                "bbox": [box.x0_px, box.y0_px, box.x1_px - box.x0_px, box.y1_px - box.y0_px],
                "area": box.area_px2, "iscrowd": 0, "score": box.probability, **more,
            }
            for number, (place, box) in enumerate(
                (place, box) for place, pair in enumerate(pictures) for box in pair[side]
            )
        ]  # fmt: skip

    sets = []
    for side in (0, 1):
        one = COCO()
        one.dataset = {
            "images": [{"id": place + 1} for place in range(len(pictures))],
            "annotations": tables(side),
            "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        }
        one.createIndex()
        sets.append(one)
    run = COCOeval(*sets, "bbox")
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"][..., 0, 2]
    classes = [k for k in range(len(names)) if (precision[:, :, k] > -1).all()]
    if not classes:
        return math.nan, math.nan
    return float(precision[:, :, classes].mean()), float(precision[0][:, classes].mean())


@given(SEEDS)
def test_average_precision_is_that_of_coco(seed):
    pytest.importorskip("pycocotools")
    pictures = boxes_of(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        all_ious, half = by_coco(pictures)
    ap50, ap = mean_ap(detection_scores(pictures))
    if math.isnan(half):
        assert ap50 is None and ap is None
    else:
        assert (ap50, ap) == pytest.approx((half, all_ious), abs=1e-6)


def box(x0: float, probability: float = 1.0, category: str = "good") -> Box:
    return Box(x0, 0.0, x0 + 10, 10.0, category, probability)


def test_overlap_of_boxes():
    found = ious([box(0), box(5)], [box(0), box(20)])
    assert found.tolist() == [[1.0, 0.0], [pytest.approx(1 / 3), 0.0]]
    assert ious([], [box(0)]).shape == (0, 1)
    flat = Box(1.0, 1.0, 1.0, 1.0, "good", 1.0)
    assert ious([flat], [flat]).tolist() == [[0.0]]


def test_the_same_lamella_is_not_found_twice():
    scores = detection_scores([([box(0), box(50)], [box(0, 0.9), box(0, 0.8), box(50, 0.7)])])
    assert (scores[0].true, scores[0].found) == (2, 3)
    assert scores[0].ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert len(IOUS) == 10 and scores[0].ap == (scores[0].ap50,) * 10


def test_recall_grows_when_less_is_asked():
    pictures = [([box(0), box(50)], [box(0, 0.9), box(50, 0.4), box(90, 0.4)]), ([], [box(0, 0.2)])]
    found = over_thresholds(pictures, (0.1, 0.3, 0.5, 0.95))
    assert [one.recall for one in found] == [1.0, 1.0, 0.5, 0.0]
    assert [one.precision for one in found] == [0.5, pytest.approx(2 / 3), 1.0, None]
    assert over_thresholds([([], [])], (0.5,))[0].recall is None


def test_centres_are_matched_one_to_one():
    truth, found = [(0.0, 0.0), (0.0, 30.0), (500.0, 0.0)], [(0.0, 20.0), (3.0, 4.0)]
    assert centre_errors(truth, found) == (5.0, 10.0, math.inf)
    assert shares_within(centre_errors(truth, found)) == {
        250: pytest.approx(2 / 3), 100: pytest.approx(2 / 3), 50: pytest.approx(2 / 3),
        25: pytest.approx(2 / 3), 10: pytest.approx(2 / 3),
    }  # fmt: skip
    assert shares_within((5.0, 10.0, math.inf), (9,)) == {9: pytest.approx(1 / 3)}
    assert centre_errors([], found) == () and centre_errors(truth, []) == (math.inf,) * 3
    assert shares_within(()) == dict.fromkeys((250, 100, 50, 25, 10))
