"""A registration to one map carried to another one, by where both lie on the stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.fluorescence.fits import AffineFit
from space.fluorescence.kept import KeptFluorescence, read_kept, read_own, write
from space.fluorescence.pairs import field_error_um
from space.geometry import MapFrame
from space.images import fingerprint, png_shape

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


def carry(
    from_png: Path, from_frame: MapFrame, to_png: Path, to_frame: MapFrame, apart_um: float
) -> KeptFluorescence | None:
    """Lay the fluorescence of one map on another one, and keep it beside that.

    Parameters
    ----------
    from_png, to_png : Path
        Pictures of the maps.
    from_frame, to_frame : MapFrame
        Where they lie.
    apart_um : float
        As of `carried`.

    Returns
    -------
    KeptFluorescence or None
        None, with nothing written, if the fluorescence picture does not show the other map.

    Raises
    ------
    SpaceError
        If the first map has no fluorescence that can be used, or the other one no picture.
    """
    before = read_kept(from_png)
    flats = read_own(from_png, before)
    shape = png_shape(to_png)
    if shape is None:
        raise SpaceError("There is no whole picture of the map.", str(to_png))
    rows, columns = next(iter(flats.values())).shape
    fit = carried(before.fit, from_frame, to_frame, apart_um)
    error = field_error_um(fit, (rows, columns), shape)
    if not len(error):
        return None
    # What the lens distorts is off there as well.
    base = field_error_um(before.fit, (rows, columns), from_frame.shape)
    beyond = before.error_um**2 - float(np.mean(base**2)) if len(base) else 0.0
    kept = replace(
        before,
        fit=fit,
        error_um=float(np.sqrt(np.mean(error**2) + max(0.0, beyond))),
        map_mark=fingerprint(to_png),
        pairs=(),
        residuals_um=(),
        how=f"carried from {Path(from_png).name}",
    )
    write(to_png, kept, flats)
    return kept
