"""What an earlier set-up of a lamella, and the tilt series begun from it, left on disk."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from space import pacetomo
from space.files import move_aside, replace_patiently
from space.microscope import navigator
from space.steps.session import GridSession
from space.steps.target_facts import area_patterns, find_files

log = logging.getLogger("space.workflow")


def put_aside(session: GridSession, number: int) -> None:
    """Clear the way for a new set-up; files keep their content under other names.

    PACEtomo would continue the newest run file instead of using a new targets file. Tilt series
    stay where they are, see `first_free_series`.
    """
    moved = [_move_with_notes(path) for path in _files_of_a_set_up(session, number)]
    if moved:
        log.info(
            "%s was set up before: %d of its files are kept as %s and so on.",
            session.map_stem(number),
            len(moved),
            min(path.name for path in moved),
        )
    _drop_items(session, number)


def first_free_series(session: GridSession, root: str) -> int:
    """Return the first series of tilt series names of an area of which no file exists."""
    series = 1
    while any(find_files(session.directory, pacetomo.tilt_series_pattern(root, series))):
        series += 1
    return series


def _files_of_a_set_up(session: GridSession, number: int) -> list[Path]:
    return [
        path
        for root in area_patterns(session.map_stem(number))
        for pattern in pacetomo.patterns_of_a_set_up(root)
        for path in find_files(session.directory, pattern)
    ]


def _move_with_notes(path: Path) -> Path:
    moved = move_aside(path)
    notes = path.with_name(f"{path.name}.mdoc")
    if notes.is_file():
        replace_patiently(notes, moved.with_name(f"{moved.name}.mdoc"))
    return moved


def _drop_items(session: GridSession, number: int) -> None:
    """Delete the items of an earlier set-up; during acquisition only turn their Acquire off."""
    stem = re.escape(session.map_stem(number))
    maps = re.compile(rf"{stem}(_area\d+)?(_tgt_\d+_view\.mrc|_tgts\.txt)")
    points = re.compile(rf"{stem}(_area\d+)?_geo")
    items = [
        item for item in navigator.items() if (maps if item.is_map else points).fullmatch(item.note)
    ]
    if not navigator.is_acquiring():
        navigator.delete([item.index for item in items])
        return
    for item in items:  # table positions must stay as they are
        if navigator.acquire_is_on(item.index):
            navigator.set_acquire(item.index, on=False)
