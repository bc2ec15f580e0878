"""Labels of a picture in a data set, drawn by hand (`space.labelling`).

What was drawn, on which labels, is kept in ``corrections/``, so that it can be undone later, and so
that labels are never lost; the result is in ``labels/``, as training reads it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from space import labelling
from space.errors import SpaceError
from space.files import move_aside
from space.images import read_png, write_png
from space.labelling import Drawing, Mask, Masks, OutdatedError, Shape, Stroke
from space.learning import arrays
from space.learning.adding import layers_of, read_labels
from space.learning.dataset import (
    DataSet,
    Origin,
    Sample,
    label_path,
    layer_path,
    picture_path,
    read_data_set,
    write_data_set,
)
from space.learning.picture_files import read_layer, read_picture, write_labels

CORRECTIONS = "corrections"
_UNKNOWN_NM = 1.0
_LONGEST_BY = 400


@dataclass(frozen=True, eq=False)
class Drawable:
    """Labels that can be drawn on.

    Attributes
    ----------
    of : str
        Stands for the labels as they are now.
    base : ndarray of uint8
        Labels before anything was drawn; without any, all pixels are 0.
    strokes : tuple of Stroke
        What was drawn.
    revision : int
        Of the correction that says so; 0 if there is none of these labels.
    """

    of: str
    base: np.ndarray
    strokes: tuple[Stroke, ...] = ()
    revision: int = 0


def drawable(folder: Path, sample: Sample) -> Drawable:
    """Return the labels of a picture for drawing. Changes nothing.

    Raises
    ------
    SpaceError
        If a file cannot be read.
    """
    found = read_labels(folder, sample)
    now = np.zeros(sample.shape, np.uint8) if found is None else found
    of = arrays.content_hash(now)
    # What cannot be read any more can be drawn on no longer; it is kept aside by the next save.
    with contextlib.suppress(SpaceError, OSError):
        kept = _kept(of, _base_path(folder, sample))
        if kept is not None:
            return kept
    return Drawable(of, now)


def _kept(of: str, path: Path) -> Drawable | None:
    """Return what was drawn on the labels in a file, if its result are the labels of now."""
    saved = labelling.read_correction(path)
    if saved is None or saved.segmentation != labelling.hash_of(path):
        return None
    base, _ = read_png(path)
    result = read_png(path.with_name(saved.labels))[0] if saved.labels else base
    # The second: a save that ended before its result was in place.
    if of not in (arrays.content_hash(result), arrays.content_hash(base)):
        return None
    return Drawable(of, base, saved.strokes, saved.revision)


def picture_of(folder: Path, sample: Sample) -> np.ndarray:
    """Return the grey values of a picture.

    Raises
    ------
    SpaceError
        If it cannot be read.
    """
    return read_picture(picture_path(folder, sample))


def taken_masks(folder: Path, sample: Sample) -> Masks:
    """Return what gives the masks that were proposed for a picture and that a person has taken."""
    return lambda name: labelling.read_mask(_base_path(folder, sample), name)


def save_drawn(
    folder: Path,
    file: str,
    strokes: tuple[Stroke, ...],
    of: str,
    proposed: Masks | None = None,
) -> Sample:
    """Draw strokes on the labels of a picture, and keep the result as its labels.

    Parameters
    ----------
    folder : Path
    file : str
        Of the picture.
    strokes : tuple of Stroke
        All of them, also those that were saved before.
    of : str
        Of the labels that the person has seen.
    proposed : callable, optional
        Gives masks that strokes name and that were not saved before.

    Raises
    ------
    OutdatedError
        When the labels are others by now. Nothing is written.
    SpaceError, OSError
        When it cannot be read or written.
    """
    data, _ = read_data_set(folder, strict=False)
    sample = next((one for one in data.samples if one.file == file), None)
    seen = drawable(folder, sample) if sample is not None else None
    if sample is None or seen is None or seen.of != of:
        raise OutdatedError("These labels were changed elsewhere since you began.", file)
    path = _base_path(folder, sample)
    if not seen.revision:  # what was drawn on other labels is kept aside
        for one in (labelling.correction_path(path), path):
            if one.is_file():
                move_aside(one)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, seen.base, sample.pixel_nm or _UNKNOWN_NM, sample.file)
    about = {"picture": sample.file, "picture_hash": sample.picture_hash}
    base = labelling.hash_of(path)
    masks = _either(taken_masks(folder, sample), proposed)
    labelling.save_correction(path, strokes, data.values, base, seen.revision, masks, **about)
    drawing = Drawing(seen.base, data.values, masks)
    drawing.add(strokes)
    label_path(folder, sample.stem).parent.mkdir(parents=True, exist_ok=True)
    write_labels(label_path(folder, sample.stem), drawing.labels)
    _into_layers(folder, data, sample, drawing)
    changed = replace(
        sample,
        label_hash=arrays.content_hash(drawing.labels),
        origin=_origin(sample, strokes, masks),
    )
    write_data_set(folder, data.with_samples([changed]))
    return changed


def _either(first: Masks, second: Masks | None) -> Masks:
    """Return what gives masks from two places."""

    def found(name: str) -> Mask:
        try:
            return first(name)
        except SpaceError:
            if second is None:
                raise
            return second(name)

    return found


def _origin(sample: Sample, strokes: tuple[Stroke, ...], masks: Masks) -> Origin:
    """Return how labels came about that a person has saved, and who has proposed them."""
    taken = [masks(one.mask).by for one in strokes if one.shape is Shape.MASK]
    is_as_proposed = all(taken) and 0 < len(taken) == len(strokes)
    return replace(
        sample.origin,
        kind="accepted" if is_as_proposed else "corrected",
        proposed_by="; ".join(sorted(set(filter(None, taken))))[:_LONGEST_BY],
    )


def _into_layers(folder: Path, data: DataSet, sample: Sample, drawing: Drawing) -> None:
    """Add what was drawn to the layers of a picture that is kept in layers."""
    there = layers_of(folder, data, sample)
    if not there:
        return
    for name, mask in drawing.layers():
        before = read_layer(there[name]) != 0 if name in there else np.zeros(mask.shape, bool)
        path = layer_path(folder, name, sample.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(path, (before | mask).view(np.uint8) * np.uint8(255))


def _base_path(folder: Path, sample: Sample) -> Path:
    return Path(folder) / CORRECTIONS / f"{sample.stem}_seg.png"
