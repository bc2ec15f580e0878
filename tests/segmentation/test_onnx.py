"""Segmentation by ONNX Runtime: the same labels as by torch, without torch."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space import onnx_session
from space.errors import SpaceError
from space.models import PRESETS, OnnxFacts, segmentation_onnx
from space.project import models_folder
from space.segmentation import Segmenter, choice, conversion, onnx_network
from space.segmentation.conversion import convert_segmentation, drawn_picture
from space.segmentation.onnx_network import ArrayStrip, OnnxNetwork
from space.segmentation.plan import TilePlan
from space.trust import file_hash
from tests.jobs.tiny_models import make_segmentation_model
from tests.models import onnx_files
from tests.models.nnunet_files import NETWORK, write_model

FINAL = "checkpoint_final.pth"
NEARLY = 0.995
ACCURATE, TURNED = PRESETS["accurate"], replace(PRESETS["fast"], copies="turned")
"""Random weights decide by little: what 16 bits change shows in one of a thousand pixels."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model of two folds with its .onnx file."""
    pytest.importorskip("onnx")
    import torch

    torch.set_num_threads(1)
    folder = make_segmentation_model(tmp_path_factory.mktemp("model"), (0, 1))
    done = convert_segmentation(folder, (0, 1))
    assert done.path == folder / "model.onnx" and done.path.stat().st_size == done.size_bytes
    assert done.agreement.classes > 1 and done.agreement.share >= 0.9999
    return folder


def compared(folder, picture, folds=(0,), checkpoint=FINAL, **how):
    """Return the share of pixels with equal labels by both runtimes."""
    found = []
    for runtime in ("torch", "onnx"):
        segmenter = Segmenter(folder, folds, runtime=runtime, checkpoint=checkpoint, **how)
        assert segmenter.runtime == runtime
        found.append(segmenter.segment(picture))
    assert len(np.unique(found[0])) > 1
    return (found[0] == found[1]).mean()


def smooth_map(rows, cols, seed=0):
    picture = drawn_picture((rows, cols), seed)[:rows]
    picture[:2] = 0  # a border without data
    return picture


@pytest.mark.models
@pytest.mark.parametrize("shape", [(90, 131), (20, 75), (17, 21)])
@pytest.mark.parametrize(
    "how", [{"folds": (0, 1)}, {"folds": (1,), "preset": ACCURATE}, {"preset": TURNED}]
)
def test_both_runtimes_find_the_same(tiny, shape, how):
    assert compared(tiny, smooth_map(*shape), **how) >= NEARLY


def swap_axes(plans, settings):
    plans["transpose_forward"] = plans["transpose_backward"] = [0, 2, 1]
    settings["patch_size"] = [32, 48]


def residual_encoder(plans, settings):
    parts = {k: v for k, v in NETWORK["arch_kwargs"].items() if k != "n_conv_per_stage"}
    settings["architecture"] = {
        **NETWORK,
        "network_class_name": (
            "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
        ),
        "arch_kwargs": {**parts, "n_blocks_per_stage": [1, 1, 1]},
    }


def before_2_3(plans, settings):
    del settings["architecture"]
    settings.update(
        UNet_class_name="PlainConvUNet", UNet_base_num_features=4, unet_max_num_features=8,
        n_conv_per_stage_encoder=[1, 1, 1], n_conv_per_stage_decoder=[1, 1],
        num_pool_per_axis=[2, 2], pool_op_kernel_sizes=[[1, 1], [2, 2], [2, 2]],
        conv_kernel_sizes=[[3, 3]] * 3,
    )  # fmt: skip


@pytest.mark.models
@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans:UserWarning")
@pytest.mark.parametrize(
    ("change", "made"),
    [
        (swap_axes, {"scheme": "CTNormalization", "use_mask": True}),
        (residual_encoder, {"scheme": "RescaleTo01Normalization"}),
        (before_2_3, {"scheme": "NoNormalization"}),
        (None, {"folds": ("all",)}),
    ],
    ids=["swapped axes", "residual encoder", "old plans", "fold_all"],
)
def test_published_kinds_of_models(tmp_path, change, made):
    pytest.importorskip("onnx")
    folds = made.get("folds", (0,))
    folder = make_segmentation_model(tmp_path / "m", change=change, **made)
    best = folder / f"fold_{folds[0]}" / FINAL
    best.rename(best.with_name("checkpoint_best.pth"))
    done = convert_segmentation(folder, folds, checkpoint="checkpoint_best.pth", pixel_nm=16.0)
    facts = segmentation_onnx(folder, folds, "checkpoint_best.pth")[1]
    assert done.agreement.holds and facts.pixel_nm == 16.0 and facts.folds == folds
    assert facts.plan.axes_swapped == (change is swap_axes)
    assert compared(folder, smooth_map(61, 45), folds, "checkpoint_best.pth") >= NEARLY


@pytest.mark.models
def test_a_file_that_finds_something_else_is_not_kept(tiny, tmp_path, monkeypatch, caplog):
    usual = OnnxNetwork.scores
    monkeypatch.setattr(OnnxNetwork, "scores", lambda *given: usual(*given)[:, ::-1])
    with pytest.raises(SpaceError, match="finds something else"):
        convert_segmentation(tiny, (0,), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.models
def test_weights_that_do_not_bear_it_keep_32_bits(tiny, tmp_path, monkeypatch, caplog):
    def spoil(model):
        for weights in model.graph.initializer:
            if weights.data_type == weights.FLOAT:
                weights.raw_data = bytes(len(weights.raw_data))

    monkeypatch.setattr(conversion, "halve_weights", spoil)
    done = convert_segmentation(tiny, (0,), tmp_path / "a.onnx")
    assert not done.halved and done.agreement.holds and "16 bits" in caplog.text


@pytest.mark.models
def test_segmentation_by_onnx_runtime_needs_neither_torch_nor_nnunet(tiny, tmp_path, monkeypatch):
    picture = smooth_map(50, 60)
    expected = Segmenter(tiny, runtime="torch").segment(picture)
    folder = shutil.copytree(tiny, tmp_path / "m")
    (folder / "fold_0" / FINAL).unlink()
    for name in ("torch", "nnunetv2", "dynamic_network_architectures"):
        monkeypatch.setitem(sys.modules, name, None)
    for model in (tiny, folder, folder / "model.onnx"):
        segmenter = Segmenter(model)
        assert segmenter.runtime == "onnx" and segmenter.about[0].startswith("ONNX Runtime 1")
        assert (segmenter.segment(picture) == expected).mean() >= NEARLY


@pytest.mark.models
def test_an_onnx_file_of_other_weights_is_left(tiny, tmp_path, caplog):
    folder = shutil.copytree(tiny, tmp_path / "m")
    shutil.copy(folder / "fold_1" / FINAL, folder / "fold_0" / FINAL)
    assert Segmenter(folder).runtime == "torch"
    assert "made from another fold_0/checkpoint_final.pth" in caplog.text


def test_a_missing_onnxruntime_is_told_where_only_it_could_work(tmp_path, monkeypatch):
    folder = write_model(tmp_path / "m")
    names = ("dataset.json", "plans.json", f"fold_0/{FINAL}")
    labels = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]
    facts = replace(
        onnx_files.SEGMENT, source={n: file_hash(folder / n) for n in names}, labels=labels
    )
    onnx_files.write(folder / "model.onnx", facts)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(onnx_session, "has_onnxruntime", lambda: False)
    assert choice._decided(folder, (0,), FINAL, "cpu", "one") == "torch"
    (folder / "fold_0" / FINAL).unlink()
    for model in (folder, folder / "model.onnx"):
        with pytest.raises(SpaceError, match="onnxruntime is missing"):
            Segmenter(model)


@pytest.mark.parametrize(
    ("device", "kinds", "runtime"),
    [("cpu", (), "onnx"), ("cuda:0", (), "torch"), ("cuda:1", ("cuda",), "onnx"),
     ("dml:0", ("dml",), "onnx")],
)  # fmt: skip
def test_which_runtime_is_taken_for_a_device(tmp_path, monkeypatch, device, kinds, runtime):
    folder = write_model(tmp_path / "m")
    monkeypatch.setattr(onnx_session, "has_onnxruntime", lambda: True)
    monkeypatch.setattr(onnx_session, "gpu_kinds", lambda: kinds)
    assert choice._decided(folder, (0,), FINAL, device, True) == runtime


def test_the_shipped_file_was_made_from_the_shipped_weights(caplog):
    folder = models_folder() / "lamella_segmentation"
    _, facts = segmentation_onnx(folder, (0,), FINAL)
    assert facts.trained_on == "simulated" and facts.pixel_nm == 12.0 and not caplog.records


# --- without onnxruntime --------------------------------------------------------------------------


class FakeSession:
    """Gives for each fold its number times the tile and, as a second class, half of that."""

    def __init__(self, path, device="cpu"):
        self.device, self.runs = device, []
        self.about = ("ONNX Runtime", device)

    def run(self, outputs, data):
        self.runs.append((tuple(outputs), data.shape))
        if self.device != "cpu" and len(data) > 1:
            raise MemoryError("out of memory: a test")
        ramp = np.arange(data.shape[-1], dtype=np.float32)
        both = np.concatenate([data + ramp, data / 2], axis=1)
        return [both * (2.0 if name == "fold_all" else 1.0) for name in outputs]


FACTS: OnnxFacts = replace(onnx_files.SEGMENT, labels={"background": 0, "mitos": 7})


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(onnx_network, "OnnxSession", FakeSession)
    return lambda folds, device="cpu": OnnxNetwork(Path("a.onnx"), FACTS, folds, device)


def test_only_the_folds_that_are_asked_for_are_run_and_averaged(fake):
    tiles = np.ones((2, 3, 4), np.float32)
    plan = TilePlan("cpu", 2, "cpu", "one")
    one = fake((0,)).scores(tiles, plan)
    assert one.shape == (2, 2, 3, 4) and one[0, 0, 0].tolist() == [1, 2, 3, 4]
    network = fake((0, "all"))
    assert np.array_equal(network.scores(tiles, plan), one * 1.5)
    assert network._sessions["cpu"].runs == [(("fold_0", "fold_all"), (2, 1, 3, 4))]


def test_mirrored_copies_are_averaged(fake):
    network = fake((0,))
    found = network.scores(np.ones((1, 3, 4), np.float32), TilePlan("cpu", 1, "cpu", "mirrored"))
    assert len(network._sessions["cpu"].runs) == 4
    assert np.allclose(found[0, 0], 1 + 1.5)  # a ramp and its mirrored copies


def test_a_copy_turned_by_half_is_mirrored_along_all_axes(fake):
    network = fake((0,))
    found = network.scores(np.ones((1, 3, 4), np.float32), TilePlan("cpu", 1, "cpu", "turned"))
    assert len(network._sessions["cpu"].runs) == 2
    assert np.allclose(found[0, 0], 1 + 1.5)


def test_full_memory_of_a_gpu_is_met_with_smaller_batches(fake, monkeypatch, caplog):
    monkeypatch.setattr("space.segmentation.model.load_network", lambda *given: fake((0,), "dml:0"))
    segmenter = Segmenter(Path("a.onnx"), device="dml:0")
    assert segmenter._plan == TilePlan("dml:0", 8, "cpu", "one")
    picture = np.random.default_rng(0).integers(1, 255, (40, 120)).astype(np.uint8)
    assert set(np.unique(segmenter.segment(picture))) <= {0, 7}
    assert segmenter._plan == TilePlan("dml:0", 1, "cpu", "one")
    assert caplog.text.count("failed") == 2
    assert segmenter.about == ("ONNX Runtime", "dml:0")


def test_confidence_is_the_share_of_a_class_and_of_those_that_count_as_the_same(fake, monkeypatch):
    monkeypatch.setattr("space.segmentation.model.load_network", lambda *given: fake((0,)))
    segmenter = Segmenter(Path("a.onnx"))
    monkeypatch.setattr(
        segmenter._network, "scores", lambda tiles, plan: np.stack([0 * tiles, tiles], axis=1)
    )
    picture = np.random.default_rng(0).integers(1, 255, (20, 30)).astype(np.uint8)
    picture[:, :5] = 0  # a black border is not shown to it
    labels, sure = segmenter.segment_with_confidence(picture)
    grey = (picture[:, 5:] - picture[:, 5:].mean()) / picture[:, 5:].std()
    assert np.allclose(sure[:, 5:], 1 / (1 + np.exp(-np.abs(grey))), atol=1e-5)
    assert (sure[:, :5] == 1).all() and np.array_equal(labels, segmenter.segment(picture))
    _, together = segmenter.segment_with_confidence(picture, dict.fromkeys((0, 7), 3))
    assert np.allclose(together, 1.0)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_a_strip_adds_finds_the_best_class_and_moves_on(classes, seed, rows):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 4, (6, 4)).astype(np.float32)  # whole numbers: nothing is rounded
    strip = ArrayStrip(classes, (6 - rows, 9), weights)
    expected = np.zeros((classes, rows + 6, 9), np.float32)
    found = np.zeros((rows + 6, 9), np.uint8)
    for top, decided in ((0, rows), (rows, 6)):
        for column, following in ((0, 3), (3, 5), (5, 9)):
            output = rng.integers(-2, 3, (classes, 6, 4)).astype(np.float32)
            expected[:, top : top + 6, column : column + 4] += output * weights
            best = strip.add(output, column, decided, following - column)
            found[top : top + decided, column:following] = best
        strip.advance(decided)
    assert np.array_equal(found, expected.argmax(axis=0))
