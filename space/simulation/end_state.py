"""How a simulated session has ended, by its files and by the truth, compared with another one.

Compared exactly: which files there are, what the Navigator holds (labels, notes, Acquire), which
lamellae were found, how many targets each targets file has, which pictures each tilt series holds,
which grids the night is through with. Not compared: what the errors of the microscope change
from one picture to the next (places, heights, pixels), times, and logs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space import journal, pacetomo, steps
from space.journal import Kind
from space.microscope import read_navigator_file
from space.simulation.night import TILTS_DEG, NightOutcome
from space.simulator.judging import by_series
from space.simulator.keeping import SESSION_FOLDER, pictures

_RECORD, _GEOMETRY = "R", "_geo"
_NOT_RESULTS = re.compile(r"(.*\.log|.*~|SPACE_queue\.lock|SPACE_mdoc_test\.mrc(\.mdoc)?)")
"""Logs, and what SerialEM keeps of a file that it replaces."""

_KEPT = re.compile(r".*_earlier(_\d+)?(\.[^.]+){1,2}")
_SERIES = re.compile(r"(?P<lamella>.+_L\d\d)(_area\d+)?_ts_\d+\.mrc")
_MAP = re.compile(r"[^_]+(_L\d\d)?\.mrc")


@dataclass(frozen=True)
class EndState:
    """How a session has ended.

    Attributes
    ----------
    files : frozenset of str
        Results, named from the session's folder.
    kept : frozenset of str
        What was put aside in favour of something new.
    items : Counter
        Items of the Navigator by grid, label, note, type and Acquire.
    lamellae : frozenset
        Grid, number and class of the lamellae that were found.
    targets : mapping of str to int
        Targets in each targets file.
    series : mapping of str to tuple
        Tilts of the pictures in each tilt series, by the truth, in their order in the file.
    taken : mapping of str to int
        How often the pictures of a file were taken, at most.
    unsaved : int
        Record pictures that are in no file.
    night : mapping
        Slots of the grids that are done with: why, empty if nothing was left to do.
    open_jobs : str
        Lines of the queue that are left.
    events : Counter
        Kinds of events in the journal with grid and lamella.
    """

    files: frozenset[str]
    kept: frozenset[str]
    items: Counter[tuple[str, ...]]
    lamellae: frozenset[tuple[str, int, str]]
    targets: Mapping[str, int]
    series: Mapping[str, tuple[int, ...]]
    taken: Mapping[str, int]
    unsaved: int
    night: Mapping[str, str]
    open_jobs: str
    events: Counter[tuple[str, str, int | None]] = field(default_factory=Counter)

    @classmethod
    def of(cls, directory: Path, grids: Iterable[str]) -> EndState:
        """Read the session in a folder."""
        names = list(grids)
        results = {name for name in _names(directory) if not _NOT_RESULTS.fullmatch(name)}
        kept = frozenset(name for name in results if _KEPT.fullmatch(name))
        exposures = pictures(directory)
        saved = [one for one in exposures if one.file]
        sections = Counter((Path(one.file).name, one.section) for one in saved)
        taken: dict[str, int] = {}
        for (name, _), count in sections.items():
            taken[name] = max(count, taken.get(name, 0))
        return cls(
            files=frozenset(results) - kept,
            kept=kept,
            items=Counter(item for grid in names for item in _items(directory, grid)),
            lamellae=frozenset(one for grid in names for one in _lamellae(directory, grid)),
            targets={
                path.name: len(pacetomo.read(path).targets)
                for path in sorted(directory.glob("*_tgts.txt"))
                if path.stat().st_size
            },
            series={
                name: tuple(round(one.tilt_deg) for one in held)
                for grid in names
                for name, held in by_series([e for e in saved if e.grid == grid]).items()
            },
            taken=taken,
            unsaved=sum(not one.file and one.area == _RECORD for one in exposures),
            night=steps.load_night(directory).ended,
            open_jobs=_text(directory / "SPACE_queue.txt"),
            events=Counter(
                (event.kind.value, event.grid, event.lamella) for event in journal.read(directory)
            ),
        )

    @property
    def cut(self) -> frozenset[str]:
        """Lamellae of which a series is not complete, or was begun and not taken."""
        whole = tuple(round(tilt) for tilt in TILTS_DEG)
        begun = {name for name in self.files if _SERIES.fullmatch(name)}
        return frozenset(_lamella_of(name) for name in begun if self.series.get(name, ()) != whole)


def differences(
    whole: EndState, found: EndState, at_death: EndState, outcome: NightOutcome
) -> list[str]:
    """Say in what a session that went on after a death differs from one that ran through.

    Parameters
    ----------
    whole, found : EndState
        The end of the session that ran through, and of the other one.
    at_death : EndState
        What the death left.
    outcome : NightOutcome
        Of the run after the death.
    """
    off: list[str] = []
    if not outcome.ended:
        off.append(f"it has not ended: {outcome.log[-1] if outcome.log else 'no log'}")
    if len(at_death.cut) > 1 or found.cut != at_death.cut:
        off.append(f"cut: {sorted(found.cut)}; in work at the death: {sorted(at_death.cut)}")
    off += _of_files(whole, found)
    off += _named("items", whole.items - found.items, found.items - whole.items)
    off += _named("lamellae", whole.lamellae - found.lamellae, found.lamellae - whole.lamellae)
    off += [
        f"{name}: {found.targets.get(name)} targets, not {count}"
        for name, count in whole.targets.items()
        if found.targets.get(name) != count
    ]
    off += [
        f"{name} holds pictures at {found.series.get(name)}, not {tilts}"
        for name, tilts in whole.series.items()
        if found.series.get(name) != tilts and _lamella_of(name) not in found.cut
    ]
    off += _of_exposures(whole, found, at_death, outcome)
    if found.night != whole.night:
        off.append(f"the night: {found.night}, not {whole.night}")
    if found.open_jobs != whole.open_jobs:
        off.append(f"left in the queue: {found.open_jobs}")
    return [*off, *_of_journal(whole, found, at_death)]


def _of_files(whole: EndState, found: EndState) -> list[str]:
    cut = tuple(f"{lamella}_" for lamella in found.cut)
    missing = {
        name
        for name in whole.files - found.files
        if not (cut and name.startswith(cut) and _SERIES.fullmatch(name.removesuffix(".mdoc")))
    }
    return _named("files", missing, found.files - whole.files)


def _of_exposures(
    whole: EndState, found: EndState, at_death: EndState, outcome: NightOutcome
) -> list[str]:
    off = []
    again = {name for name, count in found.taken.items() if count > whole.taken.get(name, 1)}
    series = {name for name in again if _SERIES.fullmatch(name)}
    if series:
        off.append(f"tilt series taken twice: {', '.join(sorted(series))}")
    unfinished = {
        name
        for name in at_death.taken
        if _MAP.fullmatch(name) and not any(name in item for item in at_death.items)
    }
    if again - series - unfinished:
        off.append(f"taken again: {', '.join(sorted(again - series - unfinished))}")
    if outcome.double_exposed_px:
        off.append(f"{outcome.double_exposed_px} pixels exposed twice")
    if outcome.off_lamella:
        off.append(f"{outcome.off_lamella} series beside any lamella")
    if found.unsaved > whole.unsaved + bool(found.cut):
        off.append(f"{found.unsaved} Record pictures in no file")
    return off


def _of_journal(whole: EndState, found: EndState, at_death: EndState) -> list[str]:
    off = []
    for kind in (Kind.LAMELLA_MAPPED, Kind.TARGETS_SET_UP, Kind.GRID_DONE):
        told = {key for key in whole.events if key[0] == kind.value}
        off += [
            f"the journal does not tell: {' '.join(map(str, key))}"
            for key in sorted(told - set(found.events), key=str)
        ]
    if _count(found, Kind.RUN_STARTED) <= _count(at_death, Kind.RUN_STARTED):
        off.append("the journal does not tell of the run after the death")
    if _count(found, Kind.RUN_ENDED) < 1:
        off.append("the journal does not tell how the last run ended")
    return off


def _count(state: EndState, kind: Kind) -> int:
    return sum(count for (name, _, _), count in state.events.items() if name == kind.value)


def _named(what: str, missing: Iterable[object], more: Iterable[object]) -> list[str]:
    return [
        f"{what} {word}: {', '.join(sorted(map(str, found)))}"
        for word, found in (("missing", list(missing)), ("too many", list(more)))
        if found
    ]


# --- reading ------------------------------------------------------------------------------------


def _names(directory: Path) -> set[str]:
    """Names of the files of a session, without the microscope's own."""
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and path.relative_to(directory).parts[0] != SESSION_FOLDER
    }


def _items(directory: Path, grid: str) -> list[tuple[str, ...]]:
    path = directory / f"{grid}.nav"
    if not path.is_file():
        return []
    return [
        (grid, item.label, item.note, str(item.kind), "Acquire" if item.acquire else "")
        for item in read_navigator_file(path)
        if not item.note.endswith(_GEOMETRY)
    ]


def _lamellae(directory: Path, grid: str) -> list[tuple[str, int, str]]:
    known = _json(directory / f"{grid}_lamellae.json").get("lamellae", [])
    return [(grid, int(one["number"]), str(one["category"])) for one in known]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _lamella_of(name: str) -> str:
    found = _SERIES.fullmatch(name)
    return found["lamella"] if found else ""
