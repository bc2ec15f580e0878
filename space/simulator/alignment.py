"""Shifts between images by cross-correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LARGEST_CORRELATED_PX = 800
TAPER_FRACTION = 0.08


@dataclass(frozen=True)
class Shift:
    """Shift (x, y) in pixels, Y down, to apply to an image to lie on the reference."""

    x_px: float
    y_px: float
    peak: float


def _taper(length: int) -> np.ndarray:
    edge = max(1, int(length * TAPER_FRACTION))
    ramp = np.ones(length, dtype=np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    ramp[:edge] = rise
    ramp[-edge:] = rise[::-1]
    return ramp


def prepare(data: np.ndarray) -> np.ndarray:
    """Clip outliers, take off the mean, divide by the deviation and taper the edges."""
    values = data.astype(np.float32)
    mean, deviation = float(values.mean()), float(values.std())
    if deviation <= 0:
        return np.zeros_like(values)
    values = np.clip((values - mean) / deviation, -4.0, 4.0)
    values -= values.mean()
    rows, cols = values.shape
    return values * _taper(rows)[:, None] * _taper(cols)[None, :]


def bin_by(data: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of pixels; a rest at the right and bottom is dropped."""
    if factor <= 1:
        return data.astype(np.float32)
    rows, cols = data.shape[0] // factor, data.shape[1] // factor
    part = data[: rows * factor, : cols * factor].astype(np.float32)
    return part.reshape(rows, factor, cols, factor).mean(axis=(1, 3))


def _band_pass(shape: tuple[int, int], low: float, high: float) -> np.ndarray:
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None, :]
    squared = (fx * fx + fy * fy).astype(np.float32)
    high_pass = 1.0 - np.exp(-squared / (2.0 * low * low))
    return high_pass * np.exp(-squared / (2.0 * high * high))


def _subpixel(before: float, at: float, after: float) -> float:
    curvature = before - 2.0 * at + after
    return 0.0 if curvature == 0 else 0.5 * (before - after) / curvature


def correlate(
    image: np.ndarray,
    reference: np.ndarray,
    expected_px: tuple[float, float] = (0.0, 0.0),
    limit_px: float | None = None,
    low: float = 0.006,
    high: float = 0.12,
) -> Shift | None:
    """Shift of `image` that lays it on `reference`.

    Parameters
    ----------
    image, reference : ndarray
        Of the same pixel size; sizes may differ, centres are compared.
    expected_px : tuple of float
        Where the peak is expected, (x, y).
    limit_px : float, optional
        Only peaks this near to the expected one count.
    low, high : float
        Band in cycles per pixel.

    Returns
    -------
    Shift or None
        None when there is nothing to correlate or no peak within the limit.
    """
    from scipy import fft

    rows = max(image.shape[0], reference.shape[0])
    cols = max(image.shape[1], reference.shape[1])
    reach = 1.25
    shape = (fft.next_fast_len(int(rows * reach)), fft.next_fast_len(int(cols * reach)))
    spectra, centers = [], []
    for data in (image, reference):
        padded = np.zeros(shape, dtype=np.float32)
        top, left = (shape[0] - data.shape[0]) // 2, (shape[1] - data.shape[1]) // 2
        padded[top : top + data.shape[0], left : left + data.shape[1]] = prepare(data)
        spectra.append(fft.rfft2(padded))
        centers.append((top + data.shape[0] / 2.0, left + data.shape[1] / 2.0))
    product = spectra[1] * np.conj(spectra[0]) * _band_pass(shape, low, high)
    surface = fft.irfft2(product, s=shape)
    y = (np.arange(shape[0]) + shape[0] // 2) % shape[0] - shape[0] // 2
    x = (np.arange(shape[1]) + shape[1] // 2) % shape[1] - shape[1] // 2
    search = surface
    if limit_px is not None:
        distance = (x[None, :] - expected_px[0]) ** 2 + (y[:, None] - expected_px[1]) ** 2
        search = np.where(distance <= limit_px * limit_px, surface, -np.inf)
    row, col = np.unravel_index(int(np.argmax(search)), shape)
    peak = float(search[row, col])
    if not math.isfinite(peak) or peak <= 0:
        return None
    neighbours = surface.take([row - 1, row, row + 1], axis=0, mode="wrap")
    if float(neighbours.take([col - 1, col, col + 1], axis=1, mode="wrap").max()) > peak:
        return None  # the slope of a peak that lies outside the limit
    ny, nx = shape
    dy = _subpixel(surface[row - 1, col], surface[row, col], surface[(row + 1) % ny, col])
    dx = _subpixel(surface[row, col - 1], surface[row, col], surface[row, (col + 1) % nx])
    norm = float(np.sqrt((np.abs(spectra[0]) ** 2).sum() * (np.abs(spectra[1]) ** 2).sum()))
    # Odd and even sizes do not share a centre in the padded frame.
    x_px = float(x[col]) + dx + centers[0][1] - centers[1][1]
    y_px = float(y[row]) + dy + centers[0][0] - centers[1][0]
    return Shift(x_px, y_px, peak / max(norm, 1e-12))


def rescale(data: np.ndarray, factor: float, rotation_deg: float = 0.0) -> np.ndarray:
    """Resample about the centre so that pixels become `factor` times larger.

    Parameters
    ----------
    factor : float
        New pixel size over the old one.
    rotation_deg : float
        Content turns by this angle, counter-clockwise as displayed (Y up).
    """
    from scipy import ndimage

    rows, cols = data.shape
    values = data.astype(np.float32)
    whole = int(factor)
    if whole >= 2:
        values = bin_by(values, whole)
    rest = factor / max(whole, 1)
    angle = math.radians(rotation_deg)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = rest * turn
    new = (max(8, int(rows / factor)), max(8, int(cols / factor)))
    if abs(rotation_deg) > 45.0:
        new = new[::-1] if abs(abs(rotation_deg) - 90.0) < 45.0 else new
    center_out = (np.array(new) - 1.0) / 2.0
    center_in = np.array([rows, cols]) / (2.0 * max(whole, 1)) - 0.5
    return ndimage.affine_transform(
        values,
        matrix,
        offset=center_in - matrix @ center_out,
        output_shape=new,
        order=1,
        mode="constant",
        cval=float(values.mean()),
    )


def working_factor(*shapes: tuple[int, int]) -> int:
    """Whole binning that keeps correlations quick."""
    longest = max(max(shape) for shape in shapes)
    return max(1, math.ceil(longest / LARGEST_CORRELATED_PX))


def find_template(template: np.ndarray, region: np.ndarray, limit_px: float) -> Shift | None:
    """Where the centre of a small image lies from the centre of a larger one.

    Normalised correlation, so that bright places do not draw the peak.

    Returns
    -------
    Shift or None
        (x, y) from the centre of `region`; None when nothing is found within the limit.
    """
    from scipy import ndimage
    from skimage.feature import match_template

    smooth = [ndimage.gaussian_filter(data.astype(np.float32), 1.2) for data in (template, region)]
    if smooth[0].std() <= 0 or smooth[1].std() <= 0:
        return None
    surface = match_template(smooth[1], smooth[0])
    middle = [(region.shape[axis] - template.shape[axis]) / 2.0 for axis in (0, 1)]
    y = np.arange(surface.shape[0]) - middle[0]
    x = np.arange(surface.shape[1]) - middle[1]
    inside = y[:, None] ** 2 + x[None, :] ** 2 <= limit_px * limit_px
    if not inside.any():
        return None
    row, col = np.unravel_index(int(np.argmax(np.where(inside, surface, -2.0))), surface.shape)
    dy = dx = 0.0
    if 0 < row < surface.shape[0] - 1:
        dy = _subpixel(*surface[row - 1 : row + 2, col])
    if 0 < col < surface.shape[1] - 1:
        dx = _subpixel(*surface[row, col - 1 : col + 2])
    return Shift(float(x[col] + dx), float(y[row] + dy), float(surface[row, col]))
