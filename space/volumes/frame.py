"""Where the voxels of a volume are: what a file has to say so that nothing is mirrored or lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.errors import SpaceError, shown
from space.predicates import is_number

RIGHT, LEFT, UNKNOWN = "right", "left", "unknown"
HANDEDNESS = (RIGHT, LEFT, UNKNOWN)

_SMALLEST_NM, _LARGEST_NM = 1e-3, 1e7
_LONGEST_TARGET = 200

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Frame:
    """Where the voxels of an array (z, y, x) are.

    z is the section of an MRC file, along the beam at zero tilt; y is the row as the file counts
    it (IMOD shows row 0 at the bottom), and x the column.

    Attributes
    ----------
    voxel_nm : tuple of float
        Size of a voxel along z, y and x.
    origin_nm : tuple of float
        Where the middle of the first voxel is, along z, y and x.
    handedness : str
        `RIGHT` if x, y and z in this order are right-handed in the specimen, z towards the source
        of electrons at zero tilt; `LEFT` if the volume is mirrored; `UNKNOWN` if nobody said.
    stage_um : tuple of float or None
        Where the stage was: x, y, z.
    target : str
        What was imaged.
    """

    voxel_nm: Triple
    origin_nm: Triple = (0.0, 0.0, 0.0)
    handedness: str = RIGHT
    stage_um: Triple | None = None
    target: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "voxel_nm", _triple("voxel size", self.voxel_nm))
        object.__setattr__(self, "origin_nm", _triple("origin", self.origin_nm))
        if self.stage_um is not None:
            object.__setattr__(self, "stage_um", _triple("stage position", self.stage_um))
        if not all(_SMALLEST_NM <= side <= _LARGEST_NM for side in self.voxel_nm):
            raise SpaceError(
                f"The voxel size is {shown(self.voxel_nm)} nm.",
                do=f"Give sizes from {_SMALLEST_NM:g} to {_LARGEST_NM:g} nm along z, y and x.",
            )
        if self.handedness not in HANDEDNESS:
            raise SpaceError(
                f"The handedness is {shown(self.handedness)}.",
                do=f"Use one of {', '.join(HANDEDNESS)}.",
            )
        named = isinstance(self.target, str) and len(self.target) <= _LONGEST_TARGET
        if not named or (self.target and not self.target.isprintable()):
            raise SpaceError(f"The target is {shown(self.target)}, no name on one line.")

    def cut(self, start: Sequence[int]) -> Frame:
        """Return the frame of a part of the volume that begins at this voxel (z, y, x)."""
        z, y, x = (
            first + at * side for first, at, side in zip(self.origin_nm, start, self.voxel_nm)
        )
        return Frame(self.voxel_nm, (z, y, x), self.handedness, self.stage_um, self.target)

    def to_dict(self) -> dict[str, Any]:
        """Return what OME-NGFF has no place for, as plain values for JSON."""
        return {
            "handedness": self.handedness,
            "stage_um": None if self.stage_um is None else list(self.stage_um),
            "target": self.target,
        }

    @staticmethod
    def of_dict(voxel_nm: Sequence[float], origin_nm: Sequence[float], told: object) -> Frame:
        """Return the frame of a file; what it does not say is unknown.

        Raises
        ------
        SpaceError
            If it says what cannot be.
        """
        values: Mapping[str, Any] = told if isinstance(told, dict) else {}
        return Frame(
            _triple("voxel size", voxel_nm),
            _triple("origin", origin_nm),
            values.get("handedness", UNKNOWN),
            values.get("stage_um"),
            values.get("target", ""),
        )


@dataclass(frozen=True)
class Volume:
    """A volume in memory.

    Attributes
    ----------
    data : ndarray, shape (z, y, x)
    frame : Frame
    """

    data: np.ndarray
    frame: Frame

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or not self.data.size:
            raise ValueError(f"an array of shape {self.data.shape} is no volume")


def _triple(what: str, values: object) -> Triple:
    """Return three finite numbers.

    Raises
    ------
    SpaceError
        If they are none.
    """
    given = values.tolist() if isinstance(values, np.ndarray) else values
    if isinstance(given, (list, tuple)) and len(given) == 3:
        numbers = [one.item() if isinstance(one, np.generic) else one for one in given]
        if all(map(is_number, numbers)) and all(abs(one) < 1e300 for one in numbers):
            z, y, x = map(float, numbers)
            return z, y, x
    raise SpaceError(f"The {what} is {shown(given)}, not three numbers.")


UNIT_NM: Mapping[str, float] = {
    "angstrom": 0.1, "a": 0.1, "å": 0.1,
    "picometer": 1e-3, "pm": 1e-3,
    "nanometer": 1.0, "nanometre": 1.0, "nm": 1.0,
    "micrometer": 1e3, "micrometre": 1e3, "micron": 1e3, "microns": 1e3,
    "um": 1e3, "µm": 1e3, "μm": 1e3,
    "millimeter": 1e6, "mm": 1e6,
}  # fmt: skip
"""Nanometres of the units of length that files name, small letters."""


def in_nm(unit: object) -> float | None:
    """Return how many nanometres a unit has; None if it is none of length."""
    if not isinstance(unit, str):
        return None
    return UNIT_NM.get(unit.strip().replace("\\u00B5", "µ").lower())


def lost_voxel(where: str, why: str) -> SpaceError:
    """Return the error of a file that does not say how large its voxels are."""
    return SpaceError(
        f"The size of its voxels is lost: {why}.",
        where,
        "Give it, along z, y and x in nm: --voxel-nm 10,10,10",
    )


def usable(values: object) -> Triple | None:
    """Return sizes of voxels if they are three numbers that a voxel can have; None if not."""
    try:
        sides = _triple("voxel size", values)
    except SpaceError:
        return None
    fits = all(math.isfinite(side) and _SMALLEST_NM <= side <= _LARGEST_NM for side in sides)
    return sides if fits else None
