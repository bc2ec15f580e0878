"""Level 1 of positions: what a person has marked in the Navigator is mapped as it is.

Points, polygons and maps whose Acquire is on become places like lamellae: each gets a point that
the levels after this know. Acquire is turned off, since it means tilt series from then on. A map
that a person has collected is taken in place of one of ours: its file gets a second name.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame
from space.item_types import MAP, POINT, POLYGON
from space.lamellae import FINAL_LABEL, Lamella, lamella_note
from space.microscope import SavedItem, montage, navigator
from space.steps import lamella_list
from space.steps.lamella_list import LamellaList
from space.steps.made_with import LAMELLAE, made_with
from space.steps.session import GridSession

CATEGORY = "position"
"""Class of all places that a person has marked."""

_COLOR = 2
_WHAT = {POINT: "point", POLYGON: "polygon", MAP: "map"}

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Marked:
    """An item that a person has marked.

    Attributes
    ----------
    index : int
        In the table.
    item : SavedItem
    place : Lamella
    """

    index: int
    item: SavedItem
    place: Lamella


def take_positions(session: GridSession) -> None:
    """Make a place to be mapped of each item of the Navigator whose Acquire is on.

    Raises
    ------
    SpaceError
        Where there is none.
    """
    # An empty table has no file to be read.
    items = navigator.save_and_read() if navigator.items() else ()
    marked = marked_items(items, session.settings.place_size)
    if not marked:
        raise SpaceError(
            'sample = "positions", and no item of the Navigator has Acquire on.',
            session.navigator_file.name,
            "Turn on Acquire (A) for the points, polygons or maps that are to be taken, and run "
            "the script again.",
        )
    places = tuple(_taken(session, one) for one in marked)
    known = LamellaList(places, made_with=made_with(session.settings, LAMELLAE))
    lamella_list.save(session.lamellae_file, known)
    # The points come last: whoever finds them finds all else, too.
    for one, place in zip(marked, places):
        _add_point(place, one.item)
    for one in marked:
        navigator.set_acquire(one.index, on=False)
    navigator.save()
    log.info("%d positions of the Navigator are taken as they are.", len(places))


def marked_items(items: tuple[SavedItem, ...], size_um: float) -> list[Marked]:
    """Return the items that a person has marked, and the places that they mean.

    Parameters
    ----------
    items : tuple of SavedItem
        Of the Navigator file, in the order of the table.
    size_um : float
        Side of what is mapped around a point; 0: as around a lamella that was added by hand.
    """
    found: list[Marked] = []
    for index, item in enumerate(items, start=1):
        corners = np.array([item.numbers("PtsX"), item.numbers("PtsY")], float).T
        stage = item.numbers("StageXYZ")
        if not item.acquire or item.kind not in _WHAT or len(stage) < 2:
            continue
        side = size_um or lamella_list.DEFAULT_SIZE_UM[0]
        center, size = np.array(stage[:2]), np.array([side, side])
        if item.kind != POINT and len(corners) > 2:
            low, high = corners.min(axis=0), corners.max(axis=0)
            center, size = (low + high) / 2, high - low
        x, y, width, height = (float(value) for value in (*center, *size))
        place = Lamella(len(found) + 1, (x, y), (width, height), CATEGORY, 1.0)
        found.append(Marked(index, item, place))
    return found


def _taken(session: GridSession, marked: Marked) -> Lamella:
    number = marked.place.number
    kind = _WHAT[marked.item.kind]
    log.info("Position %d: %s %s.", number, kind, marked.item.label)
    if marked.item.kind == MAP:
        frame = _adopt_map(session, number, marked)
        return Lamella(
            number,
            frame.center_stage_um,
            frame.box_size_on_stage_um((frame.shape[1], frame.shape[0])),
            CATEGORY,
            1.0,
        )
    return marked.place


def _adopt_map(session: GridSession, number: int, marked: Marked) -> MapFrame:
    """Give a person's map the name and note of one of ours; return where it lies.

    Raises
    ------
    SpaceError
        If its file cannot be found, or holds other maps, too.
    """
    path = Path(marked.item.values.get("MapFile", ""))
    target = session.directory / session.map_note(number)
    if marked.item.numbers("MapSection")[:1] not in ((), (0.0,)) or not path.is_file():
        raise SpaceError(
            "This map cannot be taken: its file is missing, or holds others before it.",
            f"{marked.item.label} ({path.name})",
            "Turn off its Acquire, or save it to a file of its own.",
        )
    for source, name in ((path, target), (_mdoc_of(path), _mdoc_of(target))):
        if source.is_file() and not name.exists():
            _name_again(source, name)
    navigator.describe(marked.index, note=session.map_note(number))
    return montage.load_map(marked.index).frame


def _mdoc_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.mdoc")


def _name_again(source: Path, name: Path) -> None:
    """Give a file a second name; where the disk has no such thing, copy it."""
    try:
        os.link(source, name)
    except OSError:
        shutil.copyfile(source, name)


def _add_point(place: Lamella, item: SavedItem) -> None:
    height = item.numbers("StageXYZ")[2:3] or (0.0,)
    index = navigator.add_stage_point(*place.stage_um, height[0])
    label = f"{FINAL_LABEL}{place.number}"
    navigator.describe(index, label, lamella_note(CATEGORY, 1.0), _COLOR)
