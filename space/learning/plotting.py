"""Pictures of how good models are, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from space.learning.comparing import Comparison
from space.learning.evaluate import Calibration
from space.plots import Reliability, plot_class_bars, plot_confusion, plot_reliability

BARS, TABLE, RELIABILITY = "dice.png", "confusion.png", "reliability.png"


def plot_comparisons(out: Path, found: Sequence[Comparison]) -> list[Path]:
    """Draw models that were compared on the same pictures; return the files.

    Parameters
    ----------
    out : Path
        Folder for them, which is there.
    found : sequence of Comparison
    """
    classes = [one.name for one in found[0].classes]
    pictures = f"{len(found[0].pictures)} pictures"
    bars = {one.model: [each.score.dice for each in one.classes] for one in found}
    plot_class_bars(out / BARS, classes, bars, f"Dice of each class on {pictures}")
    tables = {one.model: one.table for one in found}
    plot_confusion(out / TABLE, classes, tables, "Percent of each class, by what it was taken for")
    drawn = [out / BARS, out / TABLE]
    sure = {one.model: _reliability(one.calibration) for one in found if one.calibration}
    if sure:
        title = f"How often models are right over how sure they are, on {pictures}"
        plot_reliability(out / RELIABILITY, sure, title)
        drawn.append(out / RELIABILITY)
    return drawn


def _reliability(one: Calibration) -> Reliability:
    counts = np.array(one.counts, float)
    there = counts > 0
    counts = counts[there]
    return Reliability(
        np.array(one.confidence)[there] / counts,
        np.array(one.correct)[there] / counts,
        counts / max(1.0, counts.sum()),
        one.ece or 0.0,
    )
