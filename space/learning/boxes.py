"""Boxes of a picture in a data set: a JSON file like that of a session's detector."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.lamellae import Box
from space.learning.dataset import Sample, boxes_path

_MOST_BOXES = 100_000


def read_boxes(path: Path) -> tuple[Box, ...] | None:
    """Read the boxes of a picture; None if nobody has looked for any.

    Raises
    ------
    SpaceError
        If they cannot be read.
    """
    try:
        values = read_json(path)
        entries = values.get("boxes") if isinstance(values, dict) else None
        if not isinstance(entries, list) or len(entries) > _MOST_BOXES:
            raise ValueError("it has no list of boxes")
        return tuple(Box.from_dict(entry) for entry in entries)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SpaceError(f"The boxes of a picture cannot be read ({error}).", str(path)) from None


def write_boxes(path: Path, boxes: Sequence[Box]) -> None:
    """Write the boxes of a picture, whole or not at all."""
    text = json.dumps({"boxes": [box.to_dict() for box in boxes]}, indent=1, ensure_ascii=False)
    write_text_atomic(path, text + "\n")


def looked_through(folder: Path, samples: Sequence[Sample]) -> list[Sample]:
    """Return the pictures that somebody has looked through for boxes, whether there are any.

    The hash of labels is that of the boxes, so that other boxes are seen to be others.

    Raises
    ------
    SpaceError
        If boxes cannot be read.
    """
    found = []
    for sample in samples:
        boxes = read_boxes(boxes_path(folder, sample.stem))
        if boxes is not None:
            text = json.dumps([box.to_dict() for box in boxes], sort_keys=True)
            mark = hashlib.sha256(text.encode()).hexdigest()
            found.append(replace(sample, label_hash=mark))
    return found
