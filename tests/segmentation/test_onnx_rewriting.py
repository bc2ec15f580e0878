"""The graph of an .onnx file in a form that takes less time: it finds what it found before."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from space.onnx_rewriting import rewrite  # noqa: E402
from space.onnx_writing import halve_weights  # noqa: E402
from space.project import models_folder  # noqa: E402

ROWS, COLUMNS = 6, 5
"""Of the small picture."""

SMALL, FEATURES, RESULT, CLASSES = 6, 4, 5, 3


def decoder(window=(2, 2), kernel=(3, 3), first=True, bias=True, enlarged=5, **changed):
    """Return the last stage of a U-Net: what is enlarged, features beside it, and classes."""
    rng = np.random.default_rng(0)
    numbers = {
        "enlarge.w": (SMALL, enlarged, *window),
        "enlarge.b": (enlarged,),
        "conv.w": (RESULT, enlarged + FEATURES, *kernel),
        "conv.b": (RESULT,),
        "head.w": (CLASSES, RESULT, 1, 1),
        "head.b": (CLASSES,),
    }
    if not bias:
        del numbers["enlarge.b"]
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in numbers.items()}
    size = ROWS * window[0], COLUMNS * window[1]
    joined = ["enlarged", "features"] if first else ["features", "enlarged"]
    make = onnx.helper.make_node
    pads = [length // 2 for length in kernel] * 2
    how = {"strides": window, **changed.get("enlarge", {})}
    nodes = [
        # The input is as large as the result: the small picture is a part of it.
        make("Slice", ["picture", "zero", "small.shape", "axes"], ["part"]),
        make("Relu", ["part"], ["small"]),
        make("Conv", ["picture", "features.w"], ["features"]),
        make("ConvTranspose", ["small", *list(weights)[: 1 + bias]], ["enlarged"], **how),
        make("Concat", joined, ["joined"], axis=1),
        make(
            "Conv",
            ["joined", "conv.w", "conv.b"],
            ["found"],
            **{"pads": pads, **changed.get("conv", {})},
        ),
        make("Conv", ["found", "head.w", "head.b"], ["fold_0"]),
    ]
    if "again" in changed:
        nodes.insert(5, make("Relu", [changed["again"]], ["again"]))
    weights["features.w"] = rng.normal(size=(FEATURES, SMALL, 1, 1)).astype(np.float32)
    weights["zero"], weights["axes"] = np.zeros(2, np.int64), np.array([2, 3])
    weights["small.shape"] = np.array([ROWS, COLUMNS])
    value = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    outputs = [value("fold_0", kind, [None] * 4)]
    outputs += [value("again", kind, [None] * 4)] if "again" in changed else []
    graph = onnx.helper.make_graph(
        nodes,
        "decoder",
        [value("picture", kind, ("tiles", SMALL, *size))],
        outputs,
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


def kinds(model):
    return [node.op_type for node in model.graph.node]


def found_by(model, tiles=2):
    (given,) = model.graph.input
    shape = [part.dim_value for part in given.type.tensor_type.shape.dim]
    picture = np.random.default_rng(9).normal(size=(tiles, *shape[1:])).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"picture": picture})


CASES = {
    "usual": {},
    "the features come first": {"first": False},
    "nothing is added": {"bias": False},
    "along one axis": {"window": (2, 1)},
    "along the other": {"window": (1, 2)},
    "a large kernel": {"kernel": (5, 3)},
    "large windows": {"window": (3, 2), "kernel": (5, 5)},
    "a flat kernel": {"window": (2, 1), "kernel": (3, 1)},
}


@pytest.mark.models
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("halved", [False, True])
def test_what_is_merged_finds_the_same(case, halved):
    model = decoder(**case)
    if halved:  # weights of the written file, beside which nothing else has been rounded
        for weights in model.graph.initializer:
            array = onnx.numpy_helper.to_array(weights)
            if array.dtype == np.float32:
                rounded = array.astype(np.float16).astype(np.float32)
                weights.CopyFrom(onnx.numpy_helper.from_array(rounded, weights.name))
    before = found_by(model)
    assert rewrite(model) == 2
    assert "ConvTranspose" not in kinds(model)
    if halved:
        halve_weights(model)
    onnx.checker.check_model(model)
    (found,) = found_by(model)
    assert found.shape == before[0].shape
    np.testing.assert_allclose(found, before[0], rtol=1e-4, atol=1e-4)


OTHERS = {
    "windows overlap": {"enlarge": {"strides": [1, 1], "pads": [0, 0, 1, 1]}, "window": (2, 2)},
    "a wide kernel with gaps": {"conv": {"dilations": [2, 2], "pads": [2] * 4}},
    "no border": {"conv": {"pads": [0] * 4}},
    "a kernel smaller than the windows": {"kernel": (1, 1)},
    "it would take more": {"enlarged": 1},
    "what was enlarged is used twice": {"again": "enlarged"},
    "what was joined is used twice": {"again": "joined"},
}


@pytest.mark.models
@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_other_kinds_stay_as_they_are(case):
    model = decoder(**case)
    if "enlarge" in case:  # then the small picture is as large as the features
        for weights in model.graph.initializer:
            if weights.name == "small.shape":
                large = np.array([2 * ROWS, 2 * COLUMNS])
                weights.CopyFrom(onnx.numpy_helper.from_array(large, weights.name))
    before = found_by(model)
    assert rewrite(model) == 1  # the last layer
    assert "ConvTranspose" in kinds(model)
    for own, other in zip(found_by(model), before):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.models
def test_a_size_that_is_not_known_is_left_alone():
    model = decoder()
    for part in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        part.dim_param = "any"
    before = kinds(model)
    for weights in list(model.graph.initializer):
        if weights.name == "small.shape":
            model.graph.initializer.remove(weights)
    model.graph.input.append(
        onnx.helper.make_tensor_value_info("small.shape", onnx.TensorProto.INT64, [2])
    )
    assert rewrite(model) == 0 and kinds(model) == before


@pytest.mark.models
def test_the_shipped_file_is_rewritten():
    model = onnx.load(str(models_folder() / "lamella_segmentation" / "model.onnx"))
    assert "ConvTranspose" not in kinds(model) and kinds(model)[-1] == "Reshape"
