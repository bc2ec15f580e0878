"""Masks that a model has proposed and a person has taken: strokes name them, files keep them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.images import read_png, write_png
from space.labelling.drawing import Mask, Masks, Region, region_of
from space.labelling.places import mask_path
from space.labelling.strokes import Shape, Stroke

INSIDE = 255
_UNKNOWN_NM = 1.0
_TOP, _LEFT = "top", "left"
_BY = "proposed_by"
_NUMBER = re.compile(r"[0-9]{1,9}")
_LONGEST_BY = 200


def mask_name(region: Region) -> str:
    """Return what stands for a mask: the same for the same pixels."""
    place = (region.top, region.left, region.rows, region.columns)
    return hashlib.sha256(f"{place}".encode() + region.packed.tobytes()).hexdigest()[:32]


def keep_masks(segmentation: Path, strokes: Iterable[Stroke], masks: Masks) -> None:
    """Write the masks that strokes name beside a segmentation, those that are not there yet.

    Raises
    ------
    SpaceError, OSError
        If one is not known, or cannot be written.
    """
    for name in {one.mask for one in strokes if one.shape is Shape.MASK}:
        path = mask_path(segmentation, name)
        if path.is_file():
            continue
        mask = masks(name)
        pixels = np.zeros((1, 1), np.uint8)  # a file holds a pixel at least
        if mask.region.rows:
            pixels = mask.region.mask.astype(np.uint8) * np.uint8(INSIDE)
        about = {_TOP: mask.region.top, _LEFT: mask.region.left, _BY: mask.by}
        write_png(path, pixels, _UNKNOWN_NM, Path(segmentation).name, **about)


def read_mask(segmentation: Path, name: str) -> Mask:
    """Return a mask that was kept beside a segmentation.

    Raises
    ------
    SpaceError
        If it is not there, or not as it was kept.
    """
    path = mask_path(segmentation, name)
    if not path.is_file():
        raise SpaceError("This mask is not there.", path.name, "Undo the proposal that it is of.")
    pixels, about = read_png(path)
    region = region_of(pixels != 0, _number(about.get(_TOP)), _number(about.get(_LEFT)))
    if mask_name(region) != name:
        raise SpaceError("This mask is not as it was saved.", path.name, "Draw it again.")
    by = str(about.get(_BY, ""))
    return Mask(region, by if by.isprintable() and len(by) <= _LONGEST_BY else "")


def _number(text: object) -> int:
    return int(str(text)) if _NUMBER.fullmatch(str(text)) else 0
