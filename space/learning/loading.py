"""A model in a file or folder, loaded and ready to be shown pictures, whatever made it.

>>> model = load_model("runs/first")
>>> labels = model.segment(picture, pixel_nm=2.3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.lamellae import Box
from space.models import PRESETS, read_labels, used_folds
from space.models.description import SEGMENT, Model, describe, task_of
from space.models.store import place_of
from space.pictures import resized, to_8_bit

SAME_PIXEL = 0.01
"""Pixels that differ by less than this part are taken as the same."""

LEAST_PROBABILITY = 0.1
"""Of boxes, where nothing else is asked for: as a session has it."""

_USUAL_WINDOW_PX = 1024
"""Of a detector whose files say nothing: that of the configuration that is shipped."""

Run = Callable[[np.ndarray], np.ndarray]
"""Takes a picture of uint8 at the pixel of a network and gives its labels."""

RunWithConfidence = Callable[[np.ndarray, Mapping[int, int]], "tuple[np.ndarray, np.ndarray]"]


@dataclass(frozen=True)
class Segmentation:
    """A model that labels every pixel.

    Attributes
    ----------
    path : Path
        What a session would name as ``segmentation_model``.
    classes : mapping of str to int
        Label of each class.
    pixel_nm : float or None
        Pixel of the pictures that it knows; None if nothing says so.
    run : callable
        Labels a picture of uint8 as it is.
    run_with_confidence : callable
        Takes such a picture, and for each label the one that it counts as; gives the labels and
        how probable they are (0 to 1).
    """

    path: Path
    classes: Mapping[str, int]
    pixel_nm: float | None
    run: Run
    run_with_confidence: RunWithConfidence

    def segment(self, picture: np.ndarray, pixel_nm: float | None = None) -> np.ndarray:
        """Return the labels of a picture.

        Parameters
        ----------
        picture : ndarray, shape (rows, columns)
            Of 8 bits as it was saved; any other is stretched as maps are for saving.
        pixel_nm : float, optional
            Its pixel; it is shown to the network at the network's own. Without it, as it is.

        Returns
        -------
        ndarray of uint8, shape (rows, columns)
        """
        return at_own_pixel(self.run, picture, pixel_nm, self.pixel_nm)


@dataclass(frozen=True)
class Detection:
    """A model that finds boxes.

    Attributes
    ----------
    path : Path
        What a session would name as ``detection_weights``.
    classes : tuple of str
    pixel_nm : float
        Pixel of the pictures that it knows.
    window_px : int
        Side of the square window that it sees at a time.
    run : callable
        Takes a picture, its pixel in nm and the least probability, and gives boxes.
    """

    path: Path
    classes: tuple[str, ...]
    pixel_nm: float
    window_px: int
    run: Callable[[np.ndarray, float, float], Sequence[Box]]

    def detect(
        self,
        picture: np.ndarray,
        pixel_nm: float | None = None,
        least_probability: float = LEAST_PROBABILITY,
    ) -> tuple[Box, ...]:
        """Return the boxes in a picture, the most probable first.

        Parameters
        ----------
        picture : ndarray, shape (rows, columns)
        pixel_nm : float, optional
            Its pixel; it is shown to the network at the network's own. Without it, as it is.
        least_probability : float
            0..1.
        """
        return tuple(self.run(picture, pixel_nm or self.pixel_nm, least_probability))


@dataclass(frozen=True)
class _Seen:
    """What a detector needs of a configuration."""

    detection_pixel_nm: float
    detection_window_px: int


def model_task(path: Path) -> str:
    """Return what a model is for by its content, without loading it.

    Returns
    -------
    str
        ``segment``, ``detect``, or empty if there is no model.
    """
    return task_of(place_of(Path(path)))


def load_model(
    path: Path | str,
    device: str = "cpu",
    preset: str = "balanced",
    runtime: str = "auto",
    pixel_nm: float | None = None,
) -> Segmentation | Detection:
    """Load a model by what it holds: no word about its kind is needed.

    Parameters
    ----------
    path : Path or str
        The folder of a training (``spacetomo train``) or of an nnU-Net model, a ``.pt`` file of a
        detector of ultralytics, or an ``.onnx`` file of either kind.
    device : str
        ``cpu``, or ``cuda:0`` and so on.
    preset : str
        How a segmentation model looks at a picture: ``accurate``, ``balanced`` or ``fast``.
    runtime : str
        ``torch``, ``onnx``, or ``auto`` for what a session would take.
    pixel_nm : float, optional
        Pixel that it was trained at, if its files do not say so.

    Returns
    -------
    Segmentation or Detection
        With all folds that there are, as ``spacetomo models use`` would have it.

    Raises
    ------
    SpaceError
        If there is no model, it cannot be used, or a package is missing. Nothing that it brings
        is run as code, unless it was trusted (``spacetomo models trust``).
    """
    if preset not in PRESETS:
        raise SpaceError(f"{preset!r} is no preset.", do=f"There are {', '.join(PRESETS)}.")
    if not Path(path).exists():
        raise SpaceError("There is no such model.", str(path))
    model = describe(place_of(Path(path)))
    if model.problems or not model.task:
        text = " ".join(model.problems) or "It is not known what this model is for."
        raise SpaceError(text, "" if str(path) in text else str(path))
    load = _segmentation if model.task == SEGMENT else _detection
    return load(model, device, preset, runtime, pixel_nm or model.pixel_nm)


def _segmentation(
    model: Model, device: str, preset: str, runtime: str, pixel_nm: float | None
) -> Segmentation:
    from space.segmentation import Segmenter

    path = model.place.path
    numbered = tuple(fold for fold in model.folds if isinstance(fold, int))
    folds = used_folds(preset, path, numbered or model.folds, model.checkpoint)
    segmenter = Segmenter(path, folds, device, PRESETS[preset], model.checkpoint, runtime)
    return Segmentation(
        path, read_labels(path), pixel_nm, segmenter.segment, segmenter.segment_with_confidence
    )


def _detection(
    model: Model, device: str, preset: str, runtime: str, pixel_nm: float | None
) -> Detection:
    from space.lamellae.detector import Detector

    if pixel_nm is None:
        raise SpaceError(
            "Nothing says at which pixel size this detector was trained.",
            str(model.place.path),
            "Write a card: spacetomo models card --help.",
        )
    seen = _Seen(pixel_nm, model.window_px or _USUAL_WINDOW_PX)
    detector = Detector(model.place.path, device, runtime)

    def run(picture: np.ndarray, of_picture_nm: float, least: float) -> Sequence[Box]:
        return detector.detect(picture, of_picture_nm, least, seen)

    names = tuple(detector.names.values())
    return Detection(model.place.path, names, pixel_nm, seen.detection_window_px, run)


def at_own_pixel(
    run: Run, picture: np.ndarray, pixel_nm: float | None, own_nm: float | None
) -> np.ndarray:
    """Return the labels of a picture that was shown to a model at its own pixel."""
    return resized(run(as_shown(picture, pixel_nm, own_nm)[0]), picture.shape, nearest=True)


def as_shown(
    picture: np.ndarray, pixel_nm: float | None, own_nm: float | None
) -> tuple[np.ndarray, float | None]:
    """Return a picture (uint8) as it is shown to a model, at the model's own pixel, and its pixel.

    Where one of them is not known, it is shown as it is.
    """
    grey = picture if picture.dtype == np.uint8 else to_8_bit(picture)
    if own_nm is None or pixel_nm is None or abs(pixel_nm / own_nm - 1) < SAME_PIXEL:
        return grey, pixel_nm
    return resized(grey, [max(1, round(side * pixel_nm / own_nm)) for side in grey.shape]), own_nm
