"""From a SerialEM image to the 8-bit picture that a model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.geometry import MapFrame, rescaled_shape
from space.images import write_json_beside, write_png

_SAMPLE_PX = 4_000_000


def contrast_limits(data: np.ndarray, low: float = 0.1, high: float = 99.9) -> tuple[float, float]:
    """Return the grey values that become black and white.

    Percentiles, so that hot pixels do not matter; where nearly all pixels are equal (a map
    that is mostly dark), the extremes. Large images are sampled.
    """
    step = max(1, int(np.sqrt(data.size / _SAMPLE_PX)))
    sample = data[::step, ::step]
    bottom, top = (float(value) for value in np.percentile(sample, (low, high)))
    if top > bottom:
        return bottom, top
    return float(data.min()), float(data.max())


def to_8_bit(data: np.ndarray) -> np.ndarray:
    """Stretch an image to 0..255 between its contrast limits."""
    bottom, top = contrast_limits(data)
    if top <= bottom:
        return np.zeros(data.shape, np.uint8)
    scaled = (data.astype(np.float32) - bottom) * (255.0 / (top - bottom))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def without_gaps(data: np.ndarray) -> np.ndarray:
    """Return an image whose pixels that are no numbers are as dark as its darkest one."""
    if data.dtype.kind != "f" or (finite := np.isfinite(data)).all():
        return data
    return np.where(finite, data, data[finite].min() if finite.any() else 0)


def resized(data: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the image drawn with another number of pixels, averaging when it shrinks."""
    if tuple(data.shape) == tuple(shape):
        return data.astype(np.float32)
    from PIL import Image

    # Pillow widens the filter when shrinking, so that nothing is skipped.
    image = Image.fromarray(np.ascontiguousarray(data, dtype=np.float32), mode="F")
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def save_for_model(
    path: Path,
    data: np.ndarray,
    pixel_nm: float,
    model_pixel_nm: float,
    frame: MapFrame,
    source: str,
    **about: object,
) -> MapFrame:
    """Save an image at a model's pixel size as 8-bit PNG, with its frame in a JSON beside it.

    Parameters
    ----------
    path : Path
        The PNG file.
    data : ndarray, shape (rows, columns)
        The image, first row on top.
    pixel_nm : float
        Its pixel size.
    model_pixel_nm : float
        The pixel size wanted (met as well as whole pixels allow).
    frame : MapFrame
        Where the image lies.
    source : str
        Where it came from.
    **about
        More for the JSON file.

    Returns
    -------
    MapFrame
        Frame of the saved picture.
    """
    shape = rescaled_shape(data.shape, pixel_nm / model_pixel_nm)
    picture = to_8_bit(resized(without_gaps(data), shape))
    new_frame = frame.resized(shape)
    new_pixel_nm = pixel_nm * float(np.sqrt(data.shape[0] * data.shape[1] / (shape[0] * shape[1])))
    # The picture comes last: whoever sees it can rely on its JSON file.
    write_json_beside(
        path, {"pixel_nm": new_pixel_nm, "source": source, "frame": new_frame.to_dict(), **about}
    )
    write_png(path, picture, new_pixel_nm, source)
    return new_frame
