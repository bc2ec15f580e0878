"""Stacks of frames as multi-page TIFF files, packed without loss.

Pages have row 0 on top, as pictures are displayed. `ImageDescription` of the first page says what
the stack is; resolutions are those of the specimen, in pixels per centimetre, as IMOD reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from space.simulator.formats.atomic import whole_file

LZW, ZIP = "tiff_lzw", "tiff_adobe_deflate"
_A_PER_CM = 1e8
_DESCRIPTION, _SAMPLE_FORMAT, _SIGNED = 270, 339, 2


def write_stack(
    path: Path,
    frames: Iterable[np.ndarray],
    pixel_A: float,
    description: str = "",
    compression: str = LZW,
) -> None:
    """Write a stack, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; an old one is replaced.
    frames : (n, rows, columns) array, or n arrays
        All of one size and type: uint8, uint16 or int16.
    pixel_A : float
        Pixel size on the specimen.
    description : str
        For the first page.
    compression : str
        LZW or ZIP.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    frames = list(frames)
    notes: dict[int, str | int] = {_DESCRIPTION: description}
    if frames[0].dtype == np.int16:
        notes[_SAMPLE_FORMAT] = _SIGNED
        frames = [frame.view(np.uint16) for frame in frames]
    first, *others = [Picture.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    with whole_file(path) as temporary:
        first.save(
            temporary,
            "TIFF",
            save_all=True,
            append_images=others,
            compression=compression,
            resolution=_A_PER_CM / pixel_A,
            resolution_unit="cm",
            tiffinfo=notes,
        )
