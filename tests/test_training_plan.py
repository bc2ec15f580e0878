"""The small plan, and weights taken over from a network with fewer levels."""

from __future__ import annotations

import numpy as np

from training.train_segmentation import BATCH, FEATURES, PATCH_PX, small_plan, transferred


def test_the_small_plan_changes_a_copy():
    arch = {"network_class_name": "x", "arch_kwargs": {"n_stages": 9, "conv_bias": True}}
    plans = {
        "plans_name": "nnUNetPlans",
        "configurations": {"2d": {"patch_size": [1, 1], "architecture": arch}},
    }
    small = small_plan(plans)
    inner = small["configurations"]["2d"]
    assert plans["configurations"]["2d"]["patch_size"] == [1, 1] and arch["arch_kwargs"] == {
        "n_stages": 9,
        "conv_bias": True,
    }
    assert inner["patch_size"] == [PATCH_PX, PATCH_PX] and inner["batch_size"] == BATCH
    kwargs = inner["architecture"]["arch_kwargs"]
    assert kwargs["n_stages"] == len(FEATURES) == len(kwargs["strides"])
    assert kwargs["conv_bias"] and PATCH_PX % 2 ** (len(FEATURES) - 1) == 0


def test_levels_are_matched_from_full_resolution_on():
    def state(levels, value):
        full = {"encoder.stages.0.w": np.full(2, value)}
        for k in range(levels):
            full[f"decoder.stages.{k}.w"] = np.full(2, value + k)
            full[f"decoder.seg_layers.{k}.w"] = np.full(2, value + k)
        return full

    old, new = state(4, 100), state(5, 0)
    new["encoder.stages.0.w"] = np.zeros(3)  # another shape stays
    result = transferred(old, new)
    assert result.keys() == new.keys()
    assert result["encoder.stages.0.w"].shape == (3,)
    assert result["decoder.stages.0.w"][0] == 0  # the coarsest has no counterpart
    assert [result[f"decoder.stages.{k}.w"][0] for k in (1, 4)] == [100, 103]
