"""nnU-Net folders that do not fit are told before anything moves, without torch."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from random import Random

import pytest

from space.models import plan_problems
from space.models.checkpoint import read_facts
from space.models.fitness import class_doubt, segmentation_problems
from tests.models.nnunet_files import (
    LABELS,
    NETWORK,
    PLANS,
    Numbers,
    checkpoint_content,
    write_checkpoint,
    write_model,
)

FINAL = "checkpoint_final.pth"


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def told(folder: Path, folds=(0,), checkpoint: str = FINAL) -> list[str]:
    return segmentation_problems(folder, folds, checkpoint)


def rewrite(path: Path, **changes: object) -> None:
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(values), encoding="utf-8")


def change_2d(model: Path, **changes: object) -> None:
    settings = {**PLANS["configurations"]["2d"], **changes}
    rewrite(model / "plans.json", configurations={"2d": settings})


def change_network(model: Path, name: str | None = None, **parts: object) -> None:
    design = {**NETWORK, "arch_kwargs": {**NETWORK["arch_kwargs"], **parts}}
    if name is not None:
        design["network_class_name"] = name
    change_2d(model, architecture=design)


def test_a_whole_model_is_well(model):
    assert told(model) == []
    assert class_doubt(model, (0,), FINAL) == ""


def test_the_shipped_model_is_well():
    folder = Path(__file__).resolve().parents[2] / "models/lamella_segmentation"
    assert told(folder) == []
    facts = read_facts(folder / "fold_0" / FINAL)
    assert (facts.trainer, facts.configuration) == ("nnUNetTrainer", "2d")
    assert (facts.classes, facts.channels, facts.is_3d) == (18, 1, False)


def test_old_plans_and_inherited_configurations_are_well(model):
    old = {key: value for key, value in PLANS["configurations"]["2d"].items()}
    del old["architecture"]
    big = {"inherits_from": "2d", "patch_size": [64, 64]}
    rewrite(
        model / "plans.json",
        configurations={"2d": {**old, "UNet_class_name": "PlainConvUNet"}, "2d_big": big},
    )
    assert told(model) == []
    args = {"configuration": "2d_big", "fold": 0}
    write_checkpoint(model / "fold_0" / FINAL, checkpoint_content(init_args=args))
    assert told(model) == []


# --- where the model is ---------------------------------------------------------------------------


def test_the_fold_that_was_trained_on_everything(tmp_path):
    model = write_model(tmp_path / "model", (0, "all"))
    assert told(model, ("all",)) == []
    (problem,) = told(model, (0, 3))
    assert "fold_3 is missing: the folder has fold_0, fold_all" in problem
    assert "segmentation_folds = [0]," in problem
    shutil.rmtree(model / "fold_0")
    (problem,) = told(model, (0, 1))
    assert (
        'fold_0, fold_1 is missing: the folder has fold_all. Set segmentation_folds = ["all"]'
        in (problem)
    )
    shutil.rmtree(model / "fold_all")
    (problem,) = told(model, (0,))
    assert "the folder has no fold. Copy what is missing." in problem


def test_another_checkpoint_is_named_and_can_be_used(model):
    os.rename(model / "fold_0" / FINAL, model / "fold_0" / "checkpoint_best.pth")
    write_checkpoint(model / "fold_0" / "checkpoint_latest.pth")
    (problem,) = told(model)
    assert f"holds no {FINAL}, but checkpoint_best.pth, checkpoint_latest.pth" in problem
    assert 'segmentation_checkpoint = "checkpoint_best.pth"' in problem
    assert told(model, checkpoint="checkpoint_best.pth") == []


def moved_down(tmp_path):
    write_model(tmp_path / "results" / "nnUNetTrainer__nnUNetPlans__2d")
    return tmp_path / "results"


def two_down(tmp_path):
    write_model(tmp_path / "results" / "Dataset001_L" / "nnUNetTrainer__nnUNetPlans__2d")
    write_model(tmp_path / "results" / "Dataset001_L" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    return tmp_path / "results"


def only_3d(tmp_path):
    write_model(tmp_path / "results" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    return tmp_path / "results"


def two_models(tmp_path):
    write_model(tmp_path / "both" / "yeast")
    write_model(tmp_path / "both" / "algae")
    return tmp_path / "both"


def a_fold(tmp_path):
    return write_model(tmp_path / "model") / "fold_0"


def a_zip(tmp_path):
    zipfile.ZipFile(tmp_path / "model.zip", "w").close()
    return tmp_path / "model.zip"


def beside_a_zip(tmp_path):
    return a_zip(tmp_path).with_suffix("")


def around_a_zip(tmp_path):
    a_zip(tmp_path)
    return tmp_path


def a_checkpoint(tmp_path):
    return write_model(tmp_path / "model") / "fold_0" / FINAL


def nothing(tmp_path):
    return tmp_path / "nothing"


def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (moved_down, 'one folder further down. Set segmentation_model to "'),
        (moved_down, 'results/nnUNetTrainer__nnUNetPlans__2d"'),
        (two_down, 'Dataset001_L/nnUNetTrainer__nnUNetPlans__2d"'),
        (only_3d, "only nnUNetTrainer__nnUNetPlans__3d_fullres"),
        (only_3d, "single pictures"),
        (two_models, 'several models. Set segmentation_model to one of them: "'),
        (a_fold, "one fold of a model"),
        (a_zip, "zip archive. Unpack it"),
        (beside_a_zip, "not unpacked yet: unpack model.zip"),
        (around_a_zip, "model.zip, which is not unpacked"),
        (a_checkpoint, "It is a file. Name the folder"),
        (nothing, "no such folder"),
        (empty, "no dataset.json in it"),
    ],
)
def test_a_folder_that_is_no_model_says_what_it_is(tmp_path, make, word):
    (problem,) = told(make(tmp_path))
    assert word in problem


# --- JSON files -----------------------------------------------------------------------------------

DAMAGED = {
    "cut": '{"labels": {"background": 0, "wh',
    "empty": "",
    "a list": "[1, 2]",
    "not a number": '{"labels": {"background": NaN}}',
    "too large a number": '{"labels": {"background": 1e999}}',
    "deep": "[" * 100_000,
    "huge": " " * 17_000_000,
    "not UTF-8": b"\xff\x00\x81{",
}


@pytest.mark.parametrize("name", ["dataset.json", "plans.json"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_told(model, name, kind):
    text = DAMAGED[kind]
    (model / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (problem,) = told(model)
    assert name in problem and "Traceback" not in problem
    assert len(problem) < 1000


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"labels": None}, "no classes"),
        ({"labels": []}, "no classes"),
        ({"labels": {"background": 0, "all": [1, 2]}}, "region of several labels"),
        ({"labels": {"background": 0, "a": "1"}}, "where a label is needed"),
        ({"labels": {"background": 0, "a": 300}}, "0 to 255"),
        ({"labels": {"background": 0, "a": 0}}, "share a label"),
        ({"labels": {"white": 1, "black": 2}}, "background"),
        ({"labels": {"background": 0, " ": 1}}, "not a valid class name"),
        ({"labels": {"background": 0, "a\n": 1}}, "not a valid class name"),
        ({"labels": {"background": 0, "a" * 5000: 1}}, "not a valid class name"),
        ({"channel_names": {"0": "R", "1": "G", "2": "B"}}, "3 channels (R, G, B)"),
        ({"channel_names": {}}, "does not describe the channels"),
        ({"channel_names": 1}, "does not describe the channels"),
        # The class table of another data set.
        ({"labels": {"background": 0, "black": 1, "white": 2, "mitos": 3}}, "another model"),
        ({"labels": {**LABELS, "ice": 4}}, "5 classes, the weights 4"),
    ],
)
def test_a_data_set_that_does_not_fit_is_told(model, changes, word):
    rewrite(model / "dataset.json", **changes)
    (problem,) = told(model)
    assert word in problem


def test_what_nnunet_accepts_is_accepted(model):
    rewrite(model / "dataset.json", labels={**LABELS, "ignore": 4}, channel_names={"0": "TEM"})
    assert told(model) == []
    older = {str(label): name for name, label in LABELS.items()}
    (model / "dataset.json").write_text(
        json.dumps({"labels": older, "modality": {"0": "TEM"}}), encoding="utf-8-sig"
    )
    assert told(model) == []


def test_renamed_classes_are_doubted(model):
    rewrite(model / "dataset.json", labels={"background": 0, "white": 1, "black": 2, "mito": 3})
    assert told(model) == []
    assert "mito was mitos" in class_doubt(model, (0,), FINAL)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"patch_size": [32]}, "1 dimensions"),
        ({"patch_size": "32"}, "patch size"),
        ({"patch_size": [32, 1e9]}, "patch size"),
        ({"patch_size": [32, 10**9]}, "8 to 4096"),
        ({"patch_size": [32, 34]}, "must divide"),
        ({"normalization_schemes": ["os"]}, "normalisation 'os'"),
        ({"normalization_schemes": [["os"]]}, "normalisation"),
        ({"normalization_schemes": ["NoNormalization"] * 3}, "3 channels"),
        ({"normalization_schemes": None}, "how pictures are normalised"),
        ({"use_mask_for_norm": []}, "how pictures are normalised"),
        ({"normalization_schemes": ["CTNormalization"]}, "intensities"),
        ({"previous_stage": "2d_lowres"}, "cascade"),
        ({"inherits_from": "2d"}, "inherits"),
        ({"inherits_from": "nowhere"}, "inherits"),
        ({"inherits_from": 7}, "inherits"),
        ({"architecture": None}, "no network"),
        ({"architecture": {}}, "no network"),
        ({"architecture": {**NETWORK, "_kw_requires_import": [1]}}, "imported"),
    ],
)
def test_plans_that_do_not_fit_are_told(model, changes, word):
    change_2d(model, **changes)
    (problem,) = told(model)
    assert word in problem


@pytest.mark.parametrize("configurations", [{}, [], None, 3])
def test_plans_without_configurations_are_told(model, configurations):
    rewrite(model / "plans.json", configurations=configurations)
    (problem,) = told(model)
    assert "no configurations" in problem


def test_a_model_for_volumes_is_told(model):
    weights = {"encoder.weight": Numbers(4, 1, 3, 3, 3), "decoder.seg_layers.0.bias": Numbers(4)}
    args = {"configuration": "3d_fullres", "fold": 0}
    content = checkpoint_content(network_weights=weights, init_args=args)
    write_checkpoint(model / "fold_0" / FINAL, content)
    problems = told(model)
    assert "volumes (configuration '3d_fullres')" in problems[0]
    assert "3 dimensions" in problems[1]
    rewrite(model / "plans.json", configurations={"3d_fullres": {}, "3d_lowres": {}})
    write_checkpoint(model / "fold_0" / FINAL)
    (problem,) = told(model)
    assert "only 3d_fullres, 3d_lowres" in problem


NAMES = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "antigravity",
    "evil",
    "torch.load",
    "torch.hub.load",
    "torch.nn.functional.relu",
    "torch.nn.modules.module.torch.load",
    "torch.nn.modules.module.warnings.sys",
    "torch.nn.init.torch.hub.Path",
    "torch.nn.Module.os.System",
    "torch.nn.LeakyReLU\n",
    "torch.nnx.Linear",
    "dynamic_network_architectures.os.System",
    "dynamic_network_architectures.building_blocks.helper.nn.modules.module.torch.load",
    ["torch.nn.LeakyReLU"],
    {"a": 1},
    7,
]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_names_that_could_run_anything_are_refused(model, name):
    change_network(model, nonlin=name)
    (problem,) = told(model)
    assert "which is refused" in problem
    change_network(model, name=name)
    (problem,) = told(model)
    assert "which is refused" in problem


@pytest.mark.parametrize("part", ["torch.nn.LeakyReLU", "torch.nn.modules.activation.GELU", None])
def test_parts_of_networks_are_let_through(model, part):
    change_network(model, nonlin=part)
    assert told(model) == []


def test_plans_of_any_shape_are_told_and_never_an_error():
    odd = [None, 3, -1, 1e300, True, "x", [], {}, [[]], {"0": None}, [None, {}]]
    settings = PLANS["configurations"]["2d"]
    for value in odd:
        for key in PLANS:
            plan_problems({**PLANS, key: value}, "2d")
        for key in (*settings, "previous_stage", "inherits_from", "UNet_class_name"):
            plan_problems({"configurations": {"2d": {**settings, key: value}}}, "2d")
        for key in NETWORK:
            design = {**settings, "architecture": {**NETWORK, key: value}}
            plan_problems({"configurations": {"2d": design}}, "2d")
        for key in NETWORK["arch_kwargs"]:
            parts = {**NETWORK["arch_kwargs"], key: value}
            design = {**settings, "architecture": {**NETWORK, "arch_kwargs": parts}}
            plan_problems({"configurations": {"2d": design}}, "2d")
        plan_problems({"configurations": {"2d": value}}, "2d")


# --- checkpoints ----------------------------------------------------------------------------------


def test_a_cut_checkpoint_is_told(model):
    path = model / "fold_0" / FINAL
    whole = path.read_bytes()
    for part in (0, 3, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        (problem,) = told(model)
        assert str(path) in problem


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([1, 2], "not a checkpoint of nnU-Net v2"),
        ({}, "not a checkpoint of nnU-Net v2"),
        ({"network_weights": 3}, "not a checkpoint of nnU-Net v2"),
        (checkpoint_content(init_args=7), "not a checkpoint of nnU-Net v2"),
        (checkpoint_content(trainer_name=b"\x00"), "not a checkpoint of nnU-Net v2"),
        (
            checkpoint_content(
                init_args={"configuration": "2d"},
                network_weights={"decoder.seg_layers.0.weight": Numbers(9, 8, 1, 1)},
            ),
            "distinguish 9 classes, but dataset.json names 4",
        ),
        (
            checkpoint_content(network_weights={"stem.weight": Numbers(4, 3, 3, 3)}),
            "3 channels",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told(model, content, word):
    write_checkpoint(model / "fold_0" / FINAL, content)
    (problem,) = told(model)
    assert word in problem


def test_folds_of_different_kinds_are_told(tmp_path):
    model = write_model(tmp_path / "model", (0, 1))
    args = {"configuration": "2d_big", "fold": 1}
    write_checkpoint(model / "fold_1" / FINAL, checkpoint_content(init_args=args))
    (problem,) = told(model, (0, 1))
    assert "different configurations (2d, 2d_big)" in problem


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_looking_at_a_checkpoint_runs_nothing_of_it(model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = write_checkpoint(model / "fold_0" / FINAL, checkpoint_content(optimizer_state=Bomb()))
    (problem,) = told(model)
    assert "refused" in problem and "mkdir" in problem and "spacetomo models trust" in problem
    assert read_facts(path).classes == len(LABELS)
    monkeypatch.setattr("space.weights.is_trusted", lambda *asked: True)
    assert told(model) == []
    assert not (tmp_path / "exploded").exists()
    pickle.loads(pickle.dumps(Bomb()))
    assert (tmp_path / "exploded").exists(), "the bomb is none"


def test_damaged_descriptions_are_told_and_never_an_error(model):
    path = model / "fold_0" / FINAL
    with zipfile.ZipFile(path) as archive:
        whole = archive.read("checkpoint_final/data.pkl")
    random = Random(12)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(random.randint(1, 5)):
            place = random.randrange(len(data))
            data[place : place + random.choice((0, 1, 1, 8))] = random.randbytes(
                random.choice((0, 1, 1, 3))
            )
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("checkpoint_final/data.pkl", bytes(data))
        assert all(len(text) < 1500 for text in told(model))
        class_doubt(model, (0,), FINAL)


def test_all_problems_are_told_at_once(tmp_path):
    model = write_model(tmp_path / "model", (0,))
    rewrite(model / "dataset.json", channel_names={"0": "a", "1": "b"})
    change_2d(model, patch_size=[1, 2, 3])
    shutil.copy(model / "dataset.json", model / "fold_0" / FINAL)
    problems = told(model, (0, 4))
    words = ("2 channels", "fold_4", "not a PyTorch checkpoint", "3 dimensions")
    assert [any(word in text for text in problems) for word in words] == [True] * 4
    assert len(problems) == 4 and all(str(model) in text for text in problems)
