"""Exposure, contrast transfer, IMOD's files, extent, quality: each against a formula or a truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.tomograms import imod_files
from space.tomograms.exposure import critical_e_A2, dose_filter
from space.tomograms.extent import extent
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.quality import score
from space.tomograms.transfer import Lens, flipped


def test_critical_doses_are_those_of_the_paper():
    # 0.245 * (1 / 20)^-1.665 + 2.81, worked out by hand.
    assert critical_e_A2(np.array([0.05]))[0] == pytest.approx(38.72, abs=0.05)
    assert critical_e_A2(np.array([0.25]))[0] == pytest.approx(5.27, abs=0.02)
    ratio = critical_e_A2(np.array([0.1]), 200)[0] / critical_e_A2(np.array([0.1]))[0]
    assert ratio == pytest.approx(0.8)


def test_high_frequencies_fade_first():
    weights = dose_filter((32, 32), 1.0, 100.0)
    assert weights[0, 0] > 0.999
    assert (np.diff(weights[0]) < 0).all()
    assert dose_filter((8, 8), 1.0, 0.0) == pytest.approx(np.ones((8, 5)))


def test_wavelength():
    assert Lens(300).wavelength_nm * 1000 == pytest.approx(1.9687, abs=1e-3)
    assert Lens(200).wavelength_nm * 1000 == pytest.approx(2.5079, abs=1e-3)


def transfer(shape, pixel_nm, underfocus_nm, lens):
    y, x = np.fft.fftfreq(shape[0], pixel_nm), np.fft.rfftfreq(shape[1], pixel_nm)
    k2 = y[:, None] ** 2 + x[None] ** 2
    length = lens.wavelength_nm
    return np.sin(
        math.pi * length * underfocus_nm * k2
        - math.pi / 2 * lens.cs_mm * 1e6 * length**3 * k2**2
        + math.asin(lens.amplitude_contrast)
    )


def test_flipped_phases_are_those_of_the_object():
    rng = np.random.default_rng(2)
    thing = rng.normal(size=(64, 96))
    lens = Lens()
    seen = np.fft.irfft2(np.fft.rfft2(thing) * transfer(thing.shape, 1.0, 3000, lens), thing.shape)
    stack = Stack(seen[None].astype(np.float32), 1.0, (31.5, 47.5))
    found = flipped(stack.data[0], stack, lens, 3000, 0.0, (np.array([1.0, 0.0]), 0.0))
    ratio = np.fft.rfft2(found) / np.fft.rfft2(thing)
    assert (ratio.real > -1e-3).all()
    assert np.corrcoef(found.ravel(), thing.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("axis_deg", [0.0, 90.0])
def test_defocus_grows_on_the_side_that_is_lower(axis_deg):
    """At a positive tilt what is at +x stands lower: more under focus. (Steep, to be seen here.)"""
    rng = np.random.default_rng(3)
    lens, side, tangent = Lens(), 200, math.tan(math.radians(82.0))
    thing = rng.normal(size=(side, side))
    alignment = Alignment(axis_deg, np.array([82.0]), np.zeros((1, 2)))
    across = (alignment.turn[0], 0.0)
    at = np.arange(side) - (side - 1) / 2
    px, py = np.meshgrid(at, at)
    x = px * math.cos(math.radians(axis_deg)) + py * math.sin(math.radians(axis_deg))
    height = -x * tangent
    seen = np.zeros_like(thing)
    for low in np.arange(-800.0, 800.0, 40.0):
        here = (height >= low) & (height < low + 40)
        passed = transfer(thing.shape, 1.0, 4000 - (low + 20), lens)
        seen[here] = np.fft.irfft2(np.fft.rfft2(thing) * passed, thing.shape)[here]
    stack = Stack(seen[None].astype(np.float32), 1.0, ((side - 1) / 2,) * 2)
    right, wrong, none = (
        np.corrcoef(
            flipped(stack.data[0], stack, lens, 4000, slope, across).ravel(), thing.ravel()
        )[0, 1]
        for slope in (tangent, -tangent, 0.0)
    )
    assert right > none + 0.05 and right > wrong + 0.1


@given(
    st.floats(-180, 180),
    st.lists(
        st.tuples(st.floats(-70, 70), st.floats(-500, 500), st.floats(-500, 500)),
        min_size=1, max_size=8,
    ),
)  # fmt: skip
def test_alignments_come_back_from_imod_files(tmp_path_factory, axis_deg, lines):
    tilts, x, y = (np.array(one) for one in zip(*lines))
    ours = Alignment(axis_deg, tilts, np.stack([x, y], axis=1))
    folder = tmp_path_factory.mktemp("xf")
    xf, tlt = imod_files.write(folder, "ts", ours, 0.27)
    found = imod_files.read(xf, tlt, 0.27)
    np.testing.assert_allclose(found.turn, ours.turn, atol=1e-6)
    np.testing.assert_allclose(found.shifts_nm, ours.shifts_nm, atol=1e-3)
    np.testing.assert_allclose(found.tilts_deg, tilts, atol=0.006)


@pytest.mark.parametrize(
    ("xf", "words"),
    [
        ("1 0 0 1 2", "six numbers"),
        ("1 0 0 1 2 x", "cannot be read"),
        ("2 0 0 2 0 0", "stretch"),
        ("nan 0 0 1 0 0", "six numbers"),
    ],
)
def test_other_transforms_are_refused(tmp_path, xf, words):
    (tmp_path / "a.xf").write_text(xf)
    (tmp_path / "a.tlt").write_text("3.0\n")
    with pytest.raises(SpaceError, match=words):
        imod_files.read(tmp_path / "a.xf", tmp_path / "a.tlt", 1.0)


@given(st.floats(-15, 15), st.floats(40, 160))
def test_the_specimen_is_found_along_z(middle_nm, thickness_nm):
    rng = np.random.default_rng(4)
    z = (np.arange(80) - 39.5) * 4.0
    volume = rng.normal(0, 0.1, (80, 40, 40))
    inside = np.abs(z - middle_nm) < thickness_nm / 2
    volume[inside] += rng.normal(0, 0.5, (int(inside.sum()), 40, 40))
    found = extent(volume, 4.0)
    assert found.middle_nm == pytest.approx(middle_nm, abs=3.0)
    assert found.thickness_nm == pytest.approx(thickness_nm, abs=6.0)


def test_moving_the_specimen_moves_it_in_the_pictures():
    still = Alignment(0.0, np.array([0.0, 60.0]), np.zeros((2, 2)))
    moved = still.moved((10.0, 3.0, 20.0))
    cosine, sine = math.cos(math.radians(60)), math.sin(math.radians(60))
    np.testing.assert_allclose(moved.shifts_nm, [(10, 3), (10 * cosine + 20 * sine, 3)], atol=1e-9)


def test_a_turned_axis_leaves_places_in_the_pictures():
    ours = Alignment(85.0, np.array([0.0]), np.array([[10.0, -4.0]]))
    other = ours.turned_further(3.0)
    before, after = (one.turn.T @ one.shifts_nm[0] for one in (ours, other))
    np.testing.assert_allclose(before, after)
    assert other.axis_deg == 88.0


def test_quality_falls_with_gaps_and_residuals():
    tilts = np.arange(-60.0, 61.0, 3.0)
    full = score(tilts, np.full(41, 0.5), np.full(41, 0.5), 1.0)
    half = score(tilts[tilts < 31], np.full(31, 0.5), np.full(31, 0.5), 1.0)
    worse = score(tilts, np.full(41, 4.0), np.full(41, 0.5), 1.0)
    assert full.coverage == 1.0 and half.coverage == pytest.approx(93 / 120)
    assert full.total > half.total > worse.total > 0
