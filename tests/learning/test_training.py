"""Training: a configuration, what the network is shown, and a run that may end at any time."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from space.errors import SpaceError
from space.learning import (
    Incoming,
    Item,
    LabelClass,
    TrainConfig,
    add,
    onnx_agreement,
    read_train_config,
    train,
)
from space.learning.training import hardware, loop, run_folder, samples
from space.learning.training.config import _FITS
from space.models import PRESETS, read_labels
from tests.learning.deploying import deployed

CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(4, "stripe", "#ed1b00"),
    LabelClass(9, "spot", "#437f58"),
    LabelClass(200, "ignore", "#ff00ff"),
)
HEAD = "segmentation_head."
TINY = {"encoder": "tu-mobilenetv3_small_100", "patch_px": 32, "batch": 2, "steps": 3, "epochs": 3}


def drawn(seed: int, shape=(60, 72)):
    """A picture with a bright stripe and dark spots, and its labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    row = int(rng.integers(10, 40))
    labels[row : row + 8] = 4
    for row, column in rng.integers(0, 50, (4, 2)):
        labels[row : row + 6, column : column + 6] = 9
    grey = np.choose((labels == 4) + 2 * (labels == 9), [120, 200, 40])
    picture = np.clip(grey + rng.normal(0, 10, shape), 1, 255).astype(np.uint8)
    labels[:2] = 200
    return picture, labels


def item(stem: str, seed: int, split: str) -> Item:
    picture, labels = drawn(seed)
    return Item(stem, picture=picture, labels=labels, pixel_nm=10.0, split=split)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training") / "Süd set 1"
    items = [item(f"map {number}", number, "train" if number < 3 else "val") for number in range(4)]
    add(folder, Incoming([lambda: items], CLASSES, ()), lambda line: None)
    return folder


def config(data, out, **changed) -> TrainConfig:
    return TrainConfig(data, out, **{**TINY, **changed})


def written(folder, text: str):
    path = folder / "training.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the configuration ----------------------------------------------------------------------------


def test_a_configuration_is_read_with_folders_beside_it(tmp_path):
    path = written(tmp_path, 'data = "my set"\nout = "runs/1"\nclasses = ["spot"]\nepochs = 7\n')
    read = read_train_config(path)
    assert (read.data, read.out) == (tmp_path / "my set", tmp_path / "runs" / "1")
    assert (read.classes, read.epochs, read.encoder) == (("spot",), 7, "tu-resnet18")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "a"\n', "out is missing"),
        ('data = "a"\nout = "b"\nepoch = 3\n', "is epochs meant"),
        ('data = "a"\nout = "b"\nepochs = 0\n', "epochs is 0"),
        ('data = "a"\nout = "b"\nepochs = true\n', "epochs is True"),
        ('data = "a"\nout = "b"\npatch_px = 100\n', "multiple of 32"),
        ('data = "a"\nout = "b"\nrate = nan\n', "rate is nan"),
        ('data = "a"\nout = "b"\nengine = "magic"\n', "one of unet"),
        ('data = "a"\nout = "b"\nclasses = ["a", "a"]\n', "different classes"),
        ('data = "a"\nout = "b"\nencoder = "os.system"\n', "the name of an encoder"),
        ("data = \n", "not TOML"),
        ('data = "D:\\Users\\me"\nout = "b"\n', "forward slashes"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(tmp_path, text, said):
    with pytest.raises(SpaceError, match=said):
        read_train_config(written(tmp_path, text))


def test_every_setting_of_a_training_can_be_given():
    assert set(_FITS) == set(TrainConfig.__dataclass_fields__)


# --- what the network is shown --------------------------------------------------------------------


def test_classes_that_are_not_wanted_count_as_the_rest_and_ignore_does_not_count(data):
    known = loop.read_data_set(data)[0]
    classes = samples.Classes.of(known, ("spot",))
    assert classes.values == {"background": 0, "spot": 9}
    assert classes.channels[[0, 4, 9, 200, 77]].tolist() == [0, 0, 1, 255, 255]
    with pytest.raises(SpaceError, match="no class nucleus"):
        samples.Classes.of(known, ("nucleus",))


def test_a_picture_is_shown_as_a_worker_shows_a_map(data):
    from space.segmentation.normalise import normalisation

    picture, _ = drawn(0)
    picture[:, :5] = 0  # nnU-Net leaves out black borders before it measures
    grey = samples.normalised(picture)
    own = normalisation(picture, "ZScoreNormalization", False, {})
    assert np.array_equal(grey[:, 5:], own.apply(picture, slice(None), slice(None)))
    assert (grey[:, :5] == 0).all()


def test_pictures_of_another_pixel_are_shown_at_the_common_one(data):
    known = loop.read_data_set(data)[0]
    classes = samples.Classes.of(known, ())
    seen = samples.shown(data, known.samples[0], classes, 20.0)
    assert seen.grey.shape == seen.channels.shape == (30, 36)
    assert set(np.unique(seen.channels)) <= {0, 1, 2, 255}


def test_the_parts_of_a_step_do_not_depend_on_what_came_before(data):
    known = loop.read_data_set(data)[0]
    classes = samples.Classes.of(known, ())
    pictures = [samples.shown(data, one, classes, None) for one in known.samples]
    first = samples.batch(pictures, 5, 1, 2, 32, 0.5)
    samples.batch(pictures, 6, 1, 2, 32, 0.5)
    again = samples.batch(pictures, 5, 1, 2, 32, 0.5)
    assert all(bool((one == other).all()) for one, other in zip(first, again))
    assert first[0].shape == (2, 1, 32, 32) and first[1].shape == (2, 32, 32)
    assert not bool((samples.batch(pictures, 6, 1, 2, 32, 0.5)[0] == first[0]).all())


def test_a_picture_that_is_smaller_than_a_part_is_surrounded_by_what_does_not_count():
    small = samples.Shown(
        "a", np.ones((10, 40), np.float32), np.zeros((10, 40), np.uint8), (np.array([[3, 30]]),)
    )
    grey, channels = samples.part(np.random.default_rng(0), [small], 32, 1.0)
    assert (channels == 0).sum() == 10 * 32 == (grey == 1).sum()
    assert (channels[channels != 0] == samples.IGNORED).all()


# --- a run ----------------------------------------------------------------------------------------


def losses(out) -> list[float]:
    return [one["loss"] for one in run_folder.read_metrics(out)]


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    told: list[str] = []
    model = train(config(data, out), told.append)
    return out, model, told


def test_a_run_says_what_it_was_made_of_and_how_it_went(run, data):
    out, _, told = run
    said = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert said["classes"] == {"background": 0, "stripe": 4, "spot": 9}
    assert set(said["pictures"]) == {f"map {number}.png" for number in range(4)}
    epochs = run_folder.read_metrics(out)
    assert [one["number"] for one in epochs] == [1, 2, 3]
    assert set(epochs[0]["dice"]) == {"background", "stripe", "spot"}
    assert "epoch 3 of 3" in told[-1] and "ends about" in told[-2]
    assert (out / "preview.png").is_file() and (out / "best.pt").is_file()


def test_the_model_is_one_that_a_session_takes_and_finds_what_the_network_finds(run):
    from space.segmentation import Segmenter

    out, model, _ = run
    assert read_labels(model) == {"background": 0, "stripe": 4, "spot": 9}
    picture = drawn(8)[0]
    found = Segmenter(model, preset=PRESETS["balanced"], runtime="onnx").segment(picture)
    assert set(np.unique(found)) <= {0, 4, 9}
    assert onnx_agreement(out, [picture]) >= 0.9999


def test_a_session_is_given_the_model_by_the_commands_for_models(run, tmp_path, capsys):
    out, _, _ = run
    config, told = deployed(out, tmp_path / "project", capsys)
    assert config.segmentation_model == tmp_path / "project" / "models" / "first" / "model.onnx"
    assert (config.segmentation_pixel_nm, config.segmentation_folds) == (10.0, (0,))
    assert "By ONNX Runtime on cpu" in told and "stripe" in told


@pytest.mark.parametrize("dies", ["in the first epoch", "before metrics", "before the last file"])
def test_a_training_that_died_goes_on_as_if_it_had_not(run, data, tmp_path, monkeypatch, dies):
    from space.learning.training.network import read_weights

    out = tmp_path / "again"

    def death(*about, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if dies == "in the first epoch":
            patch.setattr(loop, "_dice", death)
        else:
            name = "write_metrics" if dies == "before metrics" else "save"
            real, calls = getattr(run_folder, name), []

            def sometimes(path, *rest):
                calls.append(path)
                if name == "write_metrics" and len(calls) == 2:
                    raise KeyboardInterrupt
                if name == "save" and path.name == "last.pt" and len(calls) > 2:
                    raise KeyboardInterrupt
                real(path, *rest)

            patch.setattr(run_folder, name, sometimes)
        with pytest.raises(KeyboardInterrupt):
            train(config(data, out), lambda line: None)
    model = train(config(data, out), lambda line: None, resume=True)
    assert losses(out) == losses(run[0])
    for name in ("best.pt", "last.pt"):
        one, other = (read_weights(folder / name)["network"] for folder in (out, run[0]))
        assert all(bool((one[key] == other[key]).all()) for key in other)
    assert read_labels(model) == read_labels(run[1])


def test_a_training_goes_on_only_as_what_it_was(run, data, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    with pytest.raises(SpaceError, match=r"rate was 0\.004 and is 0\.01"):
        train(config(data, out, rate=0.01), lambda line: None, resume=True)
    with pytest.raises(SpaceError, match="a training in this folder already"):
        train(config(data, out), lambda line: None)
    with pytest.raises(SpaceError, match="no training to go on with"):
        train(config(data, tmp_path / "none"), lambda line: None, resume=True)
    (out / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(SpaceError, match="cannot be read .* another training in another folder"):
        train(config(data, out), lambda line: None, resume=True)


def test_a_folder_that_cannot_be_written_is_said(data, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpaceError, match="Name another folder as out"):
        train(config(data, tmp_path / "file" / "run"), lambda line: None)


def test_a_training_is_not_written_into_a_data_set(data):
    with pytest.raises(SpaceError, match="among the files of a data set"):
        train(config(data, data), lambda line: None)


def test_a_unet_does_not_begin_with_a_folder_of_nnunet(data, tmp_path):
    (tmp_path / "given").mkdir()
    with pytest.raises(SpaceError, match='engine = "nnunet"'):
        train(config(data, tmp_path / "out"), lambda line: None, tmp_path / "given")


def test_a_training_goes_on_with_the_numbers_that_it_was_begun_with(
    run, data, tmp_path, monkeypatch
):
    """As it does on another computer, which would have taken others."""
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    before = json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]["precision"]
    monkeypatch.setattr(hardware, "_multiplies_bfloat16", lambda device: before == "float32")
    train(config(data, out, epochs=4), lambda line: None, resume=True)
    assert losses(out)[:3] == losses(run[0])
    other = "bfloat16" if before == "float32" else "float32"
    with pytest.raises(SpaceError, match=f"precision was '{before}' and is '{other}'"):
        train(config(data, out, precision=other), lambda line: None, resume=True)


def test_short_numbers_are_taken_where_they_are_fast(monkeypatch):
    import torch

    for able in ({"amx_bf16": True}, {"avx512_bf16": True, "avx512_f": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert hardware.precision_for("auto", "cpu") == "bfloat16"
        assert hardware.precision_for("float32", "cpu") == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)
    assert hardware.precision_for("auto", "cpu") == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert hardware.precision_for("auto", "cpu") == "float32"


def test_a_card_that_is_not_there_is_told_before_anything_is_written(data, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hardware.device_for("auto") == "cpu"
    with pytest.raises(SpaceError, match="no graphics card"):
        train(config(data, tmp_path / "run", device="cuda"), lambda line: None)
    assert not (tmp_path / "run").exists()


def test_a_training_ends_early_without_progress(data, tmp_path):
    done = [
        loop.Epoch(n, 1.0, {"a": dice}, 0.1, 1.0, 1.0) for n, dice in enumerate((0.5, 0.7, 0.7))
    ]
    assert not loop.is_over(done, config(data, tmp_path, patience=2, epochs=9))
    assert loop.is_over(done, config(data, tmp_path, patience=1, epochs=9))
    assert not loop.is_over(done, config(data, tmp_path, epochs=9))


def test_a_training_begins_with_the_weights_of_another_one_with_other_classes(run, data, tmp_path):
    from space.learning.training.network import begin_with, read_weights, unet

    weights = read_weights(run[0] / "best.pt")
    network = unet(TINY["encoder"], 3, 2)
    taken = begin_with(network, weights["network"], weights["classes"], ["new", "spot"], HEAD)
    state = network.state_dict()
    assert taken == len(state)
    head = next(name for name in state if name.startswith(HEAD) and "bias" in name)
    assert float(state[head][1]) == float(weights["network"][head][2])
    told: list[str] = []
    train(config(data, tmp_path / "next", epochs=1, steps=1), told.append, start_from=run[0])
    assert told[0].startswith(f"Begins with {taken} of {taken}")
    with pytest.raises(SpaceError, match="another U-Net"):
        train(config(data, tmp_path / "odd"), told.append, start_from=run[1])


def test_weights_that_would_run_code_or_are_of_something_else_are_refused(tmp_path):
    import torch

    from space.learning.training.network import read_weights

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"network": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(SpaceError, match="print"):
        read_weights(tmp_path / "evil.pt")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(SpaceError, match="not of a training"):
        read_weights(tmp_path / "other.pt")


def test_a_data_set_without_pictures_to_learn_from_is_refused_before_anything_is_written(tmp_path):
    items = [item("a", 0, "test")]
    add(tmp_path / "set", Incoming([lambda: items], CLASSES, ()), lambda line: None)
    with pytest.raises(SpaceError, match="no labelled picture to learn from"):
        train(config(tmp_path / "set", tmp_path / "out"), lambda line: None)
    assert not (tmp_path / "out").exists()


def test_a_training_takes_the_threads_that_it_is_given(data, tmp_path, monkeypatch):
    import torch

    taken = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    with pytest.raises(SpaceError, match="no training to go on with"):
        train(config(data, tmp_path / "none", threads=3), lambda line: None, resume=True)
    assert taken == [3] and TrainConfig(data, tmp_path).threads == 1


@pytest.mark.parametrize("state", ["damaged", "missing"])
def test_a_run_whose_weights_are_lost_says_so_and_stays_as_it_is(run, data, tmp_path, state):
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    if state == "damaged":
        (out / "last.pt").write_bytes((out / "last.pt").read_bytes()[:100])
    else:
        (out / "last.pt").unlink()
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(SpaceError, match=r"--start-from takes the best\.pt"):
        train(config(data, out), lambda line: None, resume=True)
    assert (out / "metrics.jsonl").read_bytes() == before


def test_pictures_without_labels_lead_to_labelling(tmp_path):
    one = Item("a", picture=drawn(1)[0], pixel_nm=10.0, split="train")
    add(tmp_path / "set", Incoming([lambda: [one]], CLASSES, ()), lambda line: None)
    with pytest.raises(SpaceError, match='spacetomo label DIR.*engine = "yolo"'):
        train(config(tmp_path / "set", tmp_path / "run"), lambda line: None)
