"""Which pictures of a session make up a tilt series, whatever script took them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from space.simulator.imaging import Exposure

FEWEST_TILTS = 3
"""Pictures at this many tilts (in whole degrees) are a series."""

_MARK = "_ts_"  # of files that PACEtomo saves a series to, which count from the first picture on
_RECORD = 3  # number of the camera set with which final pictures are taken

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Series:
    """A tilt series.

    Attributes
    ----------
    name : str
        Of its file; "place 1" and so on if it was not saved to a file of its own.
    grid : str
    pictures : tuple of Exposure
        In the order in which they were taken.
    """

    name: str
    grid: str
    pictures: tuple[Exposure, ...]


def by_series(exposures: Iterable[Exposure]) -> dict[str, list[Exposure]]:
    """Pictures of each file of a tilt series by its name, in the order in which they were taken.

    The pictures are those of one grid. A file counts if it is called as PACEtomo calls them, or
    if it holds pictures at three tilts or more. Of two files with one name, the second is
    called by its folder as well.
    """
    result: dict[str, list[Exposure]] = {}
    for file, pictures in _grouped(exposures, lambda exposure: exposure.file).items():
        path = Path(file)
        if file and (_MARK in path.name or _count_tilts(pictures) >= FEWEST_TILTS):
            name = path.name
            if name in result:
                name = f"{path.parent.name}/{name}"
            result[name] = pictures
    return result


def tilt_series(exposures: Iterable[Exposure]) -> tuple[Series, ...]:
    """Find all tilt series among the pictures of a session.

    A series is what a file holds (`by_series`). A file in which there are several places at most
    tilts holds a series of each. Record pictures that are in no such file, because only frames
    were saved or each picture has a file of its own, are a series if they were taken at one place
    at three tilts or more.
    """
    found: list[Series] = []
    for grid, pictures in _grouped(exposures, lambda exposure: exposure.grid).items():
        of_files = by_series(pictures)
        for name, held in of_files.items():
            places = _places_in(held)
            names = [f"{name} ({n})" for n in range(1, len(places) + 1)]
            found += [
                Series(called, grid, tuple(part))
                for called, part in zip([name] if len(places) == 1 else names, places)
            ]
        in_files = {exposure.index for held in of_files.values() for exposure in held}
        rest = [e for e in pictures if e.camera_set == _RECORD and e.index not in in_files]
        found += [
            Series(f"place {n}", grid, tuple(part)) for n, part in enumerate(_unsaved(rest), 1)
        ]
    return tuple(sorted(found, key=lambda series: series.pictures[0].index))


def _unsaved(exposures: Sequence[Exposure]) -> list[list[Exposure]]:
    groups = _grouped(exposures, lambda exposure: (exposure.area, exposure.mag_index)).values()
    places = [place for pictures in groups for place in by_place(pictures)]
    return [place for place in places if _count_tilts(place) >= FEWEST_TILTS]


def by_place(exposures: Iterable[Exposure]) -> list[list[Exposure]]:
    """Pictures of each place, in the order in which they were taken.

    A picture belongs to the place whose picture at the nearest tilt lies nearest, if that lies in
    its beam: a series may wander while it is tilted.
    """
    exposures = list(exposures)
    # Only places of which a picture lies in a cell beside come into question.
    cell_um = max((exposure.radius_um for exposure in exposures), default=0.0) or 1.0
    places: list[list[Exposure]] = []
    in_cell: dict[tuple[int, int], set[int]] = {}
    for exposure in exposures:
        x, y = (math.floor(part / cell_um) for part in exposure.center_um)
        near = {n for i in (-1, 0, 1) for j in (-1, 0, 1) for n in in_cell.get((x + i, y + j), ())}
        away_um = {n: _distance_um(exposure, places[n]) for n in sorted(near)}
        number = min(away_um, key=away_um.__getitem__, default=-1)
        if away_um.get(number, math.inf) >= exposure.radius_um:
            number = len(places)
            places.append([])
        places[number].append(exposure)
        in_cell.setdefault((x, y), set()).add(number)
    return places


def _distance_um(exposure: Exposure, place: Sequence[Exposure]) -> float:
    # Of several at one tilt, the latest.
    known = min(reversed(place), key=lambda other: abs(other.tilt_deg - exposure.tilt_deg))
    return math.dist(exposure.center_um, known.center_um)


def _places_in(pictures: Sequence[Exposure]) -> list[Sequence[Exposure]]:
    """Give the series in a file: one, unless it holds several places at most of its tilts."""
    places = [place for place in by_place(pictures) if _count_tilts(place) >= FEWEST_TILTS]
    tilts = [{round(exposure.tilt_deg) for exposure in place} for place in places]
    every = set().union(*tilts)
    crowded = sum(sum(tilt in some for some in tilts) > 1 for tilt in every)
    return list(places) if crowded > len(every) / 2 else [pictures]


def _count_tilts(pictures: Iterable[Exposure]) -> int:
    return len({round(exposure.tilt_deg) for exposure in pictures})


def _grouped(
    exposures: Iterable[Exposure], key: Callable[[Exposure], Key]
) -> dict[Key, list[Exposure]]:
    result: dict[Key, list[Exposure]] = {}
    for exposure in exposures:
        result.setdefault(key(exposure), []).append(exposure)
    return result
