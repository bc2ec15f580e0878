"""Maps with boxes as a detector sees them, and windows of them to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.geometry import rescaled_shape
from space.lamellae import Box
from space.lamellae.detector import SMALLEST_BOX_PX, cut_window
from space.learning.boxes import read_boxes
from space.learning.dataset import DataSet, Sample, boxes_path, picture_path
from space.learning.picture_files import read_picture
from space.pictures import resized, to_8_bit

LEAST_INSIDE = 0.5
"""Part of a box that has to lie in a window; of less, nothing can be told."""

_REACH = 0.42
"""How far from the middle of a window a box may be that was chosen, as a part of its side."""

_SCALES = (0.85, 1.18)
_GAINS, _OFFSETS = (0.75, 1.33), (-20.0, 20.0)
_NOISE_GREY, _BLUR_PX = 8.0, 1.0
_SELDOM, _OFTEN = 0.2, 0.5


@dataclass(frozen=True)
class BoxMap:
    """A picture as a detector sees it, with its boxes.

    Attributes
    ----------
    name : str
    grey : ndarray of uint8, shape (rows, columns)
        At the pixel of the detector.
    corners : ndarray of float64, shape (n, 4)
        x0, y0, x1, y1 of each box in its pixels.
    classes : ndarray of int64, shape (n,)
        Number of the class of each.
    """

    name: str
    grey: np.ndarray
    corners: np.ndarray
    classes: np.ndarray

    def boxes(self, names: Sequence[str]) -> tuple[Box, ...]:
        """Return its boxes with the names of their classes."""
        return tuple(
            Box(x0, y0, x1, y1, names[number], 1.0)
            for (x0, y0, x1, y1), number in zip(self.corners.tolist(), self.classes.tolist())
        )


def box_names(data: DataSet, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of boxes of a data set, or those of them that are wanted, in its order.

    Raises
    ------
    SpaceError
        If one that is wanted is not there, or there are none.
    """
    missing = [name for name in wanted if name not in data.box_classes]
    if missing or not data.box_classes:
        raise SpaceError(
            f"The data set has no class of boxes {', '.join(missing)}.".replace(" .", "."),
            do=f"Its classes are {', '.join(data.box_classes)}."
            if data.box_classes
            else "Draw boxes (spacetomo label), or import some (spacetomo data import).",
        )
    return tuple(name for name in data.box_classes if name in (wanted or data.box_classes))


def box_map(folder: Path, sample: Sample, names: Sequence[str], pixel_nm: float) -> BoxMap:
    """Return a picture as a detector sees it; boxes of classes that are not learned are left out.

    Raises
    ------
    SpaceError
        If the picture or its boxes cannot be read.
    """
    picture = read_picture(picture_path(folder, sample))
    known = [
        box for box in read_boxes(boxes_path(folder, sample.stem)) or () if box.category in names
    ]
    grey = picture if picture.dtype == np.uint8 else to_8_bit(picture)
    shape = rescaled_shape(grey.shape, (sample.pixel_nm or pixel_nm) / pixel_nm)
    grey = resized(grey, shape)
    scale = np.array([shape[1] / picture.shape[1], shape[0] / picture.shape[0]] * 2)
    corners = np.array([(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in known], np.float64)
    classes = np.array([names.index(box.category) for box in known], np.int64)
    return BoxMap(sample.file, grey, corners.reshape(-1, 4) * scale, classes)


class Learnt:
    """Maps to learn from, and where the boxes of each class are."""

    def __init__(self, maps: Sequence[BoxMap]) -> None:
        self._maps = maps
        sizes = np.array([one.grey.size for one in maps], float)
        self._shares = sizes / sizes.sum()
        numbers = sorted({int(number) for one in maps for number in one.classes})
        self._places = [
            [
                (index, at)
                for index, one in enumerate(maps)
                for at in np.flatnonzero(one.classes == number).tolist()
            ]
            for number in numbers
        ]

    def window(self, rng: np.random.Generator, side_px: int, centred: float) -> BoxMap:
        """Draw a window: near a box, each class as often, or anywhere."""
        if self._places and rng.random() < centred:
            places = self._places[int(rng.integers(len(self._places)))]
            index, at = places[int(rng.integers(len(places)))]
            x0, y0, x1, y1 = self._maps[index].corners[at]
            reach_px = _REACH * side_px
            middle = (x0 + x1) / 2, (y0 + y1) / 2
            column, row = (value + rng.uniform(-reach_px, reach_px) for value in middle)
        else:
            index = int(rng.choice(len(self._maps), p=self._shares))
            rows, columns = self._maps[index].grey.shape
            column, row = rng.uniform(0, columns), rng.uniform(0, rows)
        scale = float(np.exp(rng.uniform(*np.log(_SCALES)))) if rng.random() < _OFTEN else 1.0
        return cut(self._maps[index], column, row, side_px, scale)


def cut(one: BoxMap, column: float, row: float, side_px: int, scale: float = 1.0) -> BoxMap:
    """Return the square window of a map around a place, drawn larger by `scale`.

    Of boxes that it cuts, the part inside is kept if it is `LEAST_INSIDE` of all.
    """
    wide_px = max(1, round(side_px / scale))
    column0, row0 = round(column - wide_px / 2), round(row - wide_px / 2)
    grey = cut_window(one.grey, row0, column0, wide_px, int(np.median(one.grey)))
    if wide_px != side_px:
        grey = resized(grey, (side_px, side_px))
    factor = side_px / wide_px
    whole = (one.corners - (column0, row0, column0, row0)) * factor
    inside = np.clip(whole, 0, side_px)
    sides, shown = whole[:, 2:] - whole[:, :2], inside[:, 2:] - inside[:, :2]
    kept = (shown.prod(axis=1) >= LEAST_INSIDE * sides.prod(axis=1)) & (
        shown.min(axis=1, initial=np.inf) >= SMALLEST_BOX_PX
    )
    return BoxMap(one.name, grey, inside[kept], one.classes[kept])


def varied(rng: np.random.Generator, one: BoxMap) -> BoxMap:
    """Return a window mirrored, turned by right angles, lighter or darker, noisier or blurred.

    It is not turned by other angles: a box around a turned box would be too large.
    """
    from scipy import ndimage

    grey, corners, side_px = one.grey, one.corners, one.grey.shape[0]
    x0, y0, x1, y1 = corners.T
    if rng.random() < _OFTEN:
        grey, x0, x1 = grey[:, ::-1], side_px - x1, side_px - x0
    if rng.random() < _OFTEN:
        grey, y0, y1 = grey[::-1], side_px - y1, side_px - y0
    if rng.random() < _OFTEN:
        grey, x0, y0, x1, y1 = grey.T, y0, x0, y1, x1
    seen: np.ndarray = grey.astype(np.float32)
    if rng.random() < _OFTEN:
        middle = float(seen.mean())
        gain = float(np.exp(rng.uniform(*np.log(_GAINS))))
        seen = (seen - middle) * gain + middle + rng.uniform(*_OFFSETS)
    if rng.random() < _SELDOM:
        seen = ndimage.gaussian_filter(seen, rng.uniform(0.3, _BLUR_PX))
    if rng.random() < _SELDOM:
        seen = seen + rng.normal(0, rng.uniform(0, _NOISE_GREY), seen.shape)
    grey = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return replace(one, grey=grey, corners=np.stack([x0, y0, x1, y1], axis=1))


def box_batch(
    learnt: Learnt, number: int, seed: int, count: int, side_px: int, centred: float
) -> dict[str, Any]:
    """Return the windows of a step as ultralytics takes them.

    They are the same for the same seed and number, whatever came before.

    Returns
    -------
    dict
        ``img`` (count, 1, side, side) from 0 to 1; of each box the window (``batch_idx``), the
        class (``cls``), and middle and sides as parts of the window (``bboxes``).
    """
    import torch

    rng = np.random.default_rng((seed, number))
    windows = [varied(rng, learnt.window(rng, side_px, centred)) for _ in range(count)]
    corners = np.concatenate([one.corners for one in windows]) / side_px
    middles = (corners[:, :2] + corners[:, 2:]) / 2
    boxes = np.concatenate([middles, corners[:, 2:] - corners[:, :2]], axis=1)
    of = np.repeat(np.arange(count), [len(one.classes) for one in windows])
    classes = np.concatenate([one.classes for one in windows])
    grey = np.stack([one.grey for one in windows])[:, None].astype(np.float32) / 255
    return {
        "img": torch.from_numpy(grey),
        "batch_idx": torch.from_numpy(of).float(),
        "cls": torch.from_numpy(classes).float()[:, None],
        "bboxes": torch.from_numpy(boxes.astype(np.float32)),
    }
