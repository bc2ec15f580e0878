"""What all pictures have in common: figure, map, legend, scale bar, and the file."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.files import atomic_path
from space.images import DRAWING
from space.plots import greys

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE_INCH = 12.0
CHART_INCH = 4.0  # height of a panel with lines
DPI = 160
BACKGROUND, FRAME = "#202020", "#606060"
SIDE_BY_SIDE = 0.6
"""Two panels stand side by side if their height is more than this part of their width."""

# In letters; a line is as long as a picture of the usual width is wide.
TITLE_LINE, LONGEST_TITLE = 110, 330
LEGEND_LINE, BESIDE_LABEL = 145, 7


def canvas(shape: Sequence[int], title: str, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, one or two panels for maps of a shape (rows, columns)."""
    rows, columns = max(1, shape[0]), max(1, shape[1])
    across = panels if rows / columns > SIDE_BY_SIDE else 1
    down = panels // across
    # A very long map would make a picture nobody can open.
    aspect = min(3.0, max(1 / 3, rows * down / (columns * across)))
    wide = FIGURE_INCH if aspect <= 1 else FIGURE_INCH / aspect
    figure = _figure((max(wide, 5.0), max(wide * aspect, 2.0) + 0.9), title)
    drawn = list(figure.subplots(down, across, squeeze=False).ravel())
    for axes in drawn:
        axes.set_facecolor("black")
        axes.set_axis_off()
        axes.set_xlim(0, columns)
        axes.set_ylim(rows, 0)
        axes.set_aspect("equal")
    return figure, drawn


def chart(down: int, across: int, title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, rows and columns of panels for lines."""
    figure = _figure((FIGURE_INCH, CHART_INCH * down + 0.9), title)
    drawn = list(figure.subplots(down, across, squeeze=False).ravel())
    for axes in drawn:
        axes.set_facecolor("black")
        axes.grid(color=FRAME, lw=0.5, alpha=0.6)
        axes.tick_params(colors="white", labelsize=10)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(color="white", fontsize=11)
        for edge in axes.spines.values():
            edge.set_color(FRAME)
    return figure, drawn


def sheet(down: int, across: int, aspect: float, title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes for many small pictures `aspect` times as wide as high."""
    high = FIGURE_INCH / across / aspect + 0.2  # with a line for the name
    figure = _figure((FIGURE_INCH, min(3 * FIGURE_INCH, max(2.0, high * down) + 0.9)), title)
    drawn = list(figure.subplots(down, across, squeeze=False).ravel())
    for axes in drawn:
        axes.set_axis_off()
    return figure, drawn


def _figure(size_inch: tuple[float, float], title: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_inch, dpi=DPI, facecolor=BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    letters = int(TITLE_LINE * figure.get_figwidth() / FIGURE_INCH)
    lines = "\n".join(textwrap.wrap(printable(title, LONGEST_TITLE), letters))
    figure.suptitle(lines, color="white", fontsize=12, parse_math=False)
    return figure


def draw_map(axes: Axes, image: np.ndarray, over: greys.Layer | None = None) -> None:
    """Draw a grey map, dark parts lifted where most of it is dark, and a layer of colour over it.

    Both are made one picture first: matplotlib takes ten times as long for two of floats.
    """
    if not image.size:
        return
    painted = np.repeat(greys.shown(greys.shrink(image))[..., None], 3, axis=2)
    if over is not None:
        painted = over.on(painted)
    draw_layer(axes, painted, image.shape, interpolation="antialiased")


def draw_layer(axes: Axes, small: np.ndarray, shape: Sequence[int], **how: Any) -> None:
    """Draw what was made of a map of a shape (rows, columns) where the map is."""
    if small.dtype == np.uint8 and small.ndim == 3:
        # matplotlib would add an opacity of its own, in numbers of twice the size.
        small = np.dstack([small, np.full(small.shape[:2], 255, np.uint8)])
    axes.imshow(small, extent=(0, shape[1], shape[0], 0), **how)


def scale_bar(axes: Axes, shape: Sequence[int], pixel_nm: float) -> None:
    """A bar of a round length, about a sixth of what is shown, in the lower left corner."""
    from matplotlib.patches import Rectangle

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    wide = right - left
    if wide <= 0 or not shape[0] or not shape[1]:
        return
    goal_um = wide * pixel_nm / 1000 / 6
    power = 10 ** math.floor(math.log10(goal_um))
    length_um = max(step * power for step in (1, 2, 5) if step * power <= goal_um)
    length_px = length_um * 1000 / pixel_nm
    x, y = left + 0.03 * wide, bottom - 0.04 * (bottom - top)
    thick = 0.008 * (bottom - top)
    axes.add_patch(Rectangle((x, y - thick), length_px, thick, fc="white", ec="black", zorder=7))
    label = f"{length_um:g} µm" if length_um >= 1 else f"{length_um * 1000:g} nm"
    axes.annotate(
        label,
        (x + length_px / 2, y - thick),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color="white",
        fontsize=11,
        zorder=7,
        **outlined(),
    )


def outlined(width: float = 2) -> dict[str, Any]:
    """Return how to draw text and lines so that they are seen on black and on white."""
    from matplotlib.patheffects import withStroke

    return {"path_effects": [withStroke(linewidth=width, foreground="black")]}


def printable(text: str, longest: int = 30) -> str:
    """Return a name as a picture can show it: one line, of letters that can be printed."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend under the picture."""
    if not handles:
        return
    for handle in handles:  # a legend leaves out what begins with an underscore
        handle.set_label(re.sub("^_", " _", str(handle.get_label())))
    drawn = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_columns(
            [str(handle.get_label()) for handle in handles],
            LEGEND_LINE * figure.get_figwidth() / FIGURE_INCH,
        ),
        fontsize=10,
        facecolor="#303030",
        edgecolor=FRAME,
        labelcolor="white",
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)


def _columns(labels: Sequence[str], line: float) -> int:
    """Return how many columns of a legend fit into a line; it fills one after the other."""
    for columns in range(min(6, len(labels)), 1, -1):
        longest = (max(map(len, part)) for part in np.array_split(labels, columns))
        if sum(longest) + BESIDE_LABEL * columns <= line:
            return columns
    return 1


def count(number: int, word: str) -> str:
    """Return a number of things as text, in the plural where it is needed."""
    return f"{number} {word}" if number == 1 else f"{number or 'no'} {word}s"


def save(figure: Figure, path: Path, pixel_nm: float | None = None, **about: str) -> None:
    """Write the picture; its PNG text has what it shows, that of a map its drawn pixel size."""
    if layout := figure.get_layout_engine():
        layout.execute(figure)
        figure.set_layout_engine(None)  # it is done; saving would draw all once more for it
    if pixel_nm is not None:
        to_dots = figure.axes[0].transData.transform([(0.0, 0.0), (1.0, 0.0)])
        dots_per_px = abs(float(to_dots[1, 0] - to_dots[0, 0]))
        about = {"pixel_nm": f"{pixel_nm / dots_per_px:.3f}", **about}
    title = figure.get_suptitle().replace("\n", " ")
    about = {"source": title or path.stem, DRAWING: "yes", **about}
    with atomic_path(Path(path)) as temporary:
        # Noise hardly compresses: a low level is much quicker and nearly as small.
        figure.savefig(
            temporary,
            format="png",
            facecolor=figure.get_facecolor(),
            metadata=about,
            pil_kwargs={"compress_level": 2},
        )
