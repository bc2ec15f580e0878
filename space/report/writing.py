"""The report as a file, written whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from space.errors import SpaceError
from space.files import write_bytes_atomic
from space.overview import SessionFacts, read_session
from space.report.facts import SessionReport, gather
from space.report.page import page
from space.report.shots import make_shots, shots_of_page

log = logging.getLogger("space.report")

REPORT_FILE = "report.html"
"""Name of the report over all grids, in the session's directory."""

LARGEST_BYTES = 5_000_000
"""Of a page: it can be sent by mail and opened on any computer."""

_MOST_FOR_CHARTS = 3_000_000
_SPARE_BYTES = 20_000
_TRIES = 4
_FAILURES = (
    *(OSError, SpaceError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError),
    *(RuntimeError, MemoryError, ImportError),
)


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    path : Path
    size_bytes : int
    left_out : tuple of str
        Names of pictures for which there was no room.
    """

    path: Path
    size_bytes: int
    left_out: tuple[str, ...]


def grid_report_file(grid: str) -> str:
    """Return the name of the report of one grid of several."""
    return f"{grid}_{REPORT_FILE}"


def write_report(report: SessionReport, path: Path) -> Written:
    """Write the page of a session.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    written, known, pictures = datetime.now(), shots_of_page(path), _by_importance(report)
    grids = {grid.picture for grid in report.grids if grid.picture is not None}
    room, charts = LARGEST_BYTES - _likely_bytes(report), True
    if room < LARGEST_BYTES - _MOST_FOR_CHARTS:
        room, charts = LARGEST_BYTES - _MOST_FOR_CHARTS, False
    text = ""
    for _ in range(_TRIES):
        shots = make_shots(pictures, max(0, room), known, _pictures_to_come(report), grids)
        text = page(report, shots, written, charts)
        too_much = len(text.encode("utf-8", "replace")) - LARGEST_BYTES
        if too_much <= 0:
            break
        room -= too_much + _SPARE_BYTES
    data = text.encode("utf-8", "replace")
    write_bytes_atomic(path, data)
    return Written(path, len(data), shots.left_out)


def _likely_bytes(report: SessionReport) -> int:
    """Return about how large a page is without pictures: it need not be made to know that."""
    series = [one.series for grid in report.grids for card in grid.lamellae for one in card.series]
    dots = sum(len(one.pictures) for one in series if one is not None)
    lamellae = sum(len(grid.lamellae) for grid in report.grids)
    events = sum(len(grid.events) for grid in report.grids) + len(report.events)
    return 30_000 + 3_500 * lamellae + 2_600 * len(series) + 45 * dots + 150 * min(events, 3000)


def _pictures_to_come(report: SessionReport) -> int:
    """Return how many pictures there will be in the end, so that none is made twice."""
    begun = [grid for grid in report.grids if grid.lamellae]
    lamellae = sum(len(grid.lamellae) for grid in begun)
    each = lamellae / len(begun) if begun else 0.0
    return round(len(report.grids) * (1 + 2 * each))


def update(directory: Path, grid: str = "") -> None:
    """Write the reports of a session as it stands; a failure is logged and ends nothing.

    Parameters
    ----------
    directory : Path
        Directory of the session.
    grid : str
        The grid that something happened on: of several grids it has a report of its own.
    """
    with _survived():
        report = gather(read_session(directory))
        write_report(report, directory / REPORT_FILE)
        if grid and len(report.grids) > 1:
            write_report(only_grid(report, grid), directory / grid_report_file(grid))


def update_grid(directory: Path, grid: str) -> None:
    """Write the report of one of several grids alone, in the same way.

    It takes as long with the last grid of a night as with the first.
    """
    with _survived():
        report = gather(read_session(directory, grid=grid))
        write_report(only_grid(report, grid), directory / grid_report_file(grid))


@contextmanager
def _survived() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        log.warning("The report was not written: %s", error)


def only_grid(report: SessionReport, name: str) -> SessionReport:
    """Return what a report tells of one grid.

    Raises
    ------
    SpaceError
        If there is no such grid.
    """
    grids = tuple(grid for grid in report.grids if grid.facts.name == name)
    if not grids:
        names = ", ".join(grid.facts.name for grid in report.grids if grid.facts.name)
        raise SpaceError(f"There is no grid {name}.", do=f"Name one of these: {names}.")
    facts: SessionFacts = replace(report.facts, grids=tuple(grid.facts for grid in grids))
    return SessionReport(facts, grids)


def _by_importance(report: SessionReport) -> list[Path]:
    """Return all pictures: of grids, of targets, segmentations, then tomograms."""
    grids = [grid.picture for grid in report.grids]
    lamellae = [one for grid in report.grids for one in grid.lamellae]
    targets = [one.targets_picture for one in lamellae]
    segmentations = [one.segmentation_picture for one in lamellae]
    made = [series.facts.tomogram for one in lamellae for series in one.series]
    tomograms = [one.picture for one in made if one is not None]
    return [path for path in (*grids, *targets, *segmentations, *tomograms) if path is not None]
