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
from space.learning.evaluate import Boundary, ClassScore, boundary, class_scores, confusion, mean
from space.learning.incoming import Tell
from space.learning.loading import at_own_pixel
from space.learning.picture_files import read_picture


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
    """

    name: str
    segment: Callable[[np.ndarray], np.ndarray]
    names: Mapping[str, int]
    pixel_nm: float | None = None


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
    """

    model: str
    classes: tuple[OfClass, ...]
    pictures: tuple[OfPicture, ...]
    counts: np.ndarray
    seconds: float
    remarks: tuple[str, ...] = ()

    @property
    def mean_dice(self) -> float | None:
        """Of all classes that are somewhere."""
        return mean([one.score.dice for one in self.classes])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the table of pixels has a row for each class."""
        values = [one.score.value for one in self.classes]
        return {
            "model": self.model,
            "mean_dice": self.mean_dice,
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
            "confusion": self.counts[np.ix_(values, values)].tolist(),
            "pictures": {one.file: one.dice for one in self.pictures},
        }


def compare(
    candidate: Candidate,
    folder: Path,
    data: DataSet,
    samples: Sequence[Sample],
    tolerance_px: float,
    tell: Tell,
    look: Callable[[Sample, np.ndarray], object] = lambda sample, found: None,
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
    for sample in samples:
        try:
            picture, truth = read_picture(picture_path(folder, sample)), read_labels(folder, sample)
            if truth is None or truth.shape != picture.shape:
                raise SpaceError("It has no labels of its size.", sample.file)
        except SpaceError as error:
            tell(str(error))
            continue
        start_s = time.process_time()
        found = found_in(candidate, known, picture, sample.pixel_nm)
        seconds, pixels = seconds + time.process_time() - start_s, pixels + picture.size
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
        tuple(remarks_on(candidate, known, samples)),
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
    shared = shared_classes(candidate, known)
    to_data = {
        value: known[name] if name in shared else 0 for name, value in candidate.names.items()
    }
    found = at_own_pixel(candidate.segment, picture, pixel_nm, candidate.pixel_nm)
    return mapped(found, to_data)


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
