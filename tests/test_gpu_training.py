"""The trainer that draws its maps while it trains, in a small run on the CPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from space.segmentation.model import Segmenter  # noqa: E402
from space.simulator.specimen import LABELS  # noqa: E402
from space.weights import load_checkpoint  # noqa: E402
from training import train_on_gpu  # noqa: E402
from training.losses import class_weights, supervised_loss  # noqa: E402
from training.patches import IGNORED, PatchPool, varied  # noqa: E402
from training.seeds import is_natural, part_of  # noqa: E402
from training.stream import LabelledMap, labelled_map, map_of, number_of  # noqa: E402

SMALL = train_on_gpu.Run(
    0.0, 1, batch=2, first_maps=1, features=(4, 8, 8), patch_px=64, pixel_nm=96.0
)


def small_map(rows: int = 100, cols: int = 80) -> LabelledMap:
    """Left half white, right half lamella, one pixel of a mitochondrion."""
    labels = np.full((rows, cols), 1, np.uint8)
    labels[:, cols // 2 :] = 17
    labels[rows // 2, cols * 3 // 4] = 9
    places = {v: np.argwhere(labels == v)[:5].astype(np.int32) for v in (1, 9, 17)}
    picture = np.where(labels == 1, 200, 80).astype(np.uint8)
    return LabelledMap(3, picture, labels, float(picture.mean()), float(picture.std()), places)


def pool_of(*maps: LabelledMap, size_px: int = 64) -> PatchPool:
    """A pool on the CPU."""
    pool = PatchPool("cpu", size_px, np.random.default_rng(0))
    for drawn in maps:
        pool.add(drawn)
    return pool


def test_only_training_seeds_are_drawn_and_both_kinds_of_them():
    seeds = [map_of(number)[0] for number in range(2000)]
    assert {part_of(seed) for seed in seeds} == {"train"}
    assert len(set(seeds)) == 2000
    assert 0.3 < np.mean([is_natural(seed) for seed in seeds]) < 0.5


def test_the_number_of_a_map_follows_from_its_seed():
    assert [number_of(map_of(number)[0]) for number in range(50)] == list(range(50))


def test_a_quarter_of_the_maps_is_plain():
    looks = [map_of(number)[1] for number in range(400)]
    assert looks.count("plain") == 100


def test_a_map_knows_where_its_classes_lie():
    drawn = labelled_map(3, "real", 96.0)
    for value, places in drawn.places.items():
        assert (drawn.labels[tuple(places.T)] == value).all()
    assert set(drawn.places) == set(np.unique(drawn.labels)) - {0}


def test_a_centred_patch_holds_a_rare_class_as_often_as_any_other():
    pool = pool_of(small_map())
    held = [bool((pool.batch(1, 1.0)[1] == 9).any()) for _ in range(60)]
    assert np.mean(held) > 0.3


def test_picture_and_labels_of_a_patch_belong_together():
    pictures, labels, mean, deviation = pool_of(small_map()).batch(8, 0.5)
    assert torch.equal(pictures[:, 0] == 200, labels == 1)
    assert mean.shape == deviation.shape == (8, 1, 1, 1)


def test_a_map_smaller_than_a_patch_is_widened_by_pixels_that_do_not_count():
    labels = pool_of(small_map(40, 30)).batch(1, 0.0)[1]
    assert labels.shape == (1, 64, 64)
    assert int((labels != IGNORED).sum()) == 40 * 30


def test_varied_pictures_keep_their_shape_and_stay_finite():
    pictures = torch.rand(16, 1, 64, 64) * 255
    seen = varied(pictures, torch.Generator().manual_seed(0))
    assert seen.shape == pictures.shape
    assert bool(seen.isfinite().all())
    assert float(seen.min()) >= 0


def test_the_loss_falls_to_nothing_for_the_right_answer_and_ignores_the_rest():
    labels = torch.randint(0, 3, (2, 16, 16))
    right = 20.0 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert float(supervised_loss([right], labels, None, IGNORED)) < 0.01
    wrong = right.clone()
    wrong[:, :, :4] = torch.roll(wrong[:, :, :4], 1, dims=1)
    assert float(supervised_loss([wrong], labels, None, IGNORED)) > 1
    labels[:, :4] = IGNORED
    assert float(supervised_loss([wrong], labels, None, IGNORED)) < 0.02


def test_rare_classes_weigh_more_within_limits():
    weights = class_weights(np.array([0.9, 0.09, 0.01, 0.0]))
    assert list(weights) == sorted(weights)
    assert weights.min() >= 0.5 and weights.max() <= 4


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [train_on_gpu.rate_at(p, 1e-3) for p in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1e-3, rel=0.05)
    assert rates.index(max(rates)) < 10
    assert rates[-1] == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two steps and the model folder that was made of it."""
    folder = tmp_path_factory.mktemp("gpu")
    run = train_on_gpu.Run(**{**SMALL.__dict__, "minutes": 5.0, "most_steps": 2})
    train_on_gpu.train(run, folder / "run", "cpu")
    train_on_gpu.ship(folder / "run", folder / "model")
    return folder


def test_a_run_ends_and_its_weights_are_a_model_folder(made):
    record = json.loads((made / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["run"]["steps"] > 0 and record["run"]["finite"]
    saved = load_checkpoint(made / "model" / "fold_0" / "checkpoint_final.pth")
    assert saved["network_weights"]["decoder.seg_layers.0.weight"].shape[0] == len(LABELS)
    picture = np.random.default_rng(0).integers(0, 255, (90, 70)).astype(np.uint8)
    assert Segmenter(made / "model", (0,)).segment(picture).shape == (90, 70)


def test_a_training_goes_on_from_a_model_with_maps_that_are_new_to_it(made, tmp_path):
    start = train_on_gpu.start_from(made / "model", SMALL)
    old = {map_of(number)[0] for number in range(start.next_map)}
    assert set(start.seeds) and set(start.seeds) <= old
    run = replace(SMALL, minutes=5.0, most_steps=1, rate=0.0, first_map=start.next_map)
    train_on_gpu.train(run, tmp_path, "cpu", start)
    # Nothing was learned: the weights are those of the model.
    saved = torch.load(tmp_path / "weights.pth", weights_only=True)
    assert all(torch.allclose(saved[n].float(), w, atol=1e-3) for n, w in start.weights.items())
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert record["started_from"]["run"]["steps"] == 2
    seen = {s for first, last in record["training_seeds"] for s in range(first, last + 1)}
    assert set(start.seeds) < seen


def test_weights_of_another_network_pixel_or_class_table_are_no_start(made, tmp_path):
    with pytest.raises(ValueError, match="another network"):
        train_on_gpu.start_from(made / "model", replace(SMALL, features=(4, 8, 16)))
    with pytest.raises(ValueError, match=r"pixels of 96\.0 nm"):
        train_on_gpu.start_from(made / "model", replace(SMALL, pixel_nm=12.0))
    for name, change in (
        ("dataset.json", {"labels": {"background": 0, "lamella": 1}}),
        ("record.json", {"training_seeds": [[900_000, 900_001]]}),
    ):
        folder = tmp_path / name
        shutil.copytree(made / "model", folder)
        stored = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**stored, **change}), encoding="utf-8")
        with pytest.raises(ValueError, match="other classes|test seed"):
            train_on_gpu.start_from(folder, SMALL)


def test_a_compiler_that_fails_is_not_used(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("no compiler here")

    def plain(pictures, labels, weights):
        return (pictures.mean() * torch.ones(1, requires_grad=True)).sum()

    monkeypatch.setattr(torch, "compile", lambda loss, dynamic: broken)
    assert train_on_gpu.fastest(plain, SMALL, "cpu") is plain
    assert "no compiler here" in capsys.readouterr().out
