"""What earlier maps and set-ups of a lamella, and tilt series begun from them, left on disk."""

from __future__ import annotations

import glob
import logging
import re
from pathlib import Path

from space import pacetomo
from space.files import move_aside, replace_patiently
from space.microscope import navigator
from space.steps.session import FilesOfGrid, GridSession
from space.steps.target_facts import area_patterns, find_files, is_begun

_REPLACED = " (replaced)"
_OF_A_MAP = (".png", ".json")
_ASIDE = re.compile(r"_earlier(_\d+)?$")

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


def put_map_aside(session: GridSession, number: int) -> None:
    """Clear the way for a new map of a lamella; files keep their content under other names.

    The map itself comes last: until then, what is missing is made from it again. For lamellae of
    which nothing was exposed, and not during acquisition.
    """
    put_aside(session, number)
    lamella_map = session.directory / session.map_note(number)
    picture = session.map_png(number)
    of_the_map = {
        *_made_from(session.directory, session.map_stem(number)),
        *_made_from(picture.parent, picture.stem),
    }
    moved = [move_aside(path) for path in sorted(of_the_map)]
    if lamella_map.is_file():
        moved.append(_move_with_notes(lamella_map))
        log.info("%s is kept as %s.", lamella_map.name, moved[-1].name)
    item = navigator.map_with_note(lamella_map.name)
    if item is not None:
        navigator.delete([item.index])
    if moved:
        navigator.save()


def was_exposed(session: FilesOfGrid, number: int) -> bool:
    """Whether PACEtomo has begun with a lamella, also from targets that are not there any more."""
    series = (
        pacetomo.tilt_series_pattern(f"{root}{again}")
        for root in area_patterns(session.map_stem(number))
        for again in ("", "_set[0-9]*")
    )
    return is_begun(session, number) or any(
        find_files(session.directory, pattern) for pattern in series
    )


def _made_from(folder: Path, stem: str) -> list[Path]:
    """Return what was made from a lamella's map: pictures, labels, and facts beside them."""
    return [
        path
        for pattern in (f"{glob.escape(stem)}.*", f"{glob.escape(stem)}_*")
        for path in find_files(folder, pattern)
        if path.suffix in _OF_A_MAP and not _ASIDE.search(path.stem) and path.is_file()
    ]


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
    replaced = f"({re.escape(_REPLACED)})?"
    maps = re.compile(rf"{stem}(_broad)?(_area\d+)?(_tgt_\d+_view\.mrc|_tgts\.txt){replaced}")
    points = re.compile(rf"{stem}(_broad)?(_area\d+)?_geo{replaced}")
    items = [
        item for item in navigator.items() if (maps if item.is_map else points).fullmatch(item.note)
    ]
    if not navigator.is_acquiring():
        navigator.delete([item.index for item in items])
        return
    for item in items:  # table positions must stay as they are
        if navigator.acquire_is_on(item.index):
            navigator.set_acquire(item.index, on=False)
        if navigator.acquire_is_on(item.index):
            continue  # SerialEM refused, and PACEtomo finds its targets by the note
        if not item.note.endswith(_REPLACED):  # new items have these notes
            navigator.describe(item.index, note=f"{item.note}{_REPLACED}")
