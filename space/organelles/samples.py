"""Volumes as the network sees them, and blocks of them to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.organelles.augment import varied
from space.organelles.entries import Entry, classes_of, common_voxel_nm, same_voxel
from space.organelles.evaluating import IGNORED
from space.organelles.label_borders import excluded
from space.volumes import Block, OpenVolume, blocks_of

TRAIN, HELD = "train", "val"

_MOST_VOXELS = 1_500_000_000
_MOST_PLACES = 20_000
_STATISTICS_BLOCK = 64
_MOST_BLOCKS = 64


@dataclass(frozen=True)
class Greys:
    """How raw values become what the network sees: mean 0 and deviation 1.

    Attributes
    ----------
    mean, deviation : float
        Of the whole volume, so that all blocks of it are seen alike.
    """

    mean: float
    deviation: float

    def seen(self, raw: np.ndarray) -> np.ndarray:
        """Return what the network sees, float32."""
        return (raw.astype(np.float32) - np.float32(self.mean)) / np.float32(self.deviation)


def greys_of(volume: OpenVolume, region: Block | None = None) -> Greys:
    """Return mean and deviation of a volume, or of a region, from blocks all over it."""
    whole = region or Block((0, 0, 0), volume.shape)
    side = (_STATISTICS_BLOCK,) * 3
    blocks = list(blocks_of(whole.shape, side))
    count, total, squares = 0, 0.0, 0.0
    for block in blocks[:: max(1, -(-len(blocks) // _MOST_BLOCKS))]:
        z, y, x = (
            slice(begin + one.start, begin + one.stop)
            for begin, one in zip(whole.start, block.slices)
        )
        values = volume[z, y, x].astype(np.float64)
        count += values.size
        total += float(values.sum())
        squares += float((values**2).sum())
    mean = total / count
    deviation = max(0.0, squares / count - mean**2) ** 0.5
    if not np.isfinite(deviation) or deviation == 0:
        raise SpaceError(
            "All voxels of this volume have one value, or some are no numbers.", str(volume.path)
        )
    return Greys(mean, deviation)


@dataclass(frozen=True)
class Shown:
    """A region as the network sees it.

    Attributes
    ----------
    file, split, picture_hash, label_hash : str
        As a run notes them.
    raw : ndarray, shape (z, y, x)
        As in the file.
    greys : Greys
    labels : ndarray of uint8
        0, classes from 1 on, and `IGNORED`.
    places : tuple of ndarray of int, each of shape (n, 3)
        Voxels of each class that there is.
    voxel_nm : tuple of float
    """

    file: str
    split: str
    picture_hash: str
    label_hash: str
    raw: np.ndarray
    greys: Greys
    labels: np.ndarray
    places: tuple[np.ndarray, ...]
    voxel_nm: tuple[float, float, float]

    @property
    def is_cubic(self) -> bool:
        """Whether voxels are as long along z as along y and x, so that axes may be swapped."""
        return same_voxel(self.voxel_nm, (self.voxel_nm[1],) * 3)


def shown_of(
    entries: Sequence[Entry], split: str, classes: tuple[str, ...], widths: Mapping[int, int]
) -> tuple[Shown, ...]:
    """Read regions to learn from, or for validation.

    Raises
    ------
    SpaceError
        If they cannot be read, are too large for memory, or hold none of the classes.
    """
    opened = [(entry, *entry.opened()) for entry in entries]
    common_voxel_nm([(entry.name, volume.frame.voxel_nm) for entry, volume, _ in opened])
    voxels = sum(region.shape[0] * region.shape[1] * region.shape[2] for _, _, region in opened)
    if voxels > _MOST_VOXELS:
        raise SpaceError(
            f"The regions have {voxels / 1e6:.0f} million voxels together; "
            f"at most {_MOST_VOXELS / 1e6:.0f} million are kept in memory.",
            do="Give offset and shape of parts that show all there is.",
        )
    found = []
    for entry, volume, region in opened:
        labels = entry.label_map(region, volume.shape, classes)
        labels[excluded(labels, widths)] = IGNORED
        raw = volume[region.slices]
        found.append(
            Shown(
                entry.name,
                split,
                _hash(raw),
                _hash(labels),
                raw,
                greys_of(volume),
                labels,
                _places(labels, len(classes)),
                volume.frame.voxel_nm,
            )
        )
    if split == TRAIN and not any(one.places for one in found):
        raise SpaceError(
            f"No voxel of these regions is labelled as {' or '.join(classes)}.",
            do="Look at the labels: spacetomo volume view",
        )
    return tuple(found)


def wanted_classes(entries: tuple[Entry, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes to learn.

    Raises
    ------
    SpaceError
        If one that is wanted is in no entry.
    """
    there = classes_of(entries)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise SpaceError(
            f"The data have no class {', '.join(missing)}.",
            do=f"Their classes are {', '.join(there)}.",
        )
    return wanted or there


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:16]


def _places(labels: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """Return some voxels of each class that there is, the same ones each time."""
    found = []
    for value in range(1, count + 1):
        flat = np.flatnonzero(labels == value)
        if len(flat):
            chosen = flat[:: max(1, len(flat) // _MOST_PLACES)]
            found.append(np.stack(np.unravel_index(chosen, labels.shape), axis=1))
    return tuple(found)


def batch(
    regions: Sequence[Shown],
    step: int,
    seed: int,
    count: int,
    side: int,
    centred: float,
    elastic: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the blocks of a step, the same whatever came before.

    Parameters
    ----------
    regions : sequence of Shown
    step, seed : int
    count : int
        How many blocks.
    side : int
        Of a block, in voxels.
    centred : float
        Share of the blocks that have a voxel of a class in the middle.
    elastic : float
        Share of the blocks that are bent.

    Returns
    -------
    seen : ndarray of float32, shape (count, 1, side, side, side)
    labels : ndarray of int64, shape (count, side, side, side)
    """
    rng = np.random.default_rng([seed, step])
    seen, labels = [], []
    for _ in range(count):
        one, first = _place(rng, regions, side, centred)
        raw, label = cut(one, first, side)
        grey, label = varied(rng, one.greys.seen(raw), label, one.is_cubic, elastic)
        seen.append(grey)
        labels.append(label)
    return np.stack(seen)[:, None], np.stack(labels).astype(np.int64)


def _place(
    rng: np.random.Generator, regions: Sequence[Shown], side: int, centred: float
) -> tuple[Shown, list[int]]:
    """Draw a region, by its size, and the first voxel of a block in it."""
    on_class = rng.random() < centred
    able = [one for one in regions if one.places] if on_class else regions
    sizes = np.array([one.raw.size for one in able], float)
    one = able[int(rng.choice(len(able), p=sizes / sizes.sum()))]
    if not on_class:
        return one, [int(rng.integers(0, max(1, end - side + 1))) for end in one.raw.shape]
    # Each class as often, whatever its volume; not always in the very middle.
    places = one.places[int(rng.integers(len(one.places)))]
    shift = rng.integers(-(side // 8), side // 8 + 1, 3) - side // 2
    return one, [int(at) for at in places[int(rng.integers(len(places)))] + shift]


def cut(one: Shown, first: Sequence[int], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a block out of a region; where it is too small, it is mirrored and does not count."""
    begin = [max(0, min(at, end - side)) for at, end in zip(first, one.raw.shape)]
    part = tuple(slice(at, at + side) for at in begin)
    raw, labels = one.raw[part], one.labels[part]
    lacking = [(0, side - have) for have in raw.shape]
    if any(more for _, more in lacking):
        raw = np.pad(raw, lacking, mode="symmetric")
        labels = np.pad(labels, lacking, constant_values=IGNORED)
    return raw, labels
