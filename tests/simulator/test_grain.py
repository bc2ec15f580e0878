"""The finest structure of the specimen: white, without a period, the same at all scales."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.specimen import grain


def map_of(pixel_nm: float, angle_deg: float, origin_um=(0.0, 0.0)) -> np.ndarray:
    a = np.deg2rad(angle_deg)
    turn = 1e-3 * pixel_nm * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.column_stack([turn, origin_um])


@pytest.mark.parametrize("level", [-1, 0, 3])
def test_squares_are_means_of_the_next_finer_lattice(level):
    fine = grain.lattice(level, (-6, 10), (34, 50), seed=5)
    coarse = grain.lattice(level + 1, (-3, 5), (17, 25), seed=5)
    assert fine.reshape(20, 2, 20, 2).mean(axis=(1, 3)) == pytest.approx(coarse, abs=1e-6)
    assert not np.allclose(fine, grain.lattice(level, (-6, 10), (34, 50), seed=6))


def test_any_part_of_the_lattice_is_a_part_of_the_whole():
    whole = grain.lattice(0, (-40, -60), (60, 40), seed=3)
    part = grain.lattice(0, (-7, 5), (12, 31), seed=3)
    assert np.array_equal(part, whole[33:52, 65:91])


def test_neighbours_have_nothing_to_do_with_each_other():
    values = grain.lattice(0, (1000, -2000), (1400, -1500), seed=1)
    spectrum = np.abs(np.fft.rfft2(values - values.mean())) ** 2 / values.size
    bands = spectrum[:, 1:].reshape(8, 50, -1).mean(axis=(1, 2))
    assert bands == pytest.approx(values.var(), rel=0.06)
    assert values.std() * grain.PITCH_NM == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(("pixel_nm", "angle_deg"), [(0.496, -95.4), (0.62, 30.0), (2.0, 0.0)])
def test_pictures_have_a_power_density_of_a_square_nanometre(pixel_nm, angle_deg):
    seen = grain.sample(map_of(pixel_nm, angle_deg, (310.0, -97.0)), (600, 700), seed=2)
    assert seen.shape == (600, 700) and seen.dtype == np.float32
    blocks = seen.reshape(60, 10, 70, 10).mean(axis=(1, 3))
    assert blocks.var() * (10 * pixel_nm) ** 2 == pytest.approx(1.0, rel=0.35)
    spectrum = np.abs(np.fft.rfft2(seen)) ** 2 / seen.size * pixel_nm**2
    near_nyquist = spectrum[250:350, 20:60].mean()
    assert 0.4 < near_nyquist < 1.5


def test_a_shifted_picture_shows_the_same_grain():
    still = grain.sample(map_of(0.5, -95.0), (200, 300), seed=4)
    m = map_of(0.5, -95.0)
    m[:, 2] += m[:, :2] @ (30.0, -20.0)
    moved = grain.sample(m, (200, 300), seed=4)
    assert np.corrcoef(still[:-20, 30:].ravel(), moved[20:, :-30].ravel())[0, 1] > 0.95


def test_the_picture_with_larger_pixels_shows_the_mean():
    fine = grain.sample(map_of(0.25, 0.0), (256, 256), seed=7)
    coarse = grain.sample(map_of(0.5, 0.0), (128, 128), seed=7)
    mean = fine.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(mean.ravel(), coarse.ravel())[0, 1] > 0.95
