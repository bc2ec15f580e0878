"""Pictures and label maps in files of any program: PNG, TIFF, MRC, NumPy, JPEG, Zarr.

A file holds one picture or several of one shape (a stack). Row 0 is on top, as the file has it.
Whatever the packages behind this raise on a damaged file becomes one SpaceError.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path, read_bytes_bounded
from space.images import LARGEST_PICTURE_MPX, png_problem, read_json_beside
from space.learning.arrays import grey, labels_of, labels_of_colors
from space.packages import is_installed
from space.predicates import is_number

PNG, TIFF, MRC, NUMPY = (".png",), (".tif", ".tiff"), (".mrc", ".map", ".st", ".rec"), (".npy",)
PLAIN = (".jpg", ".jpeg", ".bmp")
ZARR = ".zarr"
PICTURES = (*PNG, *TIFF, *MRC, *NUMPY, *PLAIN, ZARR)
"""Endings of pictures that can be read, small letters."""

LABELS = (*PNG, *TIFF, *MRC, *NUMPY, ".bmp", ZARR)
"""Of label maps: a JPEG changes them."""

KEPT = (*PNG, *TIFF, *MRC)
"""Of pictures that a data set keeps as they are."""

_LARGEST_FILE_BYTES = 4_000_000_000
_MOST_SECTIONS = 10_000
_COMPLEX, _FOUR_BITS = (3, 4), 101
_RGB_BANDS = (3, 4)
_UM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "mm": 1e6}

Colors = Mapping[tuple[int, int, int], int]


@dataclass(frozen=True)
class Sections:
    """What a file of pictures holds.

    Attributes
    ----------
    arrays : ndarray, shape (sections, rows, columns)
    pixel_nm : float or None
        None if the file does not say.
    is_grey : bool
        Whether the file holds the same values, and not colours of which these are the luminance.
    """

    arrays: np.ndarray
    pixel_nm: float | None = None
    is_grey: bool = True


def read_pictures(path: Path) -> Sections:
    """Read the grey pictures in a file.

    Raises
    ------
    SpaceError
        If it cannot be read as pictures; says why.
    """
    path = Path(path)
    with _in_words(path):
        raw, pixel_nm = _read(path)
    if raw.dtype == np.bool_:
        raw = raw.astype(np.uint8) * np.uint8(255)
    is_grey = raw.ndim == 3
    arrays = raw if is_grey else grey(raw)
    if pixel_nm is None:
        beside = read_json_beside(path).get("pixel_nm")
        pixel_nm = float(beside) if is_number(beside) and beside > 0 else None
    return Sections(arrays, pixel_nm, is_grey)


def read_picture(path: Path) -> np.ndarray:
    """Read the only picture in a file, as `read_pictures` does."""
    return _only(path, read_pictures(path).arrays)


def read_label_maps(path: Path, colors: Colors | None = None) -> np.ndarray:
    """Read the label maps in a file, uint8 (sections, rows, columns).

    Palette pictures give the numbers of their colours, not these. Colours are looked up.

    Raises
    ------
    SpaceError
        If they are no labels; says why.
    """
    path = Path(path)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise SpaceError("A JPEG changes the values of labels.", str(path), "Save them as PNG.")
    with _in_words(path):
        raw, _ = _read(path, labels=True)
        if raw.ndim == 3:
            return labels_of(raw)
        return np.stack([labels_of_colors(section, colors or {}) for section in raw])


def read_label_map(path: Path, colors: Colors | None = None) -> np.ndarray:
    """Read the only label map in a file, as `read_label_maps` does."""
    return _only(path, read_label_maps(path, colors))


def read_layer(path: Path) -> np.ndarray:
    """Read a layer of a drawing program: True where it is neither black nor transparent."""
    path = Path(path)
    with _in_words(path):
        raw, _ = _read(path, labels=True)
    if raw.ndim == 4:
        drawn = raw[..., :3].any(axis=-1)
        # A drawing program saves a layer with what is not drawn transparent, of any colour.
        raw = np.asarray(drawn & (raw[..., 3] > 0) if raw.shape[-1] == 4 else drawn)
    return _only(path, raw) != 0


def read_shape(path: Path) -> tuple[int, int]:
    """Return rows and columns of a picture."""
    rows, columns = read_pictures(path).arrays.shape[1:]
    return int(rows), int(columns)


def _only(path: Path, arrays: np.ndarray) -> np.ndarray:
    if len(arrays) != 1:
        raise SpaceError(
            f"The file holds {len(arrays)} pictures where one is needed.", str(path), "Split it."
        )
    found: np.ndarray = arrays[0]
    return found


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on a file into words."""
    try:
        yield
    except SpaceError:
        raise
    except MemoryError:
        raise SpaceError("The picture does not fit into memory.", str(path)) from None
    except Exception as error:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
        raise SpaceError(f"The picture cannot be read ({reason}).", str(path)) from error


def _read(path: Path, labels: bool = False) -> tuple[np.ndarray, float | None]:
    """Return (sections, rows, columns) or, of colours, (sections, rows, columns, 3 or 4)."""
    suffix = path.suffix.lower()
    if path.exists() and not path.is_file() and suffix != ZARR:
        raise ValueError("it is no file")  # a pipe would be read for ever
    if suffix in TIFF:
        return _read_tiff(path, labels)
    if suffix in MRC:
        return _read_mrc(path)
    if suffix in NUMPY:
        return _stacked(_read_numpy(path)), None
    if suffix == ZARR:
        return _stacked(_read_zarr(path)), None
    if suffix in (*PNG, *PLAIN):
        return _read_by_pillow(path, labels)
    raise SpaceError(f"{suffix or 'A file without ending'} is no kind of picture.", str(path))


def _stacked(array: np.ndarray) -> np.ndarray:
    """Return an array of any number of axes as sections."""
    if array.dtype.kind not in "buif":
        raise ValueError(f"values of type {array.dtype} are no grey values")
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"an array of shape {array.shape} is no picture")
    return array.reshape(-1, *array.shape[-2:])


def check_size(shape: tuple[int, ...]) -> None:
    """Refuse sizes that a header claims and no picture has.

    Raises
    ------
    ValueError
        With the size.
    """
    pixels = math.prod(int(side) for side in shape)
    if not 0 < pixels <= LARGEST_PICTURE_MPX * 1e6:
        size = " x ".join(str(side) for side in shape)
        raise ValueError(f"{size} pixels; at most {LARGEST_PICTURE_MPX:.0f} million are read")


# --- PNG and the like, by Pillow ------------------------------------------------------------------


def _read_by_pillow(path: Path, labels: bool) -> tuple[np.ndarray, float | None]:
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    data = read_bytes_bounded(path, _LARGEST_FILE_BYTES, follow_links=True)
    # The classes themselves, not Image.open: maps may be larger than its general limit.
    opener: Any = JpegImagePlugin.JpegImageFile
    if path.suffix.lower() in PNG:
        problem = png_problem(data)
        if problem:
            raise ValueError(f"it is not whole: {problem}")
        opener = PngImagePlugin.PngImageFile
    elif path.suffix.lower() == ".bmp":
        opener = BmpImagePlugin.BmpImageFile
    with opener(io.BytesIO(data)) as image:
        array = _decoded(image, labels)
        texts = getattr(image, "text", {})
    return array[None], _positive(texts.get("pixel_nm"))


def _decoded(image: Any, labels: bool) -> np.ndarray:
    check_size((*image.size, len(image.getbands())))
    # Pillow gives 16-bit PNG as one of these, by its version.
    wide = image.mode == "I" and image.format == "PNG"
    if image.mode == "P" and not labels:
        image = image.convert("RGB")
    elif image.mode in ("LA", "La", "PA"):
        image = image.getchannel(0) if labels or image.mode != "PA" else image.convert("RGB")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    array = np.array(image)
    if wide:
        array = array.astype(np.uint16)
    if array.ndim == 3 and not labels and _is_one_grey(array):
        array = array[..., 0]
    return array


def _is_one_grey(colors: np.ndarray) -> bool:
    return all(np.array_equal(colors[..., 0], colors[..., channel]) for channel in (1, 2))


def _positive(text: object) -> float | None:
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value > 0 else None


# --- TIFF -----------------------------------------------------------------------------------------


def _need(package: str, what: str, path: Path) -> None:
    if not is_installed(package):
        raise SpaceError(
            f"{what} needs the package {package}, which this Python lacks.",
            str(path),
            "Install the extra learn: see docs/data.md.",
        )


def _read_tiff(path: Path, labels: bool) -> tuple[np.ndarray, float | None]:
    _need("tifffile", "TIFF", path)
    import tifffile

    with tifffile.TiffFile(path) as opened:
        series = opened.series[0]
        page: Any = series.keyframe
        check_size(series.shape)
        pixel_nm = _imagej_pixel_nm(opened, page)
        axes, compressed = str(series.axes), int(page.compression)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        palette = page.colormap if page.photometric == tifffile.PHOTOMETRIC.PALETTE else None
        try:
            array = series.asarray()
        except (ValueError, ImportError, KeyError) as error:
            # It needs another package for this packing; Pillow has LZW and JPEG itself.
            if len(opened.pages) != 1 or compressed == 1:
                raise ValueError(f"its packing, {page.compression.name}, is not known") from error
            return _read_tiff_by_pillow(path, labels), pixel_nm
    if "S" in axes and array.ndim >= 3:
        array = np.moveaxis(array, axes.index("S"), -1)
        if array.shape[-1] in _RGB_BANDS:
            array = array.reshape(-1, *array.shape[-3:])
            is_grey = not labels and all(map(_is_one_grey, array))
            return (array[..., 0] if is_grey else array), pixel_nm
        if array.shape[-1] > 2:
            raise ValueError(f"it has {array.shape[-1]} channels; save the one that is meant")
        array = array[..., 0]  # grey, with how opaque it is
    if palette is not None and not labels:
        colors = np.moveaxis(np.asarray(palette) >> 8, 0, -1).astype(np.uint8)[array]
        return _stacked(np.asarray(grey(colors))), pixel_nm
    if inverted and not labels:
        array = ~array if array.dtype == np.bool_ else np.iinfo(array.dtype).max - array
    return _stacked(array), pixel_nm


def _read_tiff_by_pillow(path: Path, labels: bool) -> np.ndarray:
    from PIL import TiffImagePlugin

    data = read_bytes_bounded(path, _LARGEST_FILE_BYTES, follow_links=True)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
        return _decoded(image, labels)[None]


def _imagej_pixel_nm(opened: Any, page: Any) -> float | None:
    """Return the pixel size that ImageJ or Fiji has noted; others write it for printers."""
    told = opened.imagej_metadata or {}
    unit = _UM.get(str(told.get("unit", "")).replace("\\u00B5", "µ"))
    tag = page.tags.get("XResolution")
    if unit is None or tag is None:
        return None
    pixels, units = tag.value
    return _positive(units / pixels * unit) if pixels else None


# --- MRC, NumPy, Zarr -----------------------------------------------------------------------------


def _read_mrc(path: Path) -> tuple[np.ndarray, float | None]:
    import warnings

    import mrcfile

    from space.microscope import mrc

    header = mrc.read_header(path)  # refuses, in words, what is none, and files that were cut off
    if header.mode in _COMPLEX:
        raise ValueError("it holds complex numbers, as a transform does")
    if header.mode == _FOUR_BITS:
        raise ValueError(
            "its pixels have 4 bits; save it with 8 bits, as by IMOD: newstack -mode 0"
        )
    check_size((header.sections, *header.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd in the header, none of which is used
        with mrcfile.open(path, permissive=True) as opened:
            if opened.data is None:
                raise ValueError("mrcfile cannot read it")
            array = np.array(opened.data)
            angstrom = float(opened.voxel_size.x)
    if array.dtype == np.int8 and mrc.has_unsigned_bytes(path):
        array = array.view(np.uint8)
    if array.ndim == 4:  # volumes, or colours
        array = array.reshape(-1, *array.shape[-2:])
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return _stacked(array), _positive(angstrom / 10)


def _read_numpy(path: Path) -> np.ndarray:
    # Pickled objects are refused; as a map, so that a size is seen before memory is taken.
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds no array")
    check_size(array.shape)
    return np.array(array)


def _read_zarr(path: Path) -> np.ndarray:
    _need("zarr", "Zarr", path)
    import zarr

    opened: Any = zarr.open(str(path), mode="r")
    for _ in range(2):  # an image of OME-Zarr has its full size in "0"
        if not hasattr(opened, "shape") and "0" in opened:
            opened = opened["0"]
    if not hasattr(opened, "shape"):
        raise ValueError("it holds no array")
    check_size(opened.shape)
    return np.asarray(opened[...])


# --- writing --------------------------------------------------------------------------------------


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels as an 8-bit grey PNG, whole or not at all."""
    _write_png(path, np.asarray(labels, np.uint8))


def is_png_type(array: np.ndarray) -> bool:
    """Whether a PNG holds values of this type."""
    return array.dtype in (np.uint8, np.uint16)


def write_picture(path: Path, array: np.ndarray, pixel_nm: float | None = None) -> None:
    """Write a grey picture as PNG (8 or 16 bits) or TIFF, by its ending, whole or not at all."""
    if path.suffix.lower() in PNG:
        _write_png(path, array, pixel_nm)
        return
    _need("tifffile", "TIFF", path)
    import tifffile

    resolution: dict[str, Any] = {}
    if pixel_nm is not None:
        resolution = {
            "imagej": array.dtype in (np.uint8, np.uint16, np.float32),
            "resolution": (1 / pixel_nm, 1 / pixel_nm),
            "metadata": {"unit": "nm"},
        }
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, array, photometric="minisblack", **resolution)


def _write_png(path: Path, array: np.ndarray, pixel_nm: float | None = None) -> None:
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    if pixel_nm is not None:
        chunks.add_text("pixel_nm", repr(float(pixel_nm)))
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(array)).save(
            temporary, format="PNG", pnginfo=chunks, compress_level=2
        )
