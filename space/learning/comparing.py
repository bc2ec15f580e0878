"""How good segmentation models are on the labelled pictures of a data set, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.adding import read_labels
from space.learning.arrays import mapped
from space.learning.dataset import IGNORE, DataSet, Sample, picture_path
from space.learning.evaluate import (
    Boundary,
    Calibration,
    ClassScore,
    boundary,
    calibration,
    class_scores,
    confusion,
    mean,
)
from space.learning.hits import Aim, Hits, chosen, judged
from space.learning.incoming import Tell
from space.learning.loading import as_shown, at_own_pixel
from space.learning.picture_files import read_picture
from space.pictures import resized


@dataclass(frozen=True)
class Candidate:
    """A model that is looked at.

    Attributes
    ----------
    name : str
    segment : callable
        Takes a picture of uint8 and gives its labels.
    names : mapping of str to int
        Label of each of its classes.
    pixel_nm : float or None
        Pixel of the pictures that it knows.
    confident : callable, optional
        Takes a picture, and for each of its labels the one that it counts as; gives the labels
        of the picture and how probable they are.
    tidied : callable, optional
        Takes labels, the pixel in nm and the picture; gives the labels as a session has them.
    """

    name: str
    segment: Callable[[np.ndarray], np.ndarray]
    names: Mapping[str, int]
    pixel_nm: float | None = None
    confident: Callable[[np.ndarray, Mapping[int, int]], tuple[np.ndarray, np.ndarray]] | None = (
        None
    )
    tidied: Callable[[np.ndarray, float, np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class OfClass:
    """How well a class was found in all pictures together."""

    name: str
    score: ClassScore
    boundary: Boundary


@dataclass(frozen=True)
class OfPicture:
    """The mean Dice of the classes that are in a picture or were found in it."""

    file: str
    dice: float | None


@dataclass(frozen=True)
class Comparison:
    """How good a model is.

    Attributes
    ----------
    model : str
    classes : tuple of OfClass
    pictures : tuple of OfPicture
        The worst first.
    counts : ndarray of int64, shape (256, 256)
        Pixels by true and by predicted label, those of the data set.
    seconds : float
        For a megapixel.
    remarks : tuple of str
        What a reader of the numbers should know.
    calibration : Calibration or None
        Of the labels that were found, if the model says how probable they are.
    hits : Hits or None
        Of the targets that a session would choose on what it has found.
    best_hits : Hits or None
        Of those that it would choose on the true labels: what a model without faults would reach.
    """

    model: str
    classes: tuple[OfClass, ...]
    pictures: tuple[OfPicture, ...]
    counts: np.ndarray
    seconds: float
    remarks: tuple[str, ...] = ()
    calibration: Calibration | None = None
    hits: Hits | None = None
    best_hits: Hits | None = None

    @property
    def mean_dice(self) -> float | None:
        """Of all classes that are somewhere."""
        return mean([one.score.dice for one in self.classes])

    @property
    def table(self) -> np.ndarray:
        """Pixels of each class (rows), by the class that they were taken for."""
        values = [one.score.value for one in self.classes]
        found: np.ndarray = self.counts[np.ix_(values, values)]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the table of pixels has a row for each class."""
        return {
            "model": self.model,
            "mean_dice": self.mean_dice,
            "calibration": None
            if self.calibration is None
            else {**asdict(self.calibration), "error": self.calibration.ece},
            "targets": _hits_dict(self.hits),
            "targets_on_true_labels": _hits_dict(self.best_hits),
            "seconds_per_megapixel": self.seconds,
            "remarks": list(self.remarks),
            "classes": {
                one.name: {
                    **asdict(one.score),
                    "boundary_f1": one.boundary.f1,
                    "boundary_precision": one.boundary.precision,
                    "boundary_recall": one.boundary.recall,
                }
                for one in self.classes
            },
            "confusion": self.table.tolist(),
            "pictures": {one.file: one.dice for one in self.pictures},
        }


def _hits_dict(hits: Hits | None) -> dict[str, Any] | None:
    if hits is None:
        return None
    return {**asdict(hits), "hit_rate": hits.hit_rate, "reached_rate": hits.reached_rate}


def compare(
    candidate: Candidate,
    folder: Path,
    data: DataSet,
    samples: Sequence[Sample],
    tolerance_px: float,
    tell: Tell,
    look: Callable[[Sample, np.ndarray], object] = lambda sample, found: None,
    aim: Aim | None = None,
) -> Comparison:
    """Say how good a model is on some pictures.

    Classes are the same if their names are. A class of the model that the data set does not have
    counts as what it calls 0. Pixels of the class `IGNORE` do not count.

    Parameters
    ----------
    candidate : Candidate
    folder : Path
        Of the data set.
    data : DataSet
    samples : sequence of Sample
        Those to look at.
    tolerance_px : float
        How far outlines may be from each other.
    tell : callable
        Takes what is left out, and why.
    look : callable
        Takes each picture and what was found in it, by the labels of the data set.
    aim : Aim, optional
        Choose targets for this, too, in pictures of known pixel.

    Raises
    ------
    SpaceError
        If there is nothing to compare.
    """
    known = data.values
    ignored = [value for name, value in known.items() if name == IGNORE]
    values = {name: value for name, value in known.items() if name != IGNORE}
    counts = np.zeros((256, 256), np.int64)
    outlines = dict.fromkeys(values, Boundary())
    pictures, seconds, pixels = [], 0.0, 0
    to_data = _to_data(candidate, known)
    sure = None if candidate.confident is None else Calibration()
    hits, best_hits = Hits(), Hits()
    for sample in samples:
        try:
            picture, truth = read_picture(picture_path(folder, sample)), read_labels(folder, sample)
            if truth is None or truth.shape != picture.shape:
                raise SpaceError("It has no labels of its size.", sample.file)
        except SpaceError as error:
            tell(str(error))
            continue
        start_s = time.process_time()
        seen = _segmented(candidate, picture, sample.pixel_nm, to_data)
        found = mapped(seen.labels, to_data)
        seconds, pixels = seconds + time.process_time() - start_s, pixels + picture.size
        if sure is not None and seen.confidence is not None:
            counted = ~np.isin(truth, ignored)
            sure += calibration(seen.confidence[counted], (found == truth)[counted])
        if aim is not None and sample.pixel_nm is not None:
            points = chosen(_in_session(candidate, seen), candidate.names, aim, sample.pixel_nm)
            hits += judged(points, truth, values, aim, sample.pixel_nm)
            points = chosen(truth, values, aim, sample.pixel_nm)
            best_hits += judged(points, truth, values, aim, sample.pixel_nm)
        for value in ignored:
            found = np.where(truth == value, truth, found)
        here = confusion(truth, found, ignored)
        counts += here
        for name, value in values.items():
            outlines[name] += boundary(truth, found, value, tolerance_px)
        of_classes = class_scores(here, list(values.values()))
        pictures.append(OfPicture(sample.file, mean([score.dice for score in of_classes])))
        look(sample, found)
    if not pictures:
        raise SpaceError("There is no labelled picture to compare with.", str(folder))
    scores = class_scores(counts, list(values.values()))
    pictures.sort(key=lambda one: (one.dice is not None, one.dice or 0.0))
    return Comparison(
        candidate.name,
        tuple(OfClass(name, score, outlines[name]) for name, score in zip(values, scores)),
        tuple(pictures),
        counts,
        seconds / pixels * 1e6,
        (*remarks_on(candidate, known, samples), *_without_targets(aim, samples)),
        sure,
        None if aim is None else hits,
        None if aim is None else best_hits,
    )


def shared_classes(candidate: Candidate, known: Mapping[str, int]) -> list[str]:
    """Return the classes that a model and a data set have in common: those of one name.

    Raises
    ------
    SpaceError
        If there are none.
    """
    shared = [name for name in known if name in candidate.names and name != IGNORE]
    if not shared:
        raise SpaceError(
            f"{candidate.name} has no class of the data set.",
            do=f"Its classes are {', '.join(candidate.names)}; those of the data are "
            f"{', '.join(known)}.",
        )
    return shared


def found_in(
    candidate: Candidate, known: Mapping[str, int], picture: np.ndarray, pixel_nm: float | None
) -> np.ndarray:
    """Return what a model finds in a picture, by the labels of a data set.

    The picture is shown to the model at the model's own pixel. A class that the data set does not
    have becomes 0.

    Parameters
    ----------
    candidate : Candidate
    known : mapping of str to int
        Classes of the data set.
    picture : ndarray
    pixel_nm : float or None
        Of the picture.

    Raises
    ------
    SpaceError
        If model and data set have no class in common.
    """
    to_data = _to_data(candidate, known)
    found = at_own_pixel(candidate.segment, picture, pixel_nm, candidate.pixel_nm)
    return mapped(found, to_data)


def _to_data(candidate: Candidate, known: Mapping[str, int]) -> dict[int, int]:
    """Return for each label of a model that of the data set."""
    shared = shared_classes(candidate, known)
    return {value: known[name] if name in shared else 0 for name, value in candidate.names.items()}


@dataclass(frozen=True)
class _Seen:
    """What a model has found in a picture, by its own labels.

    Attributes
    ----------
    grey : ndarray of uint8
        The picture as it was shown.
    pixel_nm : float or None
        Its pixel.
    own : ndarray of uint8
        Labels of what was shown.
    labels : ndarray of uint8
        The same, of the shape of the picture.
    confidence : ndarray of float or None
        How probable they are.
    """

    grey: np.ndarray
    pixel_nm: float | None
    own: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray | None


def _segmented(
    candidate: Candidate,
    picture: np.ndarray,
    pixel_nm: float | None,
    to_data: Mapping[int, int],
) -> _Seen:
    grey, shown_nm = as_shown(picture, pixel_nm, candidate.pixel_nm)
    confidence = None
    if candidate.confident is None:
        own = candidate.segment(grey)
    else:
        own, confidence = candidate.confident(grey, to_data)
        confidence = resized(confidence, picture.shape, nearest=True)
    return _Seen(grey, shown_nm, own, resized(own, picture.shape, nearest=True), confidence)


def _in_session(candidate: Candidate, seen: _Seen) -> np.ndarray:
    """Return labels as a session has them, of the shape of the picture."""
    if candidate.tidied is None or seen.pixel_nm is None:
        return seen.labels
    return resized(
        candidate.tidied(seen.own, seen.pixel_nm, seen.grey), seen.labels.shape, nearest=True
    )


def _without_targets(aim: Aim | None, samples: Sequence[Sample]) -> list[str]:
    if aim is None or all(one.pixel_nm is not None for one in samples):
        return []
    return ["No targets were chosen in pictures of unknown pixel."]


def remarks_on(
    candidate: Candidate, known: Mapping[str, int], samples: Sequence[Sample]
) -> list[str]:
    """Return what should be known of what a model finds in some pictures."""
    shared = shared_classes(candidate, known)
    remarks = []
    unknown = [name for name in known if name not in shared and name != IGNORE]
    if unknown:
        remarks.append(f"It does not know {', '.join(unknown)}.")
    others = [name for name in candidate.names if name not in shared]
    if others:
        remarks.append(f"What it calls {', '.join(others)} counts as the class of value 0.")
    if candidate.pixel_nm is not None and any(one.pixel_nm is None for one in samples):
        remarks.append("Pictures of unknown pixel were shown to it as they are.")
    return remarks
