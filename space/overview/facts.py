"""What is known about a session, its grids, lamellae, areas and tilt series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from space.series import TomogramFacts
from space.settings import Settings

LamellaState = Literal[
    "found",
    "excluded",
    "mapped",
    "segmenting",
    "failed",
    "no targets",
    "ready",
    "begun",
    "acquired",
]

LAMELLA_STATES: dict[LamellaState, str] = {
    "found": "found on the grid, no map yet",
    "excluded": "left out: of a class or place that is not visited, or removed by a person",
    "mapped": "its map was collected",
    "segmenting": "its map waits for the model or is being segmented",
    "failed": "its map was not segmented, or cannot be used",
    "no targets": "no place in it was chosen",
    "ready": "its targets are set up",
    "begun": "tilt series were begun and are not complete",
    "acquired": "its tilt series were acquired",
}
"""States of a lamella in the order of the work, with what they mean."""

Segmentation = Literal["none", "queued", "running", "done", "failed", "unknown"]
"""How far the segmentation of a map is; "unknown" where the map folder cannot be read."""

GridState = Literal["not begun", "finding", "mapping", "segmenting", "targets", "acquiring", "done"]
"""What is to be done next on a grid; "done" if nothing is left."""

_NEAR_STEPS = 1.5
"""A tilt range counts as reached within so many steps."""

_SETTLED = ("excluded", "no targets", "acquired")


@dataclass(frozen=True)
class SeriesFacts:
    """One tilt series as it is on disk.

    Attributes
    ----------
    name : str
        Name of its image file.
    target : int
        Number of its target in the targets file, from 1.
    path, mdoc : Path or None
        Its image file and what SerialEM notes beside it; None if it is not there.
    skip : bool
        Whether PACEtomo leaves the target out.
    score : float or None
        Score of its target.
    pictures : int
        How many pictures the mdoc tells of; 0 without one.
    lowest_deg, highest_deg : float or None
        The range of tilts in the mdoc.
    tomogram : TomogramFacts or None
        What is said of its tomogram, where one was made beside it.
    """

    name: str
    target: int
    path: Path | None = None
    mdoc: Path | None = None
    skip: bool = False
    score: float | None = None
    pictures: int = 0
    lowest_deg: float | None = None
    highest_deg: float | None = None
    tomogram: TomogramFacts | None = None


@dataclass(frozen=True)
class AreaFacts:
    """Targets that one tracking target serves.

    Attributes
    ----------
    number : int
        From 1.
    targets_file : Path
        What SPACEtomo has written.
    newest_file : Path
        The newest run file of PACEtomo, else the targets file.
    targets, geometry_points : int
        How many there are.
    in_navigator, acquire : bool
        Whether the Navigator file has its item, and whether Acquire is on.
    begun : bool
        Whether PACEtomo has begun with it.
    planned_deg : tuple of float or None
        Lowest and highest tilt by the run file; None if it does not say.
    step_deg : float
        Step between two tilts by the run file; 0 if it does not say.
    series : tuple of SeriesFacts
        Of each target.
    problem : str
        Why its targets file cannot be used; empty if it can.
    """

    number: int
    targets_file: Path
    newest_file: Path
    targets: int = 0
    geometry_points: int = 0
    in_navigator: bool = False
    acquire: bool = False
    begun: bool = False
    planned_deg: tuple[float, float] | None = None
    step_deg: float = 0.0
    series: tuple[SeriesFacts, ...] = ()
    problem: str = ""

    @property
    def acquired(self) -> bool:
        """Whether its tilt series are complete, as far as files tell.

        SerialEM turns Acquire off when an item is done. It is off, too, where SPACEtomo keeps it
        off after an interruption: then there is no series of some targets, or neither end of the
        tilt range was reached. (A series that was lost on one side has the other end.)
        """
        wanted = [one for one in self.series if not one.skip]
        if not self.begun or self.acquire or not wanted:
            return False
        if any(one.path is None for one in wanted) or not any(one.pictures for one in wanted):
            return False
        return self.planned_deg is None or any(self._reached_an_end(one) for one in wanted)

    def _reached_an_end(self, one: SeriesFacts) -> bool:
        if self.planned_deg is None or one.lowest_deg is None or one.highest_deg is None:
            return False
        lowest, highest = self.planned_deg
        near = _NEAR_STEPS * self.step_deg
        return one.lowest_deg <= lowest + near or one.highest_deg >= highest - near


@dataclass(frozen=True)
class LamellaFacts:
    """One lamella.

    Attributes
    ----------
    number : int
        As in its files; 0 for one that was left out and has none.
    category, probability :
        As detected.
    position_um, size_um : tuple of float
        Stage position of its middle as in the Navigator, and the size of its box.
    state : LamellaState
    reason : str
        Why it is in this state, where there is something to say; else empty.
    by_hand : bool
        Whether a person added it.
    map_file, picture : Path or None
        Its map, and the picture of it that the model gets; None if it is not there.
    segmentation : Segmentation
    labels : Path or None
        What the model found; `space.labelling` says which labels count.
    choice_file : Path or None
        The choice of its targets.
    areas : tuple of AreaFacts
    planned : str
        Why the plan of the night has its Acquire turned off; empty if it has not.
    """

    number: int
    category: str
    probability: float
    position_um: tuple[float, float]
    size_um: tuple[float, float]
    state: LamellaState
    reason: str = ""
    by_hand: bool = False
    map_file: Path | None = None
    picture: Path | None = None
    segmentation: Segmentation = "none"
    labels: Path | None = None
    choice_file: Path | None = None
    areas: tuple[AreaFacts, ...] = ()
    planned: str = ""

    @property
    def label(self) -> str:
        """What people call it: ``L03``."""
        return f"L{self.number:02d}"

    @property
    def why(self) -> str:
        """Why it stands where it does: what the plan says, else the reason of its state."""
        return self.planned or self.reason

    @property
    def targets(self) -> int:
        """Number of its targets in all areas."""
        return sum(area.targets for area in self.areas)

    @property
    def series(self) -> tuple[SeriesFacts, ...]:
        """Its tilt series that are on disk."""
        return tuple(one for area in self.areas for one in area.series if one.path is not None)

    @property
    def left_to_acquire(self) -> int:
        """How many of its areas have Acquire on, with the one that is being acquired."""
        return sum(area.acquire and not area.acquired for area in self.areas)


@dataclass(frozen=True)
class GridFacts:
    """One grid.

    Attributes
    ----------
    name : str
        What its files are called; empty for a grid with which nothing was begun.
    slot : str
        Autoloader slot, or "stage"; empty if it is not known.
    navigator_file, log_file, lamellae_file, whole_grid_map, whole_grid_picture : Path or None
        Its files; None if they are not there.
    lamellae : tuple of LamellaFacts
        By number; those that were left out stand last.
    level : int
        Level up to which the session works on it.
    map_root : str
        What the names of its files begin with in the map folder.
    problems : tuple of str
        What could not be read.
    """

    name: str
    slot: str = ""
    navigator_file: Path | None = None
    log_file: Path | None = None
    lamellae_file: Path | None = None
    whole_grid_map: Path | None = None
    whole_grid_picture: Path | None = None
    lamellae: tuple[LamellaFacts, ...] = ()
    level: int = 5
    problems: tuple[str, ...] = ()
    map_root: str = ""

    @property
    def title(self) -> str:
        """Name, or the slot of a grid that has none yet."""
        return self.name or f"slot {self.slot}"

    @property
    def visited(self) -> tuple[LamellaFacts, ...]:
        """The lamellae that were not left out."""
        return tuple(one for one in self.lamellae if one.state != "excluded")

    def count(self, *states: LamellaState) -> int:
        """Return how many lamellae are in one of these states."""
        return sum(lamella.state in states for lamella in self.lamellae)

    @property
    def state(self) -> GridState:
        """What is to be done next, up to the session's level."""
        if not self.name or (self.navigator_file is None and self.whole_grid_map is None):
            return "not begun"
        if self.lamellae_file is None and not self.visited:
            return "finding"
        if self.level < 2 or all(one.state in _SETTLED for one in self.visited):
            return "done"
        if self.count("found"):
            return "mapping"
        if self.level < 3:
            return "done"
        waiting = [one for one in self.visited if one.state in ("mapped", "segmenting", "failed")]
        if any(one.segmentation != "done" for one in waiting):
            return "segmenting"
        if self.level < 4:
            return "done"
        if waiting:
            return "targets"
        return "acquiring" if self.level >= 5 and self.count("ready", "begun") else "done"


@dataclass(frozen=True)
class SessionFacts:
    """A session.

    Attributes
    ----------
    directory : Path
        SerialEM's directory of the session.
    settings : Settings or None
        Those of its last run; None if they cannot be read.
    map_dir : Path
        Where pictures for the models are.
    grids : tuple of GridFacts
        In the order of `grid_list`, then others of earlier runs.
    problems : tuple of str
        What could not be read, besides what the grids say.
    """

    directory: Path
    settings: Settings | None
    map_dir: Path
    grids: tuple[GridFacts, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def lamellae(self) -> tuple[LamellaFacts, ...]:
        """The lamellae of all grids that were not left out."""
        return tuple(lamella for grid in self.grids for lamella in grid.visited)

    def count(self, *states: LamellaState) -> int:
        """Return how many lamellae of all grids are in one of these states."""
        return sum(grid.count(*states) for grid in self.grids)
