"""Pictures with the clicks of people, as a network sees them, and parts of them to learn from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.learning.clicks.names import REMOVED
from space.learning.dataset import Sample, picture_path
from space.learning.keypoints import Keypoint
from space.learning.picture_files import read_picture
from space.learning.training.augment import varied
from space.learning.training.samples import IGNORED, normalised
from space.pictures import resized, to_8_bit

UNKNOWN, IS_WANTED, IS_UNWANTED = 0, 1, 2
"""Marks of pixels; those beyond a picture are `IGNORED`."""

_LEAST_SIDE_PX = 8


@dataclass(frozen=True)
class ClickedPicture:
    """A picture as the network sees it.

    Attributes
    ----------
    name : str
    grey : ndarray of float32, shape (rows, columns)
        Normalised.
    marks : ndarray of uint8, shape (rows, columns)
        `UNKNOWN` but for discs about clicks.
    clicks_px : ndarray (n, 2)
        (row, column) of all clicks, wanted and removed.
    wanted : int
        How many of them are wanted.
    """

    name: str
    grey: np.ndarray
    marks: np.ndarray
    clicks_px: np.ndarray
    wanted: int


def clicked_picture(
    folder: Path,
    sample: Sample,
    points: Sequence[Keypoint],
    wanted: Collection[str],
    pixel_nm: float | None,
    radius_nm: float,
) -> ClickedPicture:
    """Return a picture with its clicks, at the pixel that the network sees.

    Parameters
    ----------
    folder : Path
        Of the data set.
    sample : Sample
    points : sequence of Keypoint
        Those on this picture.
    wanted : collection of str
        Names of points where targets are wanted. Of the others, `REMOVED` ones are unwanted.
    pixel_nm : float or None
    radius_nm : float
        How far from a click it is surely the same.
    """
    picture = read_picture(picture_path(folder, sample))
    picture = picture if picture.dtype == np.uint8 else to_8_bit(picture)
    before = np.array(picture.shape, float)
    if pixel_nm is not None and sample.pixel_nm is not None:
        factor = sample.pixel_nm / pixel_nm
        picture = resized(picture, [max(_LEAST_SIDE_PX, round(side * factor)) for side in before])
    scale = np.array(picture.shape) / before
    own = [one for one in points if one.name in wanted]
    others = [one for one in points if one.name == REMOVED and one.name not in wanted]
    clicks_px = np.array([(one.y_px, one.x_px) for one in (*own, *others)]).reshape(-1, 2) * scale
    radius_px = max(1.0, radius_nm / (pixel_nm or 1.0))
    marks = np.zeros(picture.shape, np.uint8)
    # Wanted discs are drawn last: they win where both overlap.
    for number in reversed(range(len(clicks_px))):
        _draw_disc(
            marks, clicks_px[number], radius_px, IS_WANTED if number < len(own) else IS_UNWANTED
        )
    return ClickedPicture(sample.file, normalised(picture), marks, clicks_px, len(own))


def _draw_disc(marks: np.ndarray, middle_px: np.ndarray, radius_px: float, mark: int) -> None:
    """Mark the pixels whose middles lie within a disc."""
    first = np.maximum(np.floor(middle_px - radius_px), 0).astype(int)
    last = np.ceil(middle_px + radius_px).astype(int) + 1
    part = marks[first[0] : last[0], first[1] : last[1]]
    rows, columns = np.indices(part.shape) + 0.5 + first[:, None, None]
    inside = (rows - middle_px[0]) ** 2 + (columns - middle_px[1]) ** 2 <= radius_px**2
    part[inside] = mark


def batch(
    pictures: Sequence[ClickedPicture], number: int, seed: int, count: int, side_px: int
) -> tuple[Any, Any]:
    """Return the parts of a step: the same for the same seed and number.

    The first half have a click near their middle, wanted and removed ones in turn as often as
    there are any; the others lie anywhere, each place as often, and stand for all pixels.

    Returns
    -------
    grey : torch.Tensor of float32, shape (count, 1, side, side)
    marks : torch.Tensor of int64, shape (count, side, side)
    """
    import torch

    rng = np.random.default_rng((seed, number))
    wide_px = side_px + side_px // 2
    clicks = [(one, click) for one in pictures for click in one.clicks_px]
    sizes = np.array([one.grey.size for one in pictures], float)
    drawn = []
    for at in range(count):
        if at < count // 2:
            picture, click = clicks[int(rng.integers(len(clicks)))]
            middle = click + rng.uniform(-side_px / 4, side_px / 4, 2)
        else:
            picture = pictures[int(rng.choice(len(pictures), p=sizes / sizes.sum()))]
            middle = rng.uniform(0, picture.grey.shape)
        drawn.append(varied(rng, *_part(picture, middle, wide_px), side_px))
    return torch.stack([grey for grey, _ in drawn]), torch.stack([marks for _, marks in drawn])


def _part(
    picture: ClickedPicture, middle: np.ndarray, side_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a square part about a place; what lies beyond the picture is `IGNORED`."""
    grey = np.zeros((side_px, side_px), np.float32)
    marks = np.full((side_px, side_px), IGNORED, np.uint8)
    first = np.floor(middle).astype(int) - side_px // 2
    from_px = np.maximum(first, 0)
    to_px = np.minimum(first + side_px, picture.grey.shape)
    if (from_px < to_px).all():
        source = tuple(slice(a, b) for a, b in zip(from_px, to_px))
        into = tuple(slice(a, b) for a, b in zip(from_px - first, to_px - first))
        grey[into], marks[into] = picture.grey[source], picture.marks[source]
    return grey, marks
