"""A picture of a map as a map of its own, for SerialEM's Navigator: a person picks targets on it.

Its item lies where the item of the original map says that this lies, in the same registration, so
a point that is added on it has the stage position that it has on the original. The picture may
have fewer pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path
from space.geometry import MapFrame
from space.item_types import MAP
from space.microscope.navfile import SavedItem
from space.pictures import block_means

# In SerialEM's order; what the original does not have is left out.
_AS_ORIGINAL = ("MapMagInd", "MapCamera")
_AS_TAKEN = (
    "MontBinning", "MapExposure", "MapSettling", "ShutterMode", "MapSpotSize", "MapIntensity",
    "MapSlitIn", "MapSlitWidth",
)  # fmt: skip
_LOW_DOSE = (
    "DefocusOffset", "K2ReadMode", "NetViewShiftXY", "MapAlpha", "ViewBeamShiftXY",
    "ViewBeamTiltXY", "MapProbeMode", "MapLDConSet", "MapTiltAngle", "FocusAxisPos",
    "LDAxisAngle", "FocusOffsets",
)  # fmt: skip


def frame_of(original: SavedItem, shape: tuple[int, int]) -> MapFrame:
    """Return where a picture of a map lies that has so many pixels, by the map's item.

    Raises
    ------
    SpaceError
        If the item does not say.
    """
    matrix, place = original.stage_to_px(shape), original.numbers("StageXYZ")
    if matrix is None or len(place) < 2:
        raise SpaceError("The Navigator does not give the scale of a map.", original.label)
    return MapFrame(shape, matrix, (place[0], place[1]))


def shrunk(frame: MapFrame, factor: int) -> MapFrame:
    """Return where a picture lies after every `factor` x `factor` pixels became one.

    The last ones of a side may stick out of the original, so the middle is another place.
    """
    rows, columns = (-(-side // factor) for side in frame.shape)
    middle = np.array([[rows * factor / 2, columns * factor / 2]])
    x, y = (float(value) for value in frame.to_stage(middle)[0])
    (a, b), (c, d) = frame.stage_to_px
    matrix = ((a / factor, b / factor), (c / factor, d / factor))
    return MapFrame((rows, columns), matrix, (x, y))


def item_text(
    label: str, note: str, file_name: str, frame: MapFrame, original: SavedItem, ids: Iterable[int]
) -> str:
    """Return a Navigator file with a map as its only item.

    Parameters
    ----------
    label, note : str
        Of the item; the label without a space, which PACEtomo would cut off.
    file_name : str
        The picture, beside the file.
    frame : MapFrame
        Where the picture lies.
    original : SavedItem
        Item of the map that it shows.
    ids : iterable of int
        Those that items have already.
    """
    x, y = frame.center_stage_um
    place = original.numbers("StageXYZ")
    height = place[2] if len(place) > 2 else 0.0
    raw = original.numbers("RawStageXY") or place[:2]
    rows, columns = frame.shape
    corners = np.array([(0, 0), (0, columns), (rows, columns), (rows, 0), (0, 0)], float)
    points = frame.to_stage(corners)
    values = {
        "Color": "2",
        "StageXYZ": _text(x, y, height),
        "NumPts": "5",
        "Regis": original.values.get("Regis", "1"),
        "Type": str(MAP),
        "Note": note,
        **_taken_over(original, ("OrigReg", "BklshXY")),
        "RawStageXY": _text(raw[0] + x - place[0], raw[1] + y - place[1]),
        "MapFile": file_name,
        "MapID": str(_free_id(f"{file_name} {frame}", set(ids))),
        "MapMontage": "0",
        "MapSection": "0",
        "MapBinning": str(_binning(original, columns)),
        **_taken_over(original, _AS_ORIGINAL),
        "MapScaleMat": _text(*frame.stage_to_px[0], *frame.stage_to_px[1]),
        "MapWidthHeight": f"{columns} {rows}",
        "MapMinMaxScale": "0 255",
        "MapFramesXY": "0 0",
        **_taken_over(original, _AS_TAKEN),
        "ImageType": "0",
        "MontUseStage": "-1",
        **_taken_over(original, _LOW_DOSE),
        "PtsX": _text(*points[:, 0]),
        "PtsY": _text(*points[:, 1]),
    }
    lines = [f"[Item = {label}]", *(f"{key} = {value}" for key, value in values.items())]
    return "AdocVersion = 2.00\n\n" + "\n".join(lines) + "\n\n"


def write_picture(path: Path, picture: np.ndarray, pixel_nm: float) -> None:
    """Write an 8-bit picture, first row on top, as an MRC file whole or not at all.

    With 16 bits per pixel: those of 8 bits have a sign for some programs.
    """
    import mrcfile

    with atomic_path(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(np.ascontiguousarray(picture[::-1], np.int16)[np.newaxis])
        mrc.set_image_stack()
        mrc.voxel_size = 10 * pixel_nm


def smaller(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return an 8-bit picture of which every `factor` x `factor` pixels became their mean."""
    return np.rint(block_means(picture, factor)).astype(np.uint8)


def _taken_over(original: SavedItem, keys: Iterable[str]) -> dict[str, str]:
    return {key: original.values[key] for key in keys if original.values.get(key)}


def _binning(original: SavedItem, columns: int) -> int:
    binning, width = original.numbers("MapBinning"), original.numbers("MapWidthHeight")
    return max(1, round((binning[0] if binning else 1) * width[0] / columns))


def _free_id(of: str, taken: set[int]) -> int:
    """Return a number that no item has; the same picture at the same place gets the same again."""
    number = zlib.crc32(of.encode("utf-8")) & 0x7FFFFFFF
    while number == 0 or number in taken:
        number = (number + 1) & 0x7FFFFFFF
    return number


def _text(*values: float) -> str:
    return " ".join(f"{value:.9g}" for value in values)
