"""The defocus is read off the rings in the power spectrum, and only where there are any."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.imaging.ctf import contrast_transfer
from space.simulator.measuring.ctf_fit import Aberrations, fit_defocus, rotational_spectrum

PIXEL_NM = 0.6
SHAPE = (700, 900)


def picture(defocus_um, contrast=0.04, seed=1, **optics):
    """White specimen behind the lens, with the shot noise of some 50 electrons per pixel."""
    rng = np.random.default_rng(seed)
    rows = np.fft.fftfreq(SHAPE[0], PIXEL_NM)[:, None]
    cols = np.fft.rfftfreq(SHAPE[1], PIXEL_NM)[None, :]
    waves = np.fft.rfft2(rng.standard_normal(SHAPE))
    waves *= contrast_transfer(np.hypot(rows, cols), defocus_um, **optics)
    seen = 1.0 + contrast * np.fft.irfft2(waves, s=SHAPE)
    return (8 * rng.poisson(50 * seen)).astype(np.int16)


@pytest.mark.parametrize("defocus_um", [-1.5, -2.2, -3.0, -4.1, -6.0, -8.3])
def test_defocus_of_pictures_made_with_the_formula(defocus_um):
    spectrum = rotational_spectrum(picture(defocus_um), PIXEL_NM)
    fit = fit_defocus(spectrum, -10.0, -0.5)
    assert fit.defocus_um == pytest.approx(defocus_um, abs=0.05)
    assert fit.score > 0.7
    assert fit.fitted_to_per_nm > 0.5


def test_limits_in_any_order_bound_the_answer():
    spectrum = rotational_spectrum(picture(-4.0), PIXEL_NM)
    assert fit_defocus(spectrum, -0.5, -10.0).defocus_um == pytest.approx(-4.0, abs=0.05)
    inside = fit_defocus(spectrum, -2.5, -3.5)
    assert inside is None or -3.5 <= inside.defocus_um <= -2.5


def test_the_lens_matters():
    optics = {"voltage_kV": 200.0, "cs_mm": 2.0, "amplitude_contrast": 0.1}
    spectrum = rotational_spectrum(picture(-3.0, **optics), PIXEL_NM)
    right = fit_defocus(spectrum, -10.0, -0.5, Aberrations(*optics.values()))
    assert right.defocus_um == pytest.approx(-3.0, abs=0.05)
    wrong = fit_defocus(spectrum, -10.0, -0.5)
    assert abs(wrong.defocus_um + 3.0) > 0.5


def test_a_steep_slope_at_low_frequencies_does_not_mislead():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    grains = gaussian_filter(rng.standard_normal(SHAPE), (7.0, 3.5))
    seen = picture(-5.4) * (1.0 + 0.12 * grains / grains.std())
    fit = fit_defocus(rotational_spectrum(seen, PIXEL_NM), -10.0, -0.5)
    assert fit.defocus_um == pytest.approx(-5.4, abs=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_defocus(seed):
    noise = np.random.default_rng(seed).poisson(50, SHAPE)
    assert fit_defocus(rotational_spectrum(noise, PIXEL_NM), -10.0, -0.5) is None


def test_pictures_that_cannot_show_rings():
    coarse = rotational_spectrum(picture(-4.0), 7.6)
    assert fit_defocus(coarse, -10.0, -0.5) is None
    flat = rotational_spectrum(np.full(SHAPE, 7, np.int16), PIXEL_NM)
    assert fit_defocus(flat, -10.0, -0.5) is None
