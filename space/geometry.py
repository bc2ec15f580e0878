"""Frames and the maps between them: the only place where coordinates change their frame.

Frames
------
stage
    µm, (x, y) as the Navigator shows them: the stage position at which a point is centred.
specimen
    µm, (x, y), right-handed, X along the tilt axis; image shift is given in it.
camera
    pixels, X right, Y up, origin in the centre.
map px
    pixels of an image as displayed, given as (row, column) in point arrays. Coordinates are
    continuous: the image's upper left corner is (0, 0), the centre of its first pixel
    (0.5, 0.5), the image centre (rows / 2, columns / 2).

Signs and formulas are those of SerialEM: camera = 1/pixel · R(a) · specimen with `a` the
image rotation, an image's stage matrix A = stage-to-camera / binning with the second row
negated because image rows run down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Matrix = tuple[tuple[float, float], tuple[float, float]]


def as_matrix(values: Sequence[float]) -> np.ndarray:
    """Return four values in the order xx, xy, yx, yy as a 2 × 2 array."""
    return np.asarray(values, dtype=float).reshape(2, 2)


def _frozen(matrix: np.ndarray) -> Matrix:
    return ((float(matrix[0, 0]), float(matrix[0, 1])), (float(matrix[1, 0]), float(matrix[1, 1])))


def image_rotation_deg(camera_to_specimen: Sequence[float]) -> float:
    """Return the image rotation `a` (counter-clockwise from camera X to specimen X).

    CameraToSpecimen = pixel · [[cos a, sin a], [−sin a, cos a]].
    """
    matrix = as_matrix(camera_to_specimen)
    return math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))


def stage_to_image_matrix(
    pixel_um: float, rotation_deg: float, stage_to_specimen: Sequence[float]
) -> Matrix:
    """Return A with (column, row) = A · stage + constant for an image at zero tilt.

    Parameters
    ----------
    pixel_um : float
        Size of the image's own pixel (binning included).
    rotation_deg : float
        Image rotation, see `image_rotation_deg`.
    stage_to_specimen : sequence of 4 floats
        Matrix as SerialEM returns it.
    """
    angle = math.radians(rotation_deg)
    specimen_to_camera = (
        np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        / pixel_um
    )
    camera = specimen_to_camera @ as_matrix(stage_to_specimen)
    return _frozen(np.diag([1.0, -1.0]) @ camera)


def rotation_of(stage_to_px: Matrix, stage_to_specimen: Sequence[float]) -> float:
    """Return the image rotation of an image's stage matrix.

    Inverse of `stage_to_image_matrix`. For a calibrated matrix that is not a pure rotation, this is
    the nearest rotation.
    """
    camera = np.diag([1.0, -1.0]) @ np.array(stage_to_px)
    specimen_to_camera = camera @ np.linalg.inv(as_matrix(stage_to_specimen))
    return math.degrees(
        math.atan2(
            specimen_to_camera[1, 0] - specimen_to_camera[0, 1],
            specimen_to_camera[0, 0] + specimen_to_camera[1, 1],
        )
    )


@dataclass(frozen=True)
class MapFrame:
    """Where an image lies on the stage.

    Attributes
    ----------
    shape : tuple of int
        (rows, columns) of the image.
    stage_to_px : Matrix
        A in (column, row) = A · (stage − center_stage) + image centre; px per µm.
    center_stage_um : tuple of float
        Stage position of the image centre.
    """

    shape: tuple[int, int]
    stage_to_px: Matrix
    center_stage_um: tuple[float, float]

    @property
    def pixel_um(self) -> float:
        """Mean pixel size, from the area that a pixel covers."""
        return 1.0 / math.sqrt(abs(float(np.linalg.det(np.array(self.stage_to_px)))))

    @property
    def pixel_nm(self) -> float:
        """Mean pixel size in nm."""
        return 1000.0 * self.pixel_um

    def to_stage(self, points_map_px: np.ndarray) -> np.ndarray:
        """Map (n, 2) points (row, column) to (n, 2) stage positions (x, y) in µm."""
        points = np.asarray(points_map_px, dtype=float).reshape(-1, 2)
        from_center = points[:, ::-1] - self._center_column_row()
        px_to_stage = np.linalg.inv(np.array(self.stage_to_px))
        return from_center @ px_to_stage.T + np.array(self.center_stage_um)

    def to_map(self, points_stage_um: np.ndarray) -> np.ndarray:
        """Map (n, 2) stage positions (x, y) in µm to (n, 2) points (row, column)."""
        points = np.asarray(points_stage_um, dtype=float).reshape(-1, 2)
        from_center = (points - np.array(self.center_stage_um)) @ np.array(self.stage_to_px).T
        return (from_center + self._center_column_row())[:, ::-1]

    def resized(self, shape: tuple[int, int]) -> MapFrame:
        """Return the frame of the same field with another number of pixels."""
        scale = np.diag([shape[1] / self.shape[1], shape[0] / self.shape[0]])
        return MapFrame(
            (int(shape[0]), int(shape[1])),
            _frozen(scale @ np.array(self.stage_to_px)),
            self.center_stage_um,
        )

    def box_size_on_stage_um(self, size_px: Sequence[float]) -> tuple[float, float]:
        """Return the extent along stage x, y of an upright box of (columns, rows) pixels."""
        return _extent(np.linalg.inv(np.array(self.stage_to_px)), size_px)

    def box_size_in_image_um(self, size_stage_um: Sequence[float]) -> tuple[float, float]:
        """Return the extent along columns, rows (µm) of a box along the stage axes."""
        width_px, height_px = _extent(np.array(self.stage_to_px), size_stage_um)
        return width_px * self.pixel_um, height_px * self.pixel_um

    def tilt_axis_deg(self) -> float:
        """Return the direction of the tilt axis: angle from +column towards +row, in (−90, 90].

        The tilt axis lies along stage X.
        """
        column, row = np.array(self.stage_to_px)[:, 0]
        return _line_angle(math.degrees(math.atan2(row, column)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "shape": list(self.shape),
            "stage_to_px": [list(row) for row in self.stage_to_px],
            "center_stage_um": list(self.center_stage_um),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> MapFrame:
        """Make a frame from the values of `to_dict` (KeyError, ValueError if they are not such)."""
        rows, columns = values["shape"]
        center_x, center_y = values["center_stage_um"]
        matrix = np.array(values["stage_to_px"], dtype=float).reshape(2, 2)
        return MapFrame(
            (int(rows), int(columns)), _frozen(matrix), (float(center_x), float(center_y))
        )

    def _center_column_row(self) -> np.ndarray:
        return np.array([self.shape[1] / 2, self.shape[0] / 2])


def _line_angle(angle_deg: float) -> float:
    """Reduce the direction of a line to (−90, 90]."""
    return 90.0 - (90.0 - angle_deg) % 180.0


_NEARLY_PARALLEL_DEG = 15.0


def _extent(matrix: np.ndarray, size: Sequence[float]) -> tuple[float, float]:
    """Size of an upright box after a map that rotates and scales.

    The upright box around an inclined object is larger than the object. Mapped by its corners, it
    would grow with every small rotation from frame to frame. If the axes of the frames are nearly
    parallel (or crossed), the sides are therefore only scaled.
    """
    sides = np.abs(np.asarray(size, dtype=float))
    scale = math.sqrt(abs(float(np.linalg.det(matrix))))
    angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) % 90.0
    if min(angle, 90.0 - angle) > _NEARLY_PARALLEL_DEG:
        extent = np.abs(matrix) @ sides
    elif abs(matrix[0, 0]) >= abs(matrix[0, 1]):
        extent = scale * sides
    else:
        extent = scale * sides[::-1]
    return float(extent[0]), float(extent[1])


def rescaled_shape(shape: Sequence[int], factor: float) -> tuple[int, int]:
    """Return the whole-pixel shape of an image enlarged by `factor`."""
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def specimen_shift_um(
    points_stage_um: np.ndarray,
    origin_stage_um: Sequence[float] | np.ndarray,
    stage_to_specimen: Sequence[float],
) -> np.ndarray:
    """Return the image shift in specimen µm that centres each point seen from the origin.

    Parameters
    ----------
    points_stage_um : ndarray, shape (n, 2)
        Points P in stage coordinates.
    origin_stage_um : sequence of 2 floats
        Stage position P0 of the tracking target.
    stage_to_specimen : sequence of 4 floats
        Matrix as SerialEM returns it.

    Returns
    -------
    ndarray, shape (n, 2)
        StageToSpecimen · (P − P0).
    """
    points = np.asarray(points_stage_um, dtype=float).reshape(-1, 2)
    return (points - np.asarray(origin_stage_um, dtype=float)) @ as_matrix(stage_to_specimen).T


def field_rotation_deg(image_rotation: float, map_rotation: float) -> float:
    """Return the rotation of an image of another magnification in a map.

    Parameters
    ----------
    image_rotation, map_rotation : float
        Image rotations `a` of both, in degrees.

    Returns
    -------
    float
        Angle of the image's column axis, from the map's +column axis towards +row, in
        (−180, 180].
    """
    # A camera vector of the image is turned by −a_image into specimen coordinates and by
    # +a_map into the map's camera frame; counter-clockwise with Y up is negative with Y down.
    angle = -(map_rotation - image_rotation)
    return 180.0 - (180.0 - angle) % 360.0


def montage_pieces(
    size_um: Sequence[float], frame_um: Sequence[float], overlap: float
) -> tuple[int, int]:
    """Return the number of pieces along x and y that cover a field.

    n pieces of length f that overlap by the fraction o cover f · (n − (n − 1) · o).
    """

    def along(size: float, frame: float) -> int:
        rest = size / frame - overlap
        return max(1, math.ceil(rest / (1.0 - overlap) - 1e-9))

    return along(size_um[0], frame_um[0]), along(size_um[1], frame_um[1])
