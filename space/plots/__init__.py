"""Pictures a person looks at. matplotlib is imported only when one is drawn."""

from space.plots.detection import Shown, plot_detection
from space.plots.scores import plot_score
from space.plots.segmentation import plot_segmentation
from space.plots.series import SeriesLine, plot_series
from space.plots.targets import plot_targets

__all__ = [
    "SeriesLine",
    "Shown",
    "plot_detection",
    "plot_score",
    "plot_segmentation",
    "plot_series",
    "plot_targets",
]
