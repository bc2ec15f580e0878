"""What is to be drawn, as data that another process can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from space.files import parse_json
from space.targeting import ExposureOptics, TargetArea, TargetingOptions

if TYPE_CHECKING:  # a script that draws nothing does not need the room
    from space.plots import Shown

SHOWS = "shows"
"""PNG text of a picture: a mark of what it shows."""


@dataclass(frozen=True)
class GridPicture:
    """A grid with its lamellae.

    Attributes
    ----------
    path : Path
        PNG to write.
    picture : Path
        PNG of the grid.
    shown : tuple of Shown
        Its lamellae.
    colors : mapping of str to str
        Colour of each category among them.
    title : str
    mark : str
        What the picture says that it shows; may be empty.
    """

    path: Path
    picture: Path
    shown: tuple[Shown, ...]
    colors: Mapping[str, str]
    title: str
    mark: str = ""


@dataclass(frozen=True)
class SegmentationPicture:
    """A lamella's map and what the model found on it.

    Attributes
    ----------
    path : Path
        PNG to write.
    picture, labels : Path
        PNG of the map, and of its segmentation.
    names : mapping of str to int
        Classes of the segmentation.
    title : str
    mark : str
        What the picture says that it shows.
    """

    path: Path
    picture: Path
    labels: Path
    names: Mapping[str, int]
    title: str
    mark: str


@dataclass(frozen=True)
class TargetsPicture:
    """Targets on a lamella's map.

    Attributes
    ----------
    path : Path
        PNG to write.
    picture, labels : Path
        PNG of the map, and of its segmentation.
    names : mapping of str to int
        Classes of the segmentation.
    options : TargetingOptions
        What is wanted.
    optics : ExposureOptics
    polygons_map_px : tuple of ndarray, shape (k, 2)
        What bounds targets.
    areas : tuple of TargetArea
    title : str
    heat : Path or None
        PNG of the heat map of learned targets, if they are wanted.
    """

    path: Path
    picture: Path
    labels: Path
    names: Mapping[str, int]
    options: TargetingOptions
    optics: ExposureOptics
    polygons_map_px: tuple[np.ndarray, ...]
    areas: tuple[TargetArea, ...]
    title: str
    heat: Path | None = None


Request = Union[GridPicture, SegmentationPicture, TargetsPicture]
_KINDS: Mapping[str, type[Request]] = {
    kind.__name__: kind for kind in (GridPicture, SegmentationPicture, TargetsPicture)
}


def as_text(request: Request) -> str:
    """Return a request as JSON."""
    return json.dumps({"draw": type(request).__name__, **asdict(request)}, default=_plain)


def of_text(text: str) -> Request:
    """Return the request in a text.

    Raises
    ------
    ValueError, KeyError, TypeError, SpaceError
        If it is none.
    """
    values = parse_json(text)
    if not isinstance(values, dict):
        raise ValueError("it is no table")
    kind = _KINDS[values.pop("draw")]
    for name in ("path", "picture", "labels", "heat"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    if kind is GridPicture:
        from space.plots import Shown

        values["shown"] = tuple(Shown(**one) for one in values["shown"])
    if kind is TargetsPicture:
        values["options"] = TargetingOptions(**values["options"])
        values["optics"] = ExposureOptics(**values["optics"])
        values["polygons_map_px"] = tuple(_points(one) for one in values["polygons_map_px"])
        values["areas"] = tuple(_area(one) for one in values["areas"])
    return kind(**values)


def _area(values: Mapping[str, Any]) -> TargetArea:
    return TargetArea(
        _points(values["targets_map_px"]),
        np.array(values["scores"], float),
        _points(values["geometry_points_map_px"]),
        bool(values["extra_tracking"]),
        np.array(values["fixed"], bool),
    )


def _points(values: Any) -> np.ndarray:
    return np.array(values, float).reshape(-1, 2)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a request")
