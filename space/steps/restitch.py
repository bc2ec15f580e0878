"""Maps that are stitched anew from their pieces, as `restitch` asks; nothing is exposed for it.

How a map is stitched is noted beside its picture. An entry is obeyed where that says something
else, so it may stay in the script. Lamellae of which something was exposed are refused: their
targets lie on the map as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from space.microscope import navigator
from space.settings import StitchedAs, stitched_as
from space.steps.earlier import put_aside, was_exposed
from space.steps.grid_names import of_no_grid
from space.steps.map_facts import stitching_of
from space.steps.session import GridSession

_AS_COLLECTED = "aligned"

log = logging.getLogger("space.workflow")


def wishes(session: GridSession, numbers: Iterable[int]) -> dict[int, str]:
    """Return the lamellae whose maps are to be stitched in another way, and in which.

    Reads files only. The last entry for a lamella counts.
    """
    last = {asked.number: asked.way for asked in _entries(session)}
    return {
        number: last[number]
        for number in numbers
        if number in last
        and session.map_png(number).is_file()
        and last[number] != (stitching_of(session.map_png(number)) or _AS_COLLECTED)
    }


def is_open(session: GridSession, numbers: Iterable[int]) -> bool:
    """Whether a map of a grid is to be stitched anew, and may be; reads files only."""
    return any(not was_exposed(session, number) for number in wishes(session, numbers))


def maps_to_stitch(session: GridSession, numbers: Iterable[int]) -> dict[int, str]:
    """Return the maps that are stitched anew now, and how; say which are not, and why."""
    known = list(numbers)
    wanted = wishes(session, known)
    if wanted and navigator.is_acquiring():
        log.warning("No map is stitched anew while Acquire at Items is running.")
        return {}
    for remark in _remarks(session, known, wanted):
        log.warning("%s", remark)
    return {number: way for number, way in wanted.items() if not was_exposed(session, number)}


def make_way(session: GridSession, number: int, way: str) -> None:
    """Clear the way for the picture of a map that is stitched anew.

    The picture goes first, and what is noted beside it stays until it is replaced: a run that is
    interrupted here saves the picture again as it was.
    """
    log.info(
        "%s is stitched anew from its pieces (%s), as asked by restitch; nothing is exposed.",
        session.map_note(number),
        way,
    )
    put_aside(session, number)
    navigator.save()
    session.map_png(number).unlink()


def _entries(session: GridSession) -> list[StitchedAs]:
    """Return the entries of the setting that mean this grid."""
    return [
        asked
        for entry in session.settings.restitch
        if (asked := stitched_as(entry)) is not None
        and asked.grid.lower() in ("", session.grid.lower())
    ]


def _remarks(session: GridSession, known: list[int], wanted: dict[int, str]) -> list[str]:
    exposed = [
        f"The map of lamella {number} is not stitched anew, as asked by restitch: its tilt series "
        "were begun. Its map and targets stay."
        for number in wanted
        if was_exposed(session, number)
    ]
    unknown = [
        f'restitch names "{asked.word}", but grid {session.grid} has no lamella {asked.number} to '
        f"visit. Its lamellae: {', '.join(map(str, sorted(known))) or 'none'}."
        for asked in _entries(session)
        if asked.number not in known
    ]
    grids = {
        entry: read.grid
        for entry in session.settings.restitch
        if (read := stitched_as(entry)) is not None
    }
    return [*exposed, *unknown, *of_no_grid(session, "restitch", grids)]
