"""Pictures a person looks at. matplotlib is imported only when one is drawn."""

from space.plots.colours import class_colors, rgb
from space.plots.detection import Shown, plot_detection
from space.plots.models import Reliability, plot_class_bars, plot_confusion, plot_reliability
from space.plots.scores import plot_score
from space.plots.segmentation import plot_segmentation
from space.plots.series import SeriesLine, plot_series
from space.plots.sheet import Tile, plot_sheet, tile
from space.plots.targets import field_corners_px, plot_targets
from space.plots.tomogram import plot_tomogram

__all__ = [
    "Reliability",
    "SeriesLine",
    "Shown",
    "Tile",
    "class_colors",
    "field_corners_px",
    "plot_class_bars",
    "plot_confusion",
    "plot_detection",
    "plot_reliability",
    "plot_score",
    "plot_segmentation",
    "plot_series",
    "plot_sheet",
    "plot_targets",
    "plot_tomogram",
    "rgb",
    "tile",
]
