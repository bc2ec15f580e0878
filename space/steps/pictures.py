"""From a SerialEM image to the 8-bit picture that a model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.geometry import MapFrame, rescaled_shape
from space.images import write_json_beside, write_png
from space.pictures import contrast_limits, resized, to_8_bit, without_gaps

LIMITS = "counts_of_grey"
"""Name in the JSON beside a picture: the counts that became black and white."""


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
    shrunk = resized(without_gaps(data).astype(np.float32), shape)
    picture = to_8_bit(shrunk)
    new_frame = frame.resized(shape)
    new_pixel_nm = pixel_nm * float(np.sqrt(data.shape[0] * data.shape[1] / (shape[0] * shape[1])))
    # The picture comes last: whoever sees it can rely on its JSON file.
    limits = [float(limit) for limit in contrast_limits(shrunk)]
    noted = {"pixel_nm": new_pixel_nm, "source": source, "frame": new_frame.to_dict()}
    write_json_beside(path, {**noted, LIMITS: limits, **about})
    write_png(path, picture, new_pixel_nm, source)
    return new_frame
