"""Pictures as the network sees them, and parts of them to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.adding import read_labels
from space.learning.dataset import IGNORE, DataSet, Sample, picture_path
from space.learning.picture_files import read_picture
from space.pictures import resized, to_8_bit
from space.segmentation.normalise import normalisation

SCHEME = "ZScoreNormalization"
"""How grey values are normalised: by all of a picture, as workers do with maps."""

IGNORED = 255
"""Of pixels that do not count, and of what lies beyond a picture."""

_MOST_PLACES = 20_000
_LEAST_SIDE_PX = 8


@dataclass(frozen=True)
class Classes:
    """The classes that a network tells apart.

    Attributes
    ----------
    values : dict of str to int
        Label of each, in the order of the network's outputs.
    channels : ndarray of uint8, shape (256,)
        Label → output of the network; `IGNORED` for what does not count.
    """

    values: dict[str, int]
    channels: np.ndarray

    @staticmethod
    def of(data: DataSet, wanted: Sequence[str]) -> Classes:
        """Return the classes of a data set, or those of them that are wanted.

        Raises
        ------
        SpaceError
            If one that is wanted is not there, or there are fewer than two.
        """
        there = {one.name: one.value for one in data.classes if one.name != IGNORE}
        missing = [name for name in wanted if name not in there]
        if missing:
            raise SpaceError(
                f"The data set has no class {', '.join(missing)}.",
                do=f"Its classes are {', '.join(there)}.",
            )
        rest = next((name for name, value in there.items() if value == 0), None)
        kept = set(wanted or there) | ({rest} if rest is not None else set())
        values = {name: value for name, value in there.items() if name in kept}
        if len(values) < 2:
            raise SpaceError("A network needs two classes to tell apart, one of them with value 0.")
        channels = np.full(256, IGNORED, np.uint8)
        if rest is not None:
            for value in there.values():
                channels[value] = list(values).index(rest)
        for channel, value in enumerate(values.values()):
            channels[value] = channel
        return Classes(values, channels)


@dataclass(frozen=True)
class Shown:
    """A picture as the network sees it.

    Attributes
    ----------
    name : str
    grey : ndarray of float32, shape (rows, columns)
        Normalised.
    channels : ndarray of uint8, shape (rows, columns)
        Output of the network that is right; `IGNORED` where it does not matter.
    places : tuple of ndarray (n, 2)
        For each class that is there, (row, column) of some of its pixels.
    """

    name: str
    grey: np.ndarray
    channels: np.ndarray
    places: tuple[np.ndarray, ...]


def common_pixel_nm(samples: Sequence[Sample], wanted: float | None) -> float | None:
    """Return the pixel at which pictures are shown; None if none of them tells its own."""
    known = [sample.pixel_nm for sample in samples if sample.pixel_nm is not None]
    return wanted or (float(median(known)) if known else None)


def shown(
    folder: Path, sample: Sample, classes: Classes, pixel_nm: float | None, seed: int = 0
) -> Shown:
    """Return a picture as the network sees it.

    Raises
    ------
    SpaceError
        If it has no labels, or others than its shape or its classes allow.
    """
    picture, channels = scaled(folder, sample, classes, pixel_nm)
    places = places_of(channels, len(classes.values), seed)
    return Shown(sample.file, normalised(picture), channels, places)


def scaled(
    folder: Path, sample: Sample, classes: Classes, pixel_nm: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture as a worker gets it, and the output of the network that is right.

    Returns
    -------
    picture : ndarray of uint8, shape (rows, columns)
        At this pixel.
    channels : ndarray of uint8, shape (rows, columns)

    Raises
    ------
    SpaceError
        If it has no labels, or others than its shape or its classes allow.
    """
    picture, labels = read_picture(picture_path(folder, sample)), read_labels(folder, sample)
    if labels is None:
        raise SpaceError(
            "A picture has no labels.", str(picture_path(folder, sample)), "Label it, or remove it."
        )
    if labels.shape != picture.shape:
        raise SpaceError(
            f"The labels have {labels.shape} pixels and their picture {picture.shape}.",
            str(picture_path(folder, sample)),
        )
    picture = picture if picture.dtype == np.uint8 else to_8_bit(picture)
    if pixel_nm is not None and sample.pixel_nm is not None:
        factor = sample.pixel_nm / pixel_nm
        shape = [max(_LEAST_SIDE_PX, round(side * factor)) for side in picture.shape]
        picture, labels = resized(picture, shape), resized(labels, shape, nearest=True)
    return picture, classes.channels[labels]


def normalised(picture: np.ndarray) -> np.ndarray:
    """Return a picture (uint8) as float32, as a worker shows a map to the network."""
    found = normalisation(picture, SCHEME, False, {})
    grey = np.zeros(picture.shape, np.float32)
    if found is not None:
        row0, row1, column0, column1 = found.bounds
        grey[row0:row1, column0:column1] = found.apply(picture, slice(None), slice(None))
    return grey


def places_of(channels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return (row, column) of some pixels of each class that is there, for `Shown`."""
    rng = np.random.default_rng(seed)
    found = []
    for channel in range(count):
        flat = np.flatnonzero(channels == channel)
        if flat.size > _MOST_PLACES:
            flat = rng.choice(flat, _MOST_PLACES, replace=False)
        if flat.size:
            found.append(np.stack(np.unravel_index(flat, channels.shape), axis=1))
    return tuple(found)


def part(
    rng: np.random.Generator, pictures: Sequence[Shown], side_px: int, centred: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a square part of a picture; large pictures are drawn as often as they have pixels.

    Returns
    -------
    grey : ndarray of float32, shape (side_px, side_px)
    channels : ndarray of uint8
        What lies beyond the picture is `IGNORED`.
    """
    sizes = np.array([picture.grey.size for picture in pictures], float)
    picture = pictures[int(rng.choice(len(pictures), p=sizes / sizes.sum()))]
    if picture.places and rng.random() < centred:
        places = picture.places[int(rng.integers(len(picture.places)))]
        middle = places[int(rng.integers(len(places)))]
    else:
        middle = np.array([int(rng.integers(side)) for side in picture.grey.shape])
    # A part hangs over the edge of its picture only where that is too small.
    first = [
        int(np.clip(at - side_px // 2, min(0, side - side_px), max(0, side - side_px)))
        for at, side in zip(middle, picture.grey.shape)
    ]
    grey = np.zeros((side_px, side_px), np.float32)
    channels = np.full((side_px, side_px), IGNORED, np.uint8)
    rows, columns = (
        slice(max(0, at), min(side, at + side_px)) for at, side in zip(first, picture.grey.shape)
    )
    into = tuple(slice(cut.start - at, cut.stop - at) for cut, at in zip((rows, columns), first))
    grey[into], channels[into] = picture.grey[rows, columns], picture.channels[rows, columns]
    return grey, channels


def batch(
    pictures: Sequence[Shown],
    number: int,
    seed: int,
    count: int,
    side_px: int,
    centred: float,
) -> tuple[Any, Any]:
    """Return the parts of a step: the same for the same seed and number, whatever came before.

    Returns
    -------
    grey : torch.Tensor of float32, shape (count, 1, side, side)
    channels : torch.Tensor of int64, shape (count, side, side)
    """
    import torch

    from space.learning.training.augment import varied

    rng = np.random.default_rng((seed, number))
    wide_px = _with_corners(side_px)
    drawn = [varied(rng, *part(rng, pictures, wide_px, centred), side_px) for _ in range(count)]
    grey = torch.stack([one for one, _ in drawn])
    return grey, torch.stack([channels for _, channels in drawn])


def _with_corners(side_px: int) -> int:
    """Return the side of a part that may be turned without showing what lies beyond it."""
    return side_px + side_px // 2
