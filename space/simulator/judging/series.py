"""Which pictures of a session make up a tilt series, whatever script took them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

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
    places: list[list[Exposure]] = []
    for exposure in exposures:
        away_um = [_distance_um(exposure, place) for place in places]
        nearest = int(np.argmin(away_um)) if away_um else -1
        if nearest >= 0 and away_um[nearest] < exposure.radius_um:
            places[nearest].append(exposure)
        else:
            places.append([exposure])
    return places


def _distance_um(exposure: Exposure, place: Sequence[Exposure]) -> float:
    # Of several at one tilt, the latest.
    known = min(reversed(place), key=lambda other: abs(other.tilt_deg - exposure.tilt_deg))
    return float(np.linalg.norm(np.subtract(exposure.center_um, known.center_um)))


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
