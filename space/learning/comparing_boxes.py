"""How good detectors are on the pictures of a data set that have boxes, side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from space.errors import SpaceError
from space.lamellae import Box
from space.learning.boxes import read_boxes
from space.learning.dataset import DataSet, Sample, boxes_path, picture_path
from space.learning.evaluate_boxes import (
    IOUS,
    NEAR_PX,
    AtThreshold,
    ClassDetection,
    Pair,
    centre_errors,
    detection_scores,
    mean_ap,
    over_thresholds,
    shares_within,
    shown_by,
)
from space.learning.incoming import Tell
from space.learning.loading import LEAST_PROBABILITY, Detection
from space.learning.picture_files import read_picture

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Least probabilities for which recall and precision are told."""

LEAST_FOUND = 0.01
"""Boxes that are less probable are not asked for; average precision hardly changes by them."""

ANY = "any class"
"""All boxes taken together, whatever they are called."""


@dataclass(frozen=True)
class Centres:
    """How far the centres of true boxes are from those found for them.

    Attributes
    ----------
    median_px : float or None
        Of all true boxes; None if for half of them there is none, or there are no true boxes.
    within : dict of float to (float or None)
        Share of the true boxes whose error is at most so many pixels.
    """

    median_px: float | None
    within: dict[float, float | None]

    @staticmethod
    def of(errors: Sequence[float]) -> Centres:
        """Return what errors in pixels come to; infinity is of a box that was not found."""
        middle = median(errors) if errors else math.inf
        return Centres(middle if math.isfinite(middle) else None, shares_within(errors))


@dataclass(frozen=True)
class OfBoxClass:
    """How well the boxes of a class were found in all pictures together.

    Attributes
    ----------
    scores : ClassDetection
    at : tuple of AtThreshold
        For each of `THRESHOLDS` and for the threshold of the comparison, in order.
    centres : Centres
        With the boxes that are as probable as the threshold of the comparison asks.
    """

    scores: ClassDetection
    at: tuple[AtThreshold, ...]
    centres: Centres

    def at_threshold(self, threshold: float) -> AtThreshold:
        """Return what is found from a probability on."""
        return next(one for one in self.at if one.threshold == threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "true": self.scores.true,
            "found": self.scores.found,
            "ap50": self.scores.ap50,
            "ap50_95": self.scores.ap50_95,
            "ap": self.scores.ap and dict(zip(map(str, IOUS), self.scores.ap)),
            "at": [asdict(one) for one in self.at],
            "centre_median_px": self.centres.median_px,
            "centres_within_px": {f"{px:g}": part for px, part in self.centres.within.items()},
        }


@dataclass(frozen=True)
class OfBoxPicture:
    """What was found in a picture from the threshold on, whatever its class.

    Attributes
    ----------
    file : str
    right, missed, wrong : int
        True boxes that were found and that were not; boxes where there is none.
    """

    file: str
    right: int
    missed: int
    wrong: int

    @property
    def f1(self) -> float | None:
        """Both recall and precision in one number; None if nothing is there and nothing found."""
        both = 2 * self.right + self.missed + self.wrong
        return 2 * self.right / both if both else None


@dataclass(frozen=True)
class BoxComparison:
    """How good a detector is.

    Attributes
    ----------
    model : str
    threshold : float
        Least probability for centres and pictures.
    classes : tuple of OfBoxClass
        By name; those that are in no picture and were found nowhere are missing.
    any_class : OfBoxClass
        All boxes taken as of one class.
    pictures : tuple of OfBoxPicture
        The worst first.
    seconds : float
        Of processor time, for a megapixel.
    remarks : tuple of str
        What a reader of the numbers should know.
    """

    model: str
    threshold: float
    classes: tuple[OfBoxClass, ...]
    any_class: OfBoxClass
    pictures: tuple[OfBoxPicture, ...]
    seconds: float
    remarks: tuple[str, ...] = ()

    @property
    def mean_ap(self) -> tuple[float | None, float | None]:
        """Return mAP50 and mAP50-95 over the classes of which there are boxes."""
        return mean_ap([one.scores for one in self.classes])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        map50, map50_95 = self.mean_ap
        return {
            "model": self.model,
            "map50": map50,
            "map50_95": map50_95,
            "threshold": self.threshold,
            "seconds_per_megapixel": self.seconds,
            "remarks": list(self.remarks),
            "classes": {one.scores.category: one.to_dict() for one in self.classes},
            "any_class": self.any_class.to_dict(),
            "pictures": {one.file: {**asdict(one), "f1": one.f1} for one in self.pictures},
        }


def compare_boxes(
    name: str,
    detector: Detection,
    folder: Path,
    data: DataSet,
    samples: Sequence[Sample],
    tell: Tell,
    threshold: float = LEAST_PROBABILITY,
    look: Callable[[Sample, Pair], object] = lambda sample, pair: None,
) -> BoxComparison:
    """Say how good a detector is on some pictures.

    Classes are the same if their names are. Average precision is that of COCO, of the boxes from
    `LEAST_FOUND` on.

    Parameters
    ----------
    name : str
        What the model is called.
    detector : Detection
    folder : Path
        Of the data set.
    data : DataSet
    samples : sequence of Sample
        Those to look at (see `space.learning.boxes.looked_through`).
    tell : callable
        Takes what is left out, and why.
    threshold : float
        Least probability for centres and for what is right and wrong in a picture.
    look : callable
        Takes each picture with its true boxes, and those found from the threshold on.

    Raises
    ------
    SpaceError
        If there is nothing to compare.
    """
    pairs: list[Pair] = []
    pictures, seconds, pixels = [], 0.0, 0
    for sample in samples:
        try:
            picture = read_picture(picture_path(folder, sample))
            truth = read_boxes(boxes_path(folder, sample.stem))
            if truth is None:
                raise SpaceError("Nobody has looked for boxes in it.", sample.file)
        except SpaceError as error:
            tell(str(error))
            continue
        start_s = time.process_time()
        found = detector.detect(picture, sample.pixel_nm, min(LEAST_FOUND, threshold))
        seconds, pixels = seconds + time.process_time() - start_s, pixels + picture.size
        pairs.append((truth, found))
        kept = tuple(box for box in found if box.probability >= threshold)
        pictures.append(_of_picture(sample.file, truth, kept))
        look(sample, (truth, kept))
    if not pairs:
        raise SpaceError("There is no picture with boxes to compare with.", str(folder))
    pictures.sort(key=lambda one: (one.f1 is None, one.f1 or 0.0, -one.missed - one.wrong))
    names = sorted({box.category for pair in pairs for boxes in pair for box in boxes})
    return BoxComparison(
        name,
        threshold,
        tuple(_of_class([_only(pair, name) for pair in pairs], name, threshold) for name in names),
        _of_class([as_any(pair) for pair in pairs], ANY, threshold),
        tuple(pictures),
        seconds / pixels * 1e6,
        tuple(_remarks(detector, data, samples)),
    )


def _only(pair: Pair, name: str) -> Pair:
    truth, found = ([box for box in boxes if box.category == name] for boxes in pair)
    return truth, found


def as_any(pair: Pair) -> Pair:
    """Return boxes as of one class, `ANY`."""
    truth, found = ([replace(box, category=ANY) for box in boxes] for boxes in pair)
    return truth, found


def _of_class(pairs: Sequence[Pair], name: str, threshold: float) -> OfBoxClass:
    scores = next(iter(detection_scores(pairs)), ClassDetection(name, 0, 0, None))
    errors: list[float] = []
    for truth, found in pairs:
        kept = [box.center_px for box in found if box.probability >= threshold]
        errors += centre_errors([box.center_px for box in truth], kept)
    at = over_thresholds(pairs, sorted({*THRESHOLDS, threshold}))
    return OfBoxClass(scores, at, Centres.of(errors))


def _of_picture(file: str, truth: Sequence[Box], found: Sequence[Box]) -> OfBoxPicture:
    right = sum(shown_by(*as_any((truth, found))))
    return OfBoxPicture(file, right, len(truth) - right, len(found) - right)


def _remarks(detector: Detection, data: DataSet, samples: Sequence[Sample]) -> list[str]:
    remarks = []
    unknown = [name for name in data.box_classes if name not in detector.classes]
    if unknown:
        remarks.append(f"It does not know {', '.join(unknown)}.")
    others = [name for name in detector.classes if name not in data.box_classes]
    if others:
        remarks.append(f"The data set has no {', '.join(others)}: such boxes are right only in the")
        remarks[-1] += f" row {ANY!r}."
    if any(one.pixel_nm is None for one in samples):
        remarks.append(f"Pictures of unknown pixel were taken as of {detector.pixel_nm:g} nm.")
    return remarks


def box_lines(found: Sequence[BoxComparison]) -> list[str]:
    """Return what is printed of some detectors."""
    text = []
    for one in found:
        map50, map50_95 = one.mean_ap
        text.append(
            f"{one.model}: mAP50 {_part(map50)}, mAP50-95 {_part(map50_95)} on "
            f"{len(one.pictures)} pictures, {one.seconds:.1f} s of processor time for a megapixel"
        )
        rows = [*one.classes, one.any_class]
        wide = max(len(each.scores.category) for each in rows)
        limits = "/".join(f"{px:g}" for px in NEAR_PX)
        text.append(
            f"  {'class':{wide}}  boxes   AP50  AP50-95  recall  precision"
            f"  centre   within {limits} px"
        )
        for each in rows:
            at = each.at_threshold(one.threshold)
            middle = each.centres.median_px
            far = "     -" if middle is None else f"{middle:4.1f}px"
            shares = " ".join(_part(each.centres.within[px], 2) for px in NEAR_PX)
            text.append(
                f"  {each.scores.category:{wide}}  {each.scores.true:5d}  {_part(each.scores.ap50)}"
                f"    {_part(each.scores.ap50_95)}   {_part(at.recall)}      {_part(at.precision)}"
                f"  {far}   {shares}"
            )
        steps = ", ".join(
            f"{at.threshold:g}: {_part(at.recall, 2)}/{_part(at.precision, 2)}"
            for at in one.any_class.at
        )
        text.append(f"  recall and precision of {ANY} from a probability on: {steps}")
        worst = [
            f"{each.file} ({each.missed} missed, {each.wrong} wrong)"
            for each in one.pictures[:3]
            if each.missed or each.wrong
        ]
        text.append(f"  worst: {', '.join(worst) or 'none'}")
        text += [f"  {remark}" for remark in one.remarks]
    return text


def _part(value: float | None, digits: int = 3) -> str:
    return f"{'-':>{digits + 2}}" if value is None else f"{value:.{digits}f}"
