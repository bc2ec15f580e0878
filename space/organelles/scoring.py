"""A prediction beside labels: scores of each class, and the threshold that would have been best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning import ClassScore
from space.organelles.entries import Entry
from space.organelles.evaluating import IGNORED, counted, scores_of, to_dict
from space.organelles.label_borders import checked_widths, excluded
from space.organelles.network import labels_of
from space.organelles.prediction import Prediction
from space.volumes import Block, OpenVolume, blocks_of, open_volume

_SIDE = 128


@dataclass(frozen=True)
class Curve:
    """How good each threshold is for a class.

    Attributes
    ----------
    f1 : ndarray of float, shape (256,)
        For each probability (of 255) from which voxels count as the class; NaN where there is
        nothing to divide by.
    """

    f1: np.ndarray

    @property
    def best(self) -> tuple[float, float]:
        """The best threshold, from 0 to 1, and its F1."""
        if np.isnan(self.f1).all():
            return 0.5, float("nan")
        at = int(np.nanargmax(self.f1))
        return at / 255, float(self.f1[at])


@dataclass(frozen=True)
class Evaluation:
    """How well a prediction agrees with labels.

    Attributes
    ----------
    scores : dict of str to ClassScore
    curves : dict of str to Curve
        Of each class by itself.
    thresholds : dict of str to float
    excluded : dict of str to int
        Voxels around the border of each class that did not count.
    counted_voxels, voxels : int
        How many counted, and how many there were.
    """

    scores: dict[str, ClassScore]
    curves: dict[str, Curve]
    thresholds: dict[str, float]
    excluded: dict[str, int]
    counted_voxels: int
    voxels: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        classes = to_dict(self.scores)
        for name, curve in self.curves.items():
            threshold, f1 = curve.best
            classes[name]["threshold"] = self.thresholds[name]
            classes[name]["best_threshold"] = round(threshold, 3)
            classes[name]["f1_at_best"] = None if np.isnan(f1) else f1
        return {
            "classes": classes,
            "excluded": self.excluded,
            "counted_voxels": self.counted_voxels,
            "voxels": self.voxels,
        }


class PredictedLabels:
    """What was found in a volume, as labels or as probabilities of each class.

    Parameters
    ----------
    prediction : Prediction
        All of its blocks are done.
    """

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self._volumes: list[OpenVolume] = [
            open_volume(prediction.path_of(name)) for name in prediction.classes
        ]

    def shares(self, block: Block) -> np.ndarray:
        """Return the probabilities in a block of the region, uint8 (classes, z, y, x)."""
        return np.stack([one[block.slices] for one in self._volumes])

    def labels(self, block: Block, thresholds: Mapping[str, float]) -> np.ndarray:
        """Return the labels in a block of the region: 0, or the place of the class from 1 on."""
        limits = levels_of(self.prediction.classes, thresholds)
        return labels_of(self.shares(block), limits)

    def as_volume(self, thresholds: Mapping[str, float]) -> OpenVolume:
        """Return the labels as a volume of which parts are made when they are asked for."""
        levels_of(self.prediction.classes, thresholds)  # refused at once

        def read(box: tuple[slice, slice, slice]) -> np.ndarray:
            start, stop = [one.start for one in box], [one.stop for one in box]
            block = Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
            return self.labels(block, thresholds)

        first = self._volumes[0]
        out = self.prediction.out
        return OpenVolume(out, first.shape, np.dtype(np.uint8), first.frame, read)


def levels_of(classes: Sequence[str], thresholds: Mapping[str, float]) -> list[int]:
    """Return the threshold of each class as probabilities are written; one half if not given.

    Raises
    ------
    SpaceError
        If a class is not known or a threshold is no share.
    """
    for name, value in thresholds.items():
        if name not in classes or not 0 < value <= 1:
            raise SpaceError(
                f"The threshold {name}={value} is not possible.",
                do=f"Give shares above 0, at most 1, of {', '.join(classes)}.",
            )
    return [max(1, round(255 * thresholds.get(name, 0.5))) for name in classes]


def evaluate_prediction(
    prediction: Prediction,
    entries: Sequence[Entry],
    exclude: Mapping[str, int],
    thresholds: Mapping[str, float],
) -> Evaluation:
    """Compare a prediction with labels, block by block.

    Raises
    ------
    SpaceError
        If the labels are of another volume, or not within what was looked through.
    """
    found, classes = PredictedLabels(prediction), prediction.classes
    levels, widths = levels_of(classes, thresholds), checked_widths(exclude, classes)
    counts = np.zeros((256, 256), np.int64)
    histograms = np.zeros((len(classes), 2, 256), np.int64)
    voxels = 0
    for entry in entries:
        volume, region = entry.opened()
        if volume.path.resolve() != prediction.volume.resolve():
            raise SpaceError(
                f"The labels {entry.name} are of {volume.path}, and {prediction.volume} was looked "
                "through.",
                do="Predict that volume, or give its labels.",
            )
        _refuse_outside(entry, region, prediction.region)
        truth = entry.label_map(region, volume.shape, classes)
        left_out = excluded(truth, widths)
        for block in blocks_of(region.shape, (_SIDE,) * 3):
            shift = [a - b for a, b in zip(region.start, prediction.region.start)]
            start = [one + more for one, more in zip(block.start, shift)]
            stop = [one + more for one, more in zip(block.stop, shift)]
            there = Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
            shares = found.shares(there)
            label = np.where(left_out[block.slices], IGNORED, truth[block.slices]).astype(np.uint8)
            counts += counted(label, labels_of(shares, levels), {})
            for at, share in enumerate(shares):
                for is_it in (0, 1):
                    chosen = share[(label != IGNORED) & ((label == at + 1) == bool(is_it))]
                    histograms[at, is_it] += np.bincount(chosen, minlength=256)
        voxels += truth.size
    return Evaluation(
        scores_of(counts, classes),
        {name: curve_of(*histograms[at]) for at, name in enumerate(classes)},
        {name: thresholds.get(name, 0.5) for name in classes},
        {name: int(exclude.get(name, 0)) for name in classes},
        int(counts.sum()),
        voxels,
    )


def _refuse_outside(entry: Entry, region: Block, looked_through: Block) -> None:
    inside = all(
        low <= first and last <= high
        for low, first, last, high in zip(
            looked_through.start, region.start, region.stop, looked_through.stop
        )
    )
    if not inside:
        raise SpaceError(
            f"The labels {entry.name} are from {region.start} to {region.stop}; from "
            f"{looked_through.start} to {looked_through.stop} was looked through.",
            do="Predict the region of the labels: --region",
        )


def curve_of(others: np.ndarray, own: np.ndarray) -> Curve:
    """Return the F1 of each threshold from how often each probability was given.

    Parameters
    ----------
    others, own : ndarray of int, shape (256,)
        Voxels that are not of the class, and that are.
    """
    hits = own[::-1].cumsum()[::-1].astype(float)
    false = others[::-1].cumsum()[::-1].astype(float)
    whole = hits + false + own.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return Curve(np.where(whole > 0, 2 * hits / whole, np.nan))
