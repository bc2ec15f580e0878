"""What is asked of surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from space.errors import SpaceError
from space.files import is_name
from space.predicates import is_number, is_whole

FORMATS = ("ply", "obj", "stl")
"""Kinds of mesh files."""

_LARGEST_LABEL = 10_000_000


@dataclass(frozen=True)
class SurfaceOptions:
    """What is asked of surfaces.

    Attributes
    ----------
    labels : dict of int to str
        Labels that are wanted, with a name for each; all but 0 if empty.
    smooth_nm : float or None
        Standard deviation of the smoothing. None takes 1.25 times the longest
        side of a voxel.
    smooth_z_nm : float or None
        The same along z, for labels that were drawn section by section; None for no more than
        along the others.
    neck_nm : float
        Parts that hang together by less than this width are cut apart; 0 for never.
    smallest_nm3 : float
        Smaller parts are dropped.
    simplify : bool
        Whether faces are taken away as long as volume, area and form stay.
    formats : tuple of str
        Of `FORMATS`.
    memory_gb : float
        Memory that the largest part may take.
    """

    labels: Mapping[int, str] = field(default_factory=dict)
    smooth_nm: float | None = None
    smooth_z_nm: float | None = None
    neck_nm: float = 0.0
    smallest_nm3: float = 0.0
    simplify: bool = True
    formats: tuple[str, ...] = ("ply",)
    memory_gb: float = 2.0

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value!r}, not a length in nm from 0 on."
            for name, value in (
                ("smooth_nm", self.smooth_nm),
                ("smooth_z_nm", self.smooth_z_nm),
                ("neck_nm", self.neck_nm),
            )
            if value is not None and not (is_number(value) and 0 <= value < 1e9)
        ]
        if not (is_number(self.smallest_nm3) and self.smallest_nm3 >= 0):
            problems.append(f"smallest_nm3 is {self.smallest_nm3!r}, not a volume in nm³.")
        if not (is_number(self.memory_gb) and self.memory_gb > 0):
            problems.append(f"memory_gb is {self.memory_gb!r}, not a number of GB.")
        problems += [
            f"{one!r} is no kind of mesh file: {', '.join(FORMATS)}."
            for one in self.formats
            if one not in FORMATS
        ]
        problems += [
            f"{label!r} is no label: a whole number from 1 to {_LARGEST_LABEL}."
            for label in self.labels
            if not (is_whole(label) and 1 <= label <= _LARGEST_LABEL)
        ]
        problems += [
            f"{name!r} cannot be a part of a file's name."
            for name in self.labels.values()
            if not is_name(name) or set(name) & set('/\\:*?"<>|.')
        ]
        if not self.formats:
            problems.append("No kind of mesh file is named.")
        if problems:
            raise SpaceError(" ".join(problems), do="Correct this and start again.")
