import sys
from types import SimpleNamespace

import numpy as np
import pytest

from space.errors import SpaceError
from space.lamellae import detector
from space.lamellae.detector import Detector, cut_window
from space.lamellae.outputs import decode

CONFIG = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=256)


def fake_network(windows, probability):
    """Stand for a network that frames what is brighter than 150, as YOLO encodes it."""
    outputs = []
    for window in windows:
        places = np.argwhere(window > 150)
        columns = []
        if len(places):
            (y0, x0), (y1, x1) = places.min(axis=0), places.max(axis=0) + 1
            frame = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
            columns = [[*frame, 0.01, probability], [*(v + 1 for v in frame), 0.02, 0.04]]
        outputs.append(np.array(columns, np.float32).reshape(-1, 6).T)
    return outputs, False


@pytest.fixture
def fake(monkeypatch, tmp_path):
    names = {0: "broken", 1: "good"}

    def opened(weights, device, runtime):
        def look(windows):
            return fake_network(windows, 0.42)

        return SimpleNamespace(runtime="torch", device=device, names=names, look=look)

    monkeypatch.setattr(detector, "open_network", opened)
    return Detector(tmp_path / "weights.pt")


def grid(rows, cols, *lamellae):
    image = np.full((rows, cols), 60, np.uint8)
    for y0, x0, y1, x1 in lamellae:
        image[y0:y1, x0:x1] = 200
    image[0, 0] = 0
    return image


@pytest.mark.parametrize("x0", [0, 90, 100, 170, 215, 250, 450])
def test_lamella_at_a_window_border_is_one_whole_box(fake, x0):
    image = grid(300, 500, (100, x0, 150, x0 + 40))
    (found,) = fake.detect(image, 400.0, 0.1, CONFIG)
    assert (found.x0_px, found.y0_px, found.x1_px, found.y1_px) == (x0, 100, x0 + 40, 150)
    assert (found.category, found.probability) == ("good", pytest.approx(0.42))


def test_threshold_given_is_the_one_used(fake):
    image = grid(200, 200, (50, 50, 100, 90))
    probability = float(np.float32(0.42))
    assert len(fake.detect(image, 400.0, 0.03, CONFIG)) == 1
    assert len(fake.detect(image, 400.0, probability, CONFIG)) == 1
    assert fake.detect(image, 400.0, probability + 1e-6, CONFIG) == []


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_senseless_threshold_is_refused(fake, threshold):
    with pytest.raises(SpaceError, match="threshold"):
        fake.detect(grid(50, 50), 400.0, threshold, CONFIG)


def test_boxes_are_in_pixels_of_the_given_image(fake):
    image = np.kron(grid(100, 120, (30, 40, 60, 80)), np.ones((4, 4))).astype(np.int16) * 100
    (found,) = fake.detect(image, 100.0, 0.1, CONFIG)
    frame = (found.x0_px, found.y0_px, found.x1_px, found.y1_px)
    assert frame == pytest.approx((160, 120, 320, 240), abs=4)


def test_window_beyond_the_map_gets_its_background(fake):
    image = grid(20, 30)
    window = cut_window(image, -5, -5, 64, 77)
    assert window.shape == (64, 64)
    assert np.array_equal(window[5:25, 5:35], image)
    window[5:25, 5:35] = 77
    assert (window == 77).all()


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory"), MemoryError("out of memory")]
)
def test_out_of_memory_goes_on_smaller_then_on_cpu(monkeypatch, tmp_path, runtime, error):
    tried, asked = [], []

    def opened(weights, device, wanted):
        def look(windows):
            tried.append((device, len(windows)))
            if device != "cpu":
                raise error
            return fake_network(windows, 0.9)

        asked.append(wanted)
        names = {0: "a", 1: "good"}
        return SimpleNamespace(runtime=runtime, device=device, names=names, look=look)

    monkeypatch.setattr(detector, "open_network", opened)
    found = Detector(tmp_path / "w.pt", "cuda:0").detect(
        grid(500, 500, (50, 50, 90, 90)), 400.0, 0.1, CONFIG
    )
    assert [b.category for b in found] == ["good"]
    assert tried[:3] == [("cuda:0", 4), ("cuda:0", 1), ("cpu", 1)]
    assert all(device == "cpu" for device, _ in tried[3:])
    assert asked == ["auto", runtime], "the same network goes on"


def test_decode_both_kinds_of_output():
    raw = np.array([[10, 10, 4, 6, 0.2, 0.7], [20, 20, 4, 4, 0.1, 0.1]], np.float32).T
    frames, probabilities, classes = decode(raw, 0.3)
    assert frames.tolist() == [[8, 7, 12, 13]]
    assert classes.tolist() == [1]
    assert probabilities == pytest.approx([0.7])
    direct = np.array([[8, 7, 12, 13, 0.7, 1], [0, 0, 5, 5, 0.1, 0]], np.float32)
    frames, probabilities, classes = decode(direct, 0.3, end_to_end=True)
    assert frames.tolist() == [[8, 7, 12, 13]]
    assert classes.tolist() == [1]


def test_missing_weights_are_told(tmp_path):
    with pytest.raises(SpaceError, match="missing"):
        Detector(tmp_path / "none.pt")


@pytest.mark.models
def test_real_network_runs_without_torchvision(tmp_path, monkeypatch):
    import torch

    from tests.jobs.tiny_models import make_detection_model

    torch.set_num_threads(1)
    weights = make_detection_model(tmp_path / "weights.pt")
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it now fails
    found = Detector(weights)
    assert found.names == {0: "broken", 1: "good"}
    rng = np.random.default_rng(1)
    window = rng.integers(0, 256, (128, 128)).astype(np.uint8)
    (raw,), end_to_end = found._network.look([window])
    assert raw.shape == (4 + 2, (16**2 + 8**2 + 4**2)) and not end_to_end
    best = float(raw[4:].max())
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
    boxes = found.detect(window, 400.0, 0.0, config)
    assert boxes and boxes[0].probability == pytest.approx(best, rel=0.2)
    assert found.detect(window, 400.0, min(1.0, best * 2), config) == []


@pytest.mark.models
def test_broken_weights_are_told(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"no network")
    with pytest.raises(SpaceError, match="not a PyTorch checkpoint"):
        Detector(path)
