"""The contrast transfer function: what defocus does to the waves that make up a picture.

A thin specimen shifts the phase of the electron wave in proportion to what lies in the way. The
lens turns each spatial frequency of that phase into contrast with a factor that goes through
zero again and again; the zeros are the dark rings in the power spectrum of a picture.
"""

from __future__ import annotations

import math

import numpy as np

PLANCK_J_S = 6.62607015e-34
ELECTRON_MASS_KG = 9.1093837015e-31
ELEMENTARY_CHARGE_C = 1.602176634e-19
LIGHT_M_S = 299792458.0


def wavelength_nm(voltage_kV: float) -> float:
    """Wavelength of electrons, with the correction of relativity.

    ``h / sqrt(2 m e V (1 + e V / 2 m c^2))``; L. Reimer and H. Kohl, Transmission Electron
    Microscopy, 5th edition, equation 2.12. 0.00197 nm at 300 kV.
    """
    energy_J = ELEMENTARY_CHARGE_C * voltage_kV * 1e3
    rest_J = ELECTRON_MASS_KG * LIGHT_M_S**2
    momentum = math.sqrt(2.0 * ELECTRON_MASS_KG * energy_J * (1.0 + energy_J / (2.0 * rest_J)))
    return PLANCK_J_S / momentum * 1e9


def phase_rad(
    frequency_per_nm: np.ndarray | float,
    defocus_um: float,
    voltage_kV: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
) -> np.ndarray:
    """Argument of the transfer function; its multiples of pi are the zeros.

    ``pi lambda k^2 (z - lambda^2 k^2 Cs / 2) + asin(w)`` with the underfocus z taken positive,
    as in A. Rohou and N. Grigorieff, CTFFIND4, J. Struct. Biol. 192 (2015), equations 2 and 3,
    without astigmatism and phase plate. Parameters as for `contrast_transfer`.
    """
    wavelength = wavelength_nm(voltage_kV)
    square = np.square(np.asarray(frequency_per_nm))
    underfocus_nm = -1e3 * defocus_um
    spherical_nm = 0.5e6 * cs_mm * wavelength**2
    wave = math.pi * wavelength * square * (underfocus_nm - spherical_nm * square)
    return wave + math.asin(amplitude_contrast)


def contrast_transfer(
    frequency_per_nm: np.ndarray | float,
    defocus_um: float,
    voltage_kV: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
) -> np.ndarray:
    """Contrast transfer at spatial frequencies, without astigmatism and envelope.

    ``-sin(phase)`` with the phase of `phase_rad` (source there). Negative values are dark
    contrast of dense things, which is what low frequencies have under focus.

    Parameters
    ----------
    frequency_per_nm : array of any shape
        Spatial frequencies, 1/nm.
    defocus_um : float
        As SerialEM counts it: negative is under focus.
    voltage_kV : float
        Accelerating voltage.
    cs_mm : float
        Spherical aberration.
    amplitude_contrast : float
        Fraction of the contrast that is there without defocus, 0..1.

    Returns
    -------
    array of the same shape, -1..1; the floating type of the input is kept
    """
    phase = phase_rad(frequency_per_nm, defocus_um, voltage_kV, cs_mm, amplitude_contrast)
    return -np.sin(phase)


def envelope(
    frequency_per_nm: np.ndarray | float,
    defocus_um: float,
    voltage_kV: float,
    cs_mm: float,
    convergence_mrad: float,
    b_factor_A2: float,
) -> np.ndarray:
    """Loss of contrast towards high frequencies, 0..1.

    Convergence of the illumination by the half angle a damps with
    ``exp(-(pi a (Cs lambda^2 k^3 - z k))^2)`` (J. Frank, Three-Dimensional Electron Microscopy
    of Macromolecular Assemblies, 2nd edition, section 2.3.5, with z the underfocus); everything
    else is put into ``exp(-B k^2 / 4)``.

    Parameters
    ----------
    frequency_per_nm, defocus_um, voltage_kV, cs_mm
        As for `contrast_transfer`.
    convergence_mrad : float
        Half angle of the illumination.
    b_factor_A2 : float
        Temperature factor in square ångström.
    """
    frequency = np.asarray(frequency_per_nm)
    square = np.square(frequency)
    bend_nm = 1e6 * cs_mm * wavelength_nm(voltage_kV) ** 2
    blur = math.pi * 1e-3 * convergence_mrad * frequency * (bend_nm * square + 1e3 * defocus_um)
    return np.exp(-np.square(blur) - 0.25e-2 * b_factor_A2 * square)


def zeros_per_nm(
    count: int,
    defocus_um: float,
    voltage_kV: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
) -> np.ndarray:
    """Frequencies of the first zeros for an under-focused picture.

    Parameters
    ----------
    count : int
        How many zeros; NaN stands for those beyond the turning point of the phase.
    defocus_um, voltage_kV, cs_mm, amplitude_contrast : float
        As for `contrast_transfer`; the defocus has to be negative.

    Returns
    -------
    (count,) array of increasing frequencies, 1/nm

    Raises
    ------
    ValueError
        If the defocus is not under focus.
    """
    if defocus_um >= 0:
        raise ValueError("zeros are counted for under-focused pictures only")
    wavelength = wavelength_nm(voltage_kV)
    underfocus_nm = -1e3 * defocus_um
    spherical_nm = 0.5e6 * cs_mm * wavelength**2
    wanted = np.arange(1, count + 1) - math.asin(amplitude_contrast) / math.pi
    inside = underfocus_nm**2 - 4.0 * spherical_nm * wanted / wavelength
    # Of the two solutions for k^2 the smaller one, in the form that also holds without Cs.
    root = np.sqrt(np.where(inside >= 0, inside, np.nan))
    return np.sqrt(2.0 * wanted / wavelength / (underfocus_nm + root))
