"""LIF (Leica) as channels, by the package liffile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

SUFFIXES = (".lif",)

_UM_PER_M = 1e6
_MOSAIC = "M"
_LUTS: dict[str, Color] = {
    "green": (0, 230, 90), "red": (255, 60, 60), "blue": (70, 110, 255), "cyan": (0, 220, 220),
    "magenta": (255, 60, 255), "yellow": (255, 220, 0), "gray": (200, 200, 200),
}  # fmt: skip


def list_lif(path: Path) -> list[Listed]:
    """Return the pictures in a file."""
    with _opened(path) as images:
        return [_listed(image) for image in images]


def read_lif(path: Path, index: int) -> Channels:
    """Read one picture of a file."""
    with _opened(path) as images:
        image = images[index]
        tiles = image.sizes.get(_MOSAIC, 1)
        if tiles > 1:
            raise ValueError(
                f"{image.name} holds {tiles} tiles that are not merged; choose the merged picture, "
                "or merge it in the program of the microscope"
            )
        check_bytes(image.shape, image.dtype.itemsize)
        arrays = by_channel(np.asarray(image.asarray()), _axes(image))
        names, colors = _named(image.xml_element)
        pixel_um = mean_size([_pitch_um(image, axis) for axis in "XY"])
        return channels_of(
            f"{path.name}: {image.name}",
            list(arrays),
            names,
            colors,
            pixel_um,
            _pitch_um(image, "Z"),
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    need("liffile", "LIF", path)
    import liffile

    with liffile.LifFile(path) as opened:
        check_xml(opened.xml_header())
        # What has no two sides is a curve or a spectrum.
        yield [image for image in opened.images if {"X", "Y"} <= set(image.dims)]


def _listed(image: Any) -> Listed:
    try:
        shape = listed_shape(image.shape, _axes(image))
    except ValueError:  # said when it is read
        shape = (0, 0, 0, 0)
    return Listed(str(image.path), shape)


def _axes(image: Any) -> str:
    return "".join(axis if len(axis) == 1 else "?" for axis in image.dims)


def _pitch_um(image: Any, axis: str) -> float | None:
    places = image.coords.get(axis)
    if places is None or len(places) < 2:
        return None
    return usable(abs(float(places[1]) - float(places[0])), _UM_PER_M)


def _named(element: Any) -> tuple[list[str], list[Color | None]]:
    """Return names of dyes, or of colour tables where there are none, and colours."""
    names: list[str] = []
    colors: list[Color | None] = []
    for channel in element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription"):
        told = {
            (item.findtext("Key") or "").lower(): item.findtext("Value") or ""
            for item in channel.findall("ChannelProperty")
        }
        lut = channel.get("LUTName") or ""
        names.append(told.get("dyename") or told.get("channelname") or lut)
        colors.append(_LUTS.get(lut.lower()))
    return names, colors
