"""What happens to the electrons between the specimen and the camera: arrays in, arrays out.

A picture starts as the transmission of the specimen at zero tilt and becomes the number of
electrons that arrive relative to a beam without specimen: damage by earlier exposures
(`imaging.damage`), thickness by tilt, phase contrast through the lens, the beam, and motion
during the exposure, in this order. `imaging.camera.expose` makes counts of it.

Absorption is not subject to the transfer function: it stands for the electrons that apertures and
the energy filter take away. What the lens turns into contrast is the grain of amorphous matter,
whose rings in the power spectrum show the defocus. It is drawn for pictures with pixels below
`PHASE_CONTRAST_BELOW_UM` only: coarser ones do not reach the frequency of the first ring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from space.simulator.column.energy_filter import Passed
from space.simulator.imaging import ctf

PHASE_CONTRAST_BELOW_UM = 0.0025
GRAIN_NM = 0.045
"""Contrast of amorphous matter: standard deviation of the intensity, in a pixel of 1 nm and behind
matter that lets 1/e of the electrons pass, where the transfer function is 1.

Independent scatterers give 2 wavelength f sqrt(n t) / pixel, with n of them in a volume and t the
thickness. For 300 nm of water (31 molecules per nm³, f = 0.48 nm at 300 kV from the tables of
P. A. Doyle and P. S. Turner, Acta Cryst. A24 (1968)) that is 0.18 nm; at the frequencies of
pictures, water scatters with some 7 % of the power of independent molecules: a quarter of it.
"""
THICKEST = 2.0  # more matter does not add to the contrast of electrons that lost no energy
INELASTIC = 0.6
"""Part of the losses of zero-loss electrons in matter that is due to losses of energy; the
others are scattered beyond the objective aperture. Light elements scatter some three times as
often with a loss as without (L. Reimer and H. Kohl, section 5.2.3), the latter to larger angles."""
UNSEEN = 0.05  # a part of the electrons with losses that is too small to look at
B_FACTOR_A2 = 150.0
CONVERGENCE_MRAD = 0.02
# The edge of the beam, in parts of its radius: width of its fringes, and how far in there are any.
EDGE_WIDTH, EDGE_REACH = 0.025, 0.15
SEEN_FRINGES = 3.0  # widths of the first after which fringes have faded
LARGEST_MOTION_PX = 200.0
SOFT_EDGE_PX = 12.0  # over which objects fade at the edges of a picture
HIGHEST_PER_NM = 3.0
LEAST_COMA_RAD = 0.05  # a smaller phase displaces nothing by a hundredth of its period


@dataclass(frozen=True)
class Lens:
    """What decides the transfer of contrast.

    Attributes
    ----------
    defocus_um : float
        As SerialEM counts it: negative is under focus. The mean of all directions.
    astigmatism_um : tuple of float
        Largest less smallest underfocus, times the cosine and the sine of twice the angle from
        the rows of the picture (to the right) towards its columns (downwards).
    tilt_mrad : tuple of float
        Tilt of the beam against the coma-free axis (right, down). What it does to the defocus
        is in the numbers above already.
    """

    defocus_um: float
    voltage_kV: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.07
    astigmatism_um: tuple[float, float] = (0.0, 0.0)
    tilt_mrad: tuple[float, float] = (0.0, 0.0)


def tilted(transmission: np.ndarray, path: float) -> np.ndarray:
    """Transmission along another way through the specimen: T ** path.

    `path` is its length as a multiple of that at zero tilt.
    """
    if abs(path - 1.0) < 0.0005:
        return transmission
    return np.power(transmission, np.float32(path))


def phase_contrast(
    transmission: np.ndarray,
    grain: np.ndarray,
    pixel_nm: float,
    lens: Lens,
    potential: np.ndarray | None = None,
    dose_e_A2: float = 0.0,
) -> np.ndarray:
    """Intensity with the contrast of amorphous matter, as the lens shows it.

    What is told apart from amorphous matter counts as a weak phase object: its contrast is twice
    its phase times the transfer function.

    Parameters
    ----------
    transmission : (rows, columns) float32
        Of the tilted specimen.
    grain : (rows, columns) float32
        White noise of power density 1 nm² that belongs to the place.
    pixel_nm : float
    lens : Lens
    potential : (rows, columns) float32, optional
        Of particles and the like along the beam, above that of their surroundings: V nm.
    dose_e_A2 : float
        What these have had already, which fades their detail.

    Returns
    -------
    (rows, columns) float32
    """
    contrast = np.clip(transmission, np.float32(math.exp(-THICKEST)), np.float32(1.0))
    np.log(contrast, out=contrast)
    np.negative(contrast, out=contrast)
    np.sqrt(contrast, out=contrast)
    contrast *= grain
    size = tuple(fft.next_fast_len(n, real=True) for n in contrast.shape)
    waves = fft.rfft2(contrast, s=size)
    if potential is not None:
        twice_rad = 2.0 * ctf.interaction_rad_per_V_nm(lens.voltage_kV)
        objects = fft.rfft2(_ending_softly(potential), s=size)
        objects *= np.float32(twice_rad / GRAIN_NM) * _left(size, pixel_nm, round(dose_e_A2, 1))
        waves += objects
    waves *= _transfer(size, pixel_nm, lens)
    rows, columns = contrast.shape
    contrast = fft.irfft2(waves, s=size, overwrite_x=True)[:rows, :columns]
    contrast += np.float32(1.0)
    np.maximum(contrast, 0.0, out=contrast)
    contrast *= transmission
    return contrast


def _ending_softly(values: np.ndarray) -> np.ndarray:
    """Values without their mean that fall to 0 at the edges, where a picture has no beyond."""
    result = values - values.mean(dtype=np.float64).astype(np.float32)
    for axis, size in enumerate(result.shape):
        away = np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5)
        ramp = np.sin(0.5 * math.pi * np.minimum(away / SOFT_EDGE_PX, 1.0)) ** 2
        result *= ramp.astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
    return result


@lru_cache(maxsize=2)
def _left(size: tuple[int, int], pixel_nm: float, dose_e_A2: float) -> np.ndarray:
    """Part of each Fourier component of an object that a dose has left; as for `_transfer`.

    ``exp(-N / (2 Ne(k)))`` with the critical dose ``Ne = 0.245 k^-1.665 + 2.81`` (k in 1/Å, at
    300 kV); T. Grant and N. Grigorieff, eLife 4 (2015) e06980, equation 3.
    """
    rows = fft.fftfreq(size[0], 10.0 * pixel_nm).astype(np.float32)[:, None]
    columns = fft.rfftfreq(size[1], 10.0 * pixel_nm).astype(np.float32)[None, :]
    per_A = np.hypot(rows, columns)
    np.maximum(per_A, np.float32(1e-4), out=per_A)
    critical = np.float32(0.245) * np.power(per_A, np.float32(-1.665)) + np.float32(2.81)
    return np.asarray(np.exp(np.float32(-0.5 * dose_e_A2) / critical), np.float32)


@lru_cache(maxsize=4)
def _transfer(size: tuple[int, int], pixel_nm: float, lens: Lens) -> np.ndarray:
    """Factors on the Fourier components that `scipy.fft.rfft2` gives; complex with coma."""
    rows = fft.fftfreq(size[0], pixel_nm).astype(np.float32)[:, None]
    columns = fft.rfftfreq(size[1], pixel_nm).astype(np.float32)[None, :]
    frequency = np.hypot(rows, columns)
    defocus_um: np.ndarray | float = lens.defocus_um
    if any(lens.astigmatism_um):
        defocus_um = ctf.defocus_along_um(lens.defocus_um, lens.astigmatism_um, columns, rows)
    optics = (defocus_um, lens.voltage_kV, lens.cs_mm)
    result = ctf.contrast_transfer(frequency, *optics, lens.amplitude_contrast)
    result *= ctf.envelope(frequency, *optics, CONVERGENCE_MRAD, B_FACTOR_A2)
    result *= np.float32(GRAIN_NM)
    # Beyond this frequency the envelope leaves nothing that could be displaced.
    highest = min(float(frequency.max()), HIGHEST_PER_NM)
    most = (math.hypot(*lens.tilt_mrad), 0.0)
    if ctf.coma_phase_rad(highest, 0.0, most, *optics[1:]) < LEAST_COMA_RAD:
        return result
    coma_rad = ctf.coma_phase_rad(columns, rows, lens.tilt_mrad, *optics[1:])
    return result * np.exp(np.complex64(1j) * coma_rad)


def filtered(seen: np.ndarray, transmission: np.ndarray, passed: Passed) -> np.ndarray:
    """Intensity behind the energy filter.

    Of what is missing in the transmission, the part `INELASTIC` in the exponent has lost energy,
    n times with the probability of a Poisson distribution, and the rest is scattered too far to
    reach the camera. Electrons that lost energy bring no phase contrast.

    Parameters
    ----------
    seen : (rows, columns) float32
        Intensity of electrons that lost none.
    transmission : (rows, columns) float32
        The same without phase contrast.
    passed : Passed
        What the slit lets through.
    """
    if passed.losses is None:
        lost = np.power(transmission, np.float32(1.0 - INELASTIC))
        lost -= transmission
        lost += seen
        return lost
    if passed.zero_loss < 0.9999:
        seen = seen * np.float32(passed.zero_loss)
    if not any(share > UNSEEN for share in passed.losses):
        return seen
    thickness = np.maximum(transmission, np.float32(1e-12))
    np.log(thickness, out=thickness)
    thickness *= np.float32(-INELASTIC)
    term, lost = transmission, np.zeros_like(thickness)
    for n, share in enumerate(passed.losses, start=1):
        term = term * thickness
        term /= np.float32(n)
        lost += np.float32(share) * term
    return seen + lost


@dataclass(frozen=True)
class Light:
    """How uneven a beam is inside; its mean over the disc is 1.

    Attributes
    ----------
    right, down : float
        By how much it is brighter at the edge there than in the middle.
    middle : float
        By how much it is brighter in the middle than at the edge.
    """

    right: float = 0.0
    down: float = 0.0
    middle: float = 0.0


def beam(
    shape: tuple[int, int],
    center_px: tuple[float, float],
    radius_px: float,
    light: Light,
    fringes: float,
) -> np.ndarray:
    """The illuminated disc: about 1 inside, 0 outside, with fringes along its edge.

    Parameters
    ----------
    shape : (rows, columns)
    center_px : (column, row)
        Centre of the beam, pixel coordinates (pixel centres at +0.5).
    radius_px : float
        To the middle of the edge.
    light : Light
    fringes : float
        Strength of the fringes, 0..1.

    Returns
    -------
    (rows, columns) float32
    """
    rows, columns = shape
    scale = np.float32(1.0 / radius_px)
    x = (np.arange(columns, dtype=np.float32)[None, :] + np.float32(0.5 - center_px[0])) * scale
    y = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5 - center_px[1])) * scale
    # The mean of the squared radius over the disc is a half.
    bend = np.float32(light.middle)
    along = np.float32(1.0 + 0.5 * light.middle) + np.float32(light.right) * x - bend * x * x
    result = along + (np.float32(light.down) * y - bend * y * y)
    farthest = math.hypot(max(-x[0, 0], x[0, -1]), max(-y[0, 0], y[-1, 0]))
    if farthest > 1.0 - EDGE_REACH:
        # An edge is no sharper than a pixel.
        width = max(EDGE_WIDTH, 0.5 / radius_px)
        inside = np.hypot(x, y)
        np.subtract(np.float32(1.0), inside, out=inside)
        steps, profile = _edge(round(fringes, 3))
        inside *= np.float32(1.0 / width)
        result *= np.interp(inside, steps, profile).astype(np.float32)
    return np.maximum(result, 0.0, out=result)


@lru_cache(maxsize=4)
def _edge(fringes: float) -> tuple[np.ndarray, np.ndarray]:
    """Brightness at distances from the edge of the beam, inwards, in widths of a fringe.

    Fresnel diffraction at a straight edge, ``((C + 1/2)^2 + (S + 1/2)^2) / 2`` (M. Born and
    E. Wolf, Principles of Optics, section 8.7.3), of which the finite size of the source leaves
    the first fringes.
    """
    from scipy.special import erf, fresnel

    distance = np.linspace(-EDGE_REACH / EDGE_WIDTH, EDGE_REACH / EDGE_WIDTH, 1001)
    sine, cosine = fresnel(distance)
    sharp = 0.5 * ((cosine + 0.5) ** 2 + (sine + 0.5) ** 2)
    smooth = 0.5 * (1.0 + erf(distance))
    faded = np.exp(-((distance / SEEN_FRINGES) ** 2))
    profile = smooth + fringes * faded * (sharp - smooth)
    profile[0], profile[-1] = 0.0, 1.0  # and farther out and in
    # Fading takes some electrons away: so much further out is the edge.
    missing = float((distance > 0).sum() - profile.sum()) * float(distance[1] - distance[0])
    return distance - missing, profile


def moved(intensity: np.ndarray, motion_px: tuple[float, float]) -> np.ndarray:
    """Picture of a specimen that moves evenly by (columns, rows) during the exposure.

    The middle of the motion stays where it is; motion of less than a pixel is not seen.
    """
    distance = math.hypot(*motion_px)
    if distance < 1.0:
        return intensity
    scale = min(1.0, LARGEST_MOTION_PX / distance)
    steps = math.ceil(distance * scale) + 1
    along = np.linspace(-0.5, 0.5, steps)
    return wandered(intensity, scale * np.outer(along, motion_px))


def wandered(intensity: np.ndarray, path_px: np.ndarray) -> np.ndarray:
    """Picture of a specimen that is shifted by (columns, rows) for equal parts of the exposure.

    Parameters
    ----------
    intensity : (rows, columns) float32 array
    path_px : (n, 2) array
        Shifts; a way of less than a pixel is not seen.
    """
    if math.hypot(*np.ptp(path_px, axis=0)) < 1.0:
        return intensity
    dx, dy = np.rint(path_px).astype(int).T
    reach_x, reach_y = int(np.abs(dx).max()), int(np.abs(dy).max())
    padded = np.pad(intensity, ((reach_y, reach_y), (reach_x, reach_x)), mode="edge")
    rows, columns = intensity.shape
    total = np.zeros_like(intensity)
    for x, y in zip(reach_x - dx, reach_y - dy):
        total += padded[y : y + rows, x : x + columns]
    total /= np.float32(len(path_px))
    return total
