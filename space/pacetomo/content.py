"""What a targets file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from space.geometry import specimen_shift_um

Keys = tuple[tuple[str, str], ...]
Point = tuple[float, float]
Record = TypeVar("Record", "Target", "GeoPoint")

SETTINGS = ("_set", "_bset")
POSITION = "_spos"
BLOCKS = ("_tgt", "_geo")
BRANCHES = ("_pbr", "_nbr")
WORDS = (*SETTINGS, POSITION, *BLOCKS, *BRANCHES)
"""What a line begins with that is not a key of a target or point."""

FEWEST_GEO_POINTS = 3
"""PACEtomo measures the lamella's geometry at this many points or more."""

MEASURE_GEOMETRY = ("_bset", "measureGeo", "True")
"""Head line without which PACEtomo does not look at geometry points."""


@dataclass(frozen=True)
class Target:
    """One tilt series.

    Parameters
    ----------
    tsfile : str
        File name of the tilt series, without folder.
    shift_um : (float, float) or None
        SSX, SSY: specimen offset from the tracking target at zero tilt. None: PACEtomo takes it
        from the stage position, see `with_shifts`.
    stage_um : (float, float) or None
        Raw stage position; PACEtomo drives there for the tracking target.
    viewfile, tgtfile : str
        View and Preview image to realign to; "" for none.
    skip : bool
        Whether PACEtomo leaves the target out.
    score : float or None
        SPACEscore, for the reader.
    other : tuple of (key, value)
        Keys that this class does not know, as they are in the file.
    branches : tuple of (name, ((key, value), ...))
        ``_pbr`` and ``_nbr`` blocks of a started run, the name with what follows it in its line.
    """

    tsfile: str
    shift_um: Point | None
    stage_um: Point | None
    viewfile: str = ""
    tgtfile: str = ""
    skip: bool = False
    score: float | None = None
    other: Keys = ()
    branches: tuple[tuple[str, Keys], ...] = ()


@dataclass(frozen=True)
class GeoPoint:
    """A point to measure the lamella's geometry at.

    Parameters
    ----------
    shift_um : (float, float) or None
        SSX, SSY from the tracking target; None: to be taken from the stage position.
    other : tuple of (key, value)
        Keys that this class does not know.
    stage_um : (float, float) or None
        Stage position.
    """

    shift_um: Point | None
    other: Keys = ()
    stage_um: Point | None = None


@dataclass(frozen=True)
class TargetsFile:
    """The content of a targets file.

    Parameters
    ----------
    targets : tuple of Target
        The first is the tracking target. Empty: an empty file.
    geo_points : tuple of GeoPoint
        PACEtomo needs none or at least three, and `MEASURE_GEOMETRY` in the head.
    head : tuple of (word, name, value)
        ``_set`` and ``_bset`` overrides with their name, ``_spos`` with the name "".
    """

    targets: tuple[Target, ...] = ()
    geo_points: tuple[GeoPoint, ...] = ()
    head: tuple[tuple[str, str, str], ...] = field(default=())


def overrides(values: Mapping[str, float]) -> tuple[tuple[str, str, str], ...]:
    """Return the head lines that set numbers of PACEtomo's script for the targets of a file."""
    return tuple(("_set", name, f"{value:g}") for name, value in values.items())


def with_key(targets_file: TargetsFile, key: str, value: str) -> TargetsFile:
    """Return the file with one more key in each target, which PACEtomo does not know."""
    targets = (replace(one, other=(*one.other, (key, value))) for one in targets_file.targets)
    return replace(targets_file, targets=tuple(targets))


def with_shifts(targets_file: TargetsFile, stage_to_specimen: Sequence[float]) -> TargetsFile:
    """Return the file with the shifts that PACEtomo computes where only stage positions are given.

    Parameters
    ----------
    targets_file : TargetsFile
        As read; its first target has a stage position.
    stage_to_specimen : sequence of 4 floats
        SerialEM's matrix from stage to specimen coordinates.
    """
    if not targets_file.targets:
        return targets_file
    origin_um = np.array(targets_file.targets[0].stage_um, float)

    def completed(record: Record) -> Record:
        if record.shift_um is not None:
            return record
        stage_um = np.array([record.stage_um], float)
        shift = specimen_shift_um(stage_um, origin_um, stage_to_specimen)[0]
        return replace(record, shift_um=(float(shift[0]), float(shift[1])))

    return replace(
        targets_file,
        targets=tuple(completed(target) for target in targets_file.targets),
        geo_points=tuple(completed(point) for point in targets_file.geo_points),
    )
