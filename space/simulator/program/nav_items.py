"""Makes items for the Navigator's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.formats import mdoc
from space.simulator.formats.autodoc import Section, number_text
from space.simulator.formats.navfile import MAP, POINT, POLYGON, NavItem, in_order

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image

COLORS = {POINT: "0", POLYGON: "1", MAP: "2"}
# Items keep positions as 32-bit floats; this many digits distinguish those.
DIGITS = 9
FILE_DIGITS = 6


def point_item(
    stage_um: tuple[float, float, float],
    registration: int = 1,
    group: int = 0,
    drawn: bool = True,
    on_map: int = 0,
    piece: tuple[int, tuple[float, float]] | None = None,
) -> NavItem:
    """Give a point.

    Parameters
    ----------
    stage_um : tuple of float
        Navigator position x, y, z.
    registration : int
        Registration number.
    group : int
        Group ID, 0 = none.
    drawn : bool
        Whether it is shown on images.
    on_map : int
        Map ID of the map it was placed on, 0 = none.
    piece : tuple, optional
        Piece of that montage and the place in it, X right and Y up.
    """
    values = {
        "Color": COLORS[POINT],
        "StageXYZ": _floats(stage_um),
        "NumPts": "1",
        "Draw": None if drawn else "0",
        "Regis": str(registration),
        "Type": str(POINT),
        "GroupID": str(group) if group else None,
        "DrawnID": str(on_map) if on_map else None,
        "PieceOn": str(piece[0]) if piece else None,
        "XYinPc": number_text(piece[1]) if piece else None,
        "PtsX": _floats(stage_um[:1]),
        "PtsY": _floats(stage_um[1:2]),
    }
    return NavItem("", in_order({k: v for k, v in values.items() if v is not None}))


def polygon_item(
    points_stage_um: Sequence[tuple[float, float]],
    z_um: float,
    registration: int = 1,
    drawn: bool = True,
) -> NavItem:
    """Give a polygon; its position is the mean of its corners.

    The first corner may be repeated at the end, as drawn polygons have it; it counts once.
    """
    points = np.asarray(points_stage_um, float)
    closed = len(points) > 1 and np.array_equal(points[0], points[-1])
    middle = points[:-1].mean(axis=0) if closed else points.mean(axis=0)
    values = {
        "Color": COLORS[POLYGON],
        "StageXYZ": _floats((*middle, z_um)),
        "NumPts": str(len(points)),
        "Draw": None if drawn else "0",
        "Regis": str(registration),
        "Type": str(POLYGON),
        "PtsX": _floats(points[:, 0]),
        "PtsY": _floats(points[:, 1]),
    }
    return NavItem("", in_order({k: v for k, v in values.items() if v is not None}))


def map_item(
    image: Image,
    z_um: float,
    note: str,
    registration: int = 1,
    defocus_offset_um: float = 0.0,
    backlash_um: tuple[float, float] = (0.0, 0.0),
    counted_per_px: float = 1.0,
) -> NavItem:
    """Give a map of a saved image or montage overview.

    Parameters
    ----------
    image : Image
        Saved image; `file` and `section` say where.
    z_um : float
        Present stage Z.
    note : str
        Note of the item.
    registration : int
        Registration number.
    defocus_offset_um : float
        Offset of a View or Search image taken in low dose.
    backlash_um : tuple of float
        Leg of the stage with which it came to the map.
    counted_per_px : float
        Pixels that SerialEM counts per real pixel of the camera; the item has binnings in these.
    """
    rows, columns = image.data.shape
    corners = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows), (0, 0)], float)
    outline = image_to_stage_um(image, corners)
    low, high = np.percentile(image.data[::4, ::4], (1.0, 99.0))
    values = {
        "Color": COLORS[MAP],
        "StageXYZ": _floats((*image.nav_xy_um, z_um)),
        "NumPts": "5",
        "Regis": str(registration),
        "Type": str(MAP),
        "Note": note,
        "BklshXY": number_text(backlash_um) if any(backlash_um) else None,
        "RawStageXY": _floats(image.stage_um) if image.stage_um is not None else None,
        "MapFile": image.file,
        **_montage_values(image, counted_per_px),
        "MapSection": str(image.section),
        "MapBinning": f"{counted_per_px * image.binning:g}",
        "MapMagInd": str(image.mag_index),
        "MapCamera": str(image.camera),
        "MapScaleMat": _floats(v for row in image.stage_to_px for v in row),
        "MapWidthHeight": f"{columns} {rows}",
        "MapMinMaxScale": number_text((float(low), float(high))),
        **_beam_values(image),
        "ImageType": "0",
        "DefocusOffset": number_text(defocus_offset_um) if defocus_offset_um else None,
        "MapProbeMode": str(image.probe_mode),
        "MapLDConSet": str(image.camera_set) if image.low_dose else "-1",
        "MapTiltAngle": number_text(image.tilt_deg),
        "PtsX": _floats(outline[:, 0]),
        "PtsY": _floats(outline[:, 1]),
    }
    return NavItem("", in_order({k: v for k, v in values.items() if v is not None}))


def _beam_values(image: Image) -> dict[str, str | None]:
    """Give the entries of a map about exposure, beam and slit."""
    # The width is 0 while the slit is out.
    slit_ev = Section(mdoc.IMAGE, "", image.entries).number("FilterSlitAndLoss")
    return {
        "MapExposure": number_text(image.exposure_s),
        "MapSettling": "0",
        "ShutterMode": "0",
        "MapSpotSize": str(image.spot_size),
        "MapIntensity": number_text(image.intensity),
        "MapSlitIn": str(int(slit_ev > 0)),
        "MapSlitWidth": number_text(slit_ev),
    }


def _montage_values(image: Image, counted_per_px: float) -> dict[str, str | None]:
    """Give the entries of a map about its montage, also where it is a single picture."""
    pieces = image.pieces
    if pieces is None:
        return {
            "MapMontage": "0",
            "MapFramesXY": number_text((0, 0)),
            "MontBinning": f"{counted_per_px * image.binning:g}",
            "MontUseStage": "-1",
        }
    return {
        "FitToPolygonID": str(pieces.polygon_id) if pieces.polygon_id else None,
        "MapMontage": "1",
        "MapFramesXY": number_text(pieces.layout.counts),
        "MontBinning": f"{counted_per_px * pieces.piece_binning:g}",
        "MontUseStage": str(int(pieces.move_stage)),
    }


def image_to_stage_um(image: Image, points_px: np.ndarray) -> np.ndarray:
    """Give Navigator positions of image points.

    Parameters
    ----------
    image : Image
        Image with its stage transform.
    points_px : ndarray (n, 2)
        Columns and rows from the upper left corner.

    Returns
    -------
    ndarray (n, 2)
        Adjusted stage coordinates in µm.
    """
    rows, columns = image.data.shape
    away = np.asarray(points_px, float) - (columns / 2, rows / 2)
    return np.asarray(image.nav_xy_um) + np.linalg.solve(np.asarray(image.stage_to_px), away.T).T


def stage_to_image_px(image: Image, points_stage_um: np.ndarray) -> np.ndarray:
    """Give columns and rows of Navigator positions in an image; inverse of the former."""
    rows, columns = image.data.shape
    away = np.asarray(points_stage_um, float) - image.nav_xy_um
    return away @ np.asarray(image.stage_to_px).T + (columns / 2, rows / 2)


def for_file(item: NavItem) -> NavItem:
    """Give the item with the six digits that SerialEM writes for positions."""
    values = {}
    for key in ("StageXYZ", "RawStageXY", "MapScaleMat", "PtsX", "PtsY"):
        if key in item.values:
            words = item.values[key].split()
            values[key] = " ".join(
                number_text(float(w), FILE_DIGITS) if _digits(w) > FILE_DIGITS else w for w in words
            )
    return item.updated(values)


def _digits(word: str) -> int:
    mantissa = word.lower().split("e")[0].lstrip("+-0.")
    return sum(character.isdigit() for character in mantissa)


def _floats(values: Iterable[float]) -> str:
    return number_text([float(np.float32(v)) for v in values], DIGITS)
