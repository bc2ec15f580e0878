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


def interaction_rad_per_V_nm(voltage_kV: float) -> float:
    """Phase that a potential of 1 V shifts over 1 nm.

    ``2 pi / (wavelength U) (m c^2 + e U) / (2 m c^2 + e U)``; L. Reimer and H. Kohl, section
    3.1.3. 0.0065 rad at 300 kV.
    """
    rest_V = ELECTRON_MASS_KG * LIGHT_M_S**2 / ELEMENTARY_CHARGE_C
    volts = 1e3 * voltage_kV
    relativity = (rest_V + volts) / (2.0 * rest_V + volts)
    return 2.0 * math.pi / (wavelength_nm(voltage_kV) * volts) * relativity


def phase_rad(
    frequency_per_nm: np.ndarray | float,
    defocus_um: np.ndarray | float,
    voltage_kV: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
) -> np.ndarray:
    """Argument of the transfer function; its multiples of pi are the zeros.

    ``pi lambda k^2 (z - lambda^2 k^2 Cs / 2) + asin(w)`` with the underfocus z taken positive,
    as in A. Rohou and N. Grigorieff, CTFFIND4, J. Struct. Biol. 192 (2015), equations 2 and 3,
    without phase plate; with astigmatism z depends on the direction (`defocus_along_um`).
    Parameters as for `contrast_transfer`.
    """
    wavelength = wavelength_nm(voltage_kV)
    square = np.square(np.asarray(frequency_per_nm))
    underfocus_nm = -1e3 * defocus_um
    spherical_nm = 0.5e6 * cs_mm * wavelength**2
    wave = math.pi * wavelength * square * (underfocus_nm - spherical_nm * square)
    return wave + math.asin(amplitude_contrast)


def defocus_along_um(
    defocus_um: float,
    astigmatism_um: tuple[float, float],
    x_per_nm: np.ndarray,
    y_per_nm: np.ndarray,
) -> np.ndarray:
    """Defocus in the direction of spatial frequencies.

    The underfocus along the angle a is ``(z1 + z2 + (z1 - z2) cos(2 (a - a1))) / 2`` with the
    largest, z1, along a1 and the smallest, z2, across; as in CTFFIND4 (see `phase_rad`),
    equation 4.

    Parameters
    ----------
    defocus_um : float
        Mean of all directions; negative is under focus.
    astigmatism_um : tuple of float
        ``(z1 - z2) (cos 2 a1, sin 2 a1)``.
    x_per_nm, y_per_nm : arrays that broadcast
        Spatial frequencies along the two axes, of one of which a1 is counted towards the other.
    """
    along, across = (np.float32(0.5 * part) for part in astigmatism_um)
    xx, yy = np.square(x_per_nm), np.square(y_per_nm)
    square = xx + yy
    np.maximum(square, np.float32(1e-12), out=square)  # of no matter: the phase has k^2 too
    more = (np.float32(2.0) * across) * x_per_nm * y_per_nm
    more += along * xx
    more -= along * yy
    more /= square
    return np.subtract(np.float32(defocus_um), more, out=more)


def coma_phase_rad(
    x_per_nm: np.ndarray | float,
    y_per_nm: np.ndarray | float,
    tilt_mrad: tuple[float, float],
    voltage_kV: float,
    cs_mm: float,
) -> np.ndarray:
    """Phase by which axial coma displaces what has a spatial frequency.

    ``2 pi Cs lambda^2 k^2 (t . k)`` for a beam tilted by t against the coma-free axis: the part
    of the lens's phase that is odd around the tilted beam, without what displaces all
    frequencies alike. For the source see `column.aberrations`.
    """
    x, y = (np.float32(1e-3 * part) for part in tilt_mrad)
    per_nm3 = np.float32(2e6 * math.pi * cs_mm * wavelength_nm(voltage_kV) ** 2)
    along = np.asarray(x * x_per_nm + y * y_per_nm)
    return along * (np.square(x_per_nm) + np.square(y_per_nm)) * per_nm3


def contrast_transfer(
    frequency_per_nm: np.ndarray | float,
    defocus_um: np.ndarray | float,
    voltage_kV: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
) -> np.ndarray:
    """Contrast transfer at spatial frequencies, without envelope.

    ``-sin(phase)`` with the phase of `phase_rad` (source there). Negative values are dark
    contrast of dense things, which is what low frequencies have under focus.

    Parameters
    ----------
    frequency_per_nm : array of any shape
        Spatial frequencies, 1/nm.
    defocus_um : float or array
        As SerialEM counts it: negative is under focus. One for each frequency with astigmatism.
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
    defocus_um: np.ndarray | float,
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
