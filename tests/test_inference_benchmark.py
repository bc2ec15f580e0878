"""The benchmark of inference does what it says, on models of a few weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import inference
from benchmarks.latency import latency_result_s
from space.config import load_config
from space.models import PRESETS
from space.simulator.specimen import LABEL
from tests.jobs.tiny_models import LABELS, make_segmentation_model, write_config


def shown(look, seed=0):
    rng = np.random.default_rng(seed)
    picture = rng.integers(1, 255, (6, 8)).repeat(9, 0).repeat(9, 1).astype(np.uint8)
    return inference.Map(look, picture, np.full(picture.shape, LABEL["lamella"], np.uint8))


def test_speed_agreement_and_dice_are_those_of_the_ways():
    """Ways that are known: the same labels at a tenth of the time, and wrong ones."""
    right = lambda picture: np.full(picture.shape, LABELS["lamella"], np.uint8)  # noqa: E731
    wrong = lambda picture: np.full(picture.shape, LABELS["cell"], np.uint8)  # noqa: E731
    ways = {"nnunet": right, "accurate": right, "balanced": right, "fast": wrong, "torch": right}
    with pytest.MonkeyPatch.context() as patch:
        times = iter([0, 40, 40, 60, 60, 64, 64, 66, 66, 74] * 2)
        patch.setattr(inference.time, "process_time", lambda: next(times))
        given = iter([shown("plain"), shown("real")])
        tallies = inference.measure(given, ways, {"torch": "balanced"}, LABELS, 16.0)
    numbers = inference.numbers_of(tallies, "balanced")
    assert numbers["accurate_agreement"] == numbers["onnx_agreement"] == 1.0
    assert (numbers["accurate_speed"], numbers["balanced_speed"]) == (2.0, 10.0)
    assert (numbers["fast_speed"], numbers["onnx_speed"]) == (20.0, 2.0)
    assert numbers["balanced_dice_difference"] == 0.0 and numbers["fast_dice_difference"] == -1.0
    assert numbers["balanced"]["seconds_per_megapixel"] == pytest.approx(8e6 / (2 * 54 * 72), 1e-4)
    assert "onnx_speed" not in inference.numbers_of(tallies, None)


@pytest.mark.models
def test_the_presets_are_compared_with_nnunets_predictor(tmp_path):
    folder = make_segmentation_model(tmp_path / "model", (0, 1))
    write_config(tmp_path)
    config = replace(load_config(tmp_path), segmentation_model=folder, inference_runtime="torch")
    checkpoint = config.segmentation_checkpoint
    ways = {"nnunet": inference.nnunet_predictor(folder, (0, 1), checkpoint)}
    with pytest.MonkeyPatch.context() as patch:
        made = []
        patch.setattr(
            inference, "Segmenter", lambda *given: made.append(given) or _torch_only(given)
        )
        ways.update({k: s.segment for k, s in inference.segmenters(config).items()})
    assert [given[1] for given in made[:3]] == [(0, 1), (0,), (0,)]
    assert [given[3] for given in made[:3]] == list(PRESETS.values())
    assert list(ways) == ["nnunet", *PRESETS, "torch"]
    same = {"torch": "balanced"}
    tallies = inference.measure(iter([shown("real")]), ways, same, LABELS, 16.0)
    numbers = inference.numbers_of(tallies, "balanced")
    assert numbers["accurate_agreement"] > 0.99 and numbers["onnx_agreement"] == 1.0
    assert tallies["fast"].seconds > 0


def _torch_only(given):
    from space.segmentation import Segmenter

    return Segmenter(*given[:5], "torch", *given[6:])


def test_the_time_from_a_result_to_the_waiting_step_is_measured_with_a_process_that_waits():
    assert 0 < latency_result_s(1, done=0).worst_s < 60
