"""The benchmark of a shifted look: what it draws, and how it judges."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import learning_shifted, learning_shifted_data
from benchmarks.learning_shifted_data import NEW
from space.simulator.specimen import LABEL


@pytest.mark.parametrize("name", NEW)
def test_a_new_class_is_drawn_on_cells_and_bare_lamella_only(name):
    labels = np.full((200, 200), LABEL["cell"], np.uint8)
    labels[:, 100:] = LABEL["mitos"]
    before, seen = labels.copy(), np.ones(labels.shape, np.float32)
    learning_shifted_data.put(np.random.default_rng(0), name, seen, labels, np.array([100, 95]))
    drawn = labels != before
    assert set(labels[drawn]) == {NEW[name]} and drawn[:, :100].any() and not drawn[:, 100:].any()
    assert (seen[~drawn] == 1).all() and seen[drawn].min() < 0.8


def evaluated(dice, hits):
    targets = {"targets": 10, "hits": hits, "places": 20, "reached": hits, "hit_rate": hits / 10}
    classes = {name: {"dice": value} for name, value in dice.items()}
    there = [value for value in dice.values() if value is not None]
    mean_dice = sum(there) / len(there)
    calibration = {"error": 0.1}
    return {
        "classes": classes, "mean_dice": mean_dice, "targets": targets, "calibration": calibration,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mitos", "hits", "cpu_s", "met"),
    [(0.6, 6, 900, True), (0.4, 6, 900, False), (0.6, 5, 900, False), (0.6, 6, 1300, False)],
)
def test_the_proof_holds_if_dice_and_hits_rise_in_time(mitos, hits, cpu_s, met):
    before = evaluated({"mitos": 0.4, "ice": None, "fibrils": 0.0, "capsids": 0.0}, 5)
    after = evaluated({"mitos": mitos, "ice": None, "fibrils": 0.06, "capsids": 0.0}, hits)
    found = learning_shifted.compared(before, after, cpu_s)
    assert found["met"] == met
    assert found["after"]["mean_dice_old_classes"] == mitos
    assert found["before"]["dice_new_classes"] == {"fibrils": 0.0, "capsids": 0.0}
    assert "fibrils           0.000  0.060  new" in learning_shifted.table(before, after)
    assert "ice                   -      -\n" in learning_shifted.table(before, after)
