"""How far one part of a picture is displaced in another, to fractions of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TINY = 1e-20
_HIGH = 0.22  # cycles per pixel: Gaussian; beyond is more noise than specimen
_LOW_PERIODS = 2.5  # what is as large as the window is uneven illumination


@dataclass(frozen=True, eq=False)
class Displacements:
    """Of many pairs of windows.

    Attributes
    ----------
    moved_px : ndarray, shape (..., 2)
        (x, y) by which what is seen in the first has moved in the second.
    clearness : ndarray, shape (...)
        Height of the peak in standard deviations of the correlation.
    """

    moved_px: np.ndarray
    clearness: np.ndarray


def hann(rows: int, columns: int) -> np.ndarray:
    """Return a window that fades to 0 at its edges."""
    sides = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in (rows, columns)]
    return np.asarray(np.multiply.outer(*sides), np.float32)


def displaced(
    first: np.ndarray, second: np.ndarray, window: np.ndarray, reach_px: float
) -> Displacements:
    """Compare windows of the same shape, one by one.

    Amplitudes count by their square roots (between plain and phase correlation): strong edges
    do not decide alone, and frequencies without signal stay small.

    Parameters
    ----------
    first, second : ndarray, shape (..., rows, columns)
    window : ndarray, shape (rows, columns)
    reach_px : float
        A larger displacement is not looked for.
    """
    from scipy import fft

    rows, columns = window.shape
    transforms = [fft.rfft2(_windowed(part, window)) for part in (first, second)]
    cross = transforms[1] * np.conj(transforms[0])
    cross *= _band(rows, columns) / np.sqrt(np.abs(cross) + _TINY)
    surface = np.asarray(fft.irfft2(cross, (rows, columns)))
    y, x = (np.fft.fftfreq(n, 1.0 / n) for n in (rows, columns))
    away = np.hypot(y[:, None], x[None, :]) / reach_px
    # A small displacement is likelier than a large one: of two like peaks, the nearer counts.
    likely = np.where(away <= 1, surface * np.exp(-0.25 * away**2), -np.inf)
    flat = likely.reshape(*surface.shape[:-2], -1)
    at = flat.argmax(axis=-1)
    row, column = at // columns, at % columns
    down, right = (_vertex(surface, row, column, step) for step in ((1, 0), (0, 1)))
    spread = surface.std(axis=(-2, -1))
    whole = surface.reshape(*surface.shape[:-2], -1)
    height = np.take_along_axis(whole, at[..., None], axis=-1)[..., 0]
    clear = np.where(spread > 0, height / np.maximum(spread, _TINY), 0.0)
    moved = np.stack([x[column] + right, y[row] + down], axis=-1)
    return Displacements(np.where(clear[..., None] > 0, moved, 0.0), clear)


def _windowed(part: np.ndarray, window: np.ndarray) -> np.ndarray:
    mean = (part * window).sum(axis=(-2, -1), keepdims=True) / window.sum()
    return np.asarray((part - mean) * window, np.float32)


def _band(rows: int, columns: int) -> np.ndarray:
    y, x = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]
    k2 = x**2 + y**2
    low2 = (_LOW_PERIODS / min(rows, columns)) ** 2
    return np.asarray(np.exp(-k2 / (2 * _HIGH**2)) * (1 - np.exp(-k2 / low2)), np.float32)


def _vertex(
    surface: np.ndarray, row: np.ndarray, column: np.ndarray, step: tuple[int, int]
) -> np.ndarray:
    """Return the place of the peak within its pixel, along one axis, by a parabola."""
    rows, columns = surface.shape[-2:]
    flat = surface.reshape(*surface.shape[:-2], -1)

    def value(by: int) -> np.ndarray:
        at = (row + by * step[0]) % rows * columns + (column + by * step[1]) % columns
        return np.asarray(np.take_along_axis(flat, at[..., None], axis=-1)[..., 0], float)

    low, top, high = value(-1), value(0), value(1)
    bend = low - 2 * top + high
    return np.where(bend < 0, np.clip(0.5 * (low - high) / np.minimum(bend, -_TINY), -1, 1), 0.0)
