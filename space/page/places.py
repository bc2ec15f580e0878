"""Places on maps as the page needs them: one table that leads from pixels to the stage and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from space.geometry import MapFrame
from space.page.pyramid import TILE_PX, Layout


def frame_table(frame: MapFrame) -> dict[str, Any]:
    """Return a frame as plain values.

    ``to_stage`` leads from (column, row, 1) in map pixels to x, y of the stage in um; ``to_map``
    from (x, y, 1) to (column, row).
    """
    rows, columns = frame.shape
    matrix = np.array(frame.stage_to_px)
    middle = np.array([columns / 2, rows / 2])
    center = np.array(frame.center_stage_um)
    inverse = np.linalg.inv(matrix)
    to_map = np.column_stack([matrix, middle - matrix @ center])
    to_stage = np.column_stack([inverse, center - inverse @ middle])
    return {
        "shape_px": [rows, columns],
        "pixel_um": frame.pixel_um,
        "to_stage": to_stage.tolist(),
        "to_map": to_map.tolist(),
        "tilt_axis_deg": frame.tilt_axis_deg(),
    }


def tiles_table(address: str, shape: tuple[int, int]) -> dict[str, Any]:
    """Return where the tiles of a picture are, and how many zooms there are."""
    return {
        "url": address,
        "tile_px": TILE_PX,
        "shape_px": list(shape),
        "max_zoom": Layout(shape).last_zoom,
    }
