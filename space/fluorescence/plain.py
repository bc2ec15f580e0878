"""PNG, BMP and JPEG as channels, by Pillow, which every installation has."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from space.files import read_bytes_bounded
from space.fluorescence.channels import Channels, channels_of
from space.fluorescence.opening import MOST_BYTES, Listed, check_bytes, usable
from space.images import png_problem

SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg")

_RGB = ("red", "green", "blue")


def list_plain(path: Path) -> list[Listed]:
    """Return the only picture of a file."""
    channels = read_plain(path)
    return [Listed(path.name, (len(channels.channels), 1, *channels.shape))]


def read_plain(path: Path) -> Channels:
    """Read a file: grey as one channel with the file's name, else red, green and blue."""
    array, texts = _decoded(path)
    pixel_nm = texts.get("pixel_nm")
    pixel_um = usable(pixel_nm, 1e-3)
    if array.ndim == 2:
        return channels_of(path.name, [array[None]], [path.name.split(".")[0]], (), pixel_um)
    if all(np.array_equal(array[..., 0], array[..., other]) for other in (1, 2)):
        grey = array[None, ..., 0]
        return channels_of(path.name, [grey], [path.name.split(".")[0]], (), pixel_um)
    kept = [band for band in range(len(_RGB)) if array[..., band].any()] or [0]
    return channels_of(
        path.name,
        [np.ascontiguousarray(array[None, ..., band]) for band in kept],
        [_RGB[band] for band in kept],
        (),
        pixel_um,
    )


def _decoded(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    data = read_bytes_bounded(path, MOST_BYTES, follow_links=True)
    opener: Any = JpegImagePlugin.JpegImageFile
    if path.suffix.lower() == ".png":
        problem = png_problem(data)
        if problem:
            raise ValueError(f"it is not whole: {problem}")
        opener = PngImagePlugin.PngImageFile
    elif path.suffix.lower() == ".bmp":
        opener = BmpImagePlugin.BmpImageFile
    # The classes themselves, not Image.open: maps may be larger than its general limit.
    with opener(io.BytesIO(data)) as image:
        check_bytes((*image.size, len(image.getbands())), 4)
        # Pillow gives 16-bit PNG as one of these, by its version.
        wide = image.mode.startswith("I")
        mode = "L" if image.mode in ("L", "1", "LA") else "RGB"
        array = np.array(image if wide else image.convert(mode))
        texts = {key: str(value) for key, value in getattr(image, "text", {}).items()}
    return (array.astype(np.uint16) if wide else array), texts
