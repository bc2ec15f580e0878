"""Repairing results of earlier runs: files that are missing or incomplete are written again."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.images import read_json_beside
from space.microscope import MapImage, montage, navigator, scope, survives, virtual_map
from space.settings import SQUARES
from space.steps import lamella_list
from space.steps.area_files import cut_views_again
from space.steps.choose import save_and_read_polygons
from space.steps.drawing import have_drawn
from space.steps.find import has_whole_grid_picture, save_whole_grid
from space.steps.inference import job_folder
from space.steps.made_with import KEY
from space.steps.map_facts import read_facts
from space.steps.question import labels_of_map, question_of
from space.steps.session import GridSession
from space.steps.target_facts import (
    choice_path,
    cut_files,
    has_no_targets,
    is_set_up,
    targets_files,
)
from space.steps.target_plots import draw_segmentations, has_target_plot, targets_picture
from space.targeting import read_choice

log = logging.getLogger("space.workflow")


def repair_whole_grid(session: GridSession) -> None:
    """Make the picture of the whole grid again if it is missing or incomplete."""
    item = navigator.map_with_note(session.whole_grid_note)
    boxes_path = job_folder(session).result_path(session.whole_grid_png.name, "detect")
    squares = session.settings.sample == SQUARES and session.lamellae_file.is_file()
    if item is None or not (squares or boxes_path.is_file()):
        return  # nothing was found here
    with survives(
        f"The picture of grid {session.grid} is missing or incomplete", level=logging.WARNING
    ):
        if not has_whole_grid_picture(session):
            log.info("%s is saved from the map collected earlier.", session.whole_grid_png.name)
            settings = read_json_beside(session.whole_grid_png).get(KEY, {})
            save_whole_grid(session, _as_collected(session, item.index), settings)


def _as_collected(session: GridSession, index: int) -> MapImage:
    """Return the map of the grid where it lay before all items were shifted."""
    loaded = montage.load_map(index)
    known = lamella_list.load(session.lamellae_file)
    if known is None or known.offset_um is None:
        return loaded
    (x, y), (dx, dy) = loaded.frame.center_stage_um, known.offset_um
    return replace(loaded, frame=replace(loaded.frame, center_stage_um=(x - dx, y - dy)))


def repair_targets(session: GridSession, number: int) -> None:
    """Make missing View maps and pictures of a lamella again; report what cannot be repaired."""
    if not is_set_up(session, number):
        return
    for path in [] if has_no_targets(session, number) else cut_files(session, number):
        log.error(
            "%s is incomplete, but PACEtomo has begun with this lamella: it is not set up again. "
            "To have targets chosen again, delete this file and run the script again.",
            path.name,
        )
    for path in targets_files(session, number):
        _repair_views(session, number, path)
    with survives(
        f"The picture of the targets of {session.map_stem(number)} was not drawn",
        level=logging.WARNING,
    ):
        if not has_target_plot(session, number):
            _draw_again(session, number)
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


def _repair_views(session: GridSession, number: int, path: Path) -> None:
    """Cut View maps again where PACEtomo will need them; it stops at one that is missing."""
    item = navigator.map_with_note(path.name)
    if item is None or not navigator.acquire_is_on(item.index):
        return
    missing = missing_views(path)
    if not missing:
        return
    with survives(
        f"{path.name} names View maps that are missing, such as {missing[0].viewfile}",
        "PACEtomo would stop there: Acquire of its item is turned off. Delete this file and run "
        "the script again.",
    ) as outcome:
        cut_views_again(session, number, missing)
        log.info("%d View map(s) of %s were cut out again.", len(missing), path.name)
    if outcome.failed:
        navigator.set_acquire(item.index, on=False)


def _draw_again(session: GridSession, number: int) -> None:
    """Draw the targets in a lamella's choice file."""
    status = job_folder(session).status(session.map_png(number).name, "segment")
    path = choice_path(session, number)
    if status.result is None or not path.is_file():
        return
    facts = read_facts(session.map_png(number))
    known, names = labels_of_map(session, status.result, facts)
    choice = read_choice(path, known.labels.shape)
    if choice is None:
        return
    polygons = save_and_read_polygons(session, facts.frame)
    record = scope.go_to_record(session.settings.beam_diameter)
    question = question_of(session, known, names, facts, record)
    request = targets_picture(session, number, question, polygons, choice.areas, status.result)
    have_drawn(session.directory, [request])
