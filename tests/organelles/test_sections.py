"""A few labelled sections teach a network the rest of a volume."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from space.cli import main
from space.errors import SpaceError
from space.learning import read_metrics, run_folder
from space.organelles import sections
from space.organelles.sections import SectionsConfig
from space.organelles.sections.data import read_sections, seen
from space.organelles.sections.network import shares_of, turned, turned_back, two_decoders
from space.volumes import Frame, open_volume, read_volume, write_mrc

pytestmark = pytest.mark.models

FRAME = Frame((40.0, 8.0, 8.0), (0.0, 80.0, 160.0))
SMALL = {
    "encoder": "tu-mobilenetv3_small_100", "patch_px": 32, "batch": 2, "steps": 3, "epochs": 4,
    "shrink": 1, "device": "cpu", "classes": {"stripe": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Five sections with a bright disc in each, which is label 2."""
    folder = tmp_path_factory.mktemp("volumes")
    rng = np.random.default_rng(1)
    raw = rng.normal(90, 12, (5, 48, 64))
    labels = np.zeros(raw.shape, np.uint8)
    rows, columns = np.mgrid[:48, :64]
    for number in range(5):
        labels[number][np.hypot(rows - 22, columns - 20 - 5 * number) < 11] = 2
    raw[labels == 2] += 90
    write_mrc(folder / "raw.mrc", np.clip(raw, 0, 255).astype(np.uint8), FRAME)
    few = labels.copy()
    few[2:] = 0
    few[0, :3] = 255
    write_mrc(folder / "few.mrc", few, FRAME)
    write_mrc(folder / "all.mrc", labels, FRAME)
    return folder


def asked(volumes, out, **more):
    return SectionsConfig(volumes / "raw.mrc", volumes / "few.mrc", out, **{**SMALL, **more})


def no_one(line):
    pass


@pytest.fixture(scope="module")
def run(volumes, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    config = asked(volumes, out, steps=10, epochs=6, held=(1,), consistency=1.0, reconstruction=0.3)
    sections.train_sections(config, no_one)
    return out


def test_what_is_turned_is_turned_back():
    import torch

    values = torch.arange(24).reshape(1, 1, 4, 6)
    ways = {tuple(turned(values, way).flatten().tolist()) for way in range(8)}
    assert len(ways) == 8
    assert all(torch.equal(turned_back(turned(values, way), way), values) for way in range(8))


@pytest.mark.parametrize("shape", [(40, 100), (70, 33)])
def test_tiles_cover_a_section_and_shares_add_up_to_one(shape):
    import torch

    class Bright(torch.nn.Module):
        """Scores that are the grey value itself: tiles and turns must not move it."""

        def __init__(self):
            super().__init__()
            self.one = torch.nn.Parameter(torch.ones(1))

        def forward(self, grey):
            return torch.cat([grey * 0, grey], 1)

    grey = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    shares = shares_of(Bright(), grey, 8, tile_px=32, turns=8)
    assert shares.sum(0) == pytest.approx(np.ones(shape), abs=1e-5)
    assert np.log(shares[1] / shares[0]) == pytest.approx(grey, abs=1e-3)


def test_two_decoders_share_an_encoder():
    import torch

    network = two_decoders("tu-mobilenetv3_small_100", 3, 3).eval()
    scores, image = network(torch.zeros(2, 1, 32, 40), image=True)
    assert (scores.shape, image.shape) == ((2, 3, 32, 40), (2, 1, 32, 40))
    names = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert names == {"encoder", "label_decoder", "label_head", "image_decoder", "image_head"}


def test_sections_are_read_with_what_they_are_for(volumes, tmp_path):
    read = read_sections(asked(volumes, tmp_path / "run", held=(1,), consistency=1.0))
    assert [one.name for one in read.learnt] == ["section 0"]  # those that have labels
    assert [one.name for one in read.unlabelled] == [f"section {n}" for n in (0, 2, 3, 4)]
    assert dict(read.classes) == {"background": 0, "stripe": 2}
    channels = read.learnt[0].channels
    assert set(np.unique(channels)) == {0, 1, 255} and (channels[:3] == 255).all()
    assert (read.unlabelled[0].channels == 255).all()
    alone = read_sections(asked(volumes, tmp_path / "run", held=(1,)))
    assert alone.unlabelled == ()
    assert not read_sections(
        asked(volumes, tmp_path / "run", labelled=(0,), consistency=1.0), most_sections=2
    ).unlabelled[2:]


def test_it_learns_what_few_sections_show(run, volumes):
    best = max(read_metrics(run), key=lambda one: one["mean_dice"])
    assert best["mean_dice"] > 0.8
    assert (run / run_folder.PREVIEW).is_file()
    model, network = sections.read_sections_model(run)
    section = open_volume(volumes / "raw.mrc")[4:5][0]
    truth = open_volume(volumes / "all.mrc")[4:5][0]
    found = sections.labels_of_section(model, network, section)
    assert set(np.unique(found)) == {0, 2}
    overlap = 2 * ((found == 2) & (truth == 2)).sum() / ((found == 2).sum() + (truth == 2).sum())
    assert overlap > 0.8


def test_a_training_that_was_ended_goes_on_on_the_same_curve(volumes, tmp_path):
    extra = {"consistency": 1.0, "reconstruction": 0.3}
    whole = asked(volumes, tmp_path / "whole", **extra)
    sections.train_sections(whole, no_one)
    parts = replace(whole, out=tmp_path / "parts")

    class Ended(Exception):
        pass

    def end(line):
        if line.startswith("epoch 2"):
            raise Ended

    with pytest.raises(Ended):
        sections.train_sections(parts, end)
    sections.train_sections(parts, no_one, resume=True)
    losses = [[one["loss"] for one in read_metrics(config.out)] for config in (whole, parts)]
    assert losses[0] == losses[1] and len(losses[0]) == 4


def test_a_volume_is_labelled_and_goes_on_where_it_ended(run, volumes, tmp_path, monkeypatch):
    raw, out = open_volume(volumes / "raw.mrc"), tmp_path / "labels.zarr"
    told = []

    def end(line):
        told.append(line)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sections.predict_sections(run, raw, out, end)
    sections.predict_sections(run, raw, out, told.append)
    assert told == [f"section {number} of 5" for number in (1, 2, 3, 4, 5)]
    labels = read_volume(out)
    assert (labels.frame.voxel_nm, labels.frame.origin_nm) == (FRAME.voxel_nm, FRAME.origin_nm)
    truth = read_volume(volumes / "all.mrc").data
    assert (labels.data == truth).mean() > 0.9


def test_grey_values_of_any_kind_are_seen_alike(volumes):
    section = open_volume(volumes / "raw.mrc")[0:1][0]
    assert seen(section, 2).shape == (32, 32)  # no less than the network takes
    assert seen(section.astype(np.float32) * 7 - 3, 1) == pytest.approx(seen(section, 1), abs=0.3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"patch_px": 40}, "patch_px"),
        ({"consistency": -1.0}, "consistency"),
        ({"labelled": (1, 1)}, "labelled"),
        ({"labelled": (1,), "held": (1,)}, "held for validation"),
        ({"classes": {"a": 0}}, "classes"),
        ({"classes": {"a": 1, "b": 1}}, "classes"),
        ({"rate": float("nan")}, "rate"),
    ],
)
def test_settings_are_checked(volumes, tmp_path, values, words):
    with pytest.raises(SpaceError, match=words):
        asked(volumes, tmp_path / "run", **values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labelled", "9"], "no sections [9]"),
        (["--labelled", "a"], "names no section"),
        (["--labelled", "4"], "No section has a label"),
        (["--class", "a"], "no class"),
        (["--epochs", "0"], "epochs"),
    ],
)
def test_a_training_that_cannot_begin_says_why(volumes, tmp_path, options, words, capsys):
    out = tmp_path / "run"
    given = [str(volumes / "raw.mrc"), str(volumes / "few.mrc"), "--out", str(out)]
    assert main(["sections", "train", *given, *options]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_volumes_of_other_shapes_do_not_fit(volumes, tmp_path):
    write_mrc(tmp_path / "other.mrc", np.zeros((5, 48, 48), np.uint8), FRAME)
    config = replace(asked(volumes, tmp_path / "run"), labels=tmp_path / "other.mrc")
    with pytest.raises(SpaceError, match="Name volumes of one shape"):
        read_sections(config)


@pytest.mark.parametrize(
    "change",
    [{"depth": 9}, {"classes": {"a": 1}}, {"encoder": 3}, {"shrink": None}, {"classes": 1}],
)
def test_a_damaged_model_is_refused(run, tmp_path, change):
    import torch

    kept = torch.load(run / sections.MODEL, weights_only=True)
    torch.save({**kept, **change}, tmp_path / "model.pt")
    with pytest.raises(SpaceError, match="no model of sections"):
        sections.read_sections_model(tmp_path / "model.pt")


def test_the_commands_train_and_label(volumes, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "labels.zarr"
    given = [str(volumes / "raw.mrc"), str(volumes / "few.mrc"), "--out", str(run)]
    options = ["--labelled", "0-1", "--class", "disc=2", "--epochs", "1", "--steps", "1", "--json"]
    assert main(["sections", "train", *given, *options]) == 0
    assert len(json.loads(capsys.readouterr().out)["epochs"]) == 1
    assert main(["sections", "predict", str(run), str(volumes / "raw.mrc"), "--out", str(out)]) == 0
    assert "spacetomo surfaces" in capsys.readouterr().out
    assert read_volume(out).data.shape == (5, 48, 64)
