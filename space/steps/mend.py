"""Making again what was written before and is missing or cut now; each is asked for first."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.images import read_json_beside
from space.microscope import montage, navigator, scope, virtual_map
from space.microscope.montage import MapImage
from space.microscope.sem import reason
from space.steps import lamella_list
from space.steps.choose import target_polygons
from space.steps.find import has_whole_grid_picture, save_whole_grid
from space.steps.inference import job_folder, read_segmentation
from space.steps.made_with import KEY
from space.steps.map_facts import read_facts
from space.steps.session import GridSession
from space.steps.set_up import cut_views_again, names_of, optics_of, targeting_options
from space.steps.target_facts import (
    choice_path,
    cut_files,
    has_no_targets,
    is_set_up,
    targets_files,
)
from space.steps.target_plots import draw_segmentations, draw_targets, has_target_plot
from space.targeting import read_choice, wanted_mask

_log = logging.getLogger("space.workflow")


def mend_whole_grid(session: GridSession) -> None:
    """Make the picture of the whole grid again."""
    item = navigator.map_with_note(session.whole_grid_note)
    boxes_path = job_folder(session).result_path(session.whole_grid_png.name, "detect")
    if item is None or not boxes_path.is_file():
        return  # nothing was detected here
    try:
        if not has_whole_grid_picture(session):
            _log.info("%s is saved from the map collected earlier.", session.whole_grid_png.name)
            told = read_json_beside(session.whole_grid_png).get(KEY, {})
            save_whole_grid(session, _as_collected(session, item.index), told)
    except Exception as error:
        _log.warning("The picture of grid %s is not whole: %s", session.grid, reason(error))


def _as_collected(session: GridSession, index: int) -> MapImage:
    """Return the map of the grid where it lay before all items were shifted, and it with them."""
    loaded = montage.load_map(index)
    known = lamella_list.load(session.lamellae_file)
    if known is None or known.offset_um is None:
        return loaded
    (x, y), (dx, dy) = loaded.frame.center_stage_um, known.offset_um
    return replace(loaded, frame=replace(loaded.frame, center_stage_um=(x - dx, y - dy)))


def mend_targets(session: GridSession, number: int) -> None:
    """Make the View maps and the pictures of a lamella again; tell what cannot be."""
    if not is_set_up(session, number):
        return
    for path in [] if has_no_targets(session, number) else cut_files(session, number):
        _log.error(
            "%s was cut off, but PACEtomo has begun with this lamella: it is not set up again. To "
            "have targets chosen anew, delete this file and run the script again.",
            path.name,
        )
    for path in targets_files(session, number):
        _mend_views(session, number, path)
    try:
        if not has_target_plot(session, number):
            _draw_again(session, number)
    except Exception as error:
        _log.warning(
            "The picture of the targets of %s was not drawn: %s",
            session.map_stem(number),
            reason(error),
        )
    draw_segmentations(session, [number])


def missing_views(targets_file: Path) -> list[pacetomo.Target]:
    """Return the targets whose View map is not there or not whole."""
    try:
        targets = pacetomo.read(targets_file).targets
    except SpaceError:
        return []
    return [
        target
        for target in targets
        if target.viewfile and not virtual_map.is_whole(targets_file.parent / target.viewfile)
    ]


def _mend_views(session: GridSession, number: int, path: Path) -> None:
    """Cut View maps again where PACEtomo will need them; it stops at one that is missing."""
    item = navigator.map_with_note(path.name)
    if item is None or not navigator.acquire_is_on(item.index):
        return
    missing = missing_views(path)
    if not missing:
        return
    try:
        cut_views_again(session, number, missing)
        _log.info("%d View map(s) of %s were cut out again.", len(missing), path.name)
    except Exception as error:
        navigator.set_acquire(item.index, on=False)
        _log.error(
            "%s names View maps that are missing, such as %s: %s. PACEtomo would stop there, so "
            "Acquire of its item was turned off. Delete this file and run the script again.",
            path.name,
            missing[0].viewfile,
            reason(error),
        )


def _draw_again(session: GridSession, number: int) -> None:
    """Draw the targets in a lamella's choice file."""
    status = job_folder(session).status(session.map_png(number).name, "segment")
    if status.result is None:
        return
    labels, told_names = read_segmentation(status.result)
    choice = read_choice(choice_path(session, number), labels.shape)
    if choice is None:
        return
    facts = read_facts(session.map_png(number))
    settings = session.settings
    polygons = target_polygons(session, facts.frame) if settings.target_polygons else ()
    names = names_of(session, told_names, status.result)
    wanted = wanted_mask(labels, names, targeting_options(session), polygons)
    optics = optics_of(session, facts, scope.record_optics(settings.beam_diameter))
    draw_targets(session, number, wanted, choice.areas, optics)
