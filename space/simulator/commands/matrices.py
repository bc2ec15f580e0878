"""Calibration matrices, row by row; all zero is not a case here, everything is calibrated.

Matrices with a camera side count unbinned pixels, which are half pixels with super-resolution,
or those of a binning that a script gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.column.optics import ColumnOptics

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Command, Commands


def _command(
    method: Callable[[ColumnOptics, int], np.ndarray], power_of_binning: int = 0
) -> Command:
    def report(session: Session, mag_index: int) -> tuple[float, ...]:
        index = mag_index if mag_index != 0 else session.scope.mag_index
        session.scope.optics.entry(index)
        matrix = np.asarray(method(session.scope.optics, index), dtype=float)
        pixel = session.options.matrix_binning or 1.0 / session.camera.counted_per_px
        return tuple(float(value) for value in (matrix * pixel**power_of_binning).ravel())

    report.__doc__ = f"{method.__name__} as xpx, xpy, ypx, ypy."
    return report


def binning_for_camera_matrix(session: Session, binning: float) -> None:
    """Binning of the pixels in matrices with a camera side; 0 for unbinned ones."""
    if binning < 0:
        raise SEMerror(f"A binning of {binning:g} is not possible")
    session.options.matrix_binning = binning


COMMANDS: Commands = {
    "CameraToSpecimenMatrix": _command(ColumnOptics.camera_to_specimen, 1),
    "SpecimenToCameraMatrix": _command(ColumnOptics.specimen_to_camera, -1),
    "StageToSpecimenMatrix": _command(lambda optics, index: optics.stage_to_specimen()),
    "SpecimenToStageMatrix": _command(lambda optics, index: optics.specimen_to_stage()),
    "ISToSpecimenMatrix": _command(ColumnOptics.is_to_specimen),
    "SpecimenToISMatrix": _command(ColumnOptics.specimen_to_is),
    "CameraToISMatrix": _command(ColumnOptics.camera_to_is, 1),
    "ISToCameraMatrix": _command(ColumnOptics.is_to_camera, -1),
    "CameraToStageMatrix": _command(ColumnOptics.camera_to_stage, 1),
    "StageToCameraMatrix": _command(ColumnOptics.stage_to_camera, -1),
    "ISToStageMatrix": _command(ColumnOptics.is_to_stage),
    "StageToISMatrix": _command(ColumnOptics.stage_to_is),
    "BinningForCameraMatrix": binning_for_camera_matrix,
}
