"""What a plan of the night is made from: work on offer, what it takes, and what a person wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR_S = 3600.0


@dataclass(frozen=True)
class Job:
    """Tilt series that are taken in one go: an area of a lamella, or a lamella without targets yet.

    Attributes
    ----------
    slot : str
        Of its grid ("2", "stage").
    lamella : int
        Number of the lamella; 0 for one that is only expected, on a grid that was not seen yet.
    area : int
        From 1; 0 where the targets are not known yet.
    series : int
        How many tilt series.
    value : float
        Sum of the scores of their targets, each times the probability that the series comes out
        well. A value of 1 is one good series whose whole field is wanted.
    seconds : float
        For the series themselves.
    prepare_s : float
        For what its lamella lacks (map, targets), paid with the first job of the lamella.
    place_um : (float, float)
        Stage position.
    why : str
        How its value comes about, in words.
    """

    slot: str
    lamella: int
    area: int
    series: int
    value: float
    seconds: float
    prepare_s: float = 0.0
    place_um: tuple[float, float] = (0.0, 0.0)
    why: str = ""

    @property
    def key(self) -> tuple[str, int, int]:
        """Slot, lamella and area: what tells jobs apart."""
        return self.slot, self.lamella, self.area

    @property
    def on_lamella(self) -> tuple[str, int]:
        """Slot and lamella."""
        return self.slot, self.lamella


@dataclass(frozen=True)
class Ways:
    """What it takes to get from one place to another.

    Attributes
    ----------
    load_s : mapping of str to float
        To load a grid and to find its lamellae again, by slot.
    move_s, move_s_per_um : float
        From one lamella to another of the same grid: fixed part, and for each micrometre.
    loaded : str
        Slot of the grid on the stage; empty for none.
    at_um : (float, float) or None
        Where the stage is, if it is at a lamella of this grid.
    """

    load_s: Mapping[str, float] = field(default_factory=dict)
    move_s: float = 0.0
    move_s_per_um: float = 0.0
    loaded: str = ""
    at_um: tuple[float, float] | None = None


@dataclass(frozen=True)
class Wishes:
    """What a person wants; all of it holds, whatever it costs.

    Attributes
    ----------
    pinned : tuple of (str, int)
        Lamellae that come first, in this order: slot and number, or number 0 for all of a grid.
    forbidden : mapping of (str, int) to str
        Lamellae (number 0: whole grids) that are left out, with the order that says so.
    """

    pinned: tuple[tuple[str, int], ...] = ()
    forbidden: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def why_forbidden(self, job: Job) -> str:
        """Return the order that forbids a job, empty if none does."""
        return self.forbidden.get(job.on_lamella) or self.forbidden.get((job.slot, 0), "")

    def rank(self, job: Job) -> int:
        """Return the place of a job among what is pinned; behind all of it for others."""
        places = [
            place
            for place, (slot, number) in enumerate(self.pinned)
            if slot == job.slot and number in (0, job.lamella)
        ]
        return min(places, default=len(self.pinned))


@dataclass(frozen=True)
class Problem:
    """What is to be planned: jobs, ways between them, the seconds that are left, and wishes."""

    jobs: tuple[Job, ...]
    ways: Ways
    left_s: float
    wishes: Wishes = Wishes()
