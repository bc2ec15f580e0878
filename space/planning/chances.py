"""How likely a tilt series of a lamella comes out well.

Three things are known at different times, and each replaces what was known before by as much as
it is worth: what lamellae of a class usually give (a prior, corrected by the lamellae of this
session), how the grid does beside other grids, and what the first series of the lamella became.

All are means with a prior that counts as so many observations (the mean of a beta distribution). A
lamella counts once, however many series it had: they succeed or fail together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CLASS_PRIORS = {
    "good": 0.85,
    "by hand": 0.75,
    "wedge": 0.6,
    "thick": 0.45,
    "contaminated": 0.4,
    "broken": 0.15,
    "gone": 0.03,
}
"""Part of the series of a class that come out well, before a session has shown anything."""

OTHER_PRIOR = 0.6
"""The same of a class that is not named above."""

CLASS_WEIGHT = 3.0
"""So many lamellae of a session are worth as much as the prior of their class."""

GRID_WEIGHT = 3.0
"""So many lamellae of a grid are worth as much as the belief that it is like other grids."""

LAMELLA_WEIGHT = 1.0
"""So many series of a lamella are worth as much as all that was thought of it before."""

THIN_PATHS = 1.0
"""Mean free paths of the electrons (about 300 nm of ice at 300 kV) up to which thickness costs
nothing."""

_HIGHEST = 0.98


@dataclass(frozen=True)
class Candidate:
    """What is known of a lamella.

    Attributes
    ----------
    slot : str
        Of its grid.
    number : int
    category : str
        Class, as detected or given by a person.
    probability : float
        Of the detection, 0 to 1.
    thickness_paths : float or None
        Thickness in mean free paths, where something else than a series has shown it: what series
        showed is in their results.
    """

    slot: str
    number: int
    category: str
    probability: float
    thickness_paths: float | None = None


@dataclass(frozen=True)
class Result:
    """What the series of a lamella became.

    Attributes
    ----------
    candidate : Candidate
        As it was known before its series.
    good : float
        Sum over its series: 1 for one that came out well, 0 for one that is lost, less than 1 for
        one that is too thick.
    series : int
        How many were judged.
    """

    candidate: Candidate
    good: float
    series: int

    @property
    def part(self) -> float:
        """Part of its series that came out well."""
        return self.good / self.series if self.series else 0.0


@dataclass(frozen=True)
class Chance:
    """Probability that a series comes out well, and why, in words."""

    value: float
    why: str


def chance_of(candidate: Candidate, results: Sequence[Result]) -> Chance:
    """Return how likely a series of a lamella comes out well, after the results of a session."""
    seen = [one for one in results if one.series > 0]
    others = [one for one in seen if not _is_same(one.candidate, candidate)]
    value, words = _by_class(candidate, others)
    factor, told = _by_grid(candidate.slot, others)
    value = min(_HIGHEST, value * factor)
    words += told
    if value_of_thickness(candidate.thickness_paths) < 1.0:
        value *= value_of_thickness(candidate.thickness_paths)
        words.append(f"thick ({candidate.thickness_paths:.1f} mean free paths)")
    own = [one for one in seen if _is_same(one.candidate, candidate)]
    if own:
        good, count = sum(one.good for one in own), sum(one.series for one in own)
        value = (LAMELLA_WEIGHT * value + good) / (LAMELLA_WEIGHT + count)
        words.append(f"{good:.3g} of its first {count} series came out well")
    return Chance(value, ", ".join(words))


def value_of_thickness(thickness_paths: float | None) -> float:
    """Return what thickness leaves of the value of a series, 1 up to `THIN_PATHS`.

    Electrons that were not scattered make the picture: exp(-thickness) of them.
    """
    return 1.0 if thickness_paths is None else min(1.0, math.exp(THIN_PATHS - thickness_paths))


def _is_same(one: Candidate, other: Candidate) -> bool:
    return (one.slot, one.number) == (other.slot, other.number)


def _by_class(candidate: Candidate, results: Sequence[Result]) -> tuple[float, list[str]]:
    """Return what the class says; as much of it as the detection is sure of."""
    name, sure = candidate.category, min(1.0, max(0.0, candidate.probability))
    of_class = [one.part for one in results if one.candidate.category == name]
    learnt = _mean_of_class(name, results)
    words = [f"{name or 'no class'} ({sure:.0%})"]
    if of_class:
        count = len(of_class)
        lamellae = "1 lamella" if count == 1 else f"{count} lamellae"
        words.append(f"{lamellae} of this class gave {sum(of_class) / count:.0%} good series")
    return sure * learnt + (1.0 - sure) * OTHER_PRIOR, words


def _mean_of_class(name: str, results: Sequence[Result]) -> float:
    parts = [one.part for one in results if one.candidate.category == name]
    prior = CLASS_PRIORS.get(name, OTHER_PRIOR)
    return (CLASS_WEIGHT * prior + sum(parts)) / (CLASS_WEIGHT + len(parts))


def _by_grid(slot: str, results: Sequence[Result]) -> tuple[float, list[str]]:
    """Return by how much a grid does better or worse than its classes let one expect.

    The classes as all grids of the session have shown them: a class that is bad everywhere is no
    fault of the grid.
    """
    of_grid = [one for one in results if one.candidate.slot == slot]
    if not of_grid:
        return 1.0, []
    expected = sum(_by_class(one.candidate, results)[0] for one in of_grid)
    found = sum(one.part for one in of_grid)
    level = expected / len(of_grid)
    factor = (GRID_WEIGHT * level + found) / (GRID_WEIGHT * level + expected)
    if abs(factor - 1.0) < 0.05:
        return factor, []
    side = "better" if factor > 1 else "worse"
    return factor, [f"its grid does {side} than expected (x {factor:.2f})"]
