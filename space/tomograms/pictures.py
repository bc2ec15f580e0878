"""Pictures of a series in memory: averaged in blocks, as contrast around 0, corrected."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from space.errors import SpaceError
from space.pictures import block_means
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.series import Series, useless
from space.volumes import open_volume

_SPIKE = 8.0  # standard deviations: an X-ray, or a hot pixel
_FADE_PART = 0.04
_ONE_NM = (1.0, 1.0, 1.0)  # headers of series give sizes that nobody needs here


def load(
    series: Series, binning: int, done: Callable[[int, int], None] = lambda *_: None
) -> tuple[Series, Stack]:
    """Read the pictures of a series; what shows nothing is dropped.

    Returns
    -------
    series : Series
        With the pictures that are used.
    stack : Stack
        In their order: counts over their mean, less 1, fading to 0 at the edges.

    Raises
    ------
    SpaceError
        If too few show anything, or they are smaller than what can be aligned.
    """
    opened = open_volume(series.path, voxel_nm=_ONE_NM)
    _, rows, columns = opened.shape
    if min(rows, columns) // binning < 32:
        raise SpaceError(
            f"Pictures of {columns} x {rows} pixels are too small to be averaged {binning}-fold.",
            str(series.path),
            "Give a smaller --bin.",
        )
    shape = (len(series.views), rows // binning, columns // binning)
    pictures, used, why = np.empty(shape, np.float32), 0, {}
    for number, view in enumerate(series.views, start=1):
        raw = opened[view.section : view.section + 1, :, :][0]
        seen = useless(raw)
        if seen:
            why[view.section] = seen
        else:
            pictures[used] = normalised(raw, binning)
            used += 1
        done(number, len(series.views))
    if why:
        series = series.without(why)
    middle = tuple(((side - 1) / 2 - (binning - 1) / 2) / binning for side in (rows, columns))
    return series, Stack(pictures[:used], series.pixel_nm * binning, (middle[0], middle[1]))


def normalised(raw: np.ndarray, binning: int) -> np.ndarray:
    """Return a picture as contrast: counts over their mean, less 1; spikes and gaps filled."""
    rows, columns = (side // binning for side in raw.shape)
    values = np.asarray(raw, np.float32)
    if not np.isfinite(values).all():
        values = np.where(np.isfinite(values), values, np.nanmedian(values))
    small = block_means(values, binning)[:rows, :columns]
    mean = float(small.mean())
    if mean <= 0:  # a program took off the mean, or counts are signed: contrast in their spread
        scale = float(small.std()) or 1.0
        small = (small - mean) / scale
    else:
        small = small / mean - 1.0
    limit = _SPIKE * float(small.std())
    middle = float(np.median(small))
    small = np.where(np.abs(small - middle) > limit, middle, small)
    return np.asarray((small - small.mean()) * _fading(*small.shape), np.float32)


def _fading(rows: int, columns: int) -> np.ndarray:
    """Return a window that is 1 but at the edges: a sharp one would shine through a tomogram."""
    sides = []
    for n in (rows, columns):
        wide = max(2, int(n * _FADE_PART))
        edge = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
        sides.append(0.5 - 0.5 * np.cos(np.pi * np.clip(edge / wide, 0, 1)))
    return np.asarray(np.multiply.outer(*sides), np.float32)


def corrected(
    stack: Stack,
    series: Series,
    alignment: Alignment,
    cs_mm: float,
    amplitude_contrast: float,
    ctf: bool,
    dose: bool,
) -> None:
    """Correct all pictures in place: contrast transfer by phase flipping, and dose weights.

    Where neither is known, a picture stays as it is.
    """
    from space.tomograms.exposure import dose_filter
    from space.tomograms.transfer import Lens, flipped

    lens = Lens(series.voltage_kv, cs_mm, amplitude_contrast)
    for index, view in enumerate(series.views):
        picture = stack.data[index]
        weights = None
        if dose and view.dose_e_A2:
            fluence = view.prior_e_A2 + view.dose_e_A2 / 2
            weights = dose_filter(picture.shape, stack.pixel_nm, fluence, series.voltage_kv)
        if ctf and view.underfocus_um is not None:
            tilt = math.radians(float(alignment.tilts_deg[index]))
            across = (alignment.turn[0], float(alignment.shifts_nm[index, 0]))
            stack.data[index] = flipped(
                picture, stack, lens, view.underfocus_um * 1000, math.tan(tilt), across, weights
            )
        elif weights is not None:
            from scipy import fft

            spectrum = fft.rfft2(picture) * weights
            stack.data[index] = fft.irfft2(spectrum, picture.shape)
