"""Calibration of a detector: a fit with a known answer, and what it does to a network."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from space.lamellae.detector import Detector
from tests.jobs.tiny_models import make_detection_model
from training import calibrate_detector as calibrate
from training.average_weights import averaged
from training.records import read_record


def test_scores_become_shares():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 20_000)
    real = rng.random(20_000) < expit(1.5 * odds - 2)
    slope, offset = calibrate.platt_scaling(expit(odds), real)
    assert slope == pytest.approx(1.5, rel=0.05) and offset == pytest.approx(-2, rel=0.05)


def test_scores_that_tell_all_apart_give_finite_numbers():
    slope, offset = calibrate.platt_scaling(np.array([0.1, 0.2, 0.7, 0.8]), np.array([0, 0, 1, 1]))
    assert 0 < slope < 20 and abs(offset) < 20
    with pytest.raises(ValueError, match="with and without"):
        calibrate.platt_scaling(np.array([0.1, 0.9]), np.array([True, True]))


def test_the_network_gives_calibrated_scores_at_the_same_places(tmp_path):
    torch = pytest.importorskip("torch")
    detector = Detector(make_detection_model(tmp_path / "tiny.pt", ["good", "bad"]))
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = detector._network.network(picture)[0].clone()
        calibrate.rescale_last_layer(detector._network.network, 1.3, -0.7)
        after = detector._network.network(picture)[0]
    assert torch.equal(before[:, :4], after[:, :4])
    expected = expit(1.3 * logit(before[:, 4:].double().numpy()) - 0.7)
    assert after[:, 4:].numpy() == pytest.approx(expected, rel=1e-3)
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_a_threshold_chosen_by_hand_becomes_the_default_one(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    weights = make_detection_model(tmp_path / "weights.pt", ["good", "bad"])
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = Detector(weights)._network.network(picture)[0][:, 4:].numpy()
        arguments = ["calibrate_detector", "--weights", str(weights), "--cut-at", "0.28"]
        monkeypatch.setattr("sys.argv", arguments)
        calibrate.main()
        after = Detector(weights)._network.network(picture)[0][:, 4:].numpy()
    shift = logit(0.1) - logit(0.28)
    assert after == pytest.approx(expit(logit(before.astype(float)) + shift), rel=1e-2)
    assert read_record(tmp_path / "record.json")["calibration"]["cut_at"] == 0.28


def test_weights_between_two_networks():
    torch = pytest.importorskip("torch")
    first = {"weight": torch.zeros(3), "steps": torch.tensor(7)}
    second = {"weight": torch.ones(3), "steps": torch.tensor(9)}
    between = averaged(first, second, 0.3)
    assert between["weight"].tolist() == pytest.approx([0.3] * 3) and between["steps"] == 7
    with pytest.raises(ValueError, match="same network"):
        averaged(first, {**second, "weight": torch.ones(4)}, 0.3)
