"""What a model found on the map of a lamella, in colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.plots import greys
from space.plots.canvas import (
    FRAME,
    canvas,
    draw_layer,
    draw_map,
    legend,
    printable,
    save,
    scale_bar,
)
from space.plots.colours import class_colors, rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALMOST_NONE = 0.001


def plot_segmentation(
    path: Path,
    map_image: np.ndarray,
    labels: np.ndarray,
    names: Mapping[str, int],
    pixel_nm: float,
    title: str,
    **about: str,
) -> None:
    """Draw a map, and beside it (or below, if it is wide) its classes in colours.

    Parameters
    ----------
    path : Path
        PNG to write, whole or not at all.
    map_image, labels : ndarray (rows, columns)
        Grey map, and the label of each of its pixels (uint8).
    names : mapping
        Class → label.
    pixel_nm : float
        Pixel size of the map.
    title : str
    **about
        Texts to keep in the file.
    """
    figure, (left, right) = canvas(labels.shape, title, panels=2)
    draw_map(left, map_image)
    if labels.size:
        painted = greys.shrink(labels, table=color_table(names)).round().astype(np.uint8)
        draw_layer(right, painted, labels.shape, interpolation="antialiased")
    _legend(figure, labels, names)
    for axes in (left, right):
        scale_bar(axes, labels.shape, pixel_nm)
    save(figure, path, pixel_nm, **about)


def color_table(names: Mapping[str, int]) -> np.ndarray:
    """Return the colour (256, 3) of each label; labels without a class are magenta."""
    table = np.full((256, 3), (255, 0, 255), np.uint8)
    for name, color in class_colors(names).items():
        table[names[name]] = rgb(color)
    return table


def shares(labels: np.ndarray, names: Mapping[str, int]) -> dict[str, float]:
    """Return which part of a map each class covers, in the order of labels."""
    counts = np.bincount(labels.ravel(), minlength=256) / max(1, labels.size)
    return {name: float(counts[names[name]]) for name in sorted(names, key=names.__getitem__)}


def share_text(share: float) -> str:
    """Return a part of a map in printable."""
    if share == 0:
        return "none"
    return "< 0.1 %" if share < _ALMOST_NONE else f"{100 * share:.1f} %"


def _legend(figure: Figure, labels: np.ndarray, names: Mapping[str, int]) -> None:
    from matplotlib.patches import Patch

    colors = class_colors(names)
    legend(
        figure,
        [
            Patch(fc=colors[name], ec=FRAME, label=f"{printable(name)}: {share_text(share)}")
            for name, share in shares(labels, names).items()
        ],
    )
