"""Level 4: targets of one lamella, as files and Navigator items that PACEtomo runs from."""

from __future__ import annotations

import logging
from pathlib import Path

from space.files import write_text_atomic
from space.journal import Kind, note
from space.microscope import Item, MapImage, navigator, scope, stage
from space.steps import groups
from space.steps.area_files import map_on_stage, mark_for_acquisition, write_area
from space.steps.broad import choose_broad
from space.steps.choose import choose_targets
from space.steps.collect import load_lamella_map, required_map_item
from space.steps.drawing import have_drawn
from space.steps.earlier import put_aside
from space.steps.map_facts import MapFacts, checked_facts
from space.steps.question import labels_of_map, question_of, tell_of_other_classes
from space.steps.session import GridSession
from space.steps.signals import ensure_signals
from space.steps.target_plots import draw_score, segmentation_pictures, targets_picture
from space.targeting import Choice

log = logging.getLogger("space.workflow")


def set_up_targets(session: GridSession, number: int, labels_path: Path) -> int:
    """Choose the targets of a lamella and write all that PACEtomo needs.

    Parameters
    ----------
    session : GridSession
        The grid's session.
    number : int
        The lamella's number.
    labels_path : Path
        Its segmentation.

    Returns
    -------
    int
        Number of targets.
    """
    item = required_map_item(session, number)
    image = load_lamella_map(session, number, item.index)
    facts = checked_facts(session, number, image)
    ensure_signals(session, number, facts)
    known, names = labels_of_map(session, labels_path, facts)
    tell_of_other_classes(session, names, labels_path)
    record = scope.go_to_record(session.settings.beam_diameter)
    question = question_of(session, known, names, facts, record)

    log.info("%s: choosing targets...", session.map_stem(number))
    choice = choose_targets(session, number, question)
    polygons = choice.polygons_map_px
    targets = targets_picture(session, number, question, polygons, choice.areas, labels_path)
    found = segmentation_pictures(session, number, labels_path)
    have_drawn(session.directory, [targets, *found])
    draw_score(session, number, choice, question.optics.pixel_nm)

    if choice.areas:
        broad = choose_broad(session, number, question, choice, labels_path)
        _write_targets(session, number, item, image, facts, choice, broad)
    else:
        _write_no_targets(session, number)
    return choice.n_targets


def _write_no_targets(session: GridSession, number: int) -> None:
    put_aside(session, number)
    write_text_atomic(session.targets_file(number), "")
    note(session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, "no place was chosen")
    log.warning("%s has no targets: an empty targets file was written.", session.map_stem(number))


def _write_targets(
    session: GridSession,
    number: int,
    item: Item,
    image: MapImage,
    facts: MapFacts,
    choice: Choice,
    broad: Choice | None,
) -> None:
    navigator.move_to(item.index)  # new map items get the stage's height
    put_aside(session, number)
    _, _, z_um = stage.stage_position_um()
    lamella_map = map_on_stage(image, facts, z_um)
    tracking = [
        write_area(session, number, area_number, area, lamella_map)
        for area_number, area in enumerate(choice.areas, start=1)
    ]
    further = [
        write_area(session, number, area_number, area, lamella_map, session.settings.broad_area)
        for area_number, area in enumerate(broad.areas if broad is not None else (), start=1)
    ]
    # The note of the first area's item says that everything is there, so it comes last.
    for index, path in (*reversed(further), *reversed(tracking)):
        if further and groups.comes_second(session, path.name):
            groups.hold(session, index, path)
        else:
            mark_for_acquisition(index, path)
    navigator.save()
    log.info(
        "%s: %d targets in %d area(s).",
        session.map_stem(number),
        choice.n_targets,
        len(choice.areas),
    )
    note(
        session.directory,
        Kind.TARGETS_SET_UP,
        session.grid,
        number,
        targets=choice.n_targets,
        areas=len(choice.areas),
    )
