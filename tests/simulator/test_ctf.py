"""The contrast transfer function against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.imaging import ctf


@pytest.mark.parametrize(
    ("voltage_kV", "wavelength_pm"),
    [(100.0, 3.7014), (120.0, 3.3492), (200.0, 2.5079), (300.0, 1.9687)],
)
def test_wavelengths_are_those_of_the_tables(voltage_kV, wavelength_pm):
    assert 1e3 * ctf.wavelength_nm(voltage_kV) == pytest.approx(wavelength_pm, abs=1e-4)


# Without spherical aberration and amplitude contrast the zeros are at sqrt(n / (wavelength z));
# with amplitude contrast w at sqrt((n - asin(w) / pi) / (wavelength z)).
# 300 kV: sqrt(1 / (0.0019687 * 2000)) = 0.50395; 200 kV: sqrt(1 / (0.0025079 * 3000)) = 0.36458.
@pytest.mark.parametrize(
    ("defocus_um", "voltage_kV", "amplitude_contrast", "zeros_per_nm"),
    [
        (-2.0, 300.0, 0.0, (0.50395, 0.71269, 0.87287)),
        (-4.0, 300.0, 0.0, (0.35635, 0.50395, 0.61721)),
        (-4.0, 300.0, 0.07, (0.35236, 0.50114, 0.61491)),
        (-3.0, 200.0, 0.0, (0.36458, 0.51559, 0.63147)),
        (-3.0, 200.0, 0.1, (0.35872, 0.51147, 0.62809)),
    ],
)
def test_zeros_without_spherical_aberration(
    defocus_um, voltage_kV, amplitude_contrast, zeros_per_nm
):
    optics = (defocus_um, voltage_kV, 0.0, amplitude_contrast)
    assert ctf.zeros_per_nm(3, *optics) == pytest.approx(zeros_per_nm, abs=2e-5)
    assert ctf.contrast_transfer(np.array(zeros_per_nm), *optics) == pytest.approx(0.0, abs=1e-3)


def test_spherical_aberration_moves_zeros_outwards():
    """Solutions of wavelength k² (z - wavelength² k² Cs / 2) = n for z = 1 µm, Cs = 2.7 mm.

    With a = 0.5 * 2.7e6 * 0.0019687² = 5.2325 nm³ the equation a k⁴ - 1000 k² + n / 0.0019687 = 0
    gives k² = 0.50931 for n = 1 and 1.02136 for n = 2.
    """
    found = ctf.zeros_per_nm(2, -1.0, 300.0, 2.7, 0.0)
    assert found == pytest.approx(np.sqrt((0.50931, 1.02136)), abs=2e-4)
    values = ctf.contrast_transfer(ctf.zeros_per_nm(30, -1.5), -1.5)
    assert np.abs(values[np.isfinite(values)]).max() < 1e-9


def test_dense_things_are_dark_under_focus_and_bright_over_focus():
    low = 0.1
    assert ctf.contrast_transfer(low, -4.0) < -0.07 < 0.0
    assert ctf.contrast_transfer(low, 4.0) > 0.0
    assert ctf.contrast_transfer(0.0, -4.0) == pytest.approx(-0.07)


def test_the_phase_has_a_turning_point_beyond_which_there_are_no_more_zeros():
    zeros = ctf.zeros_per_nm(60, -0.2)
    assert np.isnan(zeros[-1]) and np.isfinite(zeros[0])
    with pytest.raises(ValueError, match="under-focused"):
        ctf.zeros_per_nm(3, 0.5)


def test_the_envelope_falls_with_frequency_and_defocus():
    frequency = np.linspace(0.0, 2.0, 50)
    near, far = (ctf.envelope(frequency, z, 300.0, 2.7, 0.02, 150.0) for z in (-2.0, -50.0))
    assert near[0] == 1.0 and np.all(np.diff(near) < 0)
    assert np.all(far[1:] < near[1:])
    # exp(-150 / 4 / 10²) at 1 nm⁻¹ = 0.1 Å⁻¹, less what convergence takes away
    assert 0.6 < near[np.argmin(abs(frequency - 1.0))] < np.exp(-0.375) + 0.01


def test_single_precision_stays_single_precision():
    assert ctf.contrast_transfer(np.zeros(3, np.float32), -4.0).dtype == np.float32
