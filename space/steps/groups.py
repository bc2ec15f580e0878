"""Series of two kinds on one grid: those that come second wait until the others are done.

PACEtomo takes all series with Record as it is set up. Broad ones need another magnification and
beam there, so that items of one kind only are marked for acquisition at a time. Those that wait
stand in a file of the grid.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space import pacetomo
from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.microscope import Item, navigator, states
from space.settings import BEFORE, NO_BROAD
from space.steps import steering
from space.steps.broad import letter_of
from space.steps.session import FilesOfGrid, GridSession
from space.steps.target_facts import begun_files

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Groups:
    """Which series of a grid wait, and which are being taken.

    Attributes
    ----------
    held : frozenset of str
        Notes of the items that wait.
    broad_now : bool
        Whether Record is set for broad series.
    """

    held: frozenset[str] = frozenset()
    broad_now: bool = False


def groups_file(session: FilesOfGrid) -> Path:
    """The file of a grid."""
    return session.directory / f"{session.grid}_groups.json"


def read(session: FilesOfGrid) -> Groups:
    """Return what waits on a grid."""
    return read_groups(groups_file(session))


def read_groups(path: Path) -> Groups:
    """Return what waits; nothing, if there is no file that can be read."""
    values: dict[str, Any] = read_json_or_empty(path)
    held = values.get("held")
    names = [name for name in held if isinstance(name, str)] if isinstance(held, list) else []
    return Groups(frozenset(names), values.get("broad_now") is True)


def _write(session: FilesOfGrid, groups: Groups) -> None:
    values = {"held": sorted(groups.held), "broad_now": groups.broad_now}
    write_text_atomic(groups_file(session), json.dumps(values, indent=1) + "\n")


def comes_second(session: GridSession, note: str) -> bool:
    """Whether the series of a targets file are taken after those of the other kind."""
    return pacetomo.is_broad(note) != (session.settings.broad_order == BEFORE)


def hold(session: GridSession, index: int, path: Path) -> None:
    """Note a targets file in its item, and have it wait: its Acquire stays off."""
    navigator.describe(index, note=path.name)
    groups = read(session)
    _write(session, replace(groups, held=groups.held | {path.name}))


def next_group(session: GridSession) -> None:
    """Mark the items whose turn it is, and set Record for them; never during acquisition.

    While one that comes first is marked, those that come second are not. Then they are.
    """
    groups = read(session)
    if not _has_broad(session, groups):
        return
    items = steering.items_with_targets(session)
    on = {item.note for item, _ in items if navigator.acquire_is_on(item.index)}
    if any(not comes_second(session, note) for note in on):
        groups = _second_off(session, groups, items, on)
        broad_now = session.settings.broad_order == BEFORE
    else:
        groups = _second_on(session, groups, items)
        broad_now = session.settings.broad_order != BEFORE
    if broad_now:
        states.give_record(letter_of(session.settings))
    _write(session, replace(groups, broad_now=broad_now))
    navigator.save()
    kind = "broad series" if broad_now else "series of targets"
    log.info(
        "Grid %s: now the %s are taken. %d item(s) wait.", session.grid, kind, len(groups.held)
    )


@contextmanager
def record_as_set_up(session: GridSession) -> Iterator[None]:
    """Have Record as it was set up meanwhile, though broad series are being taken.

    Raises
    ------
    SpaceError
        When it cannot be set for them again; Acquire at Items ends then.
    """
    if session.settings.broad_area == NO_BROAD or not read(session).broad_now:
        yield
        return
    states.go_to_low_dose_states(session.settings.MM_image_state)
    try:
        yield
    finally:
        try:
            states.give_record(letter_of(session.settings))
        except SpaceError:
            navigator.end_acquisition()  # else the next item is exposed with another beam
            raise


def put_record_back(session: GridSession) -> None:
    """Put Record back as it was set up, once no more broad series are taken."""
    if session.settings.broad_area != NO_BROAD and read(session).broad_now:
        states.go_to_low_dose_states(session.settings.MM_image_state)
        _write(session, replace(read(session), broad_now=False))


def is_waiting(session: GridSession) -> bool:
    """Whether a grid has series that wait, judged by its files alone."""
    return session.settings.broad_area != NO_BROAD and bool(read(session).held)


def _has_broad(session: GridSession, groups: Groups) -> bool:
    return session.settings.broad_area != NO_BROAD and (
        bool(groups.held)
        or any(pacetomo.is_broad(item.note) for item, _ in steering.items_with_targets(session))
    )


def _second_off(
    session: GridSession, groups: Groups, items: list[tuple[Item, int]], on: set[str]
) -> Groups:
    """Turn Acquire off for items that come second, as after they were marked by something else."""
    held = set(groups.held)
    for item, _ in items:
        if item.note in on and comes_second(session, item.note):
            navigator.set_acquire(item.index, on=False)
            held.add(item.note)
    return replace(groups, held=frozenset(held))


def _second_on(session: GridSession, groups: Groups, items: list[tuple[Item, int]]) -> Groups:
    """Turn Acquire on for the items that waited, but for those that are left out or were begun."""
    left_out = steering.left_out(session)
    held = set(groups.held)
    for item, number in items:
        if item.note not in held or number in left_out:
            continue
        begun = begun_files(session.directory / item.note)
        if begun or navigator.set_acquire(item.index):
            held.discard(item.note)
    there = {item.note for item, _ in items}
    return replace(groups, held=frozenset(held & there))
