"""What a report tells beside the overview: quality of tilt series, geometry, pictures, events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.journal import Event, read
from space.overview import AreaFacts, GridFacts, LamellaFacts, SeriesFacts, SessionFacts
from space.series import Quality, TiltSeries, judge, read_series
from space.steps import GridOnDisk

MOST_SERIES = 100
"""Of one lamella: of further ones only the number is told."""


@dataclass(frozen=True)
class SeriesReport:
    """A tilt series.

    Attributes
    ----------
    area : int
        Number of the area.
    facts : SeriesFacts
    series : TiltSeries or None
        None if its mdoc cannot be read.
    quality : Quality or None
    problem : str
        Why it cannot be judged.
    """

    area: int
    facts: SeriesFacts
    series: TiltSeries | None = None
    quality: Quality | None = None
    problem: str = ""


@dataclass(frozen=True)
class Geometry:
    """How an area leans, as PACEtomo has noted it in its run file, in degrees."""

    area: int
    pretilt_deg: float
    rotation_deg: float


@dataclass(frozen=True)
class LamellaReport:
    """A lamella with its pictures (target plots, segmentation or map) and tilt series."""

    facts: LamellaFacts
    targets_picture: Path | None = None
    segmentation_picture: Path | None = None
    series: tuple[SeriesReport, ...] = ()
    series_left_out: int = 0
    geometry: tuple[Geometry, ...] = ()
    scores: tuple[float, ...] = ()

    def count(self, *verdicts: str) -> int:
        """Return how many of its series have one of these verdicts."""
        return sum(
            one.quality is not None and one.quality.verdict in verdicts for one in self.series
        )


@dataclass(frozen=True)
class GridReport:
    """A grid with its picture and its events."""

    facts: GridFacts
    picture: Path | None
    lamellae: tuple[LamellaReport, ...]
    events: tuple[Event, ...]

    def count(self, *verdicts: str) -> int:
        """Return how many tilt series have one of these verdicts."""
        return sum(lamella.count(*verdicts) for lamella in self.lamellae)


@dataclass(frozen=True)
class SessionReport:
    """A session; `events` are those that belong to no grid."""

    facts: SessionFacts
    grids: tuple[GridReport, ...]
    events: tuple[Event, ...] = ()

    def count(self, *verdicts: str) -> int:
        """Return how many tilt series have one of these verdicts."""
        return sum(grid.count(*verdicts) for grid in self.grids)


def gather(session: SessionFacts) -> SessionReport:
    """Read what the report tells of a session beside its overview. Changes nothing."""
    events = read(session.directory)
    names = {grid.name for grid in session.grids if grid.name}
    return SessionReport(
        session,
        tuple(_grid(session, grid, events) for grid in session.grids),
        tuple(event for event in events if event.grid not in names),
    )


def _grid(session: SessionFacts, grid: GridFacts, events: Iterable[Event]) -> GridReport:
    files = GridOnDisk(session.directory, session.map_dir, grid.name)
    own = tuple(event for event in events if grid.name and event.grid == grid.name)
    picture = _there(files.detection_plot) or grid.whole_grid_picture
    lamellae = tuple(_lamella(files, one) for one in grid.visited)
    return GridReport(grid, picture if grid.name else None, lamellae, own)


def _lamella(files: GridOnDisk, lamella: LamellaFacts) -> LamellaReport:
    pattern = pacetomo.plot_pattern(files.map_stem(lamella.number))
    plots = sorted(files.directory.glob(_literal(pattern)), key=_age)
    wanted = [(area.number, one) for area in lamella.areas for one in area.series if _begun(one)]
    return LamellaReport(
        lamella,
        plots[-1] if plots else lamella.picture,
        _there(files.segmentation_plot(lamella.number)),
        tuple(_series(area, one) for area, one in wanted[:MOST_SERIES]),
        max(0, len(wanted) - MOST_SERIES),
        tuple(found for area in lamella.areas for found in _geometry(area)),
        tuple(one.score for area in lamella.areas for one in area.series if one.score is not None),
    )


def _literal(pattern: str) -> str:
    """Return a pattern in which only the star has a meaning: a grid's name may hold brackets."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _begun(series: SeriesFacts) -> bool:
    return series.path is not None or series.mdoc is not None


def _series(area: int, facts: SeriesFacts) -> SeriesReport:
    if facts.mdoc is None:
        return SeriesReport(area, facts, problem="it has no .mdoc file")
    try:
        series = read_series(facts.mdoc, facts.name)
    except OSError as error:
        return SeriesReport(area, facts, problem=f"its .mdoc file cannot be read: {error}")
    return SeriesReport(area, facts, series, judge(series))


def _geometry(area: AreaFacts) -> tuple[Geometry, ...]:
    """Return what the newest run file says; the targets file of SPACEtomo says nothing."""
    if area.newest_file == area.targets_file:
        return ()
    try:
        head = pacetomo.read(area.newest_file).head
    except SpaceError:
        return ()
    values = {name: float(value) for word, name, value in head if word == "_set"}
    if not {"pretilt", "rotation"} <= values.keys():
        return ()
    return (Geometry(area.number, values["pretilt"], values["rotation"]),)
