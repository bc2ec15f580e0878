"""How good models are, side by side: classes as bars, what is taken for what, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.plots.canvas import FRAME, chart, legend, printable, save
from space.plots.colours import SERIES_COLORS, SERIES_GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^Dvp"
_LONGEST_NAME = 18
_MOST_IN_ROW = 2
_NUMBERED = 24
"""Classes up to which the shares are written into a table."""


@dataclass(frozen=True)
class Reliability:
    """What a model says of itself: of pixels with about the same confidence, how many are right.

    Attributes
    ----------
    confidence : ndarray (n,)
        Mean of each group of pixels.
    right : ndarray (n,)
        Share of them that are right.
    share : ndarray (n,)
        Of all pixels.
    error : float
        Expected calibration error.
    """

    confidence: np.ndarray
    right: np.ndarray
    share: np.ndarray
    error: float


def _color(number: int) -> str:
    return SERIES_COLORS[number] if number < len(SERIES_COLORS) else SERIES_GREY


def plot_class_bars(
    path: Path,
    classes: Sequence[str],
    models: Mapping[str, Sequence[float | None]],
    title: str,
    what: str = "Dice",
) -> None:
    """Draw a bar for each class and model; one without a number has none.

    Parameters
    ----------
    path : Path
        PNG to write.
    classes : sequence of str
    models : mapping
        Name of a model → a number from 0 to 1 for each class.
    title, what : str
        `what` is the name of the number.
    """
    from matplotlib.patches import Patch

    figure, (axes,) = chart(1, 1, title)
    wide = 0.8 / max(1, len(models))
    places = np.arange(len(classes))
    for number, values in enumerate(models.values()):
        shift = (number - (len(models) - 1) / 2) * wide
        heights = [0.0 if value is None else value for value in values]
        axes.bar(places + shift, heights, wide * 0.92, color=_color(number), zorder=3)
    axes.set_ylabel(what)
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.6, len(classes) - 0.4)
    axes.grid(visible=False, axis="x")
    _names(axes, "x", classes)
    legend(
        figure,
        [Patch(fc=_color(k), ec=FRAME, label=printable(one, 60)) for k, one in enumerate(models)],
    )
    save(figure, path)


def plot_confusion(
    path: Path, classes: Sequence[str], models: Mapping[str, np.ndarray], title: str
) -> None:
    """Draw for each model which share of a class (rows) was taken for which (columns).

    Parameters
    ----------
    path : Path
        PNG to write.
    classes : sequence of str
    models : mapping
        Name of a model → pixels by true and by found class, shape (classes, classes).
    title : str
    """
    across = min(_MOST_IN_ROW, len(models))
    down = -(-len(models) // across)
    figure, panels = chart(down, across, title)
    figure.set_figheight(min(40.0, figure.get_figheight() - 4.0 * down + _inch(classes) * down))
    if across == 1:
        figure.set_figwidth(_inch(classes) + 2.0)
    for axes, (name, counts) in zip(panels, models.items()):
        sums = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
        axes.grid(visible=False)
        axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
        axes.set_title(printable(name, 60), color="white", fontsize=10, parse_math=False)
        axes.set_xlabel("taken for")
        axes.set_ylabel("is")
        _names(axes, "x", classes)
        _names(axes, "y", classes)
        if len(classes) <= _NUMBERED:
            _write_shares(axes, shares, 9 if len(classes) <= 8 else 6)
    for axes in panels[len(models) :]:
        axes.set_axis_off()
    save(figure, path)


def _inch(classes: Sequence[str]) -> float:
    return 3.0 + 0.25 * len(classes)


def _write_shares(axes: Axes, shares: np.ndarray, size: int) -> None:
    for (row, column), value in np.ndenumerate(shares):
        if value >= 0.005:
            color = "black" if value > 0.6 else "white"
            axes.text(
                column, row, f"{100 * value:.0f}", ha="center", va="center", color=color,
                fontsize=size,
            )  # fmt: skip


def plot_reliability(path: Path, models: Mapping[str, Reliability], title: str) -> None:
    """Draw how often models are right over how sure they are; on the diagonal they know it.

    Below it, the share of all pixels by confidence.
    """
    from matplotlib.lines import Line2D

    figure, (upper, lower) = chart(2, 1, title)
    figure.set_size_inches(7.0, 8.5)
    upper.plot((0, 1), (0, 1), color=SERIES_GREY, lw=1.2, ls="--", zorder=2)
    handles = []
    for number, (name, one) in enumerate(models.items()):
        color, marker = _color(number), _MARKERS[number % len(_MARKERS)]
        upper.plot(one.confidence, one.right, color=color, marker=marker, ms=5, lw=1.4, zorder=3)
        lower.plot(one.confidence, one.share, color=color, marker=marker, ms=4, lw=1.2, zorder=3)
        label = f"{printable(name, 50)}: error {one.error:.3f}"
        handles.append(Line2D([], [], color=color, marker=marker, label=label))
    upper.set_ylabel("Share of pixels that are right")
    upper.set_ylim(0, 1)
    lower.set_ylabel("Share of all pixels")
    lower.set_ylim(bottom=0)
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
        axes.set_xlabel("Confidence")
    legend(figure, handles)
    save(figure, path)


def _names(axes: Axes, which: str, names: Sequence[str]) -> None:
    """Write names along an axis."""
    texts = [printable(name, _LONGEST_NAME) for name in names]
    if which == "x":
        axes.set_xticks(range(len(names)), texts, rotation=45, ha="right", parse_math=False)
    else:
        axes.set_yticks(range(len(names)), texts, parse_math=False)
