"""Sections of a volume as the network sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.learning import IGNORED, Shown, normalised, places_of
from space.organelles.entries import REST
from space.organelles.sections.config import SectionsConfig
from space.pictures import resized, to_8_bit
from space.volumes import OpenVolume, open_volume

LEARNT, HELD, UNLABELLED = "train", "val", "unlabelled"
_MOST_UNLABELLED = 64
"""Sections without labels that are kept in memory, evenly over the volume."""

_LEAST_SIDE_PX = 32


@dataclass(frozen=True)
class Noted:
    """What a run notes of a section (see `space.learning.run_folder.described`)."""

    file: str
    split: str
    picture_hash: str
    label_hash: str


@dataclass(frozen=True)
class Sections:
    """Sections to learn from, for validation, and without labels.

    Attributes
    ----------
    classes : dict of str to int
        Values in the labels, in the order of the network's outputs; the first is 0.
    learnt, held, unlabelled : tuple of Shown
        `unlabelled` also has those that are learned from, but not those that are held.
    noted : tuple of Noted
    voxel_nm : tuple of float
    """

    classes: Mapping[str, int]
    learnt: tuple[Shown, ...]
    held: tuple[Shown, ...]
    unlabelled: tuple[Shown, ...]
    noted: tuple[Noted, ...]
    voxel_nm: tuple[float, float, float]


def read_sections(config: SectionsConfig, most_sections: int | None = None) -> Sections:
    """Read what a training needs.

    Parameters
    ----------
    config : SectionsConfig
    most_sections : int, optional
        Sections from this one on are not looked at: they are for a test.

    Raises
    ------
    SpaceError
        If volumes do not fit to each other, or sections that are named are not there or empty.
    """
    raw, labels = (open_volume(path, config.voxel_nm) for path in (config.raw, config.labels))
    if raw.shape != labels.shape:
        raise SpaceError(
            f"Grey values have {raw.shape} voxels and labels {labels.shape}.",
            str(config.labels),
            "Name volumes of one shape.",
        )
    beyond = [one for one in (*config.labelled, *config.held) if one >= raw.shape[0]]
    if beyond:
        raise SpaceError(
            f"There are no sections {beyond}: the volume has those from 0 to {raw.shape[0] - 1}.",
            str(config.raw),
        )
    learnt = config.labelled or _with_labels(labels, config.held)
    classes = {REST: 0, **(config.classes or _classes_in(labels, learnt))}
    if not learnt or len(classes) < 2:
        raise SpaceError(
            "No section has a label to learn from.",
            str(config.labels),
            "Label one, or name those that are (--labelled).",
        )
    last = min(raw.shape[0], most_sections or raw.shape[0])
    every = [number for number in range(last) if number not in config.held]
    if not config.looks_at_unlabelled:
        every = []
    step = max(1, -(-len(every) // _MOST_UNLABELLED))
    shown = {
        split: tuple(
            _shown(raw, None if split == UNLABELLED else labels, one, classes, config)
            for one in numbers
        )
        for split, numbers in (
            (LEARNT, learnt),
            (HELD, config.held),
            (UNLABELLED, every[::step]),
        )
    }
    noted = tuple(
        Noted(f"{split} {one.name}", split, _hash(one.grey), _hash(one.channels))
        for split, ones in shown.items()
        for one in ones
    )
    return Sections(
        classes, shown[LEARNT], shown[HELD], shown[UNLABELLED], noted, raw.frame.voxel_nm
    )


def seen(section: np.ndarray, shrink: int) -> np.ndarray:
    """Return a section (rows, columns) as the network sees it: float32, shrunk, normalised."""
    picture = section if section.dtype == np.uint8 else to_8_bit(section)
    if shrink > 1:
        picture = resized(picture, [_shrunk(side, shrink) for side in picture.shape])
    return normalised(picture)


def _shrunk(side: int, shrink: int) -> int:
    return max(_LEAST_SIDE_PX, round(side / shrink))


def _shown(
    raw: OpenVolume,
    labels: OpenVolume | None,
    number: int,
    classes: Mapping[str, int],
    config: SectionsConfig,
) -> Shown:
    grey = seen(raw[number : number + 1][0], config.shrink)
    name = f"section {number}"
    if labels is None:
        return Shown(name, grey, np.full(grey.shape, IGNORED, np.uint8), ())
    own = labels[number : number + 1][0]
    channels = np.zeros(own.shape, np.uint8)
    for channel, value in enumerate(classes.values()):
        channels[own == value] = channel
    channels[own == IGNORED] = IGNORED
    if config.shrink > 1:
        channels = resized(channels, grey.shape, nearest=True)
    return Shown(name, grey, channels, places_of(channels, len(classes), config.seed))


def _with_labels(labels: OpenVolume, held: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(
        number
        for number in range(labels.shape[0])
        if number not in held and labels[number : number + 1].any()
    )


def _classes_in(labels: OpenVolume, numbers: tuple[int, ...]) -> dict[str, int]:
    values: set[int] = set()
    for number in numbers:
        found = np.unique(labels[number : number + 1])
        if found.dtype.kind == "f" and not (found == np.round(found)).all():
            raise SpaceError("These are no labels: there are values between whole numbers.")
        values |= {int(one) for one in found}
    values -= {0, IGNORED}
    if values and not 0 < min(values) <= max(values) < IGNORED:
        raise SpaceError(f"Labels are from 1 to {IGNORED - 1}, and some are {max(values)}.")
    return {f"label_{value}": value for value in sorted(values)}


def _hash(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]
