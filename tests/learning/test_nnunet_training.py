"""nnU-Net by the same loop: run folder, kills, weights of other models, the model in a session."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from space.errors import SpaceError
from space.learning import (
    Incoming,
    TrainConfig,
    add,
    load_model,
    read_data_set,
    read_metrics,
    read_train_config,
)
from space.learning.training import loop, nnunet_given, nnunet_plans, run_folder, samples
from space.learning.training import train as train_by_engine
from space.learning.training.engine import Task
from space.learning.training.network import read_weights
from space.learning.training.nnunet import NnUNetEngine
from space.models import PRESETS, read_labels
from space.models.card import read_card
from space.weights import load_checkpoint
from tests.learning.test_training import CLASSES, drawn, item

pytestmark = pytest.mark.models
TINY = {
    **{"engine": "nnunet", "features": (4, 4, 8), "patch_px": 32, "batch": 2, "steps": 2},
    **{"device": "cpu", "precision": "float32"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training") / "Süd set 1"
    items = [item(f"map {number}", number, "train" if number < 2 else "val") for number in range(3)]
    add(folder, Incoming([lambda: items], CLASSES, ()), lambda line: None)
    return folder


def config(data, out, **changed) -> TrainConfig:
    return TrainConfig(data, out, **{**TINY, "epochs": 2, "rate": 0.01, **changed})


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "erster Lauf"
    told: list[str] = []
    model = train_by_engine(config(data, out), told.append)
    return out, model, told


def silent(line: str) -> None:
    pass


def losses(out) -> list[tuple[float, dict]]:
    return [(one["loss"], one["dice"]) for one in read_metrics(out)]


def test_a_run_has_the_same_folder_as_that_of_a_u_net_and_leaves_nothing_set(run):
    out, model, told = run
    assert model == out / "model"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        *("run.json", "metrics.jsonl", "preview.png", "best.pt", "last.pt", "nnunet_plans.json"),
        *("model/dataset.json", "model/plans.json", "model/card.json", "model/model.onnx"),
        "model/fold_0/checkpoint_final.pth",
    }
    said = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert said["config"]["engine"] == "nnunet" and said["pixel_nm"] == 10.0
    assert set(said["pictures"]) == {f"map {number}.png" for number in range(3)}
    assert said["versions"]["nnunetv2"] != "missing"
    assert "epoch 2 of 2" in told[-1] and "ends about" in told[-2]
    assert not [name for name in os.environ if name.startswith("nnUNet_")]


def test_the_model_finds_the_same_by_torch_and_onnx_and_has_a_card(run):
    from space.segmentation import Segmenter

    out, model, _ = run
    assert load_model(out, runtime="onnx").path == model
    assert read_labels(model) == {"background": 0, "stripe": 1, "spot": 2}
    card = read_card(model / "card.json")
    assert card["trained_on"] == "real" and card["pixel_nm"] == 10.0
    assert set(card["scores"]) == {"Dice background", "Dice stripe", "Dice spot"}
    picture = drawn(8, (150, 90))[0]
    found = [
        Segmenter(model, preset=PRESETS["balanced"], runtime=runtime).segment(picture)
        for runtime in ("torch", "onnx")
    ]
    assert (found[0] == found[1]).mean() >= 0.9999


def test_what_is_judged_is_what_a_worker_finds(run, data):
    """Normalisation, order of the outputs and tiles are those of a worker."""
    from space.learning.training.network import predicted
    from space.segmentation import loading

    _, model, _ = run
    picture = drawn(8, (60, 60))[0]
    loaded = loading.load_model(model, (0,), "checkpoint_final.pth")
    own = predicted(loaded.network, samples.normalised(picture), 4, 60)
    from space.segmentation import Segmenter

    assert (
        Segmenter(model, preset=PRESETS["fast"], runtime="torch").segment(picture) == own
    ).mean() > 0.9999


@pytest.mark.parametrize("dies", ["in the first epoch", "in the second epoch"])
def test_a_run_that_died_goes_on_as_if_it_had_not(run, data, tmp_path, monkeypatch, dies):
    out = tmp_path / "again"
    real = NnUNetEngine.learn

    def death(engine, steps):
        if steps.start == (0 if "first" in dies else TINY["steps"]):
            raise KeyboardInterrupt
        return real(engine, steps)

    with monkeypatch.context() as patch:
        patch.setattr(NnUNetEngine, "learn", death)
        with pytest.raises(KeyboardInterrupt):
            train_by_engine(config(data, out), silent)
    np.random.seed(99)  # noqa: NPY002 - what a new process begins with
    train_by_engine(config(data, out), silent, resume=True)
    assert losses(out) == losses(run[0])
    one, other = (read_weights(folder / "last.pt")["network"] for folder in (out, run[0]))
    assert all(bool((one[key] == other[key]).all()) for key in other)


def test_a_run_that_died_at_once_begins_with_its_weights_again(run, data, tmp_path, monkeypatch):
    def death(engine, steps):
        raise KeyboardInterrupt

    whole, again = (config(data, tmp_path / name, epochs=1, steps=1) for name in ("whole", "again"))
    train_by_engine(whole, silent, start_from=run[0])
    with monkeypatch.context() as patch:
        patch.setattr(NnUNetEngine, "learn", death)
        with pytest.raises(KeyboardInterrupt):
            train_by_engine(again, silent, start_from=run[0])
    told: list[str] = []
    train_by_engine(again, told.append, resume=True)
    assert any(line.startswith("Begins with") for line in told)
    assert losses(again.out) == losses(whole.out)


def engine_of(config: TrainConfig, begun):
    known = read_data_set(config.data)[0]
    classes = samples.Classes.of(known, config.classes)
    parts = (known.of_split("train"), known.of_split("val"))
    return loop.ENGINE_OF["nnunet"](Task(config, known, classes, *parts, 10.0, begun))


def test_outputs_of_classes_of_the_same_name_go_along(run, data, tmp_path):
    _, model, _ = run
    engine = engine_of(config(data, tmp_path, classes=("spot",), features=(16, 16, 16)), model)
    engine.prepare(silent)
    before = read_weights(run[0] / "best.pt")["network"]
    after = engine.network.state_dict()
    for name in ("decoder.seg_layers.0.weight", "decoder.seg_layers.1.bias"):
        assert len(after[name]) == 2
        assert bool((after[name] == before[name][[0, 2]]).all())
    assert bool((after["encoder.stages.0.0.convs.0.conv.weight"] ==
                 before["encoder.stages.0.0.convs.0.conv.weight"]).all())  # fmt: skip


def test_a_model_is_shown_the_pixel_that_it_knows(run, data, tmp_path):
    model = tmp_path / "given"
    shutil.copytree(run[1], model)
    card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    (model / "card.json").write_text(json.dumps({**card, "pixel_nm": 20}), encoding="utf-8")
    assert engine_of(config(data, tmp_path / "a"), model / "fold_0").pixel_nm == 20.0
    assert engine_of(config(data, tmp_path / "a", pixel_nm=10.0), model).pixel_nm == 10.0


def test_what_cannot_be_begun_with_is_said_before_there_is_a_folder(run, data, tmp_path):
    from space.learning.training.nnunet import _refuse_patch

    out = tmp_path / "out"
    with pytest.raises(SpaceError, match="a multiple of 64"):
        train_by_engine(config(data, out, features=(4,) * 7), silent)
    with pytest.raises(SpaceError, match="no fold with weights"):
        train_by_engine(config(data, out), silent, start_from=data)
    with pytest.raises(SpaceError, match="no model of nnU-Net"):
        train_by_engine(config(data, out), silent, start_from=tmp_path / "none")
    odd = tmp_path / "odd"
    shutil.copytree(run[1], odd)
    plans = json.loads((odd / "plans.json").read_text(encoding="utf-8"))
    plans["configurations"]["2d"]["architecture"]["network_class_name"] = "os.system"
    (odd / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    with pytest.raises(SpaceError, match="could run anything"):
        train_by_engine(config(data, out), silent, start_from=odd)
    assert not out.exists()
    _refuse_patch(64, 32)
    with pytest.raises(SpaceError, match="at least 128"):  # one pixel alone is never normalised
        _refuse_patch(64, 64)


def test_plans_of_a_run_that_goes_on_are_checked_too(run, data, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    plans = json.loads((out / "nnunet_plans.json").read_text(encoding="utf-8"))
    plans["configurations"]["2d"]["architecture"]["arch_kwargs"]["conv_op"] = "builtins.exec"
    (out / "nnunet_plans.json").write_text(json.dumps(plans), encoding="utf-8")
    with pytest.raises(SpaceError, match="could run anything"):
        train_by_engine(config(data, out, epochs=3), silent, resume=True)


def test_only_the_network_is_taken_from_plans_of_others():
    settings = {
        "architecture": {"arch_kwargs": {"strides": [[1, 1], [2, 2], [2, 4]]}},
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "preprocessor_name": "Odd",
        "resampling_fn_data_kwargs": {"odd": 1},
    }
    plans = nnunet_plans.plans_like({"label_manager": "Odd"}, settings, 64, 2)
    assert "Odd" not in json.dumps(plans) and "odd" not in json.dumps(plans)
    assert plans["configurations"]["2d"]["architecture"] == settings["architecture"]
    assert plans["configurations"]["2d"]["patch_size"] == [64, 64]
    assert nnunet_plans.multiple_of(settings) == 8
    assert nnunet_plans.multiple_of({"pool_op_kernel_sizes": [[1, 1], [2, 2]]}) == 2


def test_the_first_fold_is_taken_or_the_one_that_is_named(run, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(run[1], model)
    shutil.copytree(model / "fold_0", model / "fold_3")
    assert nnunet_given.place_of_fold(model) == (model, 0)
    assert nnunet_given.place_of_fold(model / "fold_3") == (model, 3)
    assert nnunet_given.place_of_fold(run[0]) == (run[1], 0)


def test_a_model_goes_into_one_file_and_back_with_nothing_lost(run, tmp_path, capsys):
    from space.cli import main

    model, file, back = run[1], tmp_path / "Hefe 1.pth", tmp_path / "back"
    assert main(["models", "convert", str(model), "--to", "file", "--out", str(file)]) == 0
    assert main(["models", "convert", str(file), "--to", "folder", "--out", str(back)]) == 0
    assert str(back) in capsys.readouterr().out
    for name in ("dataset.json", "plans.json", "card.json"):
        assert (back / name).read_bytes() == (model / name).read_bytes()
    kept = [load_checkpoint(one / "fold_0" / "checkpoint_final.pth") for one in (model, back)]
    one, other = (checkpoint.pop("network_weights") for checkpoint in kept)
    assert kept[0] == kept[1] and list(one) == list(other)
    assert all(bool((one[name] == other[name]).all()) for name in one)
    assert main(["models", "convert", str(file), "--to", "folder", "--out", str(back)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_nnu_net_itself_reads_the_model(run):
    import contextlib
    import io

    import torch

    with contextlib.redirect_stdout(io.StringIO()):
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
        predictor.initialize_from_trained_model_folder(str(run[1]), (0,), "checkpoint_final.pth")
    own = read_weights(run[0] / "best.pt")["network"]
    read = predictor.list_of_parameters[0]
    assert all(bool((read[name] == own[name]).all()) for name in own)


def test_a_training_begins_with_a_packed_model(run, data, tmp_path):
    from space.segmentation.one_file import pack

    file = pack(run[1], (0,), "checkpoint_final.pth", tmp_path / "packed.pth")
    packed = nnunet_given.given_model(file, config(data, tmp_path))
    given = nnunet_given.given_model(run[1], config(data, tmp_path))
    assert packed.path == file and packed.plans == given.plans
    assert all(bool((packed.weights[name] == given.weights[name]).all()) for name in given.weights)


@pytest.mark.session
def test_nnu_nets_own_plan_can_be_learned(data, tmp_path):
    out = tmp_path / "default"
    train_by_engine(config(data, out, plan="default", steps=1, epochs=1), silent)
    plans = json.loads((out / "nnunet_plans.json").read_text(encoding="utf-8"))
    network = plans["configurations"]["2d"]["architecture"]["arch_kwargs"]
    assert network["features_per_stage"][0] == 32 and plans["plans_name"] == "nnUNetPlans"


def test_parts_that_are_no_squares_stay_what_they_are():
    """nnU-Net's own plan may have such; a quarter of a turn would make columns of rows."""
    import torch

    from space.learning import gentle_transforms

    change = gentle_transforms([16, 24], (0, 0), [[1, 1]], (0, 1))
    torch.manual_seed(0)
    for _ in range(8):
        grey, labels = torch.zeros((1, 20, 30)), torch.zeros((1, 20, 30), dtype=torch.int16)
        assert change(image=grey, segmentation=labels)["image"].shape == (1, 16, 24)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('engine = "nnunet"\nencoder = "resnet18"\n', "encoder is a setting of the engine unet"),
        ('plan = "small"\n', "plan is a setting of the engine nnunet"),
        ('engine = "nnunet"\nplan = "default"\nbatch = 2\n', "batch is chosen by nnU-Net"),
        ('engine = "nnunet"\nfeatures = [4, 8]\n', "3 to 9 numbers"),
        ('engine = "nnunet"\ntrained_on = "a"\n', "real or simulated"),
    ],
)
def test_settings_of_other_engines_are_refused(tmp_path, text, said):
    path = tmp_path / "t.toml"
    path.write_text('data = "a"\nout = "b"\n' + text, encoding="utf-8")
    with pytest.raises(SpaceError, match=said):
        read_train_config(path)


def test_nnu_net_has_values_of_its_own_where_nothing_is_given(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text('data = "a"\nout = "b"\nengine = "nnunet"\nbatch = 3\n', encoding="utf-8")
    read = read_train_config(path)
    assert (read.rate, read.patch_px, read.batch, read.plan) == (0.001, 256, 3, "small")


def test_a_run_without_pixel_says_none(tmp_path):
    assert run_folder.pixel_of(tmp_path) is None
    (tmp_path / "run.json").write_text('{"pixel_nm": "8"}', encoding="utf-8")
    assert run_folder.pixel_of(tmp_path) is None
