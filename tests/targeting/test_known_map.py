"""A map that remembers: further answers are the same to the last digit, and take less work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.targeting import (
    Choice,
    ExposureOptics,
    KnownMap,
    Memory,
    TargetingOptions,
    prepare,
    review_targets,
    select_targets,
    total_score,
)
from space.targeting.packing import merging
from space.targeting.scoring import masks

NAMES = {name: number for number, name in enumerate(
    "background white black crack coating cell mitos ice lamella".split())}  # fmt: skip
OPTICS = ExposureOptics(40.0, (0.86, 0.61), 0.9, tilt_axis_deg=85.0, image_shift_limit_um=3.0)
POLYGON = np.array([(20.0, 20.0), (20.0, 120.0), (100.0, 120.0), (100.0, 20.0)])
USUAL = TargetingOptions(("mitos",), ("black", "ice"))


def drawn() -> np.ndarray:
    """A lamella with cells in it, and a shred beside it."""
    labels = np.full((150, 230), NAMES["white"], np.uint8)
    labels[10:140, 10:170] = NAMES["lamella"]
    labels[60:90, 190:225] = NAMES["mitos"]
    labels[60:64, 190:200] = NAMES["ice"]
    rows, columns = np.mgrid[:150, :230]
    for index, (row, column) in enumerate(np.random.default_rng(3).uniform(20, 130, (9, 2))):
        labels[np.hypot(rows - row, columns - column) < 14] = NAMES["cell"]
        labels[np.hypot(rows - row, columns - column) < 6] = NAMES["mitos" if index % 3 else "ice"]
    return labels


def plain(choice: Choice) -> object:
    """All that is said of a choice, as it can be compared exactly."""
    areas = [
        (
            area.targets_map_px.tobytes(),
            area.scores.tobytes(),
            area.geometry_points_map_px.tobytes(),
        )
        for area in choice.areas
    ]
    values = None if choice.score is None else choice.score.values.tobytes()
    return areas, choice.warnings, choice.counts, choice.rejected, values


QUESTIONS = [
    (USUAL, OPTICS, ()),
    (replace(USUAL, target_score_threshold=0.3), OPTICS, ()),
    (TargetingOptions(("mitos", "cell"), ("black",), sparse=False), OPTICS, ()),
    (TargetingOptions({"mitos": 1, "cell": 0.4}, ("black", "ice")), OPTICS, ()),
    (replace(USUAL, target_edge=True, penalty_weight=0.1), OPTICS, ()),
    (USUAL, OPTICS, (POLYGON,)),
    (USUAL, OPTICS, (POLYGON + (0, 80),)),
    (replace(USUAL, on_lamella_only=False), OPTICS, ()),
    (replace(USUAL, off_lamella=("white",)), OPTICS, ()),
    (TargetingOptions(("lamella",), ("ice", "crack"), sparse=False), OPTICS, ()),
    (TargetingOptions(("cell", "mitos"), ("black",),
     {"cell": 0.2, "mitos": 0.1}), OPTICS, ()),
    (USUAL, replace(OPTICS, field_um=(0.5, 0.4), field_rotation_deg=20.0), ()),
    (USUAL, replace(OPTICS, pixel_nm=30.0), ()),
    (USUAL, OPTICS, ()),
]  # fmt: skip


@pytest.mark.parametrize(("most_bytes", "questions"), [(10**8, QUESTIONS), (60_000, QUESTIONS[:4])])
def test_answers_of_a_known_map_are_those_of_an_unknown_one(most_bytes, questions):
    labels = drawn()
    memory = Memory(most_bytes)
    known = KnownMap(labels, memory)
    for options, optics, polygons in questions:
        options = replace(options, max_iterations=1)
        asked = (NAMES, options, optics)
        choice = select_targets(known, *asked, polygons_map_px=polygons)
        assert plain(choice) == plain(select_targets(labels, *asked, polygons_map_px=polygons))
        again = review_targets(known, *asked, choice.areas, polygons_map_px=polygons)
        own = review_targets(labels, *asked, choice.areas, polygons_map_px=polygons)
        assert plain(again) == plain(own)
        total = total_score(known, *asked, choice.areas, polygons_map_px=polygons)
        assert total == own.counts.total_score
        assert memory.size_bytes <= most_bytes
    assert (labels == drawn()).all()


def test_what_other_settings_leave_as_it_was_is_not_worked_out_again(monkeypatch):
    counted, pieces = [], []
    sums, off = masks.block_sums, masks.off_pieces
    monkeypatch.setattr(masks, "block_sums", lambda *a: counted.append(a) or sums(*a))
    monkeypatch.setattr(masks, "off_pieces", lambda *a: pieces.append(a) or off(*a))
    known = KnownMap(drawn(), Memory(10**8))
    prepare(known, NAMES, USUAL, OPTICS)
    assert (len(counted), len(pieces)) == (4, 1)
    select_targets(known, NAMES, replace(USUAL, target_score_threshold=0.2), OPTICS)
    select_targets(known, NAMES, replace(USUAL, sparse=False, target_edge=True), OPTICS)
    assert (len(counted), len(pieces)) == (4, 1)
    select_targets(known, NAMES, replace(USUAL, target_list=("cell",)), OPTICS)
    assert (len(counted), len(pieces)) == (6, 1)  # what is wanted, and the surface without it
    select_targets(known, NAMES, replace(USUAL, avoid_list=("black",)), OPTICS)
    assert (len(counted), len(pieces)) == (7, 1)  # what is avoided


def test_a_map_remembers_nothing_of_another_one():
    memory = Memory(10**8)
    first, second = (
        KnownMap(labels, memory.about((name,)))
        for name, labels in (("a", drawn()), ("b", drawn().T))
    )
    for known in (first, second):
        choice = select_targets(known, NAMES, USUAL, OPTICS)
        assert plain(choice) == plain(select_targets(known.labels, NAMES, USUAL, OPTICS))


def test_many_conflicts_are_cut_as_few_are():
    rng = np.random.default_rng(1)
    for _ in range(40):
        count, others = rng.integers(5, 40, 2)
        weights = rng.integers(1, 9, count + others).astype(np.int32)
        pairs = np.argwhere(rng.random((count, others)) < 0.15) + (0, count)
        if len(pairs):
            few = merging.cut_of_few(weights, pairs, count)
            assert few.tolist() == merging.cut(weights, rng.permutation(pairs), count).tolist()
