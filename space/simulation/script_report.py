"""The judge of a script with what only the whole project has: targets files and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space import pacetomo
from space.errors import SpaceError
from space.plots import SeriesLine
from space.simulator.judging import (
    ScriptTruth,
    SeriesTruth,
    plain,
    summed_up,
    tables,
    worst_first,
)


@dataclass(frozen=True)
class WrittenGeometry:
    """Pretilt and rotation that a script was given or measured, held against the truth.

    Attributes
    ----------
    source : str
        Where they are written.
    pretilt_deg, rotation_deg : float
        As written, 0 if they are not.
    series : tuple of SeriesTruth
        That they are meant for.
    """

    source: str
    pretilt_deg: float
    rotation_deg: float
    series: tuple[SeriesTruth, ...]

    @property
    def true_deg(self) -> tuple[float, float]:
        """Pretilt and rotation in truth, median over the series."""
        pretilts = [series.pretilt_deg for series in self.series]
        rotations = [series.rotation_deg for series in self.series]
        return float(np.median(pretilts)), float(np.median(rotations))

    def plain(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "source": self.source,
            "series": [series.name for series in self.series],
            "pretilt_deg": self.pretilt_deg,
            "rotation_deg": self.rotation_deg,
            "true_pretilt_deg": self.true_deg[0],
            "true_rotation_deg": self.true_deg[1],
        }

    def __str__(self) -> str:
        pretilt_deg, rotation_deg = self.true_deg
        return (
            f"{self.source}: pretilt {self.pretilt_deg:.1f}, rotation {self.rotation_deg:.1f} deg; "
            f"in truth {pretilt_deg:.1f} and {rotation_deg:.1f} deg"
        )


def written_geometry(path: Path, truth: ScriptTruth) -> WrittenGeometry:
    """Read pretilt and rotation from a targets file or run file of PACEtomo.

    Raises
    ------
    SpaceError
        If it cannot be read, has neither of them, or names no series of the session.
    """
    file = pacetomo.read(path)
    values = {name: value for word, name, value in file.head if word == "_set"}
    if not {"pretilt", "rotation"} & set(values):
        raise SpaceError(
            "The targets file sets neither pretilt nor rotation.",
            str(path),
            "Give the two numbers with --measured instead.",
        )
    names = {target.tsfile for target in file.targets}
    series = tuple(one for one in truth.series if one.name in names)
    if not series:
        raise SpaceError(
            "No tilt series of the session belongs to this targets file.",
            str(path),
            "Name one whose tsfile lines name files of the session.",
        )
    pretilt, rotation = (float(values.get(name, 0.0)) for name in ("pretilt", "rotation"))
    return WrittenGeometry(Path(path).name, pretilt, rotation, series)


@dataclass(frozen=True)
class ScriptReport:
    """The truth about a session's tilt series, for people and for files.

    Attributes
    ----------
    truth : ScriptTruth
    geometry : tuple of WrittenGeometry
        To compare.
    """

    truth: ScriptTruth
    geometry: tuple[WrittenGeometry, ...] = ()

    @classmethod
    def of(
        cls,
        truth: ScriptTruth,
        targets: Iterable[Path] = (),
        measured_deg: Sequence[float] | None = None,
    ) -> ScriptReport:
        """Compare with targets files, and with a pretilt and rotation measured for all series.

        Raises
        ------
        SpaceError
            As `written_geometry`.
        """
        geometry = [written_geometry(path, truth) for path in targets]
        if measured_deg is not None and truth.series:
            pretilt_deg, rotation_deg = measured_deg
            geometry.append(WrittenGeometry("measured", pretilt_deg, rotation_deg, truth.series))
        return cls(truth, tuple(geometry))

    def __str__(self) -> str:
        told = "\n".join(summed_up(self.truth))
        parts = [*tables(self.truth), *map(str, self.geometry), told]
        return "\n\n".join(part for part in parts if part)

    def lines(self) -> list[SeriesLine]:
        """What a picture shows, the worst series first."""
        return [_line(series) for series in worst_first(self.truth)]

    def plain(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {**plain(self.truth), "geometry": [one.plain() for one in self.geometry]}


def _line(series: SeriesTruth) -> SeriesLine:
    def over_pictures(name: str) -> np.ndarray:
        return np.array([getattr(picture, name) for picture in series.pictures])

    return SeriesLine(
        series.name,
        over_pictures("tilt_deg"),
        over_pictures("along_nm"),
        over_pictures("across_nm"),
        over_pictures("defocus_error_um"),
        over_pictures("dose_so_far_e_A2"),
    )
