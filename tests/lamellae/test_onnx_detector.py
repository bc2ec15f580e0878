"""A detector by ONNX Runtime: chosen where it fits, checked as any other, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from space import onnx_session
from space.errors import SpaceError
from space.lamellae import networks
from space.lamellae.detector import Detector
from space.lamellae.networks import open_network
from space.models import METADATA_KEY, facts_as_text
from space.models.fitness import detection_problems
from space.trust import file_hash
from tests.models.onnx_files import DETECT, SEGMENT, write

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models/lamella_detector/weights.onnx"


# --- which one is chosen ------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    """Have networks tell how they would be opened; ONNX Runtime is there and knows no GPU."""
    monkeypatch.setattr(
        networks.TorchNetwork, "load", lambda weights, device: ("torch", weights.name, device)
    )
    monkeypatch.setattr(
        networks, "OnnxNetwork", lambda path, facts, device: ("onnx", path.name, device)
    )
    monkeypatch.setattr(onnx_session, "has_onnxruntime", lambda: True)
    monkeypatch.setattr(onnx_session, "gpu_kinds", lambda: ("dml",))


@pytest.fixture
def weights(tmp_path):
    """Weights with an .onnx file beside them that was made from them."""
    path = tmp_path / "best.pt"
    path.write_bytes(b"weights")
    write(tmp_path / "best.onnx", replace(DETECT, source={"best.pt": file_hash(path)}))
    return path


@pytest.mark.parametrize(
    ("device", "runtime", "chosen"),
    [
        ("cpu", "auto", "onnx"),
        ("dml:0", "auto", "onnx"),
        ("cuda:0", "auto", "torch"),
        ("cpu", "torch", "torch"),
        ("cuda:0", "onnx", "onnx"),
    ],
)
def test_what_runs_weights_with_a_file_beside_them(opened, weights, device, runtime, chosen):
    name = "best.onnx" if chosen == "onnx" else "best.pt"
    assert open_network(weights, device, runtime) == (chosen, name, device)


def test_without_onnxruntime_torch_runs_them(opened, weights, monkeypatch):
    monkeypatch.setattr(onnx_session, "has_onnxruntime", lambda: False)
    assert open_network(weights, "cpu")[0] == "torch"


def test_the_file_stands_for_weights_that_are_away_but_not_for_others(opened, weights, caplog):
    content = weights.read_bytes()
    weights.write_bytes(b"trained again")
    assert open_network(weights, "cpu")[0] == "torch"
    assert "made from another best.pt" in caplog.text
    weights.unlink()
    assert open_network(weights, "cuda:0")[0] == "onnx"
    assert open_network(weights.with_suffix(".onnx"), "cuda:0")[0] == "onnx"
    weights.write_bytes(content)
    os.remove(weights.with_suffix(".onnx"))
    assert open_network(weights, "cpu")[0] == "torch"


def test_a_runtime_that_cannot_run_the_weights_is_told(opened, weights, tmp_path):
    onnx = weights.with_suffix(".onnx")
    with pytest.raises(SpaceError, match="torch does not run"):
        open_network(onnx, "cpu", "torch")
    assert "torch does not run" in detection_problems(onnx, runtime="torch")[0]
    write(tmp_path / "maps.onnx", SEGMENT)
    with pytest.raises(SpaceError, match="is a segmentation model"):
        open_network(tmp_path / "maps.onnx", "cpu")
    assert "is a segmentation model" in detection_problems(tmp_path / "maps.onnx")[0]
    onnx.unlink()
    with pytest.raises(SpaceError, match="no .onnx file made from") as caught:
        open_network(weights, "cpu", "onnx")
    assert "spacetomo models convert" in caught.value.do
    assert "spacetomo models convert" in detection_problems(weights, runtime="onnx")[0]


# --- what it gives ------------------------------------------------------------------------------


def test_lamellae_are_found_without_torch(tmp_path):
    pytest.importorskip("onnxruntime")
    code = f"""
import sys
from pathlib import Path
from types import SimpleNamespace
for name in ("torch", "torchvision", "ultralytics"):
    sys.modules[name] = None  # importing it fails
from space.lamellae.detector import Detector
import numpy as np
detector = Detector(Path({str(SHIPPED)!r}))
config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=256)
picture = np.full((256, 256), 8, np.uint8)
picture[60:200, 40:220] = 16
picture[110:140, 60:200] = 250
picture[110:140, 100:150] = 120
picture[102:105, 100:150] = picture[145:148, 100:150] = 240
boxes = detector.detect(picture, 400.0, 0.3, config)
assert detector.runtime == "onnx" and len(boxes) == 1, boxes
assert 105 < boxes[0].center_px[0] < 145, boxes
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SPACETOMO_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


def constant(path: Path, output: np.ndarray, facts=DETECT) -> Path:
    """Write a network that gives the same output for each window."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    sides = ["n", facts.channels, "rows", "cols"]
    nodes = [
        onnx.helper.make_node("ReduceMax", ["picture"], ["most"], axes=[1, 2, 3], keepdims=1),
        onnx.helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        onnx.helper.make_node("Reshape", ["nothing", "shape"], ["none"]),
        onnx.helper.make_node("Add", ["none", "output"], ["boxes"]),
    ]
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("picture", kind, sides)],
        [onnx.helper.make_tensor_value_info("boxes", kind, None)],
        [
            onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
            onnx.numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "shape"),
            onnx.numpy_helper.from_array(output[None].astype(np.float32), "output"),
        ],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.helper.set_model_props(model, {METADATA_KEY: facts_as_text(facts)})
    path.write_bytes(model.SerializeToString())
    return path


def fit(end_to_end: bool = False) -> np.ndarray:
    """Return an output with one box, of the category 1."""
    if end_to_end:
        output = np.zeros((5, 6), np.float32)
        output[2] = [20, 30, 60, 50, 0.8, 1]
        return output
    output = np.zeros((6, 5), np.float32)
    output[:, 2] = [40, 40, 40, 20, 0.1, 0.8]
    return output


@pytest.mark.parametrize("end_to_end", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_boxes_are_read_as_the_file_says(tmp_path, end_to_end, channels):
    facts = replace(DETECT, end_to_end=end_to_end, channels=channels)
    path = constant(tmp_path / "a.onnx", fit(end_to_end), facts)
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
    detector = Detector(path)
    (box,) = detector.detect(np.full((128, 128), 99, np.uint8), 400.0, 0.5, config)
    assert detector.about is not None and "ONNX" in detector.about[0]
    assert box.category == "good" and box.probability == pytest.approx(0.8)
    assert box.center_px == pytest.approx((40, 40))


def changed(place, value):
    output = fit()
    output[place] = value
    return output


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (changed((4, 1), np.nan), "NaN"),
        (changed((5, 1), 1.5), "0 to 1.5"),
        (changed((5, 1), -0.5), "-0.5 to 0.8"),
        (fit()[:5], r"output of \(5, 5\), where \(6, 5\)"),
        (fit(True), r"output of \(5, 6\)"),
        (fit()[None], "which is none of a detector"),
    ],
)
def test_a_network_that_is_none_is_refused_on_loading(tmp_path, output, told):
    path = constant(tmp_path / "a.onnx", output)
    with pytest.raises(SpaceError, match=told) as caught:
        Detector(path)
    assert caught.value.where == str(path) and caught.value.do
