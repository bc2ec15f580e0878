"""What .onnx files say about themselves, and which of them are refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.models import (
    SCHEMES,
    SEGMENTATION_ONNX,
    NetworkPlan,
    OnnxFacts,
    facts_as_text,
    is_simulated_only,
    onnx_beside,
    protobuf,
    read_labels,
    read_onnx_facts,
    segmentation_onnx,
    used_folds,
)
from space.models.fitness import segmentation_problems
from space.models.onnx_file import facts_from_text
from space.models.onnx_graph import Graph
from space.trust import file_hash
from tests.models.nnunet_files import write_model
from tests.models.onnx_files import (
    DETECT,
    HASH,
    LABELS,
    SEGMENT,
    entry,
    graph,
    message,
    model,
    number,
    tensor,
    varint,
    write,
)

GRAPH = Graph(["tiles"], ["fold_0", "fold_all"])
READ = {"inputs": ("tiles",), "outputs": ("fold_0", "fold_all")}


@pytest.mark.parametrize("facts", [SEGMENT, DETECT], ids=["segment", "detect"])
def test_what_was_written_is_read(tmp_path, facts):
    assert read_onnx_facts(write(tmp_path / "a.onnx", facts)) == replace(facts, **READ)


names = st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable() and t.strip())
sides = st.integers(8, 4096)
plans = st.builds(
    NetworkPlan,
    st.tuples(sides, sides),
    st.sampled_from([name for name in SCHEMES if name != "CTNormalization"]),
    st.booleans(),
    st.just({}),
    st.booleans(),
) | st.builds(
    lambda a, b: NetworkPlan(
        (32, 32),
        "CTNormalization",
        True,
        {"mean": a, "std": b, "percentile_00_5": 0.0, "percentile_99_5": 9.0},
        False,
    ),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
)
segmentations = st.builds(
    OnnxFacts,
    task=st.just("segment"),
    source=st.dictionaries(
        names.filter(lambda t: not set(t) & set("/\\:.")), st.just(HASH), min_size=1
    ),
    pixel_nm=st.none() | st.floats(0.1, 1000),
    trained_on=st.sampled_from(["", "simulated", "real"]),
    labels=st.lists(
        names.filter(lambda t: t != "ignore" and not t.isdigit()), min_size=1, unique=True
    ).map(lambda found: {name: label for label, name in enumerate(found)}),
    plan=plans,
    mirroring_axes=st.sampled_from([(), (0,), (1,), (0, 1)]),
    folds=st.sampled_from([(0,), ("all",), (0, "all")]),
)
detectors = st.builds(
    OnnxFacts,
    task=st.just("detect"),
    source=st.just({"weights.pt": HASH}),
    channels=st.sampled_from([1, 3]),
    categories=st.lists(names, min_size=1).map(tuple),
    window_px=st.integers(32, 8192),
    end_to_end=st.booleans(),
)


@given(segmentations | detectors)
def test_facts_come_back_from_their_text(facts):
    assert facts_from_text(facts_as_text(facts), GRAPH) == replace(facts, **READ)


def test_the_order_of_labels_is_that_of_the_outputs(tmp_path):
    facts = replace(SEGMENT, labels={"mitos": 7, "background": 0})
    assert list(read_labels(write(tmp_path / "a.onnx", facts))) == ["background", "mitos"]


EXTERNAL = "weights are in another file"
ELSEWHERE = message(5, tensor("w", number(14, 1)))
BEYOND_32_BITS = 1 << 29
"""Added to the number of a field: ONNX Runtime drops it, and reads the field all the same."""


def with_parts(*parts: bytes) -> bytes:
    return model(inside=graph(("tiles",), (), *parts))


REFUSED = {
    "location": (with_parts(ELSEWHERE), EXTERNAL),
    "external data": (
        with_parts(message(5, tensor("w", message(13, message(1, "location"))))),
        EXTERNAL,
    ),
    "external in a node": (with_parts(message(1, message(5, ELSEWHERE))), EXTERNAL),
    "external, sparse": (
        with_parts(message(15, message(1, tensor("w", number(14, 1))))),
        EXTERNAL,
    ),
    "external in a graph in a node": (
        with_parts(message(1, message(5, message(6, graph((), (), ELSEWHERE))))),
        EXTERNAL,
    ),
    "external data, number beyond 32 bits": (
        with_parts(message(5, tensor("w", message(13 + BEYOND_32_BITS, message(1, "location"))))),
        "damaged",
    ),
    "operators of others": (with_parts(message(1, message(7, "com.example"))), "com.example"),
    "operators imported": (model(SEGMENT, message(8, message(1, "com.example"))), "com.example"),
    "functions": (model(SEGMENT, message(25, message(1, "f"))), "function"),
    "training": (model(SEGMENT, message(20, message(1, b""))), "training"),
    "no entry": (model(None), "does not say how it is used"),
    "two entries": (model(SEGMENT, entry("spacetomo", "{}")), "too many entries"),
    "no graph": (entry("spacetomo", facts_as_text(SEGMENT)), "0 graphs"),
    "two graphs": (model(SEGMENT, message(7, graph())), "2 graphs"),
    "empty": (b"", "empty"),
    "text": (b"<html>not found</html>", "damaged"),
    "group": (b"\x0b" + model(), "no known kind"),
    "two inputs": (model(inside=graph(("a", "b"))), "2 inputs"),
    "another fold": (model(inside=graph(("tiles",), ("fold_1",))), "no output 'fold_0'"),
    "not UTF-8": (model(SEGMENT, message(14, message(1, b"\xff"))), "not UTF-8"),
    "long": (model(text=" " * 300_000), "longer than"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(tmp_path, name):
    data, words = REFUSED[name]
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(SpaceError, match=words) as caught:
        read_onnx_facts(path)
    assert str(path) in str(caught.value) and "spacetomo models convert" in str(caught.value)


def nested(depth: int) -> bytes:
    inside = graph(("tiles",))
    for _ in range(depth):
        inside = graph(
            ("tiles",), ("fold_0", "fold_all"), message(1, message(5, message(6, inside)))
        )
    return model(inside=inside)


def test_graphs_within_graphs_have_a_limit(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(nested(2))
    assert read_onnx_facts(path).task == "segment"
    path.write_bytes(nested(40))
    with pytest.raises(SpaceError, match="nested"):
        read_onnx_facts(path)


def test_a_file_with_very_many_parts_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.onnx")
    monkeypatch.setattr(protobuf, "MOST_FIELDS", 30)
    with pytest.raises(SpaceError, match="more than 30 parts"):
        read_onnx_facts(path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("space.models.onnx_graph.LARGEST_BYTES", 10)
    with pytest.raises(SpaceError, match="10 are the most"):
        read_onnx_facts(write(tmp_path / "a.onnx"))


def test_weights_are_passed_over_and_a_missing_file_is_named(tmp_path):
    class Counting(io.BytesIO):
        count = 0

        def read(self, size=-1):
            data = super().read(size)
            Counting.count += len(data)
            return data

    data = message(5, message(9, bytes(1_000_000)))
    reader = protobuf.Reader(Counting(data), len(data))
    (whole,) = reader.fields(reader.whole())
    (weights,) = reader.fields(whole)
    assert (weights.number, weights.stop - weights.start) == (9, 1_000_000) and Counting.count < 100
    with pytest.raises(SpaceError, match="no such"):
        read_onnx_facts(tmp_path / "a.onnx")


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**28))
def test_numbers_of_protobuf(value, field):
    data = varint(field << 3) + varint(value)
    (read,) = protobuf.Reader(io.BytesIO(data), len(data)).fields(
        protobuf.Field(0, 2, 0, 0, len(data))
    )
    assert (read.number, read.value, read.stop) == (field, value, len(data))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2), ("format", True), ("format", None), ("task", "paint"), ("task", None),
        ("source", {}), ("source", {"../x": HASH}), ("source", {"C:x": HASH}),
        ("source", {"a": "12"}), ("channels", 3), ("channels", True), ("pixel_nm", -1),
        ("pixel_nm", "12"), ("labels", {}), ("labels", {"a": 1}), ("labels", {"a": 0, "b": 0}),
        ("labels", {"a": 300}), ("patch_px", [32]), ("patch_px", [4, 32]), ("patch_px", [32, 9999]),
        ("normalisation", {}), ("normalisation", None), ("axes_swapped", 1),
        ("normalisation", {"scheme": "Mine", "use_mask": False, "intensities": {}}),
        ("normalisation", {"scheme": "CTNormalization", "use_mask": False, "intensities": {}}),
        ("normalisation", {"scheme": "NoNormalization", "use_mask": 0, "intensities": {}}),
        ("mirroring_axes", [2]), ("mirroring_axes", [True]), ("folds", []), ("folds", [0, 0]),
        ("folds", ["../0"]), ("folds", [-1]), ("folds", [5]), ("trained_on", 5),
        ("converter", "a\nb"),
    ],
)  # fmt: skip
def test_an_entry_that_is_wrong_is_refused_in_words(name, value):
    values = {**json.loads(facts_as_text(SEGMENT)), name: value}
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        facts_from_text(json.dumps(values), GRAPH)
    del values[name]
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        facts_from_text(json.dumps(values), GRAPH)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("categories", []), ("categories", ["\n"]), ("categories", "good"), ("window_px", 0),
        ("window_px", 9000), ("end_to_end", None), ("channels", 2),
    ],
)  # fmt: skip
def test_an_entry_of_a_detector_that_is_wrong_is_refused_in_words(name, value):
    values = {**json.loads(facts_as_text(DETECT)), name: value}
    with pytest.raises(ValueError, match=name):
        facts_from_text(json.dumps(values), GRAPH)


# --- beside a model ------------------------------------------------------------------------------


def converted(folder, folds=(0, "all")):
    """Return a model's folder with an .onnx file that was made from it."""
    names = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")
    write_model(folder)
    source = {name: file_hash(folder / name) for name in names}
    outputs = [f"fold_{fold}" for fold in folds]
    facts = replace(SEGMENT, source=source, folds=folds)
    write(folder / SEGMENTATION_ONNX, facts, inside=graph(("picture",), outputs))
    return folder


def test_an_onnx_file_counts_beside_the_files_that_it_was_made_from(tmp_path, caplog):
    folder = converted(tmp_path / "m")
    path, facts = segmentation_onnx(folder, (0,), "checkpoint_final.pth")
    assert path == folder / SEGMENTATION_ONNX and facts.labels == LABELS
    assert not caplog.records
    assert segmentation_onnx(folder, (1,), "checkpoint_final.pth") is None
    assert "made without fold_1/checkpoint_final.pth" in caplog.text
    assert segmentation_onnx(folder, (0,), "checkpoint_best.pth") is None


@pytest.mark.parametrize("name", ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"])
def test_it_stands_for_files_that_are_missing_but_not_for_others(tmp_path, name, caplog):
    folder = converted(tmp_path / "m")
    (folder / name).unlink()
    assert segmentation_onnx(folder, (0,), "checkpoint_final.pth")
    (folder / name).write_bytes(b"{}")
    assert segmentation_onnx(folder, (0,), "checkpoint_final.pth") is None
    assert f"made from another {name}" in caplog.text


def test_an_onnx_file_that_cannot_be_used_is_told_and_left(tmp_path, caplog):
    path = write(tmp_path / "a.onnx", None)
    assert onnx_beside(path, {}) is None
    assert "does not say how it is used" in caplog.text
    assert onnx_beside(tmp_path / "b.onnx", {}) is None


FINAL = "checkpoint_final.pth"


def test_accurate_uses_the_folds_of_an_onnx_file_where_there_are_no_weights(tmp_path):
    folder = converted(tmp_path / "m", folds=(0, 3, "all"))
    assert used_folds("accurate", folder, (0,), FINAL) == (0,)
    (folder / "fold_0" / FINAL).unlink()
    assert used_folds("accurate", folder, (0,), FINAL) == (0, 3)
    assert used_folds("accurate", folder / SEGMENTATION_ONNX, (0,), FINAL) == (0, 3)
    assert used_folds("balanced", folder, (0,), FINAL) == (0,)
    assert used_folds("accurate", tmp_path / "no.onnx", (0,), FINAL) == (0,)


def test_a_folder_without_weights_is_complete_with_its_onnx_file(tmp_path):
    folder = converted(tmp_path / "m")
    assert segmentation_problems(folder, (0,), FINAL) == []
    (folder / "fold_0" / FINAL).unlink()
    assert segmentation_problems(folder, (0,), FINAL) == []
    assert segmentation_problems(folder, (0,), FINAL, "onnx") == []
    assert "holds no" in segmentation_problems(folder, (0,), FINAL, "torch")[0]
    (folder / SEGMENTATION_ONNX).unlink()
    assert "holds no" in segmentation_problems(folder, (0,), FINAL)[0]
    assert "spacetomo models convert" in segmentation_problems(folder, (0,), FINAL, "onnx")[0]


def test_a_single_onnx_file_is_a_model(tmp_path):
    path = write(tmp_path / "mine.onnx")
    assert read_labels(path) == LABELS and is_simulated_only(path)
    assert segmentation_onnx(path, (0,), FINAL)[0] == path
    assert segmentation_problems(path, (0, "all"), FINAL) == []
    assert "segmentation_folds = [0, 'all']" in segmentation_problems(path, (3,), FINAL)[0]
    assert "torch does not run" in segmentation_problems(path, (0,), FINAL, "torch")[0]
    write(path, DETECT)
    assert "is a detector" in segmentation_problems(path, (0,), FINAL)[0]
    assert "no such" in segmentation_problems(tmp_path / "no.onnx", (0,), FINAL)[0]
