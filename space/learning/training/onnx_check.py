"""Whether the .onnx file of a U-Net finds what its weights find by torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import read_json
from space.learning.training.network import predicted, read_weights, unet
from space.learning.training.run_folder import BEST, MODEL
from space.learning.training.samples import normalised
from space.models import PRESETS
from space.models.place import RUN


def onnx_agreement(run: Path, pictures: Sequence[np.ndarray]) -> float:
    """Return the share of pixels that torch and ONNX Runtime give the same label.

    Parameters
    ----------
    run : Path
        Folder of the training of a U-Net.
    pictures : sequence of ndarray of uint8
        At the pixel of the model. They are compared tile by tile, as the file has them.

    Raises
    ------
    SpaceError
        If the folder is not that of such a training.
    """
    from space.segmentation import Segmenter

    try:
        asked = read_json(run / RUN)
        classes, config = dict(asked["classes"]), asked["config"]
        side_px, depth, encoder = (config[name] for name in ("patch_px", "depth", "encoder"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpaceError(f"This is no training of a U-Net ({error!r}).", str(run)) from None
    network = unet(encoder, depth, len(classes))
    network.load_state_dict(read_weights(run / BEST)["network"])
    by_file = Segmenter(run / MODEL, preset=PRESETS["balanced"], runtime="onnx")
    values = np.array(list(classes.values()), np.uint8)
    shares = [
        np.mean(values[predicted(network, normalised(tile), 2**depth)] == by_file.segment(tile))
        for picture in pictures
        for tile in _tiles(picture, side_px)
    ]
    return float(np.mean(shares))


def _tiles(picture: np.ndarray, side_px: int) -> Iterator[np.ndarray]:
    rows, columns = (range(0, side - side_px + 1, side_px) for side in picture.shape)
    for row in rows:
        for column in columns:
            yield picture[row : row + side_px, column : column + side_px]
