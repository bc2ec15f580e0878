"""How good each place on a map would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.plots import greys
from space.plots.canvas import canvas, draw_layer, save, scale_bar


def plot_score(
    path: Path,
    values: np.ndarray,
    pixel_nm: float,
    title: str = "Score of a target centred here",
    points_px: np.ndarray | None = None,
) -> None:
    """Draw a score map (or any step on the way) with a colour bar.

    Parameters
    ----------
    values : ndarray (rows, columns)
        Scores; `ScoreMap.values`.
    pixel_nm : float
        Size of its pixels.
    points_px : ndarray (n, 2), optional
        (row, column) of places to mark, in pixels of `values`.
    """
    figure, (axes,) = canvas(values.shape, title)
    if values.size:
        high = float(values.max())
        small = greys.shrink(values)
        draw_layer(
            axes, small, values.shape, cmap="viridis", vmin=0, vmax=high if high > 0 else 1.0
        )
        bar = figure.colorbar(axes.images[0], ax=axes, fraction=0.03, pad=0.01)
        bar.ax.tick_params(colors="white", labelsize=9)
    if points_px is not None and len(points_px):
        points = np.asarray(points_px)
        axes.plot(points[:, 1], points[:, 0], "o", mfc="none", mec="white", ms=7)
    scale_bar(axes, values.shape, pixel_nm)
    save(figure, path, pixel_nm)
