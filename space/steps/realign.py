"""A grid that was loaded again: found, its items moved, and all that was noted of it with them.

All is measured before anything is changed, and each change is such that it can be made again: a run
that was cut off in between measures anew, against what it had changed so far.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import read_json_beside, write_json_beside
from space.journal import Kind, note
from space.lamellae import Lamella
from space.microscope import Item, SavedItem, moved_items, navigator, reloading, survives
from space.steps import lamella_list, placement
from space.steps.collect import map_item
from space.steps.earlier import put_aside
from space.steps.map_facts import note_place
from space.steps.reload_lamellae import Measured, find_lamellae_again
from space.steps.reload_search import find_grid
from space.steps.session import GridSession
from space.steps.target_facts import has_no_targets, is_begun, targets_files

SAME_UM, SAME_DEG = 0.3, 0.03
"""A grid that has moved by less lies where it lay: measured again, it differs by as much."""

_SAME_FRAME_UM = 0.05

log = logging.getLogger("space.workflow")


def ensure_placed(session: GridSession, loaded: bool) -> Measured | None:
    """See to it that the items of the grid say where it lies; measure it if it was loaded again.

    Parameters
    ----------
    session : GridSession
        With its Navigator file open.
    loaded : bool
        Whether this run has just loaded the grid.

    Returns
    -------
    Measured or None
        How it lay; None when there was nothing to do.

    Raises
    ------
    SpaceError
        When it is not recognized; nothing of it was exposed at high magnification then.
    """
    grid_map = navigator.map_with_note(session.whole_grid_note)
    if placement.fits(session, loaded):
        placement.remember(session, placement.unseen(session))
        return None
    if not _has_places(session, grid_map):
        placement.remember(session)
        return None
    if grid_map is None:
        raise SpaceError(
            "The grid was loaded again, and there is no map of the whole grid to find it by.",
            session.whole_grid_note,
            "Align it by hand, delete SPACE_placement.json and run the script again.",
        )
    measured = _realign(session, grid_map)
    placement.remember(session, measured.unseen)
    return measured


def _has_places(session: GridSession, grid_map: Item | None) -> bool:
    """Whether the Navigator has a map whose place matters."""
    if grid_map is not None:
        return True
    return any(map_item(session, number) is not None for number in _numbers())


def _numbers() -> list[int]:
    return lamella_list.numbers_to_visit(navigator.items())


def _realign(session: GridSession, grid_map: Item) -> Measured:
    log.info("Grid %s was loaded again: it is looked for by its map...", session.grid)
    if reloading.realigned_by_serialem(grid_map.index):
        navigator.save()
    found = find_grid(session, grid_map.index)
    lamellae = lamella_list.to_visit(navigator.items())
    measured = find_lamellae_again(session, found, lamellae)
    movement = measured.movement
    shift_um = _shift_um(measured, grid_map)
    if abs(movement.turned_deg) > SAME_DEG or shift_um > SAME_UM:
        count = moved_items.move_items(movement)
        log.info("%d Navigator items were moved with the grid.", count)
    follow_navigator(session)
    _targets_again(session)
    _report(session, measured, shift_um)
    return measured


def _shift_um(measured: Measured, grid_map: Item) -> float:
    """How far the middle of the map has moved."""
    middle = np.array([grid_map.stage_um])
    return float(np.hypot(*(measured.movement.apply(middle) - middle)[0]))


def _report(session: GridSession, measured: Measured, shift_um: float) -> None:
    turned_deg = measured.movement.turned_deg
    log.info(
        "Grid %s is realigned: turned by %.2f degrees, its middle moved by %.1f um; %d lamellae "
        "and %d places lie within %.2f um (root mean square) of that.",
        session.grid,
        turned_deg,
        shift_um,
        measured.found,
        measured.places,
        measured.residual_um,
    )
    for number in measured.unseen:
        log.warning(
            "Lamella %d was not recognized after the grid was loaded again: it is left out. To "
            "take it, look for it at its place in the Navigator and correct this, delete %s and "
            "run the script again.",
            number,
            placement.PLACEMENT_FILE,
        )
        why = "it was not recognized after the grid was loaded again"
        note(session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, why)
    note(
        session.directory,
        Kind.GRID_REALIGNED,
        session.grid,
        residual_um=measured.residual_um,
        rotation_deg=turned_deg,
        shift_um=shift_um,
    )


# --- what follows the Navigator -------------------------------------------------------------------


def follow_navigator(session: GridSession) -> None:
    """Bring what is noted beside pictures and in the list of lamellae to where the items lie."""
    saved = navigator.save_and_read()
    by_note = {item.note: item for item in saved if item.is_map}
    _follow_grid(session, by_note.get(session.whole_grid_note))
    for number in _numbers():
        item, picture = by_note.get(session.map_note(number)), session.map_png(number)
        if item is None or not picture.with_suffix(".json").is_file():
            continue
        with survives(f"The place of {picture.name} cannot be noted", level=logging.WARNING):
            note_place(picture, item)


def _follow_grid(session: GridSession, saved: SavedItem | None) -> None:
    """Move the list of lamellae and the frame of the whole grid's picture with its map.

    Their places are those of low magnification: the map's less the offset that all items were
    shifted by.
    """
    known = lamella_list.load(session.lamellae_file)
    noted = read_json_beside(session.whole_grid_png)
    before = (known.frame if known else None) or noted.get("frame")
    if saved is None or before is None:
        return
    old = MapFrame.from_dict(before)
    matrix = saved.stage_to_px(old.shape)
    if matrix is None:
        return
    x, y = saved.numbers("StageXYZ")[:2]
    dx, dy = (known.offset_um if known else None) or (0.0, 0.0)
    new = MapFrame(old.shape, matrix, (x - dx, y - dy))
    if _is_same(old, new):
        new = old
    if known is not None and new != old:
        moved = replace(
            known,
            lamellae=tuple(_moved(lamella, old, new) for lamella in known.lamellae),
            others=tuple(_moved(lamella, old, new) for lamella in known.others),
            frame=new.to_dict(),
        )
        lamella_list.save(session.lamellae_file, moved)
    if noted and noted.get("frame") != new.to_dict():
        write_json_beside(session.whole_grid_png, {**noted, "frame": new.to_dict()})


def _is_same(old: MapFrame, new: MapFrame) -> bool:
    corners = np.array([(0, 0), old.shape, (0, old.shape[1])], float)
    return bool(np.abs(old.to_stage(corners) - new.to_stage(corners)).max() < _SAME_FRAME_UM)


def _moved(lamella: Lamella, old: MapFrame, new: MapFrame) -> Lamella:
    x, y = new.to_stage(old.to_map(np.array([lamella.stage_um])))[0]
    return replace(lamella, stage_um=(float(x), float(y)))


# --- targets --------------------------------------------------------------------------------------


def _targets_again(session: GridSession) -> None:
    """Put aside targets that were not begun: shifts and View maps are of the grid as it lay.

    They are chosen again from the segmentation, or taken from an edited choice, where the map lies
    now. What PACEtomo has begun stays as it is, and off.
    """
    again = []
    for number in _numbers():
        if not targets_files(session, number) or has_no_targets(session, number):
            continue
        if not is_begun(session, number):
            put_aside(session, number)
            again.append(number)
    if again:
        log.info(
            "Targets of lamella(e) %s are set up again where they lie now.",
            ", ".join(map(str, again)),
        )
    for item in navigator.items():
        if item.note.endswith("_tgts.txt") and navigator.acquire_is_on(item.index):
            if navigator.set_acquire(item.index, on=False):
                log.warning(
                    "%s was set up before the grid was loaded again: its Acquire was turned off. "
                    "Select its targets again.",
                    item.note,
                )
    navigator.save()
