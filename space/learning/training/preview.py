"""A picture of how well the network does: what it sees, the labels, what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.files import atomic_path
from space.learning.dataset import DataSet
from space.learning.training.run_folder import PREVIEW
from space.learning.training.samples import IGNORED, Classes, Shown
from space.pictures import shrinking_factor, to_8_bit

LONGEST_PX = 800


def write_preview(
    out: Path, picture: Shown, found: np.ndarray, classes: Classes, data: DataSet
) -> Path:
    """Write a picture, its labels and what was found, side by side."""
    from PIL import Image

    table = np.zeros((256, 3), np.uint8)
    colors = {one.value: one.color for one in data.classes}
    for channel, value in enumerate(classes.values.values()):
        table[channel] = [int(colors[value][at : at + 2], 16) for at in (1, 3, 5)]
    table[IGNORED] = (90, 90, 90)
    step = shrinking_factor(picture.grey.shape, LONGEST_PX)
    grey = to_8_bit(picture.grey[::step, ::step])
    panels = [
        np.repeat(grey[..., None], 3, axis=2),
        table[picture.channels[::step, ::step]],
        table[found[::step, ::step]],
    ]
    gap = np.full((grey.shape[0], 4, 3), 255, np.uint8)
    row = np.hstack([panels[0], gap, panels[1], gap, panels[2]])
    with atomic_path(out / PREVIEW) as temporary:
        Image.fromarray(row).save(temporary, format="PNG")
    return out / PREVIEW
