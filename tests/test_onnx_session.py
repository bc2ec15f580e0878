"""Networks in .onnx files: how they are written, and how ONNX Runtime runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from space import onnx_session
from space.errors import SpaceError
from space.onnx_session import OnnxSession, gpu_kinds, has_onnxruntime
from space.onnx_writing import halve_weights, save_onnx


@pytest.fixture
def product(tmp_path):
    """A file with a network that multiplies a picture by a matrix."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    matrix = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    picture, result = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 16])
        for name in ("picture", "result")
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["picture", "matrix"], ["result"])],
        "product", [picture], [result], [onnx.numpy_helper.from_array(matrix, "matrix")],
    )  # fmt: skip
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    return SimpleNamespace(model=model, matrix=matrix, path=tmp_path / "product.onnx")


def test_a_network_is_written_with_halved_weights_and_run(product):
    save_onnx(product.model, product.path, {})
    whole = product.path.stat().st_size
    halve_weights(product.model)
    save_onnx(product.model, product.path, {"key": "value"})
    assert product.path.stat().st_size < 0.7 * whole
    assert os.listdir(product.path.parent) == [product.path.name]
    session = OnnxSession(product.path)
    data = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    (found,) = session.run(["result"], data)
    assert session.device == "cpu"
    assert np.allclose(found, data @ product.matrix.astype(np.float16), atol=1e-5)


def test_what_16_bits_do_not_hold_stays_as_it_is(product):
    onnx = pytest.importorskip("onnx")
    product.matrix[0, 0] = 1e6
    product.model.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(product.matrix, "matrix")
    )
    halve_weights(product.model)
    (kept,) = product.model.graph.initializer
    assert np.array_equal(onnx.numpy_helper.to_array(kept), product.matrix)


def test_a_gpu_that_is_not_there_is_replaced_by_the_cpu_with_a_warning(
    product, monkeypatch, caplog
):
    import onnxruntime

    save_onnx(product.model, product.path, {})
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert gpu_kinds() == ()
    assert OnnxSession(product.path, "cuda:0").device == "cpu"
    assert "cannot use cuda:0" in caplog.text


@pytest.mark.parametrize(
    ("device", "provider", "settings"),
    [
        ("cuda:1", "CUDAExecutionProvider", {"device_id": "1"}),
        ("dml:0", "DmlExecutionProvider", {"device_id": "0"}),
    ],
)
def test_a_gpu_that_is_there_is_asked_for_by_its_number(monkeypatch, device, provider, settings):
    asked = {}

    class Session:
        def __init__(self, path, options, providers):
            asked.update(options=vars(options), providers=providers)

        def get_providers(self):
            return [provider, "CPUExecutionProvider"]

        def get_inputs(self):
            return [SimpleNamespace(name="picture")]

    package = SimpleNamespace(
        InferenceSession=Session,
        SessionOptions=SimpleNamespace,
        ExecutionMode=SimpleNamespace(ORT_SEQUENTIAL="one by one"),
        get_available_providers=lambda: [provider, "CPUExecutionProvider"],
        set_default_logger_severity=lambda level: None,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    monkeypatch.setenv("SPACETOMO_THREADS", "3")
    assert OnnxSession("m.onnx", device).device == device
    (first, given), last = asked["providers"]
    assert first == provider and settings.items() <= given.items()
    assert last == "CPUExecutionProvider" and asked["options"]["intra_op_num_threads"] == 3
    assert asked["options"].get("enable_mem_pattern") is False


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0", MemoryError),
        ("Failed to allocate memory for requested buffer of size 99", MemoryError),
        ("std::bad_alloc", MemoryError),
        ("[ONNXRuntimeError] : 1 : FAIL : CUDNN failure 4: NOT_INITIALIZED\nmore", RuntimeError),
    ],
)
def test_failures_are_those_that_callers_know(text, kind):
    found = onnx_session._as_usual(Exception(text))
    assert type(found) is kind and "\n" not in str(found)


def test_a_network_that_fails_says_why(product):
    save_onnx(product.model, product.path, {})
    with pytest.raises(RuntimeError, match="dimension"):
        OnnxSession(product.path).run(None, np.zeros((1, 9), np.float32))


def test_a_damaged_file_is_told(product):
    product.path.write_bytes(b"\x08\x08 and no more")
    with pytest.raises(SpaceError, match="does not load this file") as caught:
        OnnxSession(product.path)
    assert caught.value.where == str(product.path)


def test_without_onnxruntime_the_message_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SpaceError, match=r"onnxruntime is missing .*predict-lite"):
        OnnxSession(tmp_path / "m.onnx")


def test_whether_it_is_installed_is_told_without_importing_it():
    code = (
        "import sys; from space.onnx_session import has_onnxruntime; has_onnxruntime(); "
        "assert 'onnxruntime' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        assert not has_onnxruntime()
    else:
        assert has_onnxruntime()
