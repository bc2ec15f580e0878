"""Pictures of a section: what it shows, its labels, and what is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from space.files import atomic_path
from space.organelles.evaluating import IGNORED
from space.pictures import shrinking_factor, to_8_bit

_LONGEST_PX = 800
_COLORS = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
"""M. Okabe and K. Ito's colours, which everybody can tell apart."""


def write_sections(path: Path, raw: np.ndarray, labels: Sequence[np.ndarray]) -> None:
    """Write a section and labels of it side by side, as PNG.

    Parameters
    ----------
    path : Path
    raw : ndarray, shape (y, x)
    labels : sequence of ndarray of uint8, each of shape (y, x)
    """
    from PIL import Image

    table = np.array([_COLORS[value % len(_COLORS)] for value in range(256)], np.uint8)
    for value in range(len(_COLORS), 255):
        if value % len(_COLORS) == 0:
            table[value] = (255, 255, 255)
    table[IGNORED] = (90, 90, 90)
    step = shrinking_factor(raw.shape, _LONGEST_PX)
    grey = np.repeat(to_8_bit(raw[::step, ::step].astype(np.float32))[..., None], 3, axis=2)
    gap = np.full((grey.shape[0], 4, 3), 255, np.uint8)
    panels = [grey]
    for one in labels:
        panels += [gap, table[one[::step, ::step]]]
    with atomic_path(path) as temporary:
        Image.fromarray(np.hstack(panels)).save(temporary, format="PNG")


def write_shares(path: Path, raw: np.ndarray, shares: np.ndarray) -> None:
    """Write a section and how probable a class is in it, as PNG.

    Parameters
    ----------
    path : Path
    raw : ndarray, shape (y, x)
    shares : ndarray of uint8, shape (y, x)
    """
    from PIL import Image

    step = shrinking_factor(raw.shape, _LONGEST_PX)
    grey = to_8_bit(raw[::step, ::step].astype(np.float32))
    gap = np.full((grey.shape[0], 4), 255, np.uint8)
    with atomic_path(path) as temporary:
        Image.fromarray(np.hstack([grey, gap, shares[::step, ::step]])).save(
            temporary, format="PNG"
        )
