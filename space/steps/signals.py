"""Fluorescence of a grid's map on the maps of its lamellae, where signal is asked for."""

from __future__ import annotations

import logging
from dataclasses import replace

from space.errors import SpaceError
from space.files import read_json_or_empty
from space.fluorescence import MAPS_APART_UM, carry, is_signal, kept_path, read_kept
from space.geometry import MapFrame
from space.settings import Settings
from space.steps import lamella_list
from space.steps.map_facts import MapFacts
from space.steps.review_scene import map_frame
from space.steps.session import GridSession

NOT_MEASURED_UM = 2.0
"""How far maps of two magnifications lie apart, along an axis, where that was not measured."""

log = logging.getLogger("space.workflow")


def wants_signal(settings: Settings) -> bool:
    """Whether target selection needs the signal of a channel."""
    return any(map(is_signal, (*settings.target_list, *settings.avoid_list)))


def ensure_signals(session: GridSession, number: int, facts: MapFacts) -> None:
    """Lay the fluorescence of the grid's map on a lamella's map, unless that has some itself.

    What is there for an earlier picture of the map is made again if it was made in this way. What
    a person has registered stays; choosing targets tells if it does not fit.
    """
    picture, whole = session.map_png(number), session.whole_grid_png
    if not wants_signal(session.settings) or not kept_path(whole).is_file():
        return
    if _is_there(session, number):
        return
    known = lamella_list.load(session.lamellae_file)
    frame = map_frame(session, known)
    if frame is None:
        return
    offset_um = known.offset_um if known is not None else None
    apart_um = NOT_MEASURED_UM if offset_um is None else MAPS_APART_UM
    kept = carry(whole, _moved(frame, offset_um), picture, facts.frame, apart_um)
    if kept is None:
        log.warning("%s lies beside the fluorescence of the grid.", session.map_stem(number))
    else:
        log.info(
            "%s: fluorescence of the grid's map, known to %.1f um along each axis.",
            session.map_stem(number),
            kept.error_um,
        )


def _is_there(session: GridSession, number: int) -> bool:
    path = kept_path(session.map_png(number))
    if not path.is_file():
        return False
    try:
        read_kept(session.map_png(number))
    except SpaceError:
        return not str(read_json_or_empty(path).get("how", "")).startswith("carried")
    return True


def _moved(frame: MapFrame, offset_um: tuple[float, float] | None) -> MapFrame:
    """Return the frame of the grid's map in stage positions of the lamellae's magnification."""
    (x, y), (dx, dy) = frame.center_stage_um, offset_um or (0.0, 0.0)
    return replace(frame, center_stage_um=(x + dx, y + dy))
