"""A picture with its true boxes and those that a detector found, told apart by colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from space.files import atomic_path
from space.lamellae import Box
from space.learning.dataset import Sample, picture_path
from space.learning.evaluate_boxes import Pair, shown_by
from space.learning.picture_files import read_picture
from space.pictures import shrinking_factor, to_8_bit
from space.plots.colours import BLUE, GREEN, RED, YELLOW

_LONGEST_PX = 1600
_LINE_PX, _TEXT_PX, _MARGIN_PX = 2, 14, 3
_MISSED, _SHOWN, _RIGHT, _WRONG = RED, BLUE, GREEN, YELLOW
_WORDS = (
    ("missed", _MISSED),
    ("true, found", _SHOWN),
    ("found, right", _RIGHT),
    ("found, wrong", _WRONG),
)


def draw_boxes(
    path: Path, picture: np.ndarray, truth: Sequence[Box], found: Sequence[Box], title: str
) -> Path:
    """Draw boxes on a picture, with what the colours mean; whole or not at all.

    Found boxes carry their class and probability. Whether one is right does not depend on its
    class.

    Parameters
    ----------
    path : Path
        PNG to write.
    picture : ndarray, shape (rows, columns)
    truth, found : sequence of Box
        In its pixels.
    title : str
    """
    from PIL import Image, ImageDraw

    step = shrinking_factor(picture.shape, _LONGEST_PX)
    grey = Image.fromarray(picture if picture.dtype == np.uint8 else to_8_bit(picture))
    shown = grey.reduce(step) if step > 1 else grey
    canvas = Image.new("RGB", (max(shown.width, 400), shown.height + 2 * _TEXT_PX), "white")
    canvas.paste(shown, (0, 2 * _TEXT_PX))
    pen = ImageDraw.Draw(canvas)
    pen.text((_MARGIN_PX, 1), title, fill="black")
    left = _MARGIN_PX
    for words, color in _WORDS:
        pen.rectangle((left, _TEXT_PX + 3, left + 8, _TEXT_PX + 11), fill=color)
        pen.text((left + 12, _TEXT_PX), words, fill="black")
        left += 24 + round(pen.textlength(words))

    def frame(box: Box, color: str, wider_px: int = 0) -> tuple[float, float]:
        x0, y0 = box.x0_px / step - wider_px, box.y0_px / step - wider_px + 2 * _TEXT_PX
        x1, y1 = box.x1_px / step + wider_px, box.y1_px / step + wider_px + 2 * _TEXT_PX
        pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=color, width=_LINE_PX)
        return x0, y1

    wanted, these = ([replace(box, category="") for box in boxes] for boxes in (truth, found))
    ranked = sorted(found, key=lambda box: -box.probability)
    for box, is_right in zip(ranked, shown_by(wanted, these)):
        x, y = frame(box, _RIGHT if is_right else _WRONG, _LINE_PX)
        color = _RIGHT if is_right else _WRONG
        pen.text((x, y + 1), f"{box.category} {box.probability:.2f}", fill=color)
    for box in truth:
        is_shown = any(shown_by([replace(box, category="")], these))
        frame(box, _SHOWN if is_shown else _MISSED)
    with atomic_path(path) as temporary:
        canvas.save(temporary, format="PNG")
    return path


def draw_found(path: Path, folder: Path, sample: Sample, pair: Pair, title: str) -> Path:
    """Draw a picture of a data set with its true boxes and those that were found.

    Raises
    ------
    SpaceError
        If the picture cannot be read.
    """
    return draw_boxes(path, read_picture(picture_path(folder, sample)), *pair, title)
