"""Reads defocus and astigmatism off a picture: its power spectrum against the transfer function.

The power spectrum of a picture is noise, plus what the specimen scatters times the square of the
transfer function. Averaged over directions and with its smooth part divided out, what remains
are the rings; the defocus whose rings fit them best is the answer. Noise and specimen fall off
with the frequency in ways that are not known beforehand, so both are left free as smooth curves:
for each defocus tried, background and strength of the rings are fitted by least squares.

With astigmatism the rings are ellipses. Averaged along ellipses of the right shape instead of
circles they stand out most (equiphase averaging: K. Zhang, Gctf, J. Struct. Biol. 193 (2016)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from space.simulator.imaging.ctf import defocus_along_um, phase_rad, zeros_per_nm

TILE_NM = 200.0  # longest period that is resolved from its neighbours
SMALLEST_TILE_PX, LARGEST_TILE_PX = 128, 512
HIGHEST_PER_NM = 1.2  # beyond this, ordinary pictures hold nothing but noise
FEWEST_ZEROS = 1.0  # rings that must lie below the highest frequency of a picture
BACKGROUND_TERMS, RING_TERMS = 4, 4
STEEP_POWERS = (4, 12)
START_UM, STEP_UM = 0.6, 0.04
LEAST_SCORE = 0.35
LEAST_STRENGTH = 20.0  # pictures of nothing stay below 16


@dataclass(frozen=True)
class Spectrum:
    """Power spectrum, averaged over directions.

    Attributes
    ----------
    frequency_per_nm : (n,) array
        Middle of each ring of frequencies.
    power : (n,) array
        Mean power, 1 on average.
    samples : (n,) array
        How many independent values went into each mean, about.
    """

    frequency_per_nm: np.ndarray
    power: np.ndarray
    samples: np.ndarray


@dataclass(frozen=True)
class Aberrations:
    """What the transfer function depends on besides the defocus."""

    voltage_kV: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.07

    def as_arguments(self) -> tuple[float, float, float]:
        """In the order in which `space.simulator.imaging.ctf` takes them."""
        return self.voltage_kV, self.cs_mm, self.amplitude_contrast


@dataclass(frozen=True)
class Fit:
    """Result of a fit.

    Attributes
    ----------
    defocus_um : float
        Under focus is negative.
    score : float
        Correlation of the rings with those of the fit, 0..1.
    fitted_to_per_nm : float
        Frequency up to which rings were found.
    astigmatism_um : tuple of float
        Largest less smallest underfocus, times the cosine and the sine of twice the angle
        from the picture's X axis to the direction of the largest, counter-clockwise as seen.
    """

    defocus_um: float
    score: float
    fitted_to_per_nm: float
    astigmatism_um: tuple[float, float] = (0.0, 0.0)

    @property
    def difference_um(self) -> float:
        """Largest less smallest underfocus."""
        return math.hypot(*self.astigmatism_um)

    @property
    def angle_deg(self) -> float:
        """Direction of the largest underfocus from the X axis, counter-clockwise, -90 .. 90."""
        x, y = self.astigmatism_um
        return 0.5 * math.degrees(math.atan2(y, x))


@dataclass(frozen=True)
class PowerSpectrum:
    """Power spectrum of a picture, in the half plane that `scipy.fft.rfft2` gives.

    Attributes
    ----------
    power : (size, size // 2 + 1) array
        Sum over tiles; rows of the picture run downwards.
    pixel_nm : float
        Size of the picture's pixels.
    tiles : int
        How many tiles, which overlap by half.
    """

    power: np.ndarray
    pixel_nm: float
    tiles: int

    def averaged(
        self, defocus_um: float = -1.0, astigmatism_um: tuple[float, float] = (0.0, 0.0)
    ) -> Spectrum:
        """Average along the ellipses on which the defocus has the same effect.

        Parameters
        ----------
        defocus_um : float
            Mean defocus, of no matter without astigmatism.
        astigmatism_um : tuple of float
            As in `Fit`.
        """
        size = len(self.power)
        x, y, radius = _frequencies(size)
        if any(astigmatism_um):
            along_um = defocus_along_um(defocus_um, astigmatism_um, x, y)
            radius = radius * np.sqrt(np.maximum(along_um / np.float32(defocus_um), 0.0))
        # Each value is shared between two rings, so that the mean goes smoothly with the shape.
        inside = radius < size // 2
        radius, values = radius[inside], self.power[inside]
        ring = radius.astype(int)
        outer = radius - ring
        rings = np.arange(1, size // 2)
        count = _shared(ring, outer, np.ones_like(values), size)
        power = _shared(ring, outer, values, size)
        power = power[rings] / np.maximum(count[rings], 1.0)
        mean = float(power.mean())
        return Spectrum(
            frequency_per_nm=rings / (size * self.pixel_nm),
            power=power / mean if mean > 0 else power,
            # Tiles overlap by half and the window couples neighbours.
            samples=count[rings] * self.tiles / 4.0,
        )


def _shared(ring: np.ndarray, outer: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Sum of values by ring, of which a part `outer` belongs to the next one."""
    next_ring = outer * values
    return np.bincount(ring, values - next_ring, size) + np.bincount(ring + 1, next_ring, size)


@lru_cache(maxsize=2)
def _frequencies(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies to the right, upwards, and from the origin, in steps of the spectrum."""
    x = (np.fft.rfftfreq(size)[None, :] * size).astype(np.float32)
    y = (-np.fft.fftfreq(size)[:, None] * size).astype(np.float32)
    return x, y, np.hypot(y, x)


def rotational_spectrum(data: np.ndarray, pixel_nm: float) -> Spectrum:
    """Average the power spectra of overlapping tiles, then over directions."""
    return power_spectrum(data, pixel_nm).averaged()


def power_spectrum(data: np.ndarray, pixel_nm: float) -> PowerSpectrum:
    """Average the power spectra of overlapping tiles.

    Parameters
    ----------
    data : (rows, columns) array
    pixel_nm : float
        Size of its pixels.
    """
    from scipy import fft

    wanted = 2 ** round(math.log2(max(TILE_NM / pixel_nm, 1.0)))
    tile = min(max(wanted, SMALLEST_TILE_PX), LARGEST_TILE_PX, *data.shape)
    values = data.astype(np.float32)
    window = np.hanning(tile + 2)[1:-1].astype(np.float32)
    window = window[:, None] * window[None, :]
    tops, lefts = (_starts(length, tile) for length in data.shape)
    total = np.zeros((tile, tile // 2 + 1), dtype=np.float64)
    for top in tops:
        row = np.stack([values[top : top + tile, left : left + tile] for left in lefts])
        row = (row - row.mean(axis=(1, 2), keepdims=True)) * window
        spectra = fft.rfft2(row)
        total += (spectra.real**2 + spectra.imag**2).sum(axis=0)
    return PowerSpectrum(total, pixel_nm, len(tops) * len(lefts))


def _starts(length: int, tile: int) -> list[int]:
    count = max(1, math.ceil(2.0 * (length - tile) / tile) + 1)
    if count == 1:
        return [(length - tile) // 2]
    return [round(k * (length - tile) / (count - 1)) for k in range(count)]


def fit_defocus(
    spectrum: Spectrum, lowest_um: float, highest_um: float, aberrations: Aberrations | None = None
) -> Fit | None:
    """Find the defocus between two limits whose rings fit the spectrum best.

    Parameters
    ----------
    spectrum : Spectrum
    lowest_um, highest_um : float
        Limits of the defocus, both negative, in any order.
    aberrations : Aberrations, optional

    Returns
    -------
    Fit or None
        None when the pixels are too coarse to show rings, or when there are none.
    """
    aberrations = aberrations or Aberrations()
    low, high = sorted((lowest_um, highest_um))
    used = _usable(spectrum, low, aberrations)
    if used is None:
        return None
    problem = _Problem(used, aberrations)
    high = min(high, problem.highest_visible_um)
    if high <= low:
        return None
    trials = np.arange(low, high + 1e-9, problem.step_um)
    scores = np.array([problem.score(defocus) for defocus in trials])
    best = int(np.argmax(scores))
    fine = np.clip(trials[best] + problem.step_um * np.linspace(-1.0, 1.0, 41), low, high)
    fine_scores = np.array([problem.score(defocus) for defocus in fine])
    top = int(np.argmax(fine_scores))
    defocus, score = float(fine[top]), float(fine_scores[top])
    if score < LEAST_SCORE or problem.strength(defocus) < LEAST_STRENGTH:
        return None
    return Fit(defocus, score, problem.fitted_to_per_nm(defocus))


def fit_astigmatism(
    spectrum: PowerSpectrum,
    lowest_um: float,
    highest_um: float,
    aberrations: Aberrations | None = None,
) -> Fit | None:
    """Find defocus and astigmatism whose rings fit the spectrum best.

    Parameters are those of `fit_defocus`, but for the spectrum, which is not averaged yet.
    """
    from scipy.optimize import fmin

    aberrations = aberrations or Aberrations()
    low, high = sorted((lowest_um, highest_um))
    circles = fit_defocus(spectrum.averaged(), low, high, aberrations)
    if circles is None:
        return None

    def strength(values: np.ndarray) -> float:
        defocus_um, x_um, y_um = values.tolist()
        if not low <= defocus_um <= high or math.hypot(x_um, y_um) > -defocus_um:
            return 0.0
        used = _usable(spectrum.averaged(defocus_um, (x_um, y_um)), low, aberrations)
        return 0.0 if used is None else _Problem(used, aberrations).strength(defocus_um)

    # The rings of a strong astigmatism are of no help until some of it has been taken out.
    angles = np.arange(8) * math.pi / 4.0
    starts = [(0.0, 0.0)] + [
        (START_UM * math.cos(angle), START_UM * math.sin(angle)) for angle in angles
    ]
    firsts = [np.array([circles.defocus_um, *start]) for start in starts]
    first = max(firsts, key=strength)

    def weakness(values: np.ndarray) -> float:
        return -strength(values)

    found = fmin(
        weakness,
        first,
        initial_simplex=first + STEP_UM * np.vstack([np.zeros(3), np.eye(3)]),
        xtol=0.001,
        ftol=1e-3,
        maxfun=200,
        disp=False,
    )
    defocus_um, x_um, y_um = found.tolist()
    ellipses = spectrum.averaged(defocus_um, (x_um, y_um))
    fit = fit_defocus(ellipses, low, high, aberrations)
    return fit and replace(fit, astigmatism_um=(x_um, y_um))


def _usable(spectrum: Spectrum, lowest_um: float, aberrations: Aberrations) -> Spectrum | None:
    """Frequencies between half the first zero of the largest defocus and the highest."""
    first = zeros_per_nm(1, lowest_um, *aberrations.as_arguments())[0]
    f = spectrum.frequency_per_nm
    inside = (f > 0.5 * first) & (f < HIGHEST_PER_NM)
    if not np.isfinite(first) or inside.sum() < 3 * (BACKGROUND_TERMS + RING_TERMS):
        return None
    if not (spectrum.power[inside] > 0).all():
        return None
    return Spectrum(f[inside], spectrum.power[inside], spectrum.samples[inside])


class _Problem:
    """The least squares problem whose only unknown that is not linear is the defocus."""

    def __init__(self, spectrum: Spectrum, aberrations: Aberrations) -> None:
        f = spectrum.frequency_per_nm
        self._aberrations = aberrations
        self._frequency = f
        x = (f - f[0]) / (f[-1] - f[0])
        smooth = np.polynomial.chebyshev.chebvander(2.0 * x - 1.0, BACKGROUND_TERMS - 1)
        # What is larger than the rings leaves a steep slope at the lowest frequencies.
        steep = [(f[0] / f) ** power for power in STEEP_POWERS]
        smooth = np.column_stack([smooth, *steep])
        self._weight = np.sqrt(spectrum.samples)
        # The spectrum spans orders of magnitude: its trend is divided out first.
        trend = np.polynomial.chebyshev.chebfit(x, np.log(spectrum.power), 3, w=self._weight)
        flat = spectrum.power / np.exp(np.polynomial.chebyshev.chebval(x, trend))
        self._background, _ = np.linalg.qr(self._weight[:, None] * smooth)
        self._wanted = self._without_background(self._weight * flat)
        self._power = float(self._wanted @ self._wanted)
        # Bernstein polynomials: with positive factors the strength is positive everywhere.
        last = RING_TERMS - 1
        self._strengths = np.column_stack(
            [math.comb(last, k) * x**k * (1.0 - x) ** (last - k) for k in range(RING_TERMS)]
        )
        self._phase_per_um = abs(float(self._phase(-2.0)[-1] - self._phase(-1.0)[-1]))
        # A third of a ring at the highest frequency from one defocus to the next.
        self.step_um = float(np.clip(math.pi / 3.0 / self._phase_per_um, 0.005, 0.25))

    @property
    def highest_visible_um(self) -> float:
        """Nearest to focus that still has rings below the highest frequency."""
        return -math.pi * FEWEST_ZEROS / self._phase_per_um

    def _phase(self, defocus_um: float) -> np.ndarray:
        return phase_rad(self._frequency, defocus_um, *self._aberrations.as_arguments())

    def _without_background(self, values: np.ndarray) -> np.ndarray:
        return values - self._background @ (self._background.T @ values)

    def _rings(self, defocus_um: float) -> np.ndarray:
        """Best rings of a defocus, as they look without background."""
        from scipy.optimize import nnls

        # sin^2 = (1 - cos 2 phase) / 2, the constant being part of the background.
        waves = -np.cos(2.0 * self._phase(defocus_um))[:, None] * self._strengths
        columns = self._without_background(self._weight[:, None] * waves)
        factors, _ = nnls(columns, self._wanted)
        return columns @ factors

    def score(self, defocus_um: float) -> float:
        """Correlation of what is seen with the best rings of a defocus."""
        rings = self._rings(defocus_um)
        size = float(rings @ rings) * self._power
        return float(rings @ self._wanted) / math.sqrt(size) if size > 0 else 0.0

    def strength(self, defocus_um: float) -> float:
        """Sum of squares of the best rings, in units of the variance that noise would have."""
        rings = self._rings(defocus_um)
        return float(rings @ rings)

    def fitted_to_per_nm(self, defocus_um: float) -> float:
        """Frequency up to which the rings agree; one ring may fail to, two end it."""
        rings = self._rings(defocus_um)
        number = (self._phase(defocus_um) / math.pi).astype(int)
        last, failed = float(self._frequency[0]), 0
        for ring in range(int(number.min()), int(number.max()) + 1):
            inside = number == ring
            if inside.sum() < 4:
                continue
            if np.corrcoef(self._wanted[inside], rings[inside])[0, 1] < 0.5:
                failed += 1
                if failed == 2:
                    break
            else:
                last, failed = float(self._frequency[inside][-1]), 0
        return last
