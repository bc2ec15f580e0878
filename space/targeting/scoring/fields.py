"""What lies in the Record field at a point, as taken and as widened by tilting."""

from __future__ import annotations

import math

import numpy as np

from space.targeting.options import ExposureOptics
from space.targeting.scoring.masks import Coverage


def field_mean(
    share: np.ndarray,
    cover: Coverage,
    point_map_px: np.ndarray,
    optics: ExposureOptics,
    widened: bool,
) -> float:
    """Mean of a share over the Record field at a point, optionally as seen up to max_tilt.

    Tilting brings what lies further from the axis into the field: seen from above the field is
    stretched by 1/cos(max_tilt) perpendicular to the tilt axis. What lies outside of the map
    counts as 0.
    """
    stretch = optics.stretch if widened else 1.0
    unit_um = cover.factor * optics.pixel_um
    center = np.asarray(point_map_px, dtype=float) / cover.factor - 0.5
    area, field = field_window(center, unit_um, share.shape, optics, stretch)
    # At the rim of the map the window is cut: what is missing belongs to the mean.
    whole = max(float(np.prod(optics.field_um)) * stretch / unit_um**2, field.sum())
    return float((share[area] * field).sum() / whole)


def class_contrast(cover: Coverage, point_map_px: np.ndarray, optics: ExposureOptics) -> float:
    """Variety of classes in the field at a point: how much there is to align a picture on.

    The probability that two random positions in the field are of different classes: 0 for a
    uniform field, 0.5 for two halves, towards 1 for many.
    """
    center = np.asarray(point_map_px, dtype=float) / cover.factor - 0.5
    unit_um = cover.factor * optics.pixel_um
    area, field = field_window(center, unit_um, cover.classes.shape, optics)
    counts = np.bincount(cover.classes[area][field])
    return float(1 - ((counts / max(counts.sum(), 1)) ** 2).sum())


def field_window(
    center: np.ndarray,
    unit_um: float,
    shape: tuple[int, int],
    optics: ExposureOptics,
    stretch: float = 1.0,
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of an array around a field, and which of its elements are in the field.

    Parameters
    ----------
    center : ndarray (2,)
        Field's centre as (row, column) indices; elements have whole ones.
    unit_um : float
        Distance of neighbouring elements.
    shape : (int, int)
        Rows and columns of the array, which cuts the window.
    stretch : float
        How much the field is widened perpendicular to the tilt axis.
    """
    reach = math.hypot(*optics.field_um) / 2 * stretch / unit_um
    low = np.clip(np.floor(center - reach).astype(int), 0, shape)
    high = np.clip(np.ceil(center + reach).astype(int) + 1, low, shape)
    row_um = ((np.arange(low[0], high[0]) - center[0]) * unit_um)[:, None]
    column_um = ((np.arange(low[1], high[1]) - center[1]) * unit_um)[None, :]
    area = (slice(low[0], high[0]), slice(low[1], high[1]))
    return area, in_field(row_um, column_um, optics, stretch)


def in_field(
    row_um: np.ndarray, column_um: np.ndarray, optics: ExposureOptics, stretch: float = 1.0
) -> np.ndarray:
    """Whether offsets from the centre are in the field stretched across the tilt axis."""
    axis = math.radians(optics.tilt_axis_deg)
    across = row_um * math.cos(axis) - column_um * math.sin(axis)
    shrink = across * (1 / stretch - 1)
    row_um = row_um + shrink * math.cos(axis)
    column_um = column_um - shrink * math.sin(axis)
    along, across = field_axes(row_um, column_um, optics)
    return (np.abs(along) <= optics.field_um[0] / 2) & (np.abs(across) <= optics.field_um[1] / 2)


def field_axes(
    row_um: np.ndarray, column_um: np.ndarray, optics: ExposureOptics
) -> tuple[np.ndarray, np.ndarray]:
    """Components of offsets along the width and the height of the field."""
    turn = math.radians(optics.field_rotation_deg)
    along = column_um * math.cos(turn) + row_um * math.sin(turn)
    return along, row_um * math.cos(turn) - column_um * math.sin(turn)
