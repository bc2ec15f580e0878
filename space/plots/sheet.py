"""Many small pictures with their labels on one sheet, to see a data set at a glance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.plots import greys
from space.plots.canvas import FRAME, legend, outlined, printable, save, sheet
from space.plots.colours import rgb

TILE_PX = 320
"""Longest side of a picture on the sheet."""

_OPACITY = 0.55
_UNKNOWN = (255, 0, 255)
_LONGEST_NAME = 34


@dataclass(frozen=True)
class Tile:
    """A picture on the sheet.

    Attributes
    ----------
    name : str
    painted : ndarray of uint8 (rows, columns, 3)
        The picture, made small, and beside it the same with its labels.
    boxes : tuple
        x0, y0, x1, y1 of each box in pixels of `painted`.
    """

    name: str
    painted: np.ndarray
    boxes: tuple[tuple[float, float, float, float], ...] = ()


def tile(
    name: str,
    picture: np.ndarray,
    labels: np.ndarray | None,
    colors: Mapping[int, str],
    boxes: Sequence[tuple[float, float, float, float]] = (),
) -> Tile:
    """Make a picture and its labels small; those of no class are magenta.

    Parameters
    ----------
    name : str
    picture : ndarray (rows, columns)
    labels : ndarray of uint8 (rows, columns) or None
        Where they are 0, the picture alone is seen.
    colors : mapping
        Label → colour.
    boxes : sequence
        x0, y0, x1, y1 in pixels of the picture.
    """
    small = greys.shrink(picture, TILE_PX)
    factor = picture.shape[1] / small.shape[1]
    left = np.repeat(greys.shown(small)[..., None], 3, axis=2)
    places = tuple((x0 / factor, y0 / factor, x1 / factor, y1 / factor) for x0, y0, x1, y1 in boxes)
    if labels is None:
        return Tile(name, left, places)
    table = np.full((256, 4), (*_UNKNOWN, 1.0), np.float32)
    for value, color in colors.items():
        table[value, :3] = rgb(color)
    table[0, 3] = 0.0
    table[:, :3] *= table[:, 3:]  # so that averages are of what is seen
    over = greys.shrink(labels, TILE_PX, table)
    right = left * (1 - _OPACITY * over[..., 3:]) + _OPACITY * over[..., :3]
    return Tile(name, np.hstack([left, np.rint(right).astype(np.uint8)]), places)


def plot_sheet(
    path: Path, tiles: Sequence[Tile], classes: Mapping[str, str], title: str, **about: str
) -> None:
    """Draw pictures with their names, and what the colours mean, whole or not at all.

    Parameters
    ----------
    path : Path
        PNG to write.
    tiles : sequence of Tile
    classes : mapping
        What the legend says → colour.
    title : str
    **about
        Texts to keep in the file.
    """
    from matplotlib.patches import Patch, Rectangle

    wide = max((one.painted.shape[1] / one.painted.shape[0] for one in tiles), default=1.0)
    across = max(1, min(len(tiles), round(math.sqrt(len(tiles) / wide * 1.6))))
    figure, drawn = sheet(-(-len(tiles) // across) or 1, across, wide, title)
    for axes, one in zip(drawn, tiles):
        axes.imshow(one.painted, interpolation="antialiased")
        axes.set_title(
            printable(one.name, _LONGEST_NAME), color="white", fontsize=7, parse_math=False, pad=2
        )
        for x0, y0, x1, y1 in one.boxes:
            axes.add_patch(
                Rectangle((x0, y0), x1 - x0, y1 - y0, fc="none", ec="#ffe93b", lw=1, **outlined())
            )
    legend(
        figure,
        [Patch(fc=color, ec=FRAME, label=printable(name, 60)) for name, color in classes.items()],
    )
    save(figure, path, None, **about)
