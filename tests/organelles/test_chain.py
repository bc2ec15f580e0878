"""A network learns a phantom, is killed and goes on, and looks through it in blocks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile

from space.cli import main
from space.errors import SpaceError
from space.organelles import (
    PredictedLabels,
    begin_prediction,
    blocks_left,
    do_block,
    do_blocks,
    evaluate_prediction,
    finish,
    read_entries,
    read_model,
    read_prediction,
    read_volume_config,
    runs_in,
    table_of,
    train_volumes,
)
from space.organelles import training as training_module
from space.organelles.claims import claim, release
from space.organelles.prediction import PREDICTION
from space.volumes import Block, open_volume, read_volume, region_of
from tests.organelles.phantoms import config_in, written

pytestmark = pytest.mark.models


def silent(_line):
    pass


@pytest.fixture(scope="module")
def set_up(tmp_path_factory):
    """A folder with a phantom and a trained network."""
    folder = tmp_path_factory.mktemp("phantom")
    raw, labels = written(folder)
    path = config_in(folder, held="held.json", steps=40, epochs=3, exclude={"ball": 1})
    train_volumes(read_volume_config(path), silent)
    return folder, raw, labels


def test_it_learns_what_is_in_a_volume(set_up):
    folder, _, _ = set_up
    model, _ = read_model(folder / "run")
    assert model.classes == ("ball", "tube")
    assert model.voxel_nm == (10.0, 10.0, 10.0)
    (run,) = runs_in(folder / "run")
    assert run.is_done
    assert run.best > 0.6
    assert "ball, tube" in table_of((run,))[1]
    assert (folder / "run" / "preview.png").stat().st_size > 1000


def test_a_training_that_was_ended_goes_on_as_if_it_had_not(set_up, tmp_path, monkeypatch):
    folder, _, _ = set_up
    for name in ("raw.zarr", "labels.zarr"):
        shutil.copytree(folder / name, tmp_path / name)
    shutil.copy(folder / "data.json", tmp_path)
    whole = read_volume_config(config_in(tmp_path, out="whole"))
    train_volumes(whole, silent)
    ended = read_volume_config(config_in(tmp_path, out="ended"))

    def until(regions, step, *more):
        if step == 9:
            raise KeyboardInterrupt
        return batch(regions, step, *more)

    batch = training_module.batch
    monkeypatch.setattr(training_module, "batch", until)
    with pytest.raises(KeyboardInterrupt):
        train_volumes(ended, silent)
    monkeypatch.undo()
    train_volumes(ended, silent, resume=True)
    one, other = (read_model(config.out)[1] for config in (whole, ended))
    assert all(bool((one[name] == other[name]).all()) for name in one)
    with pytest.raises(SpaceError, match="training in this folder already"):
        train_volumes(ended, silent)


def test_finetuning_begins_with_what_was_learned(set_up, tmp_path):
    folder, _, _ = set_up
    config = read_volume_config(
        config_in(
            folder, out=str(tmp_path / "fine"), steps=1, epochs=1, rate=1e-9, classes=["tube"]
        ),
        finetuning=True,
    )
    train_volumes(config, silent, start_from=folder / "run")
    before, after = (read_model(place)[1] for place in (folder / "run", tmp_path / "fine"))
    name = "down.0.0.weight"
    np.testing.assert_allclose(after[name].numpy(), before[name].numpy(), atol=1e-6)
    kept = after["head.weight"].numpy()
    np.testing.assert_allclose(kept, before["head.weight"].numpy()[[0, 2]], atol=1e-6)


def predicted(folder, out, block, region=None):
    prediction = begin_prediction(
        folder / "run", folder / "raw.zarr", out, region=region, block=block
    )
    do_blocks(prediction, silent)
    finish(prediction)
    return read_volume(out / "ball.zarr").data


def test_blocks_are_the_same_as_the_whole(set_up, tmp_path):
    folder, _, _ = set_up
    whole = predicted(folder, tmp_path / "whole", 64)
    in_blocks = predicted(folder, tmp_path / "blocks", 32)
    assert np.abs(whole.astype(int) - in_blocks).max() <= 1
    assert whole.max() > 128

    def part(volume):
        return region_of("3:35,5:40,0:37", volume.shape, volume.frame)

    of_a_part = predicted(folder, tmp_path / "part", 32, part)
    assert np.abs(of_a_part.astype(int) - whole[3:35, 5:40, 0:37]).max() <= 1
    assert open_volume(tmp_path / "part" / "ball.zarr").frame.origin_nm == (30, 50, 0)


def test_it_goes_on_where_it_was_ended_and_others_help(set_up, tmp_path):
    folder, _, _ = set_up
    out = tmp_path / "found"
    prediction = begin_prediction(folder / "run", folder / "raw.zarr", out, block=32)
    first, second, *rest = blocks_left(prediction)
    do_block(prediction, first)
    with pytest.raises(SpaceError, match="not been written"):
        finish(prediction)
    (out / ".claims").mkdir()
    held = out / ".claims" / f"{second.name}.json"
    held.write_text(json.dumps({"machine": "another", "pid": 1}), encoding="utf-8")
    again = begin_prediction(folder / "run", folder / "raw.zarr", out, block=32)
    assert blocks_left(again) == [second, *rest]
    do_blocks(again, silent, others_too=False)
    assert blocks_left(again) == [second]
    held.unlink()
    do_blocks(again, silent)
    finish(again)
    assert read_prediction(out).to_dict() == json.loads((out / PREDICTION).read_text("utf-8"))
    with pytest.raises(SpaceError, match="Something else was begun"):
        begin_prediction(folder / "run", folder / "raw.zarr", out, block=64)


def test_a_claim_of_a_process_that_is_gone_counts_no_more(tmp_path):
    path = tmp_path / "a.json"
    assert claim(path)
    assert not claim(path)  # by us, and not old
    assert claim(path, longest_s=-1.0)
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "pid": 2**22 + 12345}), encoding="utf-8")
    assert claim(path)
    release(path)
    assert not path.exists()


def test_another_voxel_size_is_refused_unless_meant(set_up, tmp_path):
    folder, _, _ = set_up
    given = folder / "run", folder / "raw.zarr", tmp_path / "a"
    with pytest.raises(SpaceError, match="--any-voxel"):
        begin_prediction(*given, voxel_nm=(20, 20, 20))
    begin_prediction(*given, voxel_nm=(20, 20, 20), any_voxel=True)


def test_scores_are_those_of_the_arrays(set_up, tmp_path):
    folder, _, labels = set_up
    predicted(folder, tmp_path / "found", 64)
    prediction = read_prediction(tmp_path / "found")
    entries = read_entries(folder / "held.json")
    found = evaluate_prediction(prediction, entries, {}, {"ball": 0.4})
    half = labels[20:]
    block = Block((20, 0, 0), (40, 40, 40))
    mine = PredictedLabels(prediction).labels(block, {"ball": 0.4})
    both = ((half == 1) & (mine == 1)).sum()
    expected = 2 * both / ((half == 1).sum() + (mine == 1).sum())
    assert found.scores["ball"].dice == pytest.approx(expected)
    assert expected > 0.6
    table = found.to_dict()
    assert table["counted_voxels"] == table["voxels"] == half.size
    narrower = evaluate_prediction(prediction, entries, {"ball": 1}, {"ball": 0.4})
    assert narrower.counted_voxels < half.size
    assert narrower.scores["ball"].dice > expected


def test_the_commands_in_a_row(set_up, tmp_path, capsys):
    folder, raw, _ = set_up

    def run(*words):
        assert main(["volume", *map(str, words)]) == 0
        return capsys.readouterr().out

    tifffile.imwrite(tmp_path / "raw.tif", raw)
    assert main(["volume", "import", str(tmp_path / "raw.tif"), "--to", str(tmp_path / "x")]) == 2
    assert "--voxel-nm" in capsys.readouterr().err
    cell = tmp_path / "cell.zarr"
    told = run("import", tmp_path / "raw.tif", "--to", cell, "--voxel-nm", 10)
    assert "40 x 40 x 40 voxels" in told
    run("clahe", cell, "--to", tmp_path / "even.zarr", "--tile", 16)
    run("mask", folder / "labels.zarr", "--to", tmp_path / "mask.zarr", "--exclude", "1=2")
    assert read_volume(tmp_path / "mask.zarr").data.max() == 1
    run("predict", folder / "run", folder / "raw.zarr", "--to", tmp_path / "found")
    scores = json.loads(run("evaluate", tmp_path / "found", folder / "held.json", "--json"))
    assert scores["classes"]["tube"]["f1"] > 0.5
    assert "tube" in run("evaluate", tmp_path / "found", folder / "held.json")
    run("export", tmp_path / "found", "--to", tmp_path / "labels.tif", "--threshold", "ball=0.4")
    exported = read_volume(tmp_path / "labels.tif")
    assert set(np.unique(exported.data)) <= {0, 1, 2}
    assert exported.frame.voxel_nm == pytest.approx((10, 10, 10))
    run("export", cell, "--to", tmp_path / "part.mrc", "--region", "0:10,:,:")
    np.testing.assert_array_equal(read_volume(tmp_path / "part.mrc").data, raw[:10])
    assert "run" in run("runs", folder)
    pictures = run(
        "view", cell, "--labels", tmp_path / "found" / "ball.zarr", "--to", tmp_path / "p"
    )
    assert len(pictures.split()) == 5
