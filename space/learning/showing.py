"""The contact sheet of a data set: each picture small, with its labels in colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.learning.adding import points_of, read_item
from space.learning.dataset import DataSet, Sample
from space.learning.incoming import Tell
from space.plots import Tile, plot_sheet, tile

MOST_TILES = 48


def show(folder: Path, data: DataSet, out: Path, tell: Tell, most: int = MOST_TILES) -> int:
    """Draw the contact sheet; return how many pictures are on it.

    Of more than `most`, every so-manieth is drawn.

    Raises
    ------
    SpaceError
        If there are no pictures that can be drawn.
    """
    step = max(1, -(-len(data.samples) // most))
    chosen = data.samples[::step]
    colors = {one.value: one.color for one in data.classes}
    tiles = [one for sample in chosen if (one := _tile(folder, data, sample, colors, tell))]
    if not tiles:
        raise SpaceError("There are no pictures to show.", str(folder))
    count = f"{len(tiles)} of {len(data.samples)}" if step > 1 else str(len(tiles))
    title = f"{Path(folder).resolve().name}: {count} pictures"
    plot_sheet(out, tiles, {one.name: one.color for one in data.classes if one.value}, title)
    return len(tiles)


def _tile(
    folder: Path, data: DataSet, sample: Sample, colors: dict[int, str], tell: Tell
) -> Tile | None:
    try:
        item = read_item(folder, data, sample, points_of(folder))
    except SpaceError as error:
        tell(str(error))
        return None
    boxes = [(box.x0_px, box.y0_px, box.x1_px, box.y1_px) for box in item.boxes or ()]
    name = f"{sample.stem} ({sample.split})" if sample.split else sample.stem
    if item.labels is not None and item.labels.shape != item.picture.shape:
        tell(f"{sample.file}: labels of another size are not drawn.")
        return tile(name, item.picture, None, colors, boxes)
    return tile(name, item.picture, item.labels, colors, boxes)


def draw_beside(
    path: Path, folder: Path, data: DataSet, sample: Sample, found: np.ndarray, title: str
) -> None:
    """Draw a picture with its labels, and below it with what a model has found.

    Parameters
    ----------
    path : Path
        PNG to write.
    folder : Path
        Of the data set.
    data : DataSet
    sample : Sample
    found : ndarray of uint8, shape (rows, columns)
        By the labels of the data set.
    title : str

    Raises
    ------
    SpaceError
        If one of its files cannot be read.
    """
    item = read_item(folder, data, sample, {})
    colors = {one.value: one.color for one in data.classes}
    tiles = [
        tile(name, item.picture, labels, colors)
        for name, labels in (("labels", item.labels), ("found", found))
    ]
    plot_sheet(path, tiles, {one.name: one.color for one in data.classes if one.value}, title)
