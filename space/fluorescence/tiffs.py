"""TIFF, OME-TIFF and ImageJ's TIFF as channels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.fluorescence.channels import Channels, Color, channels_of
from space.fluorescence.opening import (
    Listed,
    by_channel,
    check_bytes,
    check_xml,
    listed_shape,
    mean_size,
    need,
    usable,
)

if TYPE_CHECKING:  # parsing XML is loaded where there is some
    from xml.etree.ElementTree import Element

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")

_UM = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3,
       "pm": 1e-6, "m": 1e6, "Å": 1e-4, "cm": 1e4}  # fmt: skip
_RGB = ("red", "green", "blue")
_SAMPLES_RGB = (3, 4)


def list_tiff(path: Path) -> list[Listed]:
    """Return the pictures in a file."""
    need("tifffile", "TIFF", path)
    import tifffile

    with tifffile.TiffFile(path) as opened:
        return [
            Listed(series.name or f"picture {index + 1}", listed_shape(series.shape, series.axes))
            for index, series in enumerate(opened.series)
        ]


def read_tiff(path: Path, index: int) -> Channels:
    """Read one picture of a file."""
    need("tifffile", "TIFF", path)
    import tifffile

    with tifffile.TiffFile(path) as opened:
        series: Any = opened.series[index]
        check_bytes(series.shape, np.dtype(series.dtype).itemsize)
        axes = str(series.axes)
        array = _decoded(series, path)
        arrays = by_channel(array, axes)
        ome = opened.ome_metadata
        told = opened.imagej_metadata or {}
        resolution = series.keyframe.tags.get("XResolution")
        is_rgb = "S" in axes and series.keyframe.samplesperpixel in _SAMPLES_RGB
    if is_rgb and len(arrays) in _SAMPLES_RGB:
        kept = [at for at in range(len(_RGB)) if arrays[at].any()]
        return channels_of(
            path.name, [arrays[at] for at in kept or [0]], [_RGB[at] for at in kept or [0]]
        )
    if ome:
        names, colors, pixel_um, step_um = _ome(check_xml(str(ome)), index)
    else:
        names, colors = _imagej_names(told), []
        unit = _UM.get(str(told.get("unit", "")).replace("\\u00B5", "µ"))
        pixel_um = step_um = None
        if unit is not None and resolution is not None:
            pixels, length = resolution.value
            pixel_um = usable(length / pixels, unit) if pixels else None
            step_um = usable(told.get("spacing"), unit)
    if not names and len(arrays) == 1:
        names = [path.name.split(".")[0]]
    return channels_of(path.name, list(arrays), names, colors, pixel_um, step_um)


def _decoded(series: Any, path: Path) -> np.ndarray:
    try:
        return np.asarray(series.asarray())
    except (ValueError, ImportError, KeyError) as error:
        packing = getattr(series.keyframe.compression, "name", "?")
        raise ValueError(
            f"its packing, {packing}, is not known here or it is damaged: {error}; save it "
            "without compression, or install the package imagecodecs"
        ) from error


def _imagej_names(told: dict[str, Any]) -> list[str]:
    labels = told.get("Labels")
    channels = told.get("channels", 1)
    if not isinstance(labels, list) or not isinstance(channels, int):
        return []
    return [str(label) for label in labels[:channels]] if channels > 1 else []


def _ome(text: str, index: int) -> tuple[list[str], list[Color | None], float | None, float | None]:
    """Return names, colours and sizes of one image of an OME description."""
    from xml.etree import ElementTree

    images = [one for one in ElementTree.fromstring(text.strip()) if _tag(one) == "Image"]
    if not images:
        return [], [], None, None
    image = images[min(index, len(images) - 1)]
    pixels = next((one for one in image if _tag(one) == "Pixels"), None)
    if pixels is None:
        return [], [], None, None
    names: list[str] = []
    colors: list[Color | None] = []
    for one in pixels:
        if _tag(one) == "Channel":
            names.append(one.get("Name") or one.get("Fluor") or "")
            colors.append(_ome_color(one.get("Color")))
    sizes = [
        usable(pixels.get(f"PhysicalSize{axis}"), _UM.get(unit, 0.0))
        for axis in "XYZ"
        for unit in [pixels.get(f"PhysicalSize{axis}Unit", "µm")]
    ]
    return names, colors, mean_size(sizes[:2]), sizes[2]


def _ome_color(text: str | None) -> Color | None:
    """Return a colour that stands as one signed number: red, green, blue, opacity."""
    if text is None or not re.fullmatch(r"-?\d{1,10}", text):
        return None
    number = int(text) & 0xFFFFFFFF
    color = ((number >> 24) & 255, (number >> 16) & 255, (number >> 8) & 255)
    # White is what programs write that have no colour for a channel.
    return None if color in ((0, 0, 0), (255, 255, 255)) else color


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
