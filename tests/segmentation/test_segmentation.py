import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.models import PRESETS, SCHEMES, read_labels
from space.segmentation import Segmenter
from space.segmentation.grid import tile_starts
from space.segmentation.memory import is_device_fault, is_memory_full
from space.segmentation.normalise import data_bounds, normalisation
from space.segmentation.plan import TilePlan, first_plan, smaller_plan

Z_SCORE = "ZScoreNormalization"


def write_dataset(folder, labels):
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    return folder


def test_labels_are_read_in_order_of_label(tmp_path):
    write_dataset(tmp_path, {"background": 0, "lamella": 2, "ice": 1, "ignore": 3})
    assert list(read_labels(tmp_path).items()) == [("background", 0), ("ice", 1), ("lamella", 2)]
    write_dataset(tmp_path, {"0": "background", "1": "mitos"})
    assert read_labels(tmp_path) == {"background": 0, "mitos": 1}


@pytest.mark.parametrize(
    "labels", [{"a": [0, 2]}, {"a": 300}, {"a": True}, {"a": 0, "b": 0}, {"a": 1}, ["a"], None]
)
def test_unusable_labels_are_told(tmp_path, labels):
    with pytest.raises(SpaceError):
        read_labels(write_dataset(tmp_path, labels))


def test_missing_model_is_told(tmp_path):
    with pytest.raises(SpaceError, match=r"dataset\.json"):
        Segmenter(tmp_path)
    write_dataset(tmp_path, {"background": 0})
    with pytest.raises(SpaceError, match=r"no plans\.json.*fold_3 is missing"):
        Segmenter(tmp_path, (3,))


@given(st.integers(8, 600), st.integers(8, 64))
def test_tiles_cover_the_map(length, tile):
    if length < tile:
        with pytest.raises(ValueError, match="shorter"):
            tile_starts(length, tile, 0.75)
        return
    starts = tile_starts(length, tile, 0.75)
    assert starts[0] == 0 and starts[-1] + tile == length
    steps = np.diff(starts)
    assert (steps > 0).all() and (steps <= np.ceil(tile * 0.75)).all()


def test_normalisation_uses_the_whole_map():
    image = np.zeros((40, 50), np.uint8)
    image[5:35, 10:45] = np.random.default_rng(0).integers(1, 255, (30, 35))
    normal = normalisation(image, Z_SCORE, False, {})
    assert normal.bounds == data_bounds(image) == (5, 35, 10, 45)
    inner = image[5:35, 10:45].astype(float)
    part = normal.apply(image, slice(3, 9), slice(0, 20))
    assert part == pytest.approx((inner[3:9, :20] - inner.mean()) / inner.std(), abs=1e-4)


def test_normalisation_with_mask_leaves_the_outside_zero():
    image = np.zeros((20, 20), np.uint8)
    image[np.tril_indices(20)] = np.random.default_rng(0).integers(1, 255, 210)
    normal = normalisation(image, Z_SCORE, True, {})
    inner = image[image > 0].astype(float)
    whole = normal.apply(image, slice(None), slice(None))
    assert (whole[image == 0] == 0).all()
    assert whole[image > 0] == pytest.approx((inner - inner.mean()) / inner.std(), abs=1e-4)


def test_black_map_has_no_data():
    assert normalisation(np.zeros((5, 5), np.uint8), Z_SCORE, False, {}) is None


def test_memory_ladder_goes_down_to_the_cpu_and_ends():
    plan, plans = first_plan("cuda:1", "turned"), []
    while plan is not None:
        plans.append(plan)
        plan = smaller_plan(plan)
    assert [p.batch for p in plans] == [8, 2, 1, 1, 1]
    assert [p.device for p in plans] == ["cuda:1"] * 4 + ["cpu"]
    assert plans[3].collect_on == "cpu"
    assert {p.copies for p in plans} == {"turned"}, "the labels are the same with less memory"
    assert first_plan("cpu") == TilePlan("cpu", 1, "cpu", "one")


def bare_segmenter(device, outcomes):
    """A segmenter without a model; `outcomes` tells what each plan's attempt gives."""
    segmenter = Segmenter.__new__(Segmenter)
    segmenter._plan = first_plan(device)
    segmenter._network = SimpleNamespace(free=lambda device: None)
    tried = []

    def attempt(image, plan, progress):
        tried.append(plan)
        outcome = outcomes(plan)
        if isinstance(outcome, Exception):
            raise outcome
        return np.zeros(image.shape, np.uint8)

    segmenter._segment = attempt
    return segmenter, tried


def test_out_of_memory_is_retried_smaller_and_the_lesson_kept():
    full = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
    segmenter, tried = bare_segmenter("cuda:0", lambda p: full if p.batch > 1 else None)
    image = np.ones((4, 4), np.uint8)
    assert segmenter.segment(image).shape == (4, 4)
    assert [p.batch for p in tried] == [8, 2, 1]
    segmenter.segment(image)
    assert len(tried) == 4 and tried[-1].device == "cuda:0"


def test_out_of_gpu_memory_ends_on_the_cpu():
    full = RuntimeError("CUDA out of memory")
    segmenter, tried = bare_segmenter("cuda:0", lambda p: full if p.device != "cpu" else None)
    segmenter.segment(np.ones((4, 4), np.uint8))
    assert tried[-1].device == "cpu" and len(tried) == 5


def test_broken_driver_goes_straight_to_the_cpu():
    fault = RuntimeError("CUDA error: no kernel image is available for execution")
    segmenter, tried = bare_segmenter("cuda:0", lambda p: fault if p.device != "cpu" else None)
    segmenter.segment(np.ones((4, 4), np.uint8))
    assert [p.device for p in tried] == ["cuda:0", "cpu"]


def test_no_memory_at_all_is_told_and_other_errors_pass():
    segmenter, _ = bare_segmenter("cpu", lambda p: MemoryError())
    with pytest.raises(SpaceError, match="memory"):
        segmenter.segment(np.ones((4, 4), np.uint8))
    segmenter, tried = bare_segmenter("cuda:0", lambda p: RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes"):
        segmenter.segment(np.ones((4, 4), np.uint8))
    assert len(tried) == 1


def test_kinds_of_errors():
    assert is_memory_full(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not is_memory_full(ValueError("out of memory"))
    assert is_device_fault(RuntimeError("CUDA error: device-side assert"))
    assert not is_device_fault(RuntimeError("size mismatch"))


@pytest.mark.parametrize("array", [np.zeros((2, 2), float), np.zeros((0, 3), np.uint8)])
def test_wrong_maps_are_refused(array):
    segmenter, _ = bare_segmenter("cpu", lambda p: None)
    with pytest.raises(SpaceError, match="uint8"):
        segmenter.segment(array)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    import torch

    from tests.jobs.tiny_models import make_segmentation_model

    torch.set_num_threads(1)  # small tensors; more threads only wait for each other
    return make_segmentation_model(tmp_path_factory.mktemp("model"), (0, 1))


def smooth_map(rows, cols, seed=0):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(rows, cols)), 3)
    return (10 + 240 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


def nnunets_own(folder, folds):
    """Return what nnU-Net predicts with, made without anything of this project."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), folds)
    return predictor


@pytest.mark.models
@pytest.mark.parametrize("shape", [(90, 130), (20, 75), (17, 21)])
def test_the_accurate_preset_gives_what_nnunet_gives_for_the_whole_map(tiny, shape):
    image = smooth_map(*shape)
    image[:3] = 0  # a black border, which nnU-Net cuts off before it normalises
    segmenter = Segmenter(tiny, (0, 1), preset=PRESETS["accurate"])
    labels = segmenter.segment(image)
    assert labels.shape == shape and labels.dtype == np.uint8
    expected = nnunets_own(tiny, (0, 1)).predict_single_npy_array(
        image[None, None].astype(np.float32), {"spacing": [999, 1, 1]}
    )[0]
    assert len(np.unique(expected)) > 1
    assert (labels == expected).mean() > 0.995  # it adds up in half precision


@pytest.mark.models
def test_batches_mirroring_and_folds(tiny):
    image = smooth_map(60, 70)
    one = Segmenter(tiny, (0,))
    alone = one.segment(image)
    one._plan = TilePlan("cpu", 3, "cpu", "one")
    assert np.array_equal(one.segment(image), alone)
    one._plan = TilePlan("cpu", 1, "cpu", "mirrored")
    mirrored = one.segment(image)
    assert not np.array_equal(mirrored, alone)
    # Averaged over mirrored copies, a mirrored map (of one tile) gives the mirrored labels.
    tile = image[:32, :32]
    assert (one.segment(tile[:, ::-1])[:, ::-1] == one.segment(tile)).mean() > 0.995
    assert one.labels == {"background": 0, "white": 1, "cell": 2, "lamella": 3}
    progress = []
    one.segment(image, progress.append)
    assert progress[-1] == 1.0 and progress == sorted(progress)
    assert not one.segment(np.zeros((40, 40), np.uint8)).any()


@pytest.mark.models
@pytest.mark.parametrize("use_mask", [False, True])
@pytest.mark.parametrize("name", SCHEMES)
def test_normalisation_schemes_agree_with_nnunet(name, use_mask):
    from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes

    image = smooth_map(30, 34)
    image[np.triu_indices(30, 12, 34)] = 0  # a corner without data, and a border
    image[:2], image[10:12, 5:9] = 0, 0
    intensities = {"mean": 90.0, "std": 40.0, "percentile_00_5": 50.0, "percentile_99_5": 200.0}
    data, mask, _ = crop_to_nonzero(image[None, None].astype(np.float32))
    run = getattr(schemes, name)(use_mask_for_norm=use_mask, intensityproperties=intensities)
    expected = run.run(data[0, 0], mask[0, 0])
    normal = normalisation(image, name, use_mask, intensities)
    got = normal.apply(image, slice(None), slice(None))
    assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.models
def test_scores_of_a_large_map_are_held_in_strips_only(tiny, monkeypatch):
    import torch

    sizes = []
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *a, **k: sizes.append(a[0]) or zeros(*a, **k))
    segmenter = Segmenter(tiny, (0,))
    segmenter._network.scores = lambda tiles, plan: zeros((len(tiles), 4, 32, 32))
    for shape in ((700, 40), (40, 700)):
        segmenter.segment(np.full(shape, 7, np.uint8))
    # Tiles of 32 px in steps of 19 have 13 rows in common.
    assert sizes == [(4, 13, 40), (4, 40, 13)]


def changed(folder, tmp_path, change):
    """Return a copy of a model whose checkpoint was changed."""
    import shutil

    import torch

    copy = shutil.copytree(folder, tmp_path / "model")
    path = copy / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return copy


@pytest.mark.models
def test_a_network_is_built_without_the_trainer_that_made_it(tiny, tmp_path, caplog):
    def change(content):
        content["trainer_name"] = "TrainerOfAnotherLaboratory"
        weights = content["network_weights"]
        content["network_weights"] = {f"module.{key}": value for key, value in weights.items()}

    image = smooth_map(40, 40)
    segmenter = Segmenter(changed(tiny, tmp_path, change))
    assert "TrainerOfAnotherLaboratory is not installed" in caplog.text
    assert np.array_equal(segmenter.segment(image), Segmenter(tiny).segment(image))


@pytest.mark.models
def test_weights_of_another_network_are_told(tiny, tmp_path):
    def change(content):
        name = next(iter(content["network_weights"]))
        content["network_weights"][name] = content["network_weights"][name][:2]
        content["trainer_name"] = "nnUNetTrainerBN"

    with pytest.raises(SpaceError, match="do not fit its plans.json.*trainer nnUNetTrainerBN"):
        Segmenter(changed(tiny, tmp_path, change))


@pytest.mark.models
@pytest.mark.parametrize("name", ["torch.nn.modules.conv.Tensor", "torch.nn.Conv9d"])
def test_a_name_in_plans_that_is_no_part_of_a_network_is_told(tiny, tmp_path, name):
    import json
    import shutil

    copy = shutil.copytree(tiny, tmp_path / "model")
    plans = json.loads((copy / "plans.json").read_text(encoding="utf-8"))
    plans["configurations"]["2d"]["architecture"]["arch_kwargs"]["nonlin"] = name
    (copy / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    with pytest.raises(SpaceError, match="not a known part of a network"):
        Segmenter(copy)
