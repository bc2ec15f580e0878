"""CZI (Zeiss) as channels, by the package pylibCZIrw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from space.fluorescence.channels import Channels, Color, channels_of
from space.fluorescence.opening import (
    Listed,
    check_bytes,
    mean_size,
    need,
    usable,
)

SUFFIXES = (".czi",)

_UM_PER_M = 1e6
_BYTES = 2
_HEX = re.compile(r"#(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})")


def list_czi(path: Path) -> list[Listed]:
    """Return the scenes of a file."""
    with _opened(path) as opened:
        return [
            Listed(f"scene {index + 1}", (*_depth(opened), box.h, box.w))
            for index, (_, box) in enumerate(_scenes(opened))
        ]


def read_czi(path: Path, index: int) -> Channels:
    """Read one scene of a file; tiles are put together by the package."""
    with _opened(path) as opened:
        scene, box = _scenes(opened)[index]
        channels, planes = _depth(opened)
        check_bytes((channels, planes, box.h, box.w), _BYTES)
        arrays = []
        for channel in range(channels):
            stack = [
                _grey(opened.read(roi=tuple(box), plane={"C": channel, "Z": z, "T": 0},
                                  **({} if scene is None else {"scene": scene})))
                for z in range(planes)
            ]  # fmt: skip
            arrays.append(np.stack(stack))
        names, colors, pixel_um, step_um = _told(opened.metadata)
        several = f": scene {index + 1}" if scene is not None else ""
    return channels_of(f"{path.name}{several}", arrays, names, colors, pixel_um, step_um)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    need("pylibCZIrw", "CZI", path)
    from pylibCZIrw import czi

    with czi.open_czi(str(path)) as opened:
        yield opened


def _scenes(opened: Any) -> list[tuple[int | None, Any]]:
    found = sorted(opened.scenes_bounding_rectangle.items())
    return found if found else [(None, opened.total_bounding_rectangle)]


def _depth(opened: Any) -> tuple[int, int]:
    """Return the numbers of channels and planes."""
    box = opened.total_bounding_box
    low_c, high_c = box.get("C", (0, 1))
    low_z, high_z = box.get("Z", (0, 1))
    return max(1, int(high_c - low_c)), max(1, int(high_z - low_z))


def _grey(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 3 and picture.shape[-1] > 1:
        raise ValueError("it holds a picture in colours; save its channels")
    return picture.reshape(picture.shape[:2])


def _told(
    metadata: Any,
) -> tuple[list[str], list[Color | None], float | None, float | None]:
    """Return names, colours and sizes that the description of a file tells."""
    document = _at(metadata, "ImageDocument", "Metadata")
    described = _list(_at(document, "Information", "Image", "Dimensions", "Channels", "Channel"))
    shown = _list(_at(document, "DisplaySetting", "Channels", "Channel"))
    names = [
        str(one.get("@Name") or one.get("Fluor") or "") if isinstance(one, dict) else ""
        for one in described
    ]
    colors = [_color(one.get("Color")) if isinstance(one, dict) else None for one in shown]
    sizes: dict[str, float | None] = {}
    for one in _list(_at(document, "Scaling", "Items", "Distance")):
        if isinstance(one, dict):
            sizes[str(one.get("@Id"))] = usable(one.get("Value"), _UM_PER_M)
    return names, colors, mean_size([sizes.get("X"), sizes.get("Y")]), sizes.get("Z")


def _color(text: Any) -> Color | None:
    found = _HEX.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    number = int(found.group(1), 16)
    return None if number in (0, 0xFFFFFF) else (number >> 16, number >> 8 & 255, number & 255)


def _at(values: Any, *keys: str) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _list(values: Any) -> list[Any]:
    if values is None:
        return []
    return values if isinstance(values, list) else [values]
