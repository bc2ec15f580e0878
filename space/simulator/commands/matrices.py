"""Calibration matrices, row by row; all zero is not a case here, everything is calibrated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from space.simulator.optics import Optics


def _command(method: Callable, power_of_binning: int = 0) -> Callable:
    def report(session, mag_index):
        index = mag_index if mag_index > 0 else session.scope.mag_index
        matrix = np.asarray(method(session.scope.optics, index), dtype=float)
        binning = session.options.matrix_binning
        return tuple(float(value) for value in (matrix * binning**power_of_binning).ravel())

    report.__doc__ = f"{method.__name__} as xpx, xpy, ypx, ypy."
    return report


def binning_for_camera_matrix(session, binning):
    """Binning of the pixels in matrices with a camera side."""
    session.options.matrix_binning = max(1.0, binning)


COMMANDS = {
    "CameraToSpecimenMatrix": _command(Optics.camera_to_specimen, 1),
    "SpecimenToCameraMatrix": _command(Optics.specimen_to_camera, -1),
    "StageToSpecimenMatrix": _command(lambda optics, index: optics.stage_to_specimen()),
    "SpecimenToStageMatrix": _command(lambda optics, index: optics.specimen_to_stage()),
    "ISToSpecimenMatrix": _command(Optics.is_to_specimen),
    "SpecimenToISMatrix": _command(Optics.specimen_to_is),
    "CameraToISMatrix": _command(Optics.camera_to_is, 1),
    "ISToCameraMatrix": _command(Optics.is_to_camera, -1),
    "CameraToStageMatrix": _command(Optics.camera_to_stage, 1),
    "StageToCameraMatrix": _command(Optics.stage_to_camera, -1),
    "ISToStageMatrix": _command(Optics.is_to_stage),
    "StageToISMatrix": _command(Optics.stage_to_is),
    "BinningForCameraMatrix": binning_for_camera_matrix,
}
