"""SerialEM's properties: what an administrator enters about program, microscope and camera."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.instrument import SPOT_SIZES
from space.simulator.column.parameters import Parameters

if TYPE_CHECKING:
    from space.simulator.column.instrument import CameraModel, Instrument
    from space.simulator.column.optics import Matrix

TABLE = Path(__file__).with_name("properties.tsv")

EFFECTS = {
    "CoarseEucenAbsoluteMaxZ": "height beyond which Eucentricity gives up",
    "EnableExternalPython": "whether Python from outside is answered",
    "EucentricityCoarseInitialAngle": "tilt at which the rough routine starts",
    "EucentricityCoarseInitialIncrement": "its first step",
    "EucentricityCoarseMaxIncrement": "its largest step",
    "EucentricityCoarseMaxTilt": "tilt at which it ends",
    "EucentricityMaxFineAngle": "highest tilt of the fine routine",
    "EucentricityResetISThreshold": "image shift (µm) above which Eucentricity resets it first",
    "FileOptionsSaveMdocFile": "whether new files for single images get an mdoc",
    "ImageShiftLimit": "largest image shift (µm)",
    "LowMagShiftLimit": "largest image shift in low magnification (µm)",
    "MaximumTiltAngle": "largest tilt",
    "MontageOverlapFraction": "overlap of a new montage",
    "StageMoveDelay": "milliseconds to wait after a stage move",
    "TiltAxisOffset": "distance of the tilt axis, as SetTiltAxisOffset (µm)",
}
"""Properties that change what the simulator does, and how; all others are only kept."""


@lru_cache(maxsize=1)
def property_table() -> Parameters:
    """All properties."""
    return Parameters(TABLE, "property")


def starting_properties(instrument: Instrument) -> dict[str, float]:
    """Properties of program and microscope by name; those of the camera follow from it."""
    values = {row.name: row.default for row in property_table() if row.of == "program"}
    return values | {
        "FEIcanGetLoaderNames": float(instrument.controls.autoloader_names),
        "ImageShiftLimit": instrument.image_shift_limit_um,
        "InvertStageXAxis": float(instrument.stage.invert_x),
        "LowMagMicronsPerUnitIS": _scale(instrument.is_to_specimen_low_mag_rows),
        "LowMagShiftLimit": instrument.low_mag_image_shift_limit_um,
        "LowestMModeMagIndex": float(
            min((mag.index for mag in instrument.magnifications if not mag.low_mag), default=1)
        ),
        "MaximumTiltAngle": instrument.stage.max_tilt_deg,
        "MicronsPerUnitImageShift": _scale(instrument.is_to_specimen_rows),
        "NumberOfSpotSizes": float(SPOT_SIZES),
        "ScopeHasAutoloader": float(instrument.autoloader_slots > 0),
        "StageMontageBacklash": abs(instrument.stage.backlash_um[0]),
        "TiltAxisOffset": instrument.stage.tilt_axis_offset_um,
        "UseIlluminatedAreaForC2": float(instrument.beam.condensers >= 3),
    }


def _scale(matrix: Matrix) -> float:
    """Mean factor by which a matrix makes lengths longer."""
    (a, b), (c, d) = matrix
    return math.sqrt(abs(a * d - b * c))


def camera_property(camera: CameraModel, name: str) -> float:
    """Property of a camera, by its name in the table."""
    values = {
        "CameraSizeX": float(camera.size_px[0]),
        "CameraSizeY": float(camera.size_px[1]),
        "CountsPerElectron": camera.counts_per_electron,
        "K2Type": float(camera.kind.k2_type),
        "MinimumExposure": camera.min_exposure_s,
        "PixelSizeInMicrons": camera.chip_pixel_um,
        "RotationAndFlip": float(camera.rotation_and_flip),
    }
    if camera.kind.k2_type > 0:  # counts are electrons times this
        values["ScalingForK2Counts"] = camera.counts_per_electron
    return values.get(name, property_table().find(name).default)
