"""Tilt series over tilt: where their pictures were taken, how far out of focus, with what dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.plots.canvas import FRAME, chart, legend, printable, save
from space.plots.colours import SERIES_COLORS, SERIES_GREY

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MARKERS = "os^Dvp"  # one for each colour
_MANY = 40  # pictures in a series, from which on marks are small


@dataclass(frozen=True)
class SeriesLine:
    """What is drawn of a tilt series: one number for each picture, in the order of taking.

    Attributes
    ----------
    name : str
    tilt_deg : ndarray
    along_nm, across_nm : ndarray
        Place against that of the first picture, by the tilt axis.
    defocus_error_um : ndarray
        True defocus less the one that was asked for.
    dose_e_A2 : ndarray
        That the place had had after the picture.
    """

    name: str
    tilt_deg: np.ndarray
    along_nm: np.ndarray
    across_nm: np.ndarray
    defocus_error_um: np.ndarray
    dose_e_A2: np.ndarray


_PANELS = (
    ("along_nm", "Place along the tilt axis (nm)", 50.0),
    ("across_nm", "Place across the tilt axis (nm)", 50.0),
    ("defocus_error_um", "Defocus less the one asked for (µm)", 0.1),
    ("dose_e_A2", "Dose at the place so far (e⁻/Å²)", 0.0),
)
"""What is drawn, its name, and how far from 0 a panel reaches at least: what is small looks so."""


def plot_series(path: Path, lines: Sequence[SeriesLine], title: str = "") -> None:
    """Draw series over tilt, in four panels: place along and across the tilt axis, defocus, dose.

    The first six have a colour and a mark each; give the worst ones first. The others are grey
    lines behind them, and the legend says how many there are.
    """
    figure, panels = chart(2, 2, title or f"{len(lines)} tilt series")
    shown, others = lines[: len(SERIES_COLORS)], lines[len(SERIES_COLORS) :]
    for axes, (field, label, reach) in zip(panels, _PANELS):
        axes.set_ylabel(label)
        axes.set_xlabel("Tilt of the stage (°)")
        axes.axhline(0.0, color=FRAME, lw=1.2, zorder=1)
        for line in others:
            _draw(axes, line, field, color=SERIES_GREY, lw=0.8, zorder=2)
        for line, color, marker in zip(shown, SERIES_COLORS, _MARKERS):
            size = 4.5 if len(line.tilt_deg) <= _MANY else 3
            _draw(axes, line, field, color=color, lw=1.3, marker=marker, ms=size, zorder=3)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -reach), max(high, reach))
    legend(figure, _handles(shown, len(others)))
    save(figure, path)


def _draw(axes: Axes, line: SeriesLine, field: str, **how: Any) -> None:
    """Draw a series from its lowest tilt to its highest, however it was taken."""
    order = np.argsort(line.tilt_deg, kind="stable")
    axes.plot(line.tilt_deg[order], getattr(line, field)[order], **how)


def _handles(shown: Sequence[SeriesLine], others: int) -> list[Artist]:
    from matplotlib.lines import Line2D

    handles: list[Artist] = [
        Line2D([], [], color=color, marker=marker, lw=1.6, ms=5, label=printable(line.name, 40))
        for line, color, marker in zip(shown, SERIES_COLORS, _MARKERS)
    ]
    if others:
        handles.append(
            Line2D([], [], color=SERIES_GREY, lw=1.6, label=f"{others} others, less far off")
        )
    return handles
