"""The lamellae of a grid, from its Navigator file and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from space.images import is_whole_png
from space.jobs import JobStatus
from space.lamellae import Lamella, Mark
from space.microscope import SavedItem
from space.overview.facts import AreaFacts, LamellaFacts, LamellaState, Segmentation
from space.overview.series import areas_of
from space.steps import (
    FilesOfGrid,
    LamellaList,
    Listing,
    choice_path,
    has_no_targets,
    points_to_visit,
    read_trials,
)

_NO_SIZE = (0.0, 0.0)
_REMOVED = "it has no point in the Navigator any more"


@dataclass(frozen=True)
class Seen:
    """What was read for a grid before its lamellae are looked at.

    Attributes
    ----------
    items : tuple of SavedItem
        Of the Navigator file.
    known : LamellaList or None
        The list of lamellae.
    jobs : mapping of str to JobStatus, or None
        Segmentations by the name of their picture; None if the map folder cannot be read.
    """

    items: tuple[SavedItem, ...]
    known: LamellaList | None
    jobs: Mapping[str, JobStatus] | None


def lamellae_of(files: FilesOfGrid, seen: Seen) -> tuple[LamellaFacts, ...]:
    """Return the lamellae of a grid: those to visit by number, then those that were left out."""
    points = points_to_visit(seen.items)
    maps = {item.note: item for item in seen.items if item.is_map}
    trials = read_trials(files)
    listing = Listing(files.directory)
    visited = [
        _after_trial(_visited(files, seen, mark, item, maps, listing), trials.get(mark.number, ""))
        for mark, item in points
    ]
    listed = seen.known.lamellae if seen.known else ()
    others = seen.known.others if seen.known else ()
    offset_um = (seen.known.offset_um if seen.known else None) or (0.0, 0.0)
    numbers = {mark.number for mark, _ in points}
    removed = [lamella for lamella in listed if lamella.number not in numbers]
    return (
        *visited,
        *(
            _left_out(one, offset_um, "it has no point in the Navigator any more")
            for one in removed
        ),
        *(_left_out(one, offset_um, "") for one in others),
    )


def _left_out(lamella: Lamella, offset_um: tuple[float, float], reason: str) -> LamellaFacts:
    x, y = lamella.stage_um
    return LamellaFacts(
        lamella.number,
        lamella.category,
        lamella.probability,
        (x + offset_um[0], y + offset_um[1]),
        lamella.size_um,
        "excluded",
        reason,
    )


def _visited(
    files: FilesOfGrid,
    seen: Seen,
    mark: Mark,
    item: SavedItem,
    maps: Mapping[str, SavedItem],
    listing: Listing,
) -> LamellaFacts:
    number = mark.number
    map_file = files.directory / files.map_note(number)
    listed = seen.known.lamellae if seen.known and not mark.by_hand else ()
    known = next((one for one in listed if one.number == number), None)
    place = item.numbers("StageXYZ")
    lamella = LamellaFacts(
        number,
        mark.category,
        known.probability if known else mark.probability,
        (place[0], place[1]) if len(place) >= 2 else (0.0, 0.0),
        known.size_um if known else _NO_SIZE,
        "found",
        by_hand=mark.by_hand,
        map_file=_there(map_file) if map_file.name in maps else None,
        picture=_there(files.map_png(number)),
        choice_file=_there(choice_path(files, number)),
        areas=areas_of(files, number, maps, listing),
    )
    return _judged(_with_segmentation(lamella, seen.jobs), has_no_targets(files, number))


def _there(path: Path) -> Path | None:
    try:
        return path if path.is_file() else None
    except OSError:  # a folder that is away
        return None


def _with_segmentation(lamella: LamellaFacts, jobs: Mapping[str, JobStatus] | None) -> LamellaFacts:
    if jobs is None:
        return replace(lamella, segmentation="unknown")
    if lamella.picture is None:
        return lamella
    status = jobs.get(lamella.picture.name)
    if status is None:
        return lamella
    names: dict[str, Segmentation] = {
        "queued": "queued",
        "running": "running",
        "done": "done",
        "failed": "failed",
    }
    return replace(
        lamella,
        segmentation=names.get(status.state, "none"),
        labels=status.result,
        reason=status.reason,
    )


def _judged(lamella: LamellaFacts, no_targets: bool) -> LamellaFacts:
    """Return the lamella with its state, and a reason that belongs to it."""
    state, reason = _state_of(lamella, no_targets)
    return replace(lamella, state=state, reason=reason)


def _after_trial(lamella: LamellaFacts, why: str) -> LamellaFacts:
    """Return the lamella with why it is not acquired, if its trial failed."""
    if not why or lamella.state != "ready":
        return lamella
    return replace(lamella, reason=f"focus and tilt range were tried and failed: {why}")


def _state_of(lamella: LamellaFacts, no_targets: bool) -> tuple[LamellaState, str]:
    if lamella.areas:
        return _state_of_areas(lamella.areas)
    if no_targets:
        return "no targets", "no place in its map was chosen"
    if lamella.map_file is None:
        return "found", ""
    if lamella.segmentation == "failed":
        return "failed", f"it was not segmented: {lamella.reason}"
    if lamella.segmentation in ("queued", "running"):
        return "segmenting", lamella.reason
    if lamella.picture is not None and not is_whole_png(lamella.picture):
        return "failed", f"{lamella.picture.name} is incomplete"
    return "mapped", ""


def _state_of_areas(areas: Sequence[AreaFacts]) -> tuple[LamellaState, str]:
    problem = next((area.problem for area in areas if area.problem), "")
    if all(area.acquired for area in areas):
        return "acquired", problem
    begun = [area for area in areas if area.begun]
    open_ones = [area for area in begun if not area.acquired]
    if open_ones:
        names = ", ".join(area.targets_file.name for area in open_ones)
        return "begun", problem or f"the tilt series of {names} are not complete"
    if problem:
        return "failed", problem
    if begun:
        return "begun", f"{len(begun)} of {len(areas)} areas are acquired"
    if not any(area.in_navigator for area in areas):
        return "mapped", "its targets file has no item in the Navigator: it will be set up again"
    if not any(area.acquire for area in areas):
        return "ready", "Acquire is off in the Navigator"
    return "ready", ""
