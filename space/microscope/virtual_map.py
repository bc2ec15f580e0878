"""View pictures cut out of a montage, as files and map items that SerialEM can work with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path
from space.microscope import mdoc, navigator
from space.microscope.autodoc import Document, Section
from space.microscope.mrc import read_header
from space.microscope.navfile import SavedItem
from space.microscope.sem import serialem
from space.pictures import resized

_VIEW_IN_MDOC = 1
"""LowDoseConSet of View: camera set 0, counted from 1 when taken in low dose."""


@dataclass(frozen=True)
class ViewConditions:
    """How View pictures of a map were taken, for the header of a virtual one.

    Attributes
    ----------
    mag_index, camera : int
        SerialEM's magnification and camera index.
    binning : int
        Binning of the pieces.
    pixel_nm : float
        Pixel size with that binning.
    rotation_deg : float
        Image rotation.
    defocus_offset_um : float
        Defocus offset of View.
    exposure_s : float
        Exposure time; 0 when unknown.
    spot_size, intensity :
        Illumination; 0 when unknown.
    """

    mag_index: int
    camera: int
    binning: int
    pixel_nm: float
    rotation_deg: float
    defocus_offset_um: float = 0.0
    exposure_s: float = 0.0
    spot_size: int = 0
    intensity: float = 0.0


def view_conditions(
    saved: SavedItem,
    pixel_nm: float,
    rotation_deg: float,
    camera_pixel_nm: float,
    piece: Section | None = None,
) -> ViewConditions:
    """Return the conditions of View pictures as the pieces of a montage map were taken.

    Parameters
    ----------
    saved : SavedItem
        The map's item.
    pixel_nm : float
        Pixel size of the map's overview.
    rotation_deg : float
        Image rotation of View.
    camera_pixel_nm : float
        Unbinned pixel size of View.
    piece : Section, optional
        Entry of a piece in the montage's mdoc.
    """

    def number(key: str, default: float = 0.0) -> float:
        values = saved.numbers(key)
        return values[0] if values else default

    binning = (piece.number("Binning") if piece is not None else None) or (
        pixel_nm / camera_pixel_nm / _pieces_per_overview_px(saved)
    )
    binning = max(1, round(binning))
    return ViewConditions(
        mag_index=int(number("MapMagInd")),
        camera=int(number("MapCamera")),
        binning=binning,
        pixel_nm=camera_pixel_nm * binning,
        rotation_deg=rotation_deg,
        defocus_offset_um=number("DefocusOffset"),
        exposure_s=number("MapExposure"),
        spot_size=int(number("MapSpotSize")),
        intensity=number("MapIntensity"),
    )


def _pieces_per_overview_px(saved: SavedItem) -> float:
    """Return how many pixels of a piece one of the overview stands for, along each side.

    For cameras with super-resolution (K2, K3) the item's binnings count half pixels, twice what
    dialogs, scripts and mdocs report, so that only the ratio of the two means anything.
    """
    overview, piece = saved.numbers("MapBinning"), saved.numbers("MontBinning")
    return max(1.0, overview[0] / piece[0]) if overview and piece and piece[0] > 0 else 1.0


_TURNED_DEG = 0.02  # less is not seen at the edge of a picture


def cut_out(
    data: np.ndarray,
    center_px: tuple[float, float],
    shape: tuple[int, int],
    enlarge: float = 1.0,
    turned_deg: float = 0.0,
) -> np.ndarray:
    """Cut a picture of `shape` around a point; beyond the map's edge lies its mean.

    Parameters
    ----------
    data : ndarray, shape (rows, columns)
        The map.
    center_px : tuple of float
        (row, column) of the point that the picture is centred on.
    shape : tuple of int
        (rows, columns) of the picture.
    enlarge : float
        Picture pixels per map pixel; 1 cuts whole pixels without interpolation.
    turned_deg : float
        Image rotation of the map less that of the picture.

    Returns
    -------
    ndarray
        Same type as `data`. With `enlarge` 1 the centre is off by up to half a pixel.
    """
    if abs(turned_deg) > _TURNED_DEG:
        return _cut_turned(data, center_px, shape, enlarge, turned_deg)
    rows = round(shape[0] / enlarge)
    columns = round(shape[1] / enlarge)
    top = round(center_px[0] - rows / 2)
    left = round(center_px[1] - columns / 2)
    inside = data[max(0, top) : max(0, top + rows), max(0, left) : max(0, left + columns)]
    fill = inside.mean() if inside.size else data.mean()
    cut = np.full((rows, columns), np.round(fill) if data.dtype.kind in "iu" else fill, data.dtype)
    row, column = max(0, -top), max(0, -left)
    cut[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    if (rows, columns) == tuple(shape):
        return cut
    large = resized(cut.astype(np.float32), shape)
    return large.round().astype(data.dtype) if data.dtype.kind in "iu" else large


def _cut_turned(
    data: np.ndarray,
    center_px: tuple[float, float],
    shape: tuple[int, int],
    enlarge: float,
    turned_deg: float,
) -> np.ndarray:
    """Cut a picture out of a map that is turned against it."""
    angle = math.radians(turned_deg)
    # Image rotation is counter-clockwise with rows running up; here they run down.
    to_map = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    ) / enlarge  # fmt: skip
    middle = (np.array(shape) - 1) / 2.0
    offset = np.array(center_px) - 0.5 - to_map @ middle
    reach = math.hypot(*shape) / enlarge / 2 + 2
    low = np.maximum(0, np.floor(np.array(center_px) - reach)).astype(int)
    high = np.maximum(low + 1, np.ceil(np.array(center_px) + reach)).astype(int)
    inside = data[low[0] : high[0], low[1] : high[1]]
    if not inside.size:
        return np.full(shape, data.mean(), data.dtype)
    from scipy import ndimage

    cut = ndimage.affine_transform(
        inside.astype(np.float32),
        to_map,
        offset - low,
        output_shape=tuple(shape),
        order=1,
        cval=float(inside.mean()),
    )
    return cut.round().astype(data.dtype) if data.dtype.kind in "iu" else np.asarray(cut)


def write_view(
    path: Path,
    data: np.ndarray,
    conditions: ViewConditions,
    stage_reading_um: tuple[float, float],
    z_um: float,
) -> None:
    """Write a picture as an MRC file with the .mdoc that SerialEM reads its metadata from.

    Parameters
    ----------
    path : Path
        The .mrc file.
    data : ndarray, shape (rows, columns)
        First row on top; MRC files keep the bottom row first.
    conditions : ViewConditions
        How it was taken.
    stage_reading_um : tuple of float
        Stage reading at which its centre is in the image centre.
    z_um : float
        Stage height.
    """
    import mrcfile

    data = _mrc_type(data)
    with atomic_path(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(np.ascontiguousarray(data[::-1])[np.newaxis])
        mrc.set_image_stack()
        mrc.voxel_size = 10 * conditions.pixel_nm
    mdoc.write(mdoc.path_of(path), _mdoc(path.name, data, conditions, stage_reading_um, z_um))


def is_whole(path: Path) -> bool:
    """Whether a View map and its .mdoc are there and as long as they should be."""
    try:
        read_header(path)
        return mdoc.path_of(path).read_bytes().endswith(b"\n")
    except (OSError, SpaceError):
        return False


def _mrc_type(data: np.ndarray) -> np.ndarray:
    if data.dtype == np.uint8:
        # Mode 0 is read as signed by some programs; 16 bit is SerialEM's own choice.
        return data.astype(np.int16)
    if data.dtype in (np.int16, np.uint16, np.float32):
        return data
    return data.astype(np.float32)


_MODES = {"int16": 1, "uint16": 6, "float32": 2}


def _mdoc(
    name: str, data: np.ndarray, view: ViewConditions, stage_um: tuple[float, float], z_um: float
) -> Document:
    rows, columns = data.shape
    spacing = f"{10 * view.pixel_nm:g}"
    header = {
        "PixelSpacing": spacing,
        "ImageFile": name,
        "ImageSize": f"{columns} {rows}",
        "DataMode": str(_MODES[data.dtype.name]),
    }
    picture = {
        "MinMaxMean": f"{data.min():g} {data.max():g} {data.mean():g}",
        "TiltAngle": "0",
        "StagePosition": f"{stage_um[0]:.4f} {stage_um[1]:.4f}",
        "StageZ": f"{z_um:.4f}",
        "Intensity": f"{view.intensity:g}" if view.intensity else "",
        "PixelSpacing": spacing,
        "SpotSize": str(view.spot_size) if view.spot_size else "",
        "Defocus": f"{view.defocus_offset_um:g}",
        "ImageShift": "0 0",
        "RotationAngle": f"{view.rotation_deg:g}",
        "ExposureTime": f"{view.exposure_s:g}" if view.exposure_s else "",
        "Binning": str(view.binning),
        "CameraIndex": str(view.camera),
        "MagIndex": str(view.mag_index),
        "LowDoseConSet": str(_VIEW_IN_MDOC),
    }
    return mdoc.compose(header, "SPACEtomo: View picture cut out of a montage", picture)


def register(path: Path, label: str, note: str) -> int:
    """Make a map item of a file that `write_view` wrote; return its index.

    SerialEM makes the item itself from the file, so that all keys of the item are its own;
    the height is the stage's present one.
    """
    sem = serialem()
    sem.OpenOldFile(str(path))
    try:
        sem.ReadFile(0, "A")
        index = int(sem.NewMap(0, note))
    finally:
        sem.CloseFile()
    navigator.describe(index, label=label, note=note)
    return index
