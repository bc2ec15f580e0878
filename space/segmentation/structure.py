"""What is known of a lamella, applied to a map of labels.

A network decides pixel by pixel. What it cannot see is known: nothing is smaller than the smallest
thing of its kind, organelles lie in cells, what a wall encloses is a cell, and where there is a
picture there is something. Only regions within stated sizes are changed, and only classes that the
model has by name; each rule can be switched off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from space.segmentation.regions import RegionMap, Regions, count_runs, united

log = logging.getLogger("space.segmentation")

MOST_RUNS = 20_000_000
"""A patchy map of 100 Mpx has 8 million; noise would need too much memory."""

CELL, WALL, LAMELLA, BACKGROUND = "cell", "cellwall", "lamella", "background"
ORGANELLES = (
    "nucleus",
    "vacuole",
    "mitos",
    "lipiddroplets",
    "vesicles",
    "multivesicles",
    "membranes",
)
BULK = "black"
NOT_IN_A_CELL = ("white", BULK, "crack", "coating")
"""Classes that are never inside of a cell."""

SMALLEST_UM2: Mapping[str, float] = MappingProxyType(
    {
        "background": 0.5,
        "white": 0.02,
        "black": 0.5,
        "crack": 0.05,
        "coating": 0.1,
        "cell": 0.3,
        "cellwall": 0.06,
        "nucleus": 0.3,
        "vacuole": 0.1,
        "mitos": 0.02,
        "lipiddroplets": 0.01,
        "vesicles": 0.005,
        "multivesicles": 0.03,
        "membranes": 0.02,
        "dynabeads": 0.3,
        "ice": 0.02,
        "cryst": 0.03,
        "lamella": 0.1,
    }
)
"""Area of the smallest thing of each class; smaller regions are mistakes."""


@dataclass(frozen=True)
class Structure:
    """Which rules are applied, and the sizes that bound them.

    Attributes
    ----------
    specks : bool
        Regions below the smallest size of their class become what surrounds them.
    interiors : bool
        ``lamella`` that is enclosed by cell and wall becomes ``cell``.
    organelles : bool
        Organelles that do not lie in or at a cell become what surrounds them.
    islands : bool
        Pieces of lamella, with all that lies in them, become bulk where they lie in it: bulk lets
        hardly anything pass, and noise on it looks like structure.
    background : bool
        ``background`` (no picture) becomes what surrounds it where there is a picture. Only in
        models with ``lamella``: in others, background is whatever has no name.
    smallest_um2 : mapping of str to float
        Smallest area for each class; a class that is not in it has no specks.
    largest_cell_um2 : float
        Largest area that is enclosed by the wall of one cell.
    largest_organelle_um2 : float
        A larger region outside of cells is left: it is no organelle, but nobody knows what it is.
    largest_background_um2 : float
        A larger region of background is left.
    largest_island_um2 : float
        A larger piece of lamella is left; lamellae have 100 µm² and more.
    least_bulk_contact : float
        Share of its outline that an island has in common with bulk.
    least_cell_contact : float
        Share of its outline that an organelle at a cell has in common with it.
    least_texture : float
        Share of pixels that differ from their left neighbour where there is a picture. Without one
        they are all of one grey value.
    """

    specks: bool = True
    interiors: bool = True
    organelles: bool = True
    islands: bool = True
    background: bool = True
    smallest_um2: Mapping[str, float] = field(default_factory=lambda: SMALLEST_UM2)
    largest_cell_um2: float = 40.0
    largest_organelle_um2: float = 20.0
    largest_background_um2: float = 25.0
    largest_island_um2: float = 20.0
    least_bulk_contact: float = 0.8
    least_cell_contact: float = 0.2
    least_texture: float = 0.05


EVERYTHING = Structure()


@dataclass(frozen=True)
class _Scene:
    """Class table and pixel size of the map at hand."""

    names: Mapping[str, int]
    pixel_um2: float
    rules: Structure
    has_picture: bool

    def px(self, area_um2: float) -> float:
        return area_um2 / self.pixel_um2

    def of(self, regions: Regions, *names: str) -> np.ndarray:
        """Mask of the regions of some classes; the model may lack each of them."""
        known = [self.names[name] for name in names if name in self.names]
        return np.isin(regions.labels, known)


def tidied(
    labels: np.ndarray,
    names: Mapping[str, int],
    pixel_nm: float,
    rules: Structure = EVERYTHING,
    picture: np.ndarray | None = None,
) -> np.ndarray:
    """Apply the rules to a map until none of them changes anything.

    Parameters
    ----------
    labels : ndarray of uint8, shape (rows, columns)
    names : mapping of str to int
        Classes of the model and their labels. Rules skip classes that are not in it.
    pixel_nm : float
    rules : Structure
    picture : ndarray of uint8, shape (rows, columns), optional
        What was segmented. Without it, background at the edge of the map is taken for real.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
    """
    scene = _Scene(names, (pixel_nm / 1000.0) ** 2, rules, picture is not None)
    steps = [
        step
        for wanted, step in (
            (rules.background, _without_background),
            (rules.specks, _without_specks),
            (rules.interiors, _with_interiors),
            (rules.organelles, _without_stray_organelles),
            (rules.islands, _without_islands),
        )
        if wanted
    ]
    runs = count_runs(labels)
    if runs > MOST_RUNS:
        log.warning("The labels look like noise (%d runs of one class): they are not tidied.", runs)
        return labels
    found = RegionMap.of(labels, picture)
    # Each change unites regions, or turns lamella into cell or into bulk, so this ends.
    while True:
        before = found
        for step in steps:
            found = _repeated(step, found, scene)
        if found is before:
            return found.painted()


_Step = Callable[[Regions, _Scene], np.ndarray]
"""Returns new classes of all regions."""


def _repeated(step: _Step, found: RegionMap, scene: _Scene) -> RegionMap:
    while True:
        labels = step(found.regions, scene)
        if np.array_equal(labels, found.regions.labels):
            return found
        found = found.relabelled(labels)


def _given_away(regions: Regions, leaving: np.ndarray, takers: np.ndarray) -> np.ndarray:
    """Return the classes after regions took the class around them; without takers they stay."""
    labels = regions.labels.copy()
    around = regions.surroundings(leaving, takers)
    labels[leaving] = np.where(around >= 0, around, labels[leaving])
    return labels


def _without_specks(regions: Regions, scene: _Scene) -> np.ndarray:
    smallest = np.zeros(256)
    for name, area_um2 in scene.rules.smallest_um2.items():
        if name in scene.names:
            smallest[scene.names[name]] = scene.px(area_um2)
    specks = regions.areas_px < smallest[regions.labels]
    return _given_away(regions, specks, ~specks)


def _without_background(regions: Regions, scene: _Scene) -> np.ndarray:
    if LAMELLA not in scene.names:
        return regions.labels
    background = scene.of(regions, BACKGROUND)
    if scene.has_picture:
        wrong = regions.changing_px >= scene.rules.least_texture * regions.areas_px
    else:
        wrong = ~regions.at_edge
    wrong &= background & (regions.areas_px <= scene.px(scene.rules.largest_background_um2))
    return _given_away(regions, wrong, ~background)


def _with_interiors(regions: Regions, scene: _Scene) -> np.ndarray:
    if not {CELL, LAMELLA} <= set(scene.names):
        return regions.labels
    # What lies between cells and walls, with all that lies in it.
    around = scene.of(regions, CELL, WALL)
    count, group = united(regions.shared_px, around)
    area = np.bincount(group, regions.areas_px, count)
    never = regions.at_edge | scene.of(regions, BACKGROUND, *NOT_IN_A_CELL)
    excluded = np.bincount(group, never, count) > 0
    inside = (area <= scene.px(scene.rules.largest_cell_um2)) & ~excluded
    enclosed = inside[group] & scene.of(regions, LAMELLA)
    return np.where(enclosed, scene.names[CELL], regions.labels)


def _without_stray_organelles(regions: Regions, scene: _Scene) -> np.ndarray:
    if CELL not in scene.names:
        return regions.labels
    organelles = scene.of(regions, *ORGANELLES)
    # Organelles that touch count as one: a body in a nucleus touches no cell.
    count, group = united(regions.shared_px, organelles)
    area = np.bincount(group, regions.areas_px, count)
    members = group[organelles]

    def outline(*names: str) -> np.ndarray:
        shared = regions.outline_px(organelles, scene.of(regions, *names))
        return np.bincount(members, shared, count)

    at_cell = outline(CELL, WALL)
    elsewhere = outline(LAMELLA, BACKGROUND, *NOT_IN_A_CELL)
    stray = at_cell < scene.rules.least_cell_contact * (at_cell + elsewhere)
    stray &= area <= scene.px(scene.rules.largest_organelle_um2)
    return _given_away(regions, stray[group] & organelles, ~organelles)


def _without_islands(regions: Regions, scene: _Scene) -> np.ndarray:
    if not {BULK, LAMELLA} <= set(scene.names):
        return regions.labels
    kinds = scene.of(regions, LAMELLA, CELL, WALL, *ORGANELLES)
    count, group = united(regions.shared_px, kinds)
    members = group[kinds]

    def outline(others: np.ndarray) -> np.ndarray:
        return np.bincount(members, regions.outline_px(kinds, others), count)

    in_bulk = outline(scene.of(regions, BULK))
    island = (in_bulk > 0) & (in_bulk >= scene.rules.least_bulk_contact * outline(~kinds))
    area = np.bincount(group, regions.areas_px, count)
    island &= area <= scene.px(scene.rules.largest_island_um2)
    island &= np.bincount(group, regions.at_edge, count) == 0
    return np.where(island[group] & kinds, scene.names[BULK], regions.labels)
