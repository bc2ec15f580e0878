"""Between specimen and camera: thickness, contrast, beam and motion, on plain arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from space.simulator.imaging import ctf
from space.simulator.imaging import electrons as imaging

PIXEL_NM = 0.5


def radial(power: np.ndarray, pixel_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a power spectrum over circles: frequency (1/nm) and power."""
    rows = np.fft.fftfreq(power.shape[0], pixel_nm)[:, None]
    cols = np.fft.fftfreq(power.shape[1], pixel_nm)[None, :]
    step = 1.0 / (min(power.shape) * pixel_nm)
    ring = (np.hypot(rows, cols) / step).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    return (np.arange(len(mean)) + 0.5) * step, mean


def minima(frequency, power, expected, half_width):
    """Frequency of least power near each of the expected ones."""
    found = []
    for zero in expected:
        near = np.abs(frequency - zero) < half_width
        smooth = np.polyfit(frequency[near] - zero, power[near], 2)
        found.append(zero - smooth[1] / (2.0 * smooth[0]))
    return np.array(found)


def white(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / PIXEL_NM


@pytest.mark.parametrize("path", [0.98, 1.0, 1.4, 2.0])
def test_counts_fall_with_the_way_through_the_specimen(path):
    seen = imaging.tilted(np.full((4, 5), math.exp(-0.8), np.float32), path)
    assert seen == pytest.approx(math.exp(-0.8 * path), rel=1e-3)


@pytest.mark.parametrize(
    ("defocus_um", "voltage_kV"), [(-2.0, 300.0), (-4.5, 300.0), (-3.0, 200.0)]
)
def test_rings_have_their_zeros_where_the_formula_says(defocus_um, voltage_kV):
    lens = imaging.Lens(defocus_um, voltage_kV, 2.7, 0.07)
    flat = np.full((1000, 1000), 0.5, np.float32)
    seen = imaging.phase_contrast(flat, white(flat.shape), PIXEL_NM, lens)
    power = np.abs(np.fft.fft2(seen - seen.mean())) ** 2
    zeros = ctf.zeros_per_nm(4, defocus_um, voltage_kV, 2.7, 0.07)
    found = minima(*radial(power, PIXEL_NM), zeros, 0.02)
    assert found == pytest.approx(zeros, abs=0.004)


def test_contrast_is_that_of_the_thickness_and_leaves_the_mean():
    lens = imaging.Lens(-3.0)
    spread = []
    for optical_depth in (0.3, 1.2):
        flat = np.full((400, 400), math.exp(-optical_depth), np.float32)
        seen = imaging.phase_contrast(flat, white(flat.shape), PIXEL_NM, lens) / flat
        assert seen.mean() == pytest.approx(1.0, abs=0.01)
        spread.append(seen.std())
    assert spread[1] / spread[0] == pytest.approx(2.0, rel=0.02)
    empty = np.ones((400, 400), np.float32)
    assert imaging.phase_contrast(empty, white(empty.shape), PIXEL_NM, lens) == pytest.approx(1.0)
    nothing = np.zeros((64, 64), np.float32)
    assert not imaging.phase_contrast(nothing, white(nothing.shape), PIXEL_NM, lens).any()


@pytest.mark.parametrize("shape", [(120, 161), (97, 101)])
def test_any_size_of_picture_will_do(shape):
    flat = np.full(shape, 0.5, np.float32)
    seen = imaging.phase_contrast(flat, white(shape), PIXEL_NM, imaging.Lens(-3.0))
    assert seen.shape == shape and seen.dtype == np.float32


def test_the_beam_is_a_disc_of_its_size_at_its_place():
    seen = imaging.beam((300, 400), (150.0, 180.0), 60.0)
    rows, cols = np.indices(seen.shape) + 0.5
    assert (seen * cols).sum() / seen.sum() == pytest.approx(150.0, abs=0.01)
    assert (seen * rows).sum() / seen.sum() == pytest.approx(180.0, abs=0.01)
    assert seen.sum() == pytest.approx(math.pi * 60.0**2, rel=0.002)
    assert seen.min() == 0.0 and seen.max() == 1.0
    edge = seen[180, 150:]
    assert 2 <= np.count_nonzero((edge > 0.02) & (edge < 0.98)) <= 6


def test_a_beam_that_covers_the_picture_is_not_drawn():
    assert imaging.beam((300, 400), (200.0, 150.0), 260.0) is None
    assert imaging.beam((300, 400), (200.0, 150.0), 250.0) is not None
    assert imaging.beam((300, 400), (230.0, 150.0), 260.0) is not None


def test_motion_draws_points_out_along_it():
    point = np.zeros((81, 101), np.float32)
    point[40, 50] = 1.0
    seen = imaging.moved(point, (20.0, -10.0))
    rows, cols = np.nonzero(seen > 0)
    assert (cols.min(), cols.max()) == (40, 60) and (rows.min(), rows.max()) == (35, 45)
    assert np.polyfit(cols, rows, 1)[0] == pytest.approx(-0.5, abs=0.03)
    assert seen.sum() == pytest.approx(1.0)
    assert imaging.moved(point, (0.4, 0.3)) is point
