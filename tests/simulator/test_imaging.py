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


@pytest.mark.parametrize("fringes", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("light", [imaging.Light(), imaging.Light(0.05, -0.03, 0.06)])
def test_the_beam_is_a_disc_of_its_size_at_its_place(fringes, light):
    """However uneven and fringed, its mean over the disc is 1: dose is current over area."""
    seen = imaging.beam((300, 400), (150.0, 180.0), 60.0, light, fringes)
    rows, cols = np.indices(seen.shape) + 0.5
    assert seen.sum() == pytest.approx(math.pi * 60.0**2, rel=0.005)
    # A beam that is brighter to one side by b has its centre b r / 4 to that side.
    assert (seen * cols).sum() / seen.sum() == pytest.approx(150.0 + 15.0 * light.right, abs=0.05)
    assert (seen * rows).sum() / seen.sum() == pytest.approx(180.0 + 15.0 * light.down, abs=0.05)
    assert seen.min() == 0.0 and seen.dtype == np.float32
    edge = seen[180, 150:]
    assert 2 <= np.count_nonzero((edge > 0.02) & (edge < 0.9)) <= 6


def test_fringes_run_along_the_edge():
    radius = 400.0
    plain, fringed = (
        imaging.beam((850, 850), (425.0, 425.0), radius, imaging.Light(), strength)[425, 425:]
        for strength in (0.0, 1.0)
    )
    assert plain.max() == pytest.approx(1.0, abs=1e-4)
    inwards = fringed[: int(radius)][::-1]
    first = int(np.argmax(inwards))
    # The first maximum of diffraction at an edge: 1.37 times the even light, 1.22 widths inside.
    assert first == pytest.approx(1.22 * imaging.EDGE_WIDTH * radius, abs=3.0)
    assert 1.15 < inwards[first] < 1.37
    second = first + 4 + int(np.argmin(inwards[first + 4 : first + 20]))
    assert inwards[second] < 0.97
    assert inwards[int(0.2 * radius) :] == pytest.approx(1.0, abs=1e-3)


def test_unevenness_is_smooth_and_moves_with_the_beam():
    light = imaging.Light(0.04, 0.02, 0.05)
    still, moved = (
        imaging.beam((200, 200), (100.0 + x, 100.0 - y), 300.0, light, 1.0)
        for x, y in ((0.0, 0.0), (12.0, 5.0))
    )
    assert moved[:-5, 12:] == pytest.approx(still[5:, :-12], abs=1e-5)
    assert 0.005 < still.std() < 0.05
    assert np.abs(np.diff(still, axis=0)).max() < 1e-3


def test_motion_draws_points_out_along_it():
    point = np.zeros((81, 101), np.float32)
    point[40, 50] = 1.0
    seen = imaging.moved(point, (20.0, -10.0))
    rows, cols = np.nonzero(seen > 0)
    assert (cols.min(), cols.max()) == (40, 60) and (rows.min(), rows.max()) == (35, 45)
    assert np.polyfit(cols, rows, 1)[0] == pytest.approx(-0.5, abs=0.03)
    assert seen.sum() == pytest.approx(1.0)
    assert imaging.moved(point, (0.4, 0.3)) is point
