"""Channels of a fluorescence picture: what they are called, their colours, and their planes.

Arrays are as the file has them: row 0 on top, planes (sections along the light) in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.errors import SpaceError

Color = tuple[int, int, int]

MAXIMUM = "max"
"""Of several planes, the brightest value of each pixel."""

_BY_NAME: tuple[tuple[tuple[str, ...], Color], ...] = (
    (("dapi", "hoechst", "405", "cfp", "blue"), (70, 110, 255)),
    (("gfp", "fitc", "488", "alexa488", "yfp", "green"), (0, 230, 90)),
    (("mcherry", "cherry", "rfp", "tomato", "texas", "561", "568", "594", "red"), (255, 60, 60)),
    (("cy5", "647", "640", "far", "magenta"), (255, 60, 255)),
    (("reflect", "bright", "trans", "tl", "bf", "grey", "gray"), (200, 200, 200)),
)
_OTHERS: tuple[Color, ...] = ((0, 220, 220), (255, 190, 0), (190, 120, 255), (160, 255, 60))


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel.

    Attributes
    ----------
    name : str
    color : tuple of int
        Red, green, blue, 0 to 255.
    planes : ndarray, shape (planes, rows, columns)
        uint8, uint16 or float32.
    """

    name: str
    color: Color
    planes: np.ndarray

    def flat(self, plane: int | str = MAXIMUM) -> np.ndarray:
        """Return one picture (rows, columns): the brightest of all planes, or one plane.

        Raises
        ------
        SpaceError
            If there is no such plane.
        """
        if plane == MAXIMUM:
            return np.asarray(self.planes.max(axis=0))
        if not isinstance(plane, int) or not 0 <= plane < len(self.planes):
            raise SpaceError(
                f"There is no plane {plane} of {len(self.planes)}.",
                self.name,
                f'Give a number from 0 to {len(self.planes) - 1}, or "{MAXIMUM}".',
            )
        return np.asarray(self.planes[plane])


@dataclass(frozen=True, eq=False)
class Channels:
    """All channels of one field.

    Attributes
    ----------
    source : str
        Name of the file, and of the picture in it if it holds several.
    channels : tuple of Channel
        Of one shape; no two of one name.
    pixel_um : float or None
        None if the file does not say.
    step_um : float or None
        From plane to plane.
    """

    source: str
    channels: tuple[Channel, ...]
    pixel_um: float | None = None
    step_um: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels, in their order."""
        return tuple(channel.name for channel in self.channels)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.channels[0].planes.shape[1:]
        return int(rows), int(columns)

    def channel(self, name: str) -> Channel:
        """Return the channel of a name.

        Raises
        ------
        SpaceError
            If there is none.
        """
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise SpaceError(
            f'There is no channel "{name}".', self.source, f"Choose from {', '.join(self.names)}."
        )


def channels_of(
    source: str,
    arrays: Sequence[np.ndarray],
    names: Sequence[str],
    colors: Sequence[Color | None] = (),
    pixel_um: float | None = None,
    step_um: float | None = None,
) -> Channels:
    """Return channels of arrays (planes, rows, columns), each with a name and a colour of its own.

    What has no name is called by its number, and what has the name of an earlier one gets its
    number as well. Colours that no file says follow from the names of usual dyes.
    """
    found: list[Channel] = []
    for index, array in enumerate(arrays):
        name = _clean(names[index] if index < len(names) else "") or f"channel{index + 1}"
        if any(name == channel.name for channel in found):
            name = f"{name}_{index + 1}"
        told = colors[index] if index < len(colors) else None
        found.append(Channel(name, told or usual_color(name, index), plain_values(array)))
    return Channels(source, tuple(found), pixel_um, step_um)


def together(parts: Sequence[Channels]) -> Channels:
    """Return the channels of several files of one field as one.

    Raises
    ------
    SpaceError
        If their sizes differ.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.shape != first.shape:
            raise SpaceError(
                f"Its size, {part.shape[0]} x {part.shape[1]} pixels, is not that of "
                f"{first.source}, {first.shape[0]} x {first.shape[1]}.",
                part.source,
                "Give files of one field together, and others by a call of their own.",
            )
    every = [channel for part in parts for channel in part.channels]
    joined = channels_of(
        first.source,
        [channel.planes for channel in every],
        [channel.name for channel in every],
        [channel.color for channel in every],
    )
    pixels = [part.pixel_um for part in parts if part.pixel_um]
    steps = [part.step_um for part in parts if part.step_um]
    return replace(
        joined, pixel_um=pixels[0] if pixels else None, step_um=steps[0] if steps else None
    )


def plain_values(array: np.ndarray) -> np.ndarray:
    """Return values as uint8, uint16 or float32; what is no number becomes 0.

    Raises
    ------
    ValueError
        If they are no grey values.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        raise ValueError(f"values of type {array.dtype} are no grey values")
    if array.dtype == np.bool_:
        return np.asarray(array, np.uint8) * np.uint8(255)
    if array.dtype in (np.uint8, np.uint16):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind in "ui" and array.size and array.min() >= 0 and array.max() < 2**16:
        return array.astype(np.uint16)
    with np.errstate(over="ignore"):
        return np.asarray(np.nan_to_num(array.astype(np.float32), posinf=0, neginf=0))


def usual_color(name: str, index: int) -> Color:
    """Return the colour of a channel by the dye that its name holds, else one by its number."""
    small = name.lower().replace(" ", "").replace("-", "")
    for words, color in _BY_NAME:
        if any(word in small for word in words):
            return color
    return _OTHERS[index % len(_OTHERS)]


def _clean(name: str) -> str:
    """Return a name that can stand in settings and in names of files."""
    kept = "".join(one if one.isalnum() or one in "._-+" else " " for one in str(name)[:60])
    return "-".join(kept.split()).strip(".-")
