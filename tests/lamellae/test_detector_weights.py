"""The detector with real weights: kinds of maps, thresholds, other sets of categories."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from space.config import load_config
from space.lamellae.detector import Detector
from tests.jobs.tiny_models import make_detection_model
from training.grid_maps import MODEL_PIXEL_NM, draw_map

PROJECT = Path(__file__).resolve().parents[2]
SEED, SHAPE = 150_002, (480, 640)

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def config():
    return load_config(PROJECT)


@pytest.fixture(scope="module")
def shipped(config):
    import torch

    torch.set_num_threads(1)
    return Detector(config.detection_weights)


@pytest.fixture(scope="module")
def transmission():
    """Part of a simulated grid with its first lamella in the middle."""
    grid_map, rng = draw_map(SEED, milled=True, noise=1.0, faulty=False, haze=0.0)
    return grid_map.recorded(rng, grid_map.grid.lamellae[0].center_um, SHAPE).transmission


def _frames(boxes):
    return sorted((b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in boxes)


def _as(kind: str, picture: np.ndarray) -> np.ndarray:
    if kind == "raw counts":  # a few electrons a pixel above a dark level, as integers
        return np.rint(40 + 1800 * picture).astype(np.int16)
    if kind == "16 bit":
        return np.clip(np.rint(60_000 * picture), 0, 65_535).astype(np.uint16)
    low, high = np.percentile(picture, (0.5, 99.5))
    return np.clip(np.rint((picture - low) * 255 / (high - low)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["raw counts", "8 bit", "16 bit"])
def test_every_kind_of_map_gives_the_same_boxes(shipped, config, transmission, kind):
    expected = shipped.detect(transmission, MODEL_PIXEL_NM, 0.3, config)
    assert expected
    found = shipped.detect(_as(kind, transmission), MODEL_PIXEL_NM, 0.3, config)
    assert [b.category for b in found] == [b.category for b in expected]
    assert np.allclose(_frames(found), _frames(expected), atol=1.0)
    for one, other in zip(found, expected):
        assert one.probability == pytest.approx(other.probability, abs=0.05)


def test_low_and_high_thresholds_are_the_ones_used(shipped, config, transmission):
    noise = np.random.default_rng(0).normal(0, 1, transmission.shape)
    for level in (0.1, 0.15, 0.2, 0.25):  # until the weights are neither sure nor blind
        picture = transmission + level * noise
        boxes = shipped.detect(picture, MODEL_PIXEL_NM, 0.05, config)
        if boxes and max(b.probability for b in boxes) < 0.9:
            break
    best = max(b.probability for b in boxes)
    assert all(b.probability >= 0.05 for b in boxes) and best < 0.9
    assert shipped.detect(picture, MODEL_PIXEL_NM, 0.9, config) == []
    assert shipped.detect(picture, MODEL_PIXEL_NM, best - 1e-4, config)
    assert shipped.detect(picture, MODEL_PIXEL_NM, best + 1e-4, config) == []


@pytest.mark.parametrize(
    "names",
    [
        ("broken", "contaminated", "good", "thick"),
        ("thick", "good", "ice on it", "broken", "wedge", "gone"),
    ],
)
def test_weights_with_other_categories_need_no_code(tmp_path, names):
    detector = Detector(make_detection_model(tmp_path / "weights.pt", names))
    assert tuple(detector.names.values()) == names
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
    picture = np.random.default_rng(1).integers(0, 256, (128, 128)).astype(np.uint8)
    boxes = detector.detect(picture, 400.0, 0.0, config)
    assert boxes and {b.category for b in boxes} <= set(names)
