"""Maps of a simulated session held against the truth: what a model made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.geometry import MapFrame
from space.simulator.column import AS_DRAWN, Lying

if TYPE_CHECKING:
    from space.simulator.specimen import Grid

_REGISTER_WITHIN_UM = 2.0


def dice(
    grid: Grid, segmentation: Path, label_names: Sequence[str], lying: Lying = AS_DRAWN
) -> dict[str, float]:
    """Dice coefficient by class of a segmentation beside which its map's frame was noted."""
    from PIL import Image

    about = segmentation.with_name(segmentation.name.replace("_seg.png", ".json"))
    frame = MapFrame.from_dict(json.loads(about.read_text(encoding="utf-8"))["frame"])
    predicted = np.asarray(Image.open(segmentation))
    truth = registered_truth(grid, frame, predicted, lying)
    return {k: round(v, 4) for k, v in dice_by_class(predicted, truth, label_names).items()}


def dice_by_class(
    predicted: np.ndarray, truth: np.ndarray, names: Sequence[str], min_px: int = 50
) -> dict[str, float]:
    """Dice coefficient of each class of which the truth holds at least `min_px` pixels.

    Pixels that are background in the truth (no picture there) do not count.
    """
    valid = truth > 0
    result = {}
    for value, name in enumerate(names):
        is_true = truth == value
        if value == 0 or int(is_true.sum()) < min_px:
            continue
        is_predicted = (predicted == value) & valid
        both = int((is_true & is_predicted).sum())
        result[name] = 2.0 * both / (int(is_true.sum()) + int(is_predicted.sum()))
    return result


def registered_truth(
    grid: Grid, frame: MapFrame, predicted: np.ndarray, lying: Lying = AS_DRAWN
) -> np.ndarray:
    """Truth labels on the map's pixels, shifted to where the map really lies.

    The stage lands half a µm off at each piece, which is a matter of position (judged by the
    targets), not of segmentation. The shift with the most equal labels is taken.
    """
    m = to_grid(frame, lying)
    step = max(1, round(0.08 / frame.pixel_um))
    reach = int(_REGISTER_WITHIN_UM / (step * frame.pixel_um))
    # Drawing is what takes time: once, with a margin for all shifts.
    margin = step * (reach + 1)
    m[:, 2] -= m[:, :2] @ (margin, margin)
    rows, columns = frame.shape
    drawn = grid.label_map(m, (rows + 2 * margin, columns + 2 * margin))
    truth = drawn[margin : margin + rows, margin : margin + columns]
    coarse = step * _best_shift(predicted[::step, ::step], truth[::step, ::step], (0, 0), reach)
    row, col = margin - _best_shift(predicted, truth, coarse, step, step)
    return drawn[row : row + rows, col : col + columns]


def _best_shift(
    predicted: np.ndarray,
    truth: np.ndarray,
    around: Sequence[int] | np.ndarray,
    reach: int,
    sample: int = 1,
) -> np.ndarray:
    """Shift (rows, columns) of `truth` that makes most labels equal those of `predicted`."""
    pad = reach + int(np.abs(around).max())
    rows, columns = predicted.shape
    inner = predicted[pad : rows - pad : sample, pad : columns - pad : sample]
    best, shift = -1, np.array(around)
    for dr in range(around[0] - reach, around[0] + reach + 1):
        for dc in range(around[1] - reach, around[1] + reach + 1):
            r, c = pad - dr, pad - dc
            seen = truth[r : r + rows - 2 * pad : sample, c : c + columns - 2 * pad : sample]
            equal = int(np.count_nonzero(inner == seen))
            if equal > best:
                best, shift = equal, np.array([dr, dc])
    return shift


def to_grid(frame: MapFrame, lying: Lying = AS_DRAWN) -> np.ndarray:
    """Affine (2, 3) map from pixel (column, row, 1) to the grid that lies so on the stage."""
    inverse = np.linalg.inv(np.array(frame.stage_to_px))
    middle = inverse @ (frame.shape[1] / 2, frame.shape[0] / 2)
    corner_um = lying.to_grid(np.array(frame.center_stage_um) - middle)
    return np.column_stack([lying.rows.T @ inverse, corner_um])
