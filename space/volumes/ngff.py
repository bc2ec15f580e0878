"""What OME-NGFF says of an image: axes and transforms, versions 0.4 and 0.5.

https://ngff.openmicroscopy.org/0.5/ ; 0.4 has the same without the key "ome". What it has no place
for (handedness, stage position, target) stands in an attribute of our own, beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from space.errors import shown
from space.predicates import is_number
from space.volumes.frame import Frame, in_nm, usable
from space.volumes.levels import Level

OURS = "spacetomo"
"""Name of our own attribute."""

LEVEL = "0"
"""Name of the array with the full resolution."""

_VERSION = "0.5"
_SPACE = ("z", "y", "x")


@dataclass(frozen=True)
class Image:
    """What is said of the array with the full resolution.

    Attributes
    ----------
    path : str
        Of the array in the group.
    axes : tuple of str
        Name of each axis.
    voxel_nm : tuple of float or None
        Along z, y and x; None if it does not say so.
    origin_nm : tuple of float
    """

    path: str
    axes: tuple[str, ...]
    voxel_nm: tuple[float, float, float] | None
    origin_nm: tuple[float, float, float]


def attributes(frame: Frame, name: str, levels: Sequence[Level]) -> dict[str, Any]:
    """Return the attributes of the group of an image with some levels, the finest first."""
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in _SPACE]
    datasets = [
        {"path": level.path, "coordinateTransformations": _placed(frame, level)} for level in levels
    ]
    image = {"name": name, "axes": axes, "datasets": datasets}
    return {"ome": {"version": _VERSION, "multiscales": [image]}, OURS: frame.to_dict()}


def _placed(frame: Frame, level: Level) -> list[dict[str, Any]]:
    """Return how large the voxels of a level are, and where the middle of its first one is."""
    scale = [side * factor for side, factor in zip(frame.voxel_nm, level.factors)]
    origin = [
        start + level.offset * (factor - 1) / 2 * side
        for start, factor, side in zip(frame.origin_nm, level.factors, frame.voxel_nm)
    ]
    return [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": origin},
    ]


def image_of(attributes: Mapping[str, Any]) -> Image | None:
    """Return what attributes of a group say of an image; None if they say of none.

    Raises
    ------
    ValueError
        If what they say cannot be.
    """
    newer = attributes.get("ome")
    told = newer.get("multiscales") if isinstance(newer, dict) else attributes.get("multiscales")
    if told is None:
        return None
    try:
        image = told[0]
        level = image["datasets"][0]
        path, axes = level["path"], tuple(_axis(one) for one in image.get("axes", _SPACE))
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError("its metadata of OME-NGFF are not as they should be") from error
    if not isinstance(path, str) or not path or ".." in path.split("/") or path[0] in "/\\":
        raise ValueError(f"its metadata of OME-NGFF name the array {shown(path)}")
    names = tuple(name for name, _ in axes)
    if sorted(name for name in names if name in _SPACE) != sorted(_SPACE):
        raise ValueError(f"its axes are {', '.join(names)}; a volume has z, y and x")
    scale, offset = [1.0] * len(axes), [0.0] * len(axes)
    for one in (*_transforms(level), *_transforms(image)):
        scale, offset = _applied(one, scale, offset)
    factors = [in_nm(unit) for _, unit in axes]
    at = [names.index(axis) for axis in _SPACE]
    lengths = [factors[one] for one in at]
    origin = [offset[one] * (factors[one] or 0.0) for one in at]
    known = None not in lengths and bool(_transforms(level) or _transforms(image))
    voxel_nm = usable([scale[one] * (factors[one] or 0.0) for one in at]) if known else None
    return Image(path, names, voxel_nm, (origin[0], origin[1], origin[2]))


def _axis(one: Any) -> tuple[str, object]:
    """Return name and unit of an axis; version 0.3 gave the name alone."""
    return (one, None) if isinstance(one, str) else (str(one["name"]), one.get("unit"))


def _transforms(owner: Mapping[str, Any]) -> Sequence[Any]:
    found = owner.get("coordinateTransformations", [])
    return found if isinstance(found, list) else []


def _applied(one: Any, scale: list[float], offset: list[float]) -> tuple[list[float], list[float]]:
    """Return scale and offset with one more transform after them."""
    kind = one.get("type") if isinstance(one, dict) else None
    if kind == "identity":
        return scale, offset
    values = one.get(kind) if kind in ("scale", "translation") else None
    if not isinstance(values, list) or len(values) != len(scale) or not all(map(is_number, values)):
        raise ValueError(f"its metadata of OME-NGFF have the transform {shown(one)}")
    if kind == "scale":
        return (
            [a * float(b) for a, b in zip(scale, values)],
            [a * float(b) for a, b in zip(offset, values)],
        )
    return scale, [a + float(b) for a, b in zip(offset, values)]
