"""Signal on a map: a channel drawn on the pixels of a map, and how likely each pixel has signal.

Signal is what is brighter than a threshold. Where it lies on the map is known with an error, so
that a pixel is not in or out: the mask is blurred by the error of the registration, a Gaussian,
which makes it the probability that the pixel shows signal. What is known well stays sharp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.fluorescence.channels import Color
from space.fluorescence.fits import AffineFit
from space.pictures import resized

SIGNAL = "fm:"
"""Before the name of a channel: its signal as a class, in target_list and avoid_list."""

_LOW_PERCENT, _HIGH_PERCENT = 30.0, 99.8
_STANDS_OUT = 8.0
_EDGE = 0.4
_FULL = 255
_STEPS_PER_BLUR = 3.0
_CUT_SIGMAS = 4.0


@dataclass(frozen=True)
class Look:
    """How a channel is shown and what counts as signal in it.

    Attributes
    ----------
    color : tuple of int
    low, high : float
        Values that are black and of full colour.
    threshold : float
        Values from here on are signal.
    """

    color: Color
    low: float
    high: float
    threshold: float


def is_signal(name: str) -> bool:
    """Whether a class is the signal of a channel."""
    return name.startswith(SIGNAL) and len(name) > len(SIGNAL)


def usual_look(flat: np.ndarray, color: Color) -> Look:
    """Return the look of a channel of which nothing is said.

    The threshold is about half of what stands out of the background, whose spread is that of the
    darker half of the picture.
    """
    step = max(1, int(np.sqrt(flat.size / 1e6)))
    sample = np.asarray(flat[::step, ::step], float)
    low, middle, high = np.percentile(sample, (_LOW_PERCENT, 50.0, _HIGH_PERCENT))
    darker = sample[sample <= middle]
    spread = 1.4826 * float(np.median(np.abs(darker - middle))) if len(darker) else 0.0
    top = float(max(high, low + 1e-6))
    if spread <= 0:
        return Look(color, float(low), top, (float(middle) + top) / 2)
    least = float(middle) + _STANDS_OUT * spread
    bright = sample[sample >= least]
    # Edges are blurred: they are where about half of the brightness is.
    half = float(middle) + _EDGE * (float(np.median(bright)) - middle) if len(bright) else least
    return Look(color, float(low), top, float(max(least, half)))


def shown(flat: np.ndarray, look: Look) -> np.ndarray:
    """Return a channel as 0 to 255 between the values of its look."""
    span = max(look.high - look.low, 1e-12)
    scaled = (np.asarray(flat, np.float32) - np.float32(look.low)) * np.float32(_FULL / span)
    return np.clip(np.rint(scaled), 0, _FULL).astype(np.uint8)


def on_map(
    flat: np.ndarray, fit: AffineFit, map_shape: tuple[int, int], factor: int = 1
) -> np.ndarray:
    """Draw a channel on every `factor`-th pixel of a map; 0 where it does not reach.

    Parameters
    ----------
    flat : ndarray, shape (rows, columns)
    fit : AffineFit
    map_shape : tuple of int
    factor : int
        Pixels of the map along each side of one that is drawn.
    """
    from scipy import ndimage

    matrix = np.array(fit.matrix)
    back = np.linalg.inv(matrix[:, :2])
    rows, columns = (-(-side // factor) for side in map_shape)
    first = back @ (np.full(2, factor / 2) - matrix[:, 2]) - 0.5
    values = np.asarray(flat, np.float32)
    span = factor * float(np.sqrt(abs(np.linalg.det(back))))
    if span > 1:  # nothing is skipped
        values = ndimage.gaussian_filter(values, 0.4 * span)
    return np.asarray(
        ndimage.affine_transform(
            values, back * factor, first, output_shape=(rows, columns), order=1, cval=0.0
        )
    )


def likely_signal(
    flat: np.ndarray, threshold: float, fit: AffineFit, map_shape: tuple[int, int], error_um: float
) -> np.ndarray:
    """Return how likely each pixel of a map shows signal, 0 to 255.

    Parameters
    ----------
    flat : ndarray, shape (rows, columns)
        The channel.
    threshold : float
    fit : AffineFit
    map_shape : tuple of int
        Rows and columns of the map.
    error_um : float
        Of the registration, along an axis.
    """
    from scipy import ndimage

    mask = (np.asarray(flat) >= threshold).astype(np.float32)
    error_px = error_um / fit.pixel_um
    # The mask is no finer than its own pixels and the blur.
    factor = max(1, int(max(error_px, fit.scale / 2) / _STEPS_PER_BLUR))
    drawn = on_map(mask, fit, map_shape, factor)
    blurred = ndimage.gaussian_filter(
        drawn, error_px / factor, mode="constant", truncate=_CUT_SIGMAS
    )
    whole = (blurred.shape[0] * factor, blurred.shape[1] * factor)
    full = resized(blurred, whole)[: map_shape[0], : map_shape[1]] if factor > 1 else blurred
    return np.clip(np.rint(full * _FULL), 0, _FULL).astype(np.uint8)


def overlaid(grey: np.ndarray, layers: list[tuple[np.ndarray, Color]]) -> np.ndarray:
    """Return a grey map with channels over it, each in its colour (rows, columns, 3) uint8."""
    picture = np.repeat(grey[..., None].astype(np.float32) * 0.8, 3, axis=2)
    for values, color in layers:
        part = values.astype(np.float32)[..., None] / _FULL
        picture = picture * (1 - 0.5 * part) + part * np.array(color, np.float32)
    return np.clip(np.rint(picture), 0, _FULL).astype(np.uint8)
