"""Magnifications and the matrices between stage, specimen, image shift and camera.

Frames: camera = unbinned pixels, Y up, from the centre of the chip; specimen = µm, X along the
tilt axis; stage = µm as driven; IS = image shift in scope units. Matrices are (2, 2) arrays
that act on column vectors. Their signs are those that SerialEM's calibrations use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.simulator.column.errors import SEMerror

Matrix = tuple[tuple[float, float], tuple[float, float]]

TILT_ADJUST_MIN_DEG = 1.0
"""SerialEM corrects stage positions for tilt only above this angle."""


@dataclass(frozen=True)
class Magnification:
    """One entry of the magnification table.

    Attributes
    ----------
    rotation_deg : float
        From camera X to the tilt axis (specimen X), counter-clockwise.
    center_um : tuple of float
        Specimen point that stands in the centre without image shift, as seen in the picture.
    """

    index: int
    nominal: float
    pixel_um: float
    rotation_deg: float
    low_mag: bool
    center_um: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class ColumnOptics:
    """Magnifications and calibrated matrices of a column.

    Attributes
    ----------
    magnifications : tuple of Magnification
        Ordered by index, from 1 without gaps.
    specimen_to_stage_rows, is_to_specimen_rows, is_to_specimen_low_mag_rows : Matrix
        Matrices; one image shift matrix above and one in low magnification.
    low_mag_offset_um : tuple of float
        What stands in the centre in low magnification is this vector (stage µm) away from
        what stands there at higher magnifications.
    tilt_axis_offset_um : float
        Distance of the tilt axis from the optical axis, along specimen Y.
    """

    magnifications: tuple[Magnification, ...]
    specimen_to_stage_rows: Matrix
    is_to_specimen_rows: Matrix
    is_to_specimen_low_mag_rows: Matrix
    low_mag_offset_um: tuple[float, float] = (0.0, 0.0)
    tilt_axis_offset_um: float = 0.0

    def entry(self, mag_index: int) -> Magnification:
        """Table entry of a magnification index.

        Raises
        ------
        SEMerror
            If there is no such index.
        """
        if not 1 <= mag_index <= len(self.magnifications):
            raise SEMerror(f"Magnification index {mag_index} is out of range")
        return self.magnifications[mag_index - 1]

    def index_of(self, nominal: float) -> int:
        """Index of the entry nearest to a nominal magnification, within 2 %.

        Raises
        ------
        SEMerror
            If no entry is that near.
        """
        best = min(self.magnifications, key=lambda mag: abs(mag.nominal - nominal))
        if abs(best.nominal - nominal) > 0.02 * best.nominal:
            raise SEMerror(f"The value {nominal:g} is not near enough to an existing mag")
        return best.index

    def camera_to_specimen(self, mag_index: int) -> np.ndarray:
        """µm per unbinned pixel."""
        mag = self.entry(mag_index)
        angle = math.radians(mag.rotation_deg)
        cos, sin = math.cos(angle), math.sin(angle)
        return mag.pixel_um * np.array([[cos, sin], [-sin, cos]])

    def specimen_to_camera(self, mag_index: int) -> np.ndarray:
        """Unbinned pixels per µm."""
        return np.linalg.inv(self.camera_to_specimen(mag_index))

    def specimen_to_stage(self) -> np.ndarray:
        """Stage µm per specimen µm, the same at all magnifications."""
        return np.array(self.specimen_to_stage_rows, dtype=float)

    def stage_to_specimen(self) -> np.ndarray:
        """Specimen µm per stage µm."""
        return np.linalg.inv(self.specimen_to_stage())

    def stage_to_camera(self, mag_index: int) -> np.ndarray:
        """Unbinned pixels per stage µm at zero tilt."""
        return self.specimen_to_camera(mag_index) @ self.stage_to_specimen()

    def camera_to_stage(self, mag_index: int) -> np.ndarray:
        """Stage µm per unbinned pixel at zero tilt."""
        return np.linalg.inv(self.stage_to_camera(mag_index))

    def is_to_specimen(self, mag_index: int) -> np.ndarray:
        """µm per image shift unit."""
        low_mag = self.entry(mag_index).low_mag
        rows = self.is_to_specimen_low_mag_rows if low_mag else self.is_to_specimen_rows
        return np.array(rows, dtype=float)

    def specimen_to_is(self, mag_index: int) -> np.ndarray:
        """Image shift units per µm."""
        return np.linalg.inv(self.is_to_specimen(mag_index))

    def is_to_camera(self, mag_index: int) -> np.ndarray:
        """Unbinned pixels per image shift unit."""
        return self.specimen_to_camera(mag_index) @ self.is_to_specimen(mag_index)

    def camera_to_is(self, mag_index: int) -> np.ndarray:
        """Image shift units per unbinned pixel."""
        return np.linalg.inv(self.is_to_camera(mag_index))

    def is_to_stage(self, mag_index: int) -> np.ndarray:
        """Stage µm per image shift unit at zero tilt."""
        return self.specimen_to_stage() @ self.is_to_specimen(mag_index)

    def stage_to_is(self, mag_index: int) -> np.ndarray:
        """Image shift units per stage µm at zero tilt."""
        return np.linalg.inv(self.is_to_stage(mag_index))

    def stage_to_image(self, mag_index: int, binning: float, tilt_deg: float = 0.0) -> np.ndarray:
        """Matrix A: stage µm to image pixels with Y down, foreshortened by the tilt."""
        squeeze = np.diag([1.0, tilt_cosine(tilt_deg)])
        unbinned = self.specimen_to_camera(mag_index) @ self.stage_to_specimen() @ squeeze
        return np.diag([1.0, -1.0]) @ unbinned / binning

    def convert_image_shift(
        self, shift: tuple[float, float], old_index: int, new_index: int
    ) -> tuple[float, float]:
        """Image shift at `new_index` that keeps the point of `old_index` centred."""
        if self.entry(old_index).low_mag == self.entry(new_index).low_mag:
            return float(shift[0]), float(shift[1])
        specimen = self.is_to_specimen(old_index) @ np.asarray(shift, dtype=float)
        new = self.specimen_to_is(new_index) @ specimen
        return float(new[0]), float(new[1])


def tilt_cosine(tilt_deg: float) -> float:
    """Cosine that SerialEM applies to stage Y: 1 up to one degree."""
    if abs(tilt_deg) <= TILT_ADJUST_MIN_DEG:
        return 1.0
    return math.cos(math.radians(tilt_deg))


def tilted_y_um(y0_um: float, z0_um: float, tilt_deg: float) -> float:
    """Position across the tilt axis of a point at (y0, z0) from the axis, after tilting."""
    angle = math.radians(tilt_deg)
    return y0_um * math.cos(angle) - z0_um * math.sin(angle)


def tilted_height_um(y0_um: float, z0_um: float, tilt_deg: float) -> float:
    """Height of a point at (y0, z0) from the axis, after tilting."""
    angle = math.radians(tilt_deg)
    return y0_um * math.sin(angle) + z0_um * math.cos(angle)
