"""Detectors as .onnx files: what is written, and that it finds the same."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from space.errors import SpaceError
from space.lamellae import conversion
from space.lamellae.conversion import convert_detector, drawn_pictures
from space.lamellae.detector import Detector
from space.models import read_onnx_facts
from space.trust import file_hash

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WEIGHTS = Path(__file__).resolve().parents[2] / "models/lamella_detector/weights.pt"
CONFIG = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
PICTURE = np.random.default_rng(5).integers(0, 256, (128, 160)).astype(np.uint8)

pytestmark = pytest.mark.models


def small(path: Path, kind: str, channels: int = 3, end_to_end: bool = False) -> Path:
    """Write a narrow network of a published kind with random weights, as ultralytics saves them."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    torch.manual_seed(1)
    torch.set_num_threads(1)
    table = {**yaml_model_load(f"{kind}.yaml"), "nc": 3, "channels": channels}
    if "scales" in table:
        scale = kind[-1]
        width = 0.25 if kind == "yolo12n" else 0.125  # its heads of attention need as much
        table.update(scale=scale, scales={scale: [0.33, width, 256]})
    model = YOLO(f"{kind}.yaml", task="detect")
    model.model = network = DetectionModel(table, ch=channels, verbose=False)
    network.names = {0: "broken", 1: "good", 2: "thick"}
    if end_to_end:
        network.end2end = True
    for part in network.modules():  # else nothing of a picture gets through random weights
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
        elif isinstance(part, torch.nn.Conv2d) and part.bias is not None:
            part.weight.data.normal_(0, 0.5 if end_to_end else 0.1)
    pictures = torch.tensor(np.stack(drawn_pictures(128, 4)))[:, None].float() / 255
    with torch.no_grad():
        network.train()(pictures.expand(-1, channels, -1, -1))
    network.eval().half()
    model.save(str(path))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small(tmp_path_factory.mktemp("detector") / "made.pt", "yolov8n")


@pytest.mark.parametrize(
    ("kind", "end_to_end"),
    [
        ("yolov5n", False),
        ("yolov9t", False),
        ("yolov10n", False),
        ("yolov10n", True),
        ("yolo11n", False),
        ("yolo12n", False),
        ("yolo26n", True),
    ],
)
def test_published_kinds_find_the_same_by_both_runtimes(tmp_path, kind, end_to_end):
    weights = small(tmp_path / "best.pt", kind, end_to_end=end_to_end)
    found = convert_detector(weights, 400.0, 128, trained_on="real")
    assert found.path == tmp_path / "best.onnx" and found.agreement.holds
    assert found.agreement.boxes >= 20
    # Where branches were merged, 16 bits may be too few for random weights.
    assert found.halved or kind in ("yolov9t", "yolov10n")
    facts = read_onnx_facts(found.path)
    assert facts.categories == ("broken", "good", "thick")
    assert facts.end_to_end == end_to_end
    assert (facts.task, facts.channels, facts.pixel_nm, facts.window_px) == ("detect", 3, 400, 128)
    assert facts.source == {"best.pt": file_hash(weights)} and facts.trained_on == "real"


def test_windows_of_any_size_find_the_same(made):
    convert_detector(made, 400.0, 128)
    both = [Detector(made, runtime=runtime) for runtime in ("torch", "onnx")]
    for size in (128, 192):
        config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=size)
        one, other = (detector.detect(PICTURE, 400.0, 0.2, config) for detector in both)
        assert one and len(one) == len(other)
        for a, b in zip(one, other):
            assert b.probability == pytest.approx(a.probability, abs=0.001)
            assert (b.x0_px, b.y1_px) == pytest.approx((a.x0_px, a.y1_px), abs=0.1)


def test_a_network_for_grey_pictures_stays_one(tmp_path):
    weights = small(tmp_path / "grey.pt", "yolov8n", channels=1)
    convert_detector(weights, 400.0, 128)
    assert read_onnx_facts(tmp_path / "grey.onnx").channels == 1
    assert Detector(weights, runtime="onnx").detect(PICTURE, 400.0, 0.0, CONFIG)


def test_the_shipped_detector_finds_lamellae_in_what_is_drawn(tmp_path):
    """Else the comparison of a conversion would say little."""
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=640)
    detector = Detector(WEIGHTS, runtime="torch")
    boxes = detector.detect(drawn_pictures(640)[0], 400.0, 0.3, config)
    assert len(boxes) >= 3


def test_a_file_that_finds_something_else_is_not_written(made, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    tried = []

    def damaging(model, path, metadata):
        for weights in model.graph.initializer:
            values = onnx.numpy_helper.to_array(weights)
            if values.size > 1000:
                changed = (values * 1.3).astype(values.dtype)
                weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
        tried.append(metadata)
        conversion_save(model, path, metadata)

    conversion_save = conversion.save_onnx
    monkeypatch.setattr(conversion, "save_onnx", damaging)
    out = tmp_path / "out" / "made.onnx"
    out.parent.mkdir()
    with pytest.raises(SpaceError, match="other boxes than torch") as caught:
        convert_detector(made, 400.0, 128, out)
    assert len(tried) == 2, "with 16 and with 32 bits"
    assert caught.value.where == str(made) and os.listdir(out.parent) == []


def test_weights_that_16_bits_change_too_much_keep_32(made, tmp_path, monkeypatch):
    def coarse(model):
        onnx = pytest.importorskip("onnx")
        for weights in model.graph.initializer:
            values = onnx.numpy_helper.to_array(weights)
            if values.dtype == np.float32 and values.size > 100:
                changed = (np.round(values * 20) / 20).astype(np.float32)
                weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))

    monkeypatch.setattr(conversion, "halve_weights", coarse)
    found = convert_detector(made, 400.0, 128, tmp_path / "made.onnx")
    assert not found.halved and found.agreement.holds


@pytest.mark.parametrize(
    ("change", "apart", "different"),
    [
        (lambda a: None, 0.0, 0.0),
        (lambda a: a.__setitem__((0, 3), a[0, 3] + 2.0), 2.0, 0.0),  # middle
        (lambda a: a.__setitem__((3, 3), a[3, 3] + 2.0), 1.0, 0.0),  # height
        (lambda a: a.__setitem__((5, 3), 0.4), 0.0, 0.1),
        (lambda a: a.__setitem__((4, 60), 0.3), 0.0, 0.29),  # a box that one alone has
    ],
)
def test_boxes_are_compared_place_by_place(change, apart, different):
    expected = np.random.default_rng(0).uniform(10, 90, (6, 64)).astype(np.float32)
    expected[4:] = 0.01
    expected[5, :30] = 0.3
    found = expected.copy()
    change(found)
    count, farthest, largest = conversion._difference(expected, found, False)
    assert count >= 30
    assert farthest == pytest.approx(apart, abs=1e-4)
    assert largest == pytest.approx(different, abs=1e-4)


@pytest.mark.parametrize(
    ("row", "column", "value", "apart", "different"),
    [(0, 0, 0.0, 0.0, 0.0), (3, 2, 4.0, 4.0, 0.0), (3, 4, 0.2, 0.0, 0.2), (3, 5, 1, np.inf, 0)],
)
def test_final_boxes_are_compared_in_any_order(row, column, value, apart, different):
    rng = np.random.default_rng(0)
    expected = np.zeros((40, 6), np.float32)
    expected[:, :4], expected[:, 4] = (
        50 * np.arange(40)[:, None] + [0, 0, 30, 30],
        np.linspace(0.9, 0.05, 40),
    )
    found = expected.copy()
    found[row, column] += value
    count, farthest, largest = conversion._difference(expected, rng.permutation(found), True)
    assert 38 <= count < 40 and farthest == pytest.approx(apart)
    assert largest == pytest.approx(different, abs=1e-6) or not np.isfinite(apart)


def test_outputs_of_other_shapes_do_not_agree():
    _, farthest, _ = conversion._difference(np.zeros((6, 9)), np.zeros((6, 8)), False)
    assert not conversion.Agreement(1, 1, farthest).holds
