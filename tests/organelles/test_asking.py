"""What a training on volumes is given: lists of regions, configurations, blocks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space.errors import SpaceError
from space.organelles import read_entries, read_volume_config
from space.organelles.augment import bent
from space.organelles.evaluating import IGNORED
from space.organelles.samples import batch, greys_of, shown_of
from space.volumes import open_volume, write_zarr
from tests.organelles.phantoms import FRAME, config_in, drawn, written

ENTRY = {
    "file": "cell.zarr",
    "raw": "volumes/raw",
    "offset": [1, 2, 3],
    "shape": [4, 5, 6],
    "voxel_size": [5, 4, 4],
    "labels": {"volumes/labels/er": 1, "volumes/labels/mito": 2},
}


def listed(folder, told):
    (folder / "data.json").write_text(json.dumps(told), encoding="utf-8")
    return read_entries(folder / "data.json")


@pytest.mark.parametrize("told", [[ENTRY], {"cell 1": ENTRY}, ENTRY])
def test_lists_for_block_wise_training_are_read(tmp_path, told):
    (tmp_path / "cell.zarr" / "volumes" / "raw").mkdir(parents=True)
    (one,) = listed(tmp_path, told)
    assert one.raw == tmp_path / "cell.zarr" / "volumes" / "raw"
    assert one.classes == ("er", "mito")
    assert (one.offset, one.shape, one.voxel_nm) == ((1, 2, 3), (4, 5, 6), (5.0, 4.0, 4.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ofset": [0, 0, 0]}, "is offset meant"),
        ({"offset": [0, 0]}, "offset"),
        ({"offset": [0.5, 0, 0]}, "offset"),
        ({"shape": [0, 1, 1]}, "shape"),
        ({"voxel_size": [1, 1, "x"]}, "voxel_size"),
        ({"labels": {}}, "no labels"),
        ({"labels": {"../other": 1}}, "within"),
        ({"labels": {"/etc/labels": 1}}, "within"),
        ({"labels": {"a": 0}}, "neither a number"),
        ({"labels": {"a": {"er": "x"}}}, "neither a number"),
        ({"raw": "../raw"}, "raw"),
        ({"file": 3}, "no file"),
    ],
)
def test_what_a_list_cannot_say_is_told(tmp_path, change, words):
    with pytest.raises(SpaceError, match=words):
        listed(tmp_path, [{**ENTRY, **change}])


def test_labels_of_several_files_become_one_map(tmp_path):
    raw, labels = drawn(16)
    write_zarr(tmp_path / "raw.zarr", raw, FRAME, 8)
    for value, name in ((1, "ball"), (2, "tube")):
        write_zarr(tmp_path / f"{name}.zarr", (labels == value).astype(np.uint8) * 9, FRAME, 8)
    told = {"file": "raw.zarr", "labels": {"ball.zarr": 1, "tube.zarr": 2}, "offset": [0, 2, 0]}
    (entry,) = listed(tmp_path, [told])
    volume, region = entry.opened()
    np.testing.assert_array_equal(
        entry.label_map(region, volume.shape, ("ball", "tube")), labels[:, 2:]
    )
    only = entry.label_map(region, volume.shape, ("tube",))
    np.testing.assert_array_equal(only, (labels == 2)[:, 2:])


def test_labels_of_another_volume_are_refused(tmp_path):
    write_zarr(tmp_path / "raw.zarr", drawn(16)[0], FRAME, 8)
    write_zarr(tmp_path / "er.zarr", drawn(12)[1], FRAME, 8)
    (entry,) = listed(tmp_path, [{"file": "raw.zarr", "labels": {"er.zarr": 1}}])
    volume, region = entry.opened()
    with pytest.raises(SpaceError, match="labels have"):
        entry.label_map(region, volume.shape, ("er",))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"rate": 0}, "rate"),
        ({"seeds": 3}, "is seed meant"),
        ({"patch": 18}, "multiple of 4"),
        ({"exclude": {"ball": -1}}, "exclude"),
        ({"log": ["paper"]}, "log"),
        ({"classes": ["a", "a"]}, "classes"),
    ],
)
def test_what_a_configuration_cannot_say_is_told(tmp_path, more, words):
    with pytest.raises(SpaceError, match=words):
        read_volume_config(config_in(tmp_path, **more))


def test_finetuning_takes_smaller_steps_unless_told(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('data = "d.json"\nout = "run"\nepochs = 4\n', encoding="utf-8")
    plain, finetuned = read_volume_config(path), read_volume_config(path, finetuning=True)
    assert finetuned.rate < plain.rate
    assert finetuned.epochs == 4
    assert finetuned.data == tmp_path / "d.json"


# --- blocks to learn from -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    written(folder, 32)
    return shown_of(read_entries(folder / "data.json"), "train", ("ball", "tube"), {1: 1})


def test_a_step_shows_the_same_whatever_came_before(regions):
    one, other = (batch(regions, 7, 1, 4, 16, 0.5, 1.0) for _ in range(2))
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[0], batch(regions, 8, 1, 4, 16, 0.5, 1.0)[0])
    assert one[0].shape == (4, 1, 16, 16, 16)
    assert one[0].dtype == np.float32


def test_blocks_are_as_often_on_each_class(regions):
    seen = {1: 0, 2: 0}
    for step in range(40):
        _, labels = batch(regions, step, 1, 2, 8, 1.0, 0.0)
        for value in seen:
            seen[value] += sum((one == value).any() for one in labels)
    assert min(seen.values()) > 25
    everywhere = np.mean(
        [(batch(regions, step, 1, 2, 8, 0.0, 0.0)[1] == 2).mean() for step in range(40)]
    )
    on_classes = np.mean(
        [(batch(regions, step, 1, 2, 8, 1.0, 0.0)[1] == 2).mean() for step in range(40)]
    )
    assert on_classes > 2 * everywhere


def test_what_is_too_near_to_a_border_does_not_count(regions):
    (one,) = regions
    assert (one.labels == IGNORED).any()
    assert (one.labels == 1).any()


def test_a_region_smaller_than_a_block_is_filled_up(regions):
    _, labels = batch(regions, 0, 1, 2, 32, 0.5, 0.0)
    assert labels.shape == (2, 32, 32, 32)  # the region has 16 sections
    assert (labels == IGNORED).mean() >= 0.5


def test_bending_moves_grey_and_labels_alike():
    rng = np.random.default_rng(1)
    labels = drawn(24)[1]
    grey, moved = bent(rng, labels.astype(np.float32), labels)
    assert (moved != labels).mean() > 0.01
    assert (np.rint(grey) == moved).mean() > 0.9


def test_grey_values_are_those_of_the_whole_volume(tmp_path):
    raw, _ = drawn(32)
    write_zarr(tmp_path / "v.zarr", raw, FRAME, 16)
    greys = greys_of(open_volume(tmp_path / "v.zarr"))
    assert (greys.mean, greys.deviation) == pytest.approx((raw.mean(), raw.std()))
    write_zarr(tmp_path / "flat.zarr", np.ones_like(raw), FRAME, 16)
    with pytest.raises(SpaceError, match="one value"):
        greys_of(open_volume(tmp_path / "flat.zarr"))
