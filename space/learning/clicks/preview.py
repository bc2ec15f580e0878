"""A picture of what was learnt: the picture with its clicks, and the heat map beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.files import atomic_path
from space.learning.clicks.pictures import IS_UNWANTED, IS_WANTED, ClickedPicture
from space.learning.training.preview import LONGEST_PX
from space.learning.training.run_folder import PREVIEW
from space.pictures import shrinking_factor, to_8_bit

_COLORS = {IS_WANTED: (60, 200, 90), IS_UNWANTED: (220, 60, 40)}


def write_clicks_preview(out: Path, picture: ClickedPicture, scores: np.ndarray) -> Path:
    """Write a picture with its clicks and its heat map, side by side."""
    from PIL import Image

    step = shrinking_factor(picture.grey.shape, LONGEST_PX)
    seen = np.repeat(to_8_bit(picture.grey[::step, ::step])[..., None], 3, axis=2)
    for mark, color in _COLORS.items():
        seen[picture.marks[::step, ::step] == mark] = color
    heat = np.rint(255 / (1 + np.exp(-np.clip(scores[::step, ::step], -30, 30)))).astype(np.uint8)
    gap = np.full((seen.shape[0], 4, 3), 255, np.uint8)
    row = np.hstack([seen, gap, np.repeat(heat[..., None], 3, axis=2)])
    with atomic_path(out / PREVIEW) as temporary:
        Image.fromarray(row).save(temporary, format="PNG")
    return out / PREVIEW
