"""Pictures are stretched, resampled and averaged in one way everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from space.pictures import block_means, block_sums, resized, shrinking_factor, to_8_bit


def test_contrast_ignores_hot_pixels_and_survives_darkness():
    data = np.random.default_rng(1).normal(500, 20, (300, 300)).astype(np.int16)
    data[3, 3] = 32000
    grey = to_8_bit(data)
    assert 100 < grey.mean() < 155 and grey[3, 3] == 255
    dark = np.zeros((300, 300), np.int16)
    dark[5, 5] = 7
    assert to_8_bit(dark)[5, 5] == 255 and to_8_bit(dark)[0, 0] == 0
    assert not to_8_bit(np.full((4, 4), 9, np.uint16)).any()


def test_pixels_that_are_no_numbers_and_flat_images_are_dark():
    image = np.arange(10000, dtype=np.float32).reshape(100, 100)
    image[0, 0] = np.nan
    stretched = to_8_bit(image)
    assert stretched.min() == 0 and stretched.max() == 255
    assert stretched[0, 0] == 0 and stretched[0, -1] > 0
    assert (to_8_bit(np.full((5, 5), 7)) == 0).all()
    assert (to_8_bit(np.full((5, 5), np.nan)) == 0).all()


def plain_means(data: np.ndarray, factor: int) -> list[list[float]]:
    rows, columns = data.shape
    return [
        [float(data[i : i + factor, j : j + factor].mean()) for j in range(0, columns, factor)]
        for i in range(0, rows, factor)
    ]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, bool])
@pytest.mark.parametrize("factor", [1, 2, 3, 7, 50])
def test_blocks_are_averaged_also_those_cut_by_the_edge(kind, factor):
    data = (np.random.default_rng(factor).random((23, 31)) * 255).astype(kind)
    means = block_means(data, factor)
    assert means.dtype == np.float32
    assert np.allclose(means, plain_means(data, factor), rtol=1e-5)
    assert block_sums(data, factor).sum() == pytest.approx(float(data.sum(dtype=float)))


def test_sums_of_bright_pixels_do_not_overflow():
    bright = np.full((600, 600), 255, np.uint8)
    for factor in (250, 257, 258, 600):
        assert np.allclose(block_means(bright, factor), 255)


def test_strips_of_a_large_map_make_no_difference(monkeypatch):
    data = np.random.default_rng(1).integers(0, 256, (50, 40)).astype(np.uint8)
    table = np.random.default_rng(2).integers(0, 256, (256, 3)).astype(np.uint8)
    whole, coloured = block_means(data, 3), block_means(data, 3, table)
    monkeypatch.setattr("space.pictures._STRIP_PX", 300)
    assert np.array_equal(block_means(data, 3), whole)
    assert np.array_equal(block_means(data, 3, table), coloured)
    for channel in range(3):
        assert np.allclose(coloured[..., channel], block_means(table[:, channel][data], 3))


def test_resampling_keeps_8_bits_and_labels():
    picture = np.random.default_rng(3).integers(0, 256, (40, 60)).astype(np.uint8)
    assert resized(picture, (20, 30)).dtype == np.uint8
    assert resized(picture.astype(np.int16), (20, 30)).dtype == np.float32
    labels = np.where(picture > 127, 7, 3).astype(np.uint8)
    assert set(np.unique(resized(labels, (57, 91), nearest=True))) == {3, 7}
    assert set(np.unique(resized(labels, (57, 91)))) > {3, 7}


def test_a_picture_is_averaged_where_it_shrinks():
    lines = np.zeros((64, 64), np.float32)
    lines[::2] = 100.0
    assert resized(lines, (8, 8)).mean() == pytest.approx(50, abs=2)


def test_blocks_are_just_as_large_as_needed():
    assert shrinking_factor((1800, 20), 1800) == 1
    assert shrinking_factor((1801, 20), 1800) == 2
    assert shrinking_factor((), 1800) == 1
