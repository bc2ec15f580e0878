"""The whole grid with its lamellae."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from space.plots.canvas import (
    BACKGROUND,
    canvas,
    draw_map,
    legend,
    outlined,
    printable,
    save,
    scale_bar,
)
from space.plots.colours import LIGHT, lightness
from space.plots.labels import place

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_MANY = 40


@dataclass(frozen=True)
class Shown:
    """A lamella in a picture of the grid.

    Attributes
    ----------
    x0_px, y0_px, x1_px, y1_px : float
        Its box; x is the column.
    category, probability :
        As detected; a probability of None for a lamella that a person added.
    label : str
        What its files are called after, such as ``L01``; empty if it has no files.
    left_out : str
        Why it gets no map; empty if it does.
    """

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float
    category: str
    probability: float | None = None
    label: str = ""
    left_out: str = ""


def plot_detection(
    path: Path,
    image: np.ndarray,
    lamellae: Sequence[Shown],
    colors: Mapping[str, str],
    pixel_nm: float,
    title: str,
    **about: str,
) -> None:
    """Draw lamellae on a picture of the grid.

    Those that get a map have a full outline and a filled label, those that are left out a dashed
    outline, crossed, and an empty label with a letter for the reason, which the legend gives.

    Parameters
    ----------
    path : Path
        PNG to write, whole or not at all.
    image : ndarray (rows, columns)
        Grey map; any number type.
    lamellae : sequence of Shown
    colors : mapping
        Category → colour, for every category among them.
    pixel_nm : float
        Pixel size of the image, for the scale bar.
    title : str
    **about
        Texts to keep in the file.
    """
    figure, (axes,) = canvas(image.shape, title)
    draw_map(axes, image)
    reasons = sorted({lamella.left_out for lamella in lamellae if lamella.left_out})
    letters = dict(zip(reasons, ascii_lowercase))
    for lamella in lamellae:
        _draw_outline(axes, lamella, colors[lamella.category])
    legend(figure, [*_categories(lamellae, colors), *_reasons(lamellae, letters)])
    scale_bar(axes, image.shape, pixel_nm)
    _label(figure, axes, lamellae, colors, letters)
    save(figure, path, pixel_nm, **about)


def label_text(lamella: Shown, letters: Mapping[str, str]) -> str:
    """Return what stands beside a lamella."""
    parts = [lamella.label, printable(lamella.category)]
    parts.append("by hand" if lamella.probability is None else f"{lamella.probability:.0%}")
    parts.append(f"({letters[lamella.left_out]})" if lamella.left_out else "")
    return " ".join(part for part in parts if part)


def _draw_outline(axes: Axes, lamella: Shown, color: str) -> None:
    from matplotlib.patches import Rectangle

    x, y = [lamella.x0_px, lamella.x1_px], [lamella.y0_px, lamella.y1_px]
    dashed: dict[str, Any] = {"ls": (0, (3, 2))} if lamella.left_out else {}
    axes.add_patch(
        Rectangle(
            (x[0], y[0]),
            x[1] - x[0],
            y[1] - y[0],
            fill=False,
            ec=color,
            lw=1.8,
            **dashed,
            **outlined(3.2),
        )
    )
    if lamella.left_out:
        for rows in (y, y[::-1]):
            axes.plot(x, rows, color=color, lw=1.2, **outlined(2.4))


def _label(
    figure: Figure,
    axes: Axes,
    lamellae: Sequence[Shown],
    colors: Mapping[str, str],
    letters: Mapping[str, str],
) -> None:
    """Write a label beside each box, where there is room, with a line between the two."""
    if not lamellae:
        return
    size = 9 if len(lamellae) <= _MANY else 7
    texts = [_text(axes, lamella, colors[lamella.category], letters, size) for lamella in lamellae]
    # How large labels are in the picture is known once it has its layout, which then must stay.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    boxes = (text.get_bbox_patch() for text in texts)
    extents = [box.get_window_extent() for box in boxes if box is not None]
    corners = [
        [(lamella.x0_px, lamella.y1_px), (lamella.x1_px, lamella.y0_px)] for lamella in lamellae
    ]
    outlines = axes.transData.transform(np.reshape(corners, (-1, 2))).reshape(-1, 4)
    sizes = np.array([(extent.width, extent.height) for extent in extents])
    middles = place(outlines, sizes, axes.get_window_extent().extents)
    for lamella, text, (x, y) in zip(lamellae, texts, axes.transData.inverted().transform(middles)):
        text.set_position((x, y))
        ends = np.clip(x, lamella.x0_px, lamella.x1_px), np.clip(y, lamella.y0_px, lamella.y1_px)
        axes.plot([x, ends[0]], [y, ends[1]], color=colors[lamella.category], lw=1, **outlined(2))


def _text(axes: Axes, lamella: Shown, color: str, letters: Mapping[str, str], size: float) -> Text:
    filled = not lamella.left_out
    text = axes.text(
        (lamella.x0_px + lamella.x1_px) / 2,
        (lamella.y0_px + lamella.y1_px) / 2,
        label_text(lamella, letters),
        ha="center",
        va="center",
        fontsize=size,
        fontweight="bold" if filled else "normal",
        color="black" if filled and lightness(color) > LIGHT else "white",
        parse_math=False,
        zorder=6,
        bbox={
            "boxstyle": "round,pad=0.2",
            "fc": color if filled else BACKGROUND,
            "ec": "white" if filled else color,
            "lw": 0.6 if filled else 1.2,
        },
    )
    text.set_in_layout(False)  # labels find room in the map, not the map beside labels
    return text


def _categories(lamellae: Sequence[Shown], colors: Mapping[str, str]) -> list[Artist]:
    from matplotlib.patches import Patch

    counts = Counter(lamella.category for lamella in lamellae)
    return [
        Patch(fc=colors[category], ec="white", lw=0.6, label=f"{printable(category)} ({n})")
        for category, n in sorted(counts.items())
    ]


def _reasons(lamellae: Sequence[Shown], letters: Mapping[str, str]) -> list[Artist]:
    from matplotlib.lines import Line2D

    counts = Counter(lamella.left_out for lamella in lamellae)
    return [
        Line2D(
            [],
            [],
            color="white",
            ls=(0, (3, 2)),
            marker="x",
            label=f"({letter}) left out: {reason} ({counts[reason]})",
        )
        for reason, letter in letters.items()
    ]
