"""Pictures of picks on sections of a tomogram, and of its heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.picking.files import Tomogram
from space.picking.network import STRIDE
from space.picking.peaks import Picks

_THICK_PX = 5
_INCH = 5.0
PICKED, TRUE, MISSED = "#ffd23f", "#3ddc97", "#ee4266"


def draw_sections(
    path: Path,
    tomogram: Tomogram,
    picks: Picks,
    radius_px: float,
    heat: np.ndarray | None = None,
    true_px: np.ndarray | None = None,
    count: int = 3,
) -> None:
    """Draw some sections with circles where a sphere about each pick is cut.

    Parameters
    ----------
    path : Path
        PNG.
    tomogram : Tomogram
    picks : Picks
        In voxels (z, y, x) as the tomogram is shown.
    radius_px : float
        Of a particle.
    heat : ndarray, optional
        Its heat map, shown below.
    true_px : ndarray (n, 3), optional
        Where the particles are, drawn as crosses.
    count : int
        Of sections, evenly spaced.
    """
    from matplotlib.figure import Figure

    from space.files import atomic_path

    deep, rows, columns = tomogram.shape
    sections = np.unique(np.linspace(0, deep - 1, count + 2).astype(int)[1:-1])
    down = 1 if heat is None else 2
    high = _INCH * rows / columns
    figure = Figure(figsize=(_INCH * len(sections), (high + 0.3) * down), layout="constrained")
    axes = figure.subplots(down, len(sections), squeeze=False)
    for at, z in enumerate(sections):
        low, top = max(0, z - _THICK_PX // 2), min(deep, z + _THICK_PX // 2 + 1)
        grey = tomogram[slice(low, top), slice(0, rows), slice(0, columns)].mean(0)
        _show(axes[0][at], grey, f"section {z}")
        _circles(axes[0][at], picks.points_px, z, radius_px, PICKED)
        if true_px is not None:
            near = true_px[np.abs(true_px[:, 0] - z) < radius_px]
            axes[0][at].plot(near[:, 2], near[:, 1], "+", color=TRUE, markersize=6)
        if heat is not None:
            axes[1][at].imshow(
                heat[min(z // STRIDE, len(heat) - 1)], cmap="magma", vmin=0, vmax=1, origin="lower"
            )
            axes[1][at].set_axis_off()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _show(axes: Any, grey: np.ndarray, title: str) -> None:
    low, high = np.percentile(grey, (1, 99))
    axes.imshow(grey, cmap="gray", vmin=low, vmax=high, origin="lower")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _circles(axes: Any, points_px: np.ndarray, z: int, radius_px: float, color: str) -> None:
    from matplotlib.patches import Circle

    for at in points_px:
        room = radius_px**2 - (at[0] - z) ** 2
        if room > 0:
            axes.add_patch(
                Circle((at[2], at[1]), room**0.5, fill=False, edgecolor=color, linewidth=1)
            )


def draw_curves(
    path: Path, curves: Mapping[str, Sequence[tuple[float, float]]], labels: tuple[str, str]
) -> None:
    """Draw one or more curves of points (x, y), by name."""
    from matplotlib.figure import Figure

    from space.files import atomic_path

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(*np.array(points).T, label=name)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
