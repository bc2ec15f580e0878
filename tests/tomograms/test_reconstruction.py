from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tilt_phantom import phantom
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.operators import (
    back_projection,
    band,
    frequencies,
    left_out,
    overlap,
    sirt_weights,
    wbp_weights,
)
from space.tomograms.reconstruction import Plan, Reconstruction, reconstruct

SHAPE = (40, 72, 88)


def stack_of(made):
    data = made.pictures / made.pictures.mean(axis=(1, 2), keepdims=True) - 1
    rows, columns = data.shape[1:]
    return Stack(data.astype(np.float32), made.pixel_nm, ((rows - 1) / 2, (columns - 1) / 2))


def truth_of(made):
    """The alignment of a phantom, by its own numbers."""
    turned = Alignment(made.axis_deg, made.tilts_deg, np.zeros((len(made.tilts_deg), 2)))
    return Alignment(made.axis_deg, made.tilts_deg, -made.shifts_nm @ turned.turn.T)


@pytest.fixture(scope="module", params=[4.0, 94.0, -130.0])
def made(request):
    rng = np.random.default_rng(5)
    x, y, z = rng.uniform(-1, 1, (3, 12)) * np.array([[120.0], [100.0], [60.0]])
    balls = np.stack([x, y, z, np.full(12, 10.0)], axis=1)
    return phantom((72, 88), axis_deg=request.param, shift_nm=30.0, balls_nm=balls)


@pytest.mark.parametrize("method", ["wbp", "sirt"])
def test_balls_are_where_they_are_and_not_where_a_mirror_has_them(made, method):
    volume = reconstruct(stack_of(made), truth_of(made), Plan(SHAPE, method))
    middle = (np.array(SHAPE) - 1) / 2
    at = made.balls_nm[:, [2, 1, 0]] / made.pixel_nm + middle
    inside = [one for one in at if all(3 <= v < n - 3 for v, n in zip(one, SHAPE))]
    assert len(inside) >= 6
    for place in inside:
        z, y, x = np.rint(place).astype(int)
        box = -volume[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4]  # dense is dark
        weight = np.clip(box - 0.4 * box.max(), 0, None)
        found = [(np.indices(box.shape)[k] * weight).sum() / weight.sum() for k in range(3)]
        off_px = np.array([z - 3, y - 3, x - 3]) + found - place
        assert np.abs(off_px).max() < 0.6
        mirrored = volume[SHAPE[0] - 1 - z, y, x]
        assert -volume[z, y, x] > 5 * abs(mirrored) or abs(2 * z - SHAPE[0]) < 12


def test_slabs_are_the_whole(made):
    stack, alignment, plan = stack_of(made), truth_of(made), Plan(SHAPE)
    work = Reconstruction(stack, alignment, plan)
    whole = work.slab(slice(0, SHAPE[1]))
    parts = np.concatenate(
        [work.slab(slice(a, b)) for a, b in ((0, 5), (5, 38), (38, SHAPE[1]))], axis=1
    )
    assert np.abs(parts - whole).max() < 1e-4 * np.abs(whole).max()


@pytest.mark.models
def test_pytorch_computes_the_same(made):
    stack, alignment, plan = stack_of(made), truth_of(made), Plan(SHAPE, "sirt")
    rows = slice(10, 20)
    ours = Reconstruction(stack, alignment, plan).slab(rows)
    theirs = Reconstruction(stack, alignment, plan, "cpu:0").slab(rows)
    np.testing.assert_allclose(theirs, ours, atol=1e-5 * np.abs(ours).max())


TILTS = np.arange(-60.0, 61.0, 6.0)


@given(st.integers(1, 60), st.integers(8, 30))
def test_sirt_in_one_step_is_sirt_step_by_step(iterations, layers):
    k = frequencies(24)
    rng = np.random.default_rng(layers)
    pictures = rng.normal(size=(len(k), len(TILTS), 2)) + 0j
    used = band(TILTS, k)[:, :, None]
    back = back_projection(TILTS, k, layers).astype(complex)  # (k, layers, n)
    forth = back.conj().transpose(0, 2, 1)
    slab = np.zeros((len(k), layers, 2), complex)
    for _ in range(iterations):
        rest = pictures - used * (forth @ slab)
        slab += back @ (used * rest) / (len(TILTS) * layers)
    weights = sirt_weights(TILTS, k, layers, iterations)
    at_once = back @ (weights @ pictures)
    assert np.abs(at_once - slab).max() < 1e-4 * np.abs(slab).max()


def test_weights_count_what_pictures_share():
    k = frequencies(64)
    weights = np.einsum("kii->ki", wbp_weights(TILTS, k, 20)) * 20
    assert weights[0] == pytest.approx(1 / len(TILTS))  # all pictures have the same mean
    middle = len(TILTS) // 2
    assert weights[24, middle] > 5 * weights[1, middle]  # high frequencies are seen by few
    assert weights[-1, 0] == 0  # and not at all where a stretched picture has none


def test_a_picture_is_predicted_by_the_others_and_not_by_itself():
    k = frequencies(32)
    rng = np.random.default_rng(1)
    layers = 10
    slab = rng.normal(size=(len(k), layers, 3)) + 1j * rng.normal(size=(len(k), layers, 3))
    back = back_projection(TILTS, k, layers)
    pictures = band(TILTS, k)[:, :, None] * (back.conj().transpose(0, 2, 1) @ slab)
    spectra = pictures.transpose(1, 2, 0).astype(np.complex64)
    found = left_out(spectra, TILTS, k, layers, 0.01)
    low = slice(1, 4)
    off = np.abs(found - spectra)[3:-3, :, low].mean()
    assert off < 0.2 * np.abs(spectra)[3:-3, :, low].mean()
    spoilt = spectra.copy()
    spoilt[7] += 100.0
    assert np.abs(left_out(spoilt, TILTS, k, layers, 0.01)[7] - found[7]).max() < 1e-2


def test_pictures_far_apart_share_little():
    shared = overlap(TILTS, np.array([0.0, 0.2]), 40.0)
    assert np.allclose(shared[0], 1)
    assert abs(shared[1, 0, -1]) < 0.05
