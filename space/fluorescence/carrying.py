"""A registration to one map carried to another one, by where both lie on the stage."""

from __future__ import annotations

import numpy as np

from space.fluorescence.fits import AffineFit
from space.geometry import MapFrame

MAPS_APART_UM = 0.5
"""How far maps of two magnifications usually lie apart, along an axis."""


def carried(
    fit: AffineFit, from_frame: MapFrame, to_frame: MapFrame, apart_um: float = MAPS_APART_UM
) -> AffineFit:
    """Return a registration to the map of one frame as one to that of another.

    Parameters
    ----------
    fit : AffineFit
        To the first map.
    from_frame, to_frame : MapFrame
        Where both maps lie.
    apart_um : float
        How far what both show lies apart on the stage, which makes the result less sure.
    """
    # (row, column) of one map to those of the other: affine, through three points.
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    there = to_frame.to_map(from_frame.to_stage(corners))
    linear = np.column_stack([there[1] - there[0], there[2] - there[0]])
    matrix = np.array(fit.matrix)
    moved = linear @ matrix
    moved[:, 2] += there[0]
    blocks = np.kron(linear, np.eye(3))
    covariance = blocks @ np.array(fit.covariance) @ blocks.T
    pixel_um = to_frame.pixel_um
    for axis in (2, 5):
        covariance[axis, axis] += (apart_um / pixel_um) ** 2
    first, second = moved.tolist()
    return AffineFit(
        (tuple(first), tuple(second)),
        tuple(map(tuple, covariance.tolist())),
        fit.origin,
        pixel_um,
    )
