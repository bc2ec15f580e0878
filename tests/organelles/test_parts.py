"""Borders, scores, even contrast and the network: what is the same in blocks, and what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import exposure
from skimage.segmentation import find_boundaries

from space.errors import SpaceError
from space.organelles import borders, evened, excluded, labels_of, tables_of
from space.organelles.evaluating import counted, scores_of
from space.organelles.network import loss_of, multiple_of, reach_of, shares_of, unet3d
from space.organelles.scoring import curve_of, levels_of
from space.volumes import Frame, OpenVolume, blocks_of
from tests.organelles.phantoms import drawn

LABELS = arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 3))


@given(LABELS)
def test_borders_are_those_of_another_program(labels):
    np.testing.assert_array_equal(
        borders(labels), find_boundaries(labels, connectivity=1, mode="thick")
    )


@given(LABELS, st.integers(0, 2))
def test_what_is_left_out_lies_around_a_class_and_not_in_it(labels, width):
    left_out = excluded(labels, {2: width})
    assert not left_out[labels == 2].any()
    if width == 0 or not (labels == 2).any():
        assert not left_out.any()
    else:
        near = np.argwhere(labels == 2)
        for place in np.argwhere(left_out):
            assert np.abs(near - place).sum(1).min() <= width


def test_scores_of_a_shifted_ball():
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:6, 2:6, 2:6] = 1
    shifted = np.roll(truth, 1, axis=0)
    one = scores_of(counted(truth, shifted, {}), ("ball",))["ball"]
    assert one.dice == pytest.approx(0.75)
    assert one.iou == pytest.approx(0.6)
    forgiven = scores_of(counted(truth, shifted, {1: 1}), ("ball",))["ball"]
    assert forgiven.precision == 1.0
    assert forgiven.recall == pytest.approx(0.75)


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=50))
def test_a_curve_has_the_f1_of_each_threshold(voxels):
    shares = np.array([share for share, _ in voxels])
    truth = np.array([is_it for _, is_it in voxels])
    own, others = (np.bincount(shares[truth == which], minlength=256) for which in (True, False))
    curve = curve_of(others, own)
    for threshold in (1, 100, 255):
        found = shares >= threshold
        whole = found.sum() + truth.sum()
        expected = 2 * (found & truth).sum() / whole if whole else np.nan
        np.testing.assert_allclose(curve.f1[threshold], expected)


def test_thresholds_decide_between_classes():
    shares = np.array([[[[200, 100, 90]]], [[[210, 140, 10]]]], np.uint8)
    assert labels_of(shares, levels_of(("a", "b"), {})).ravel().tolist() == [2, 2, 0]
    assert labels_of(shares, levels_of(("a", "b"), {"a": 0.3})).ravel().tolist() == [1, 1, 1]
    with pytest.raises(SpaceError, match="c=0.5"):
        levels_of(("a", "b"), {"c": 0.5})


# --- even contrast --------------------------------------------------------------------------------


def volume_of(data):
    return OpenVolume(Path("a"), data.shape, data.dtype, Frame((1, 1, 1)), lambda box: data[box])


def test_contrast_is_the_same_in_any_parts():
    data = drawn(40)[0].astype(np.uint16) * 7
    tables = tables_of(volume_of(data), (16, 16, 16), 0.02)
    whole = evened(data, (0, 0, 0), tables)
    for block in blocks_of(data.shape, (13, 40, 9)):
        part = evened(data[block.slices], block.start, tables)
        np.testing.assert_array_equal(part, whole[block.slices])


def test_contrast_is_like_that_of_another_program():
    data, _ = drawn(64)
    shaded = (data * np.linspace(0.3, 1, 64)[:, None, None]).astype(np.uint8)
    ours = evened(shaded, (0, 0, 0), tables_of(volume_of(shaded), (16, 16, 16), 0.02))
    theirs = exposure.equalize_adapthist(shaded, kernel_size=16, clip_limit=0.02)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.97
    evenly = evened(shaded, (0, 0, 0), tables_of(volume_of(shaded), (16, 16, 16), 1.0))
    assert evenly[:16].mean() == pytest.approx(evenly[48:].mean(), abs=40)
    assert shaded[48:].mean() - shaded[:16].mean() > 60


# --- the network ----------------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize("features", [(3, 4), (2, 3, 4)])
def test_nothing_beyond_its_reach_changes_a_voxel(features):
    import torch

    torch.manual_seed(1)
    network = unet3d(features, 2).eval()
    reach, multiple = reach_of(features), multiple_of(features)
    side = 2 * reach + 2 * multiple
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(side, multiple, multiple)).astype(np.float32)
    middle = side // 2
    before = scores(network, seen)[:, middle : middle + multiple]
    other = seen.copy()
    other[: middle - reach] = 9.0
    other[middle + multiple + reach :] = 9.0
    after = scores(network, other)[:, middle : middle + multiple]
    np.testing.assert_allclose(after, before, atol=1e-6)
    other[middle - 1] = 9.0
    assert np.abs(scores(network, other)[:, middle] - before[:, 0]).max() > 1e-3


def scores(network, seen):
    import torch

    with torch.inference_mode():
        return network(torch.from_numpy(seen)[None, None])[0].numpy()


@pytest.mark.models
def test_the_loss_knows_what_does_not_count():
    import torch

    scores = torch.randn(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.int64)
    labels[0, 0], labels[0, 1] = 1, 2
    better = scores.clone()
    better.scatter_add_(1, labels[:, None], torch.full((1, 1, 4, 4, 4), 5.0))
    assert float(loss_of(better, labels)) < float(loss_of(scores, labels))
    left_out = labels.clone()
    left_out[0, 3] = 255
    changed = scores.clone()
    changed[:, :, 3] += 7 * torch.randn(1, 3, 4, 4)
    assert float(loss_of(changed, left_out)) == pytest.approx(float(loss_of(scores, left_out)))
    assert float(loss_of(scores, torch.full_like(labels, 255))) == 0.0


@pytest.mark.models
def test_probabilities_are_whole_numbers_up_to_255():
    network = unet3d((2, 3), 3).eval()
    found = shares_of(network, np.zeros((4, 4, 4), np.float32))
    assert found.dtype == np.uint8
    assert found.shape == (2, 4, 4, 4)
