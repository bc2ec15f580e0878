"""Level 1, second half: finding each lamella again at intermediate magnification.

Between low and higher magnifications images are displaced by several µm, by the same shift for the
whole grid. It is measured at the first lamella that is found again, and all items are moved by it;
after that each lamella that is found refines its own position.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

from space.errors import SpaceError
from space.lamellae import (
    FINAL_LABEL,
    FIRST_LABEL,
    Box,
    Lamella,
    best_match,
    drop_close,
    lamella_note,
    lamella_number,
    stays_unseen,
)
from space.microscope import (
    Item,
    StoppedByUserError,
    column,
    montage,
    navigator,
    scope,
    states,
    survives,
)
from space.settings import Settings
from space.steps import lamella_list, steering
from space.steps.find import CLOSEST_UM, lamella_of_box
from space.steps.grid_picture import draw_boxes
from space.steps.inference import detect
from space.steps.lamella_list import LamellaList, labelled
from space.steps.made_with import REFINED, made_with
from space.steps.pictures import save_for_model
from space.steps.session import GridSession

SEARCH_UM, USUAL_OFFSET_UM = 30.0, 15.0
"""How far from its place a lamella is searched for, and the usual offset, before it is known."""

SEARCH_REFINED_UM, USUAL_REFINED_UM = 15.0, 4.0
"""The same after the common offset was applied."""

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class FoundLamella:
    """A lamella seen in the picture that SerialEM still has in buffer A."""

    point_px: tuple[float, float]
    lamella: Lamella


@dataclass(frozen=True)
class VisitResults:
    """Result of a round of visits to the lamellae with the first label.

    Attributes
    ----------
    known : LamellaList
        The list with the positions found.
    unseen : tuple of str
        Labels of those that are not in their picture.
    failed : tuple of str
        Labels of those without a picture or detection: nothing is known about them.
    reason : str
        Why the last of them failed.
    """

    known: LamellaList
    unseen: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    reason: str = ""


def refind_lamellae(session: GridSession) -> None:
    """Correct the positions of all lamellae that still carry the first label."""
    _drop_replaced()
    if not _to_refine(session):
        if labelled(navigator.items(), FINAL_LABEL):
            log.info("Positions were refined before: intermediate magnification skipped.")
        return
    known = _with_offset(lamella_list.load(session.lamellae_file) or LamellaList(()))
    settings = {**known.made_with, **made_with(session.settings, REFINED)}
    known = replace(known, made_with=settings)
    go_to_intermediate(session)
    visits = _visit_all(session, known, retry=False)
    if steering.leaves_grid(session):
        navigator.save()
        return
    if (visits.unseen or visits.failed) and visits.known.offset_um is not None:
        visits = _visit_all(session, visits.known, retry=True)
    if visits.failed and visits.known.offset_um is None and not visits.unseen:
        raise SpaceError(
            f"No lamella could be visited: {visits.reason}.",
            "intermediate magnification",
            "Fix this and run the script again.",
        )
    _keep_or_drop_unseen(visits)
    _drop_close(visits.known)
    navigator.save()
    count = len(labelled(navigator.items(), FINAL_LABEL))
    if count:
        log.info("%d lamellae of grid %s have refined positions.", count, session.grid)
    else:
        log.warning("None of the lamellae of grid %s was found again.", session.grid)


def _to_refine(session: GridSession) -> list[Item]:
    """Return the first points of the lamellae to visit.

    A person may have given one an excluded class meanwhile; it is left as it is.
    """
    excluded = steering.excluded(session)
    points = labelled(navigator.items(), FIRST_LABEL)
    return [item for item in points if lamella_list.number_of(item) not in excluded]


def go_to_intermediate(session: GridSession) -> None:
    """Go to the magnification at which lamellae are found again."""
    if session.settings.aperture_control:
        column.retract_objective_aperture()
    setting = _set_intermediate(session.settings)
    if low := states.low_magnification():
        log.warning(
            "%s is %gx, a magnification of the low range (LM): the offset between LM "
            "and View, often 10 um, is not seen there and stays in all positions, so that maps "
            "may miss their lamellae. Use the lowest magnification above LM that shows a whole "
            "lamella, or its index.",
            setting,
            low,
        )


def _set_intermediate(settings: Settings) -> str:
    """Go to the intermediate magnification; return the setting that gives it, for messages."""
    if settings.IM_image_state:
        states.go_to_intermediate_state(settings.IM_image_state)
        return f"IM_image_state {settings.IM_image_state!r}"
    states.go_to_whole_grid_state(settings.WG_image_state)
    states.set_magnification(settings.IM_mag_index)
    return f"IM_mag_index {settings.IM_mag_index}"


def _drop_replaced() -> None:
    """Delete first points of lamellae that have a refined one, left by an interrupted run."""
    items = navigator.items()
    refined = {
        lamella_number(item.label)
        for item in labelled(items, FINAL_LABEL)
        if not lamella_list.is_by_hand(item)
    }
    navigator.delete(
        [i.index for i in labelled(items, FIRST_LABEL) if lamella_number(i.label) in refined]
    )


def _with_offset(known: LamellaList) -> LamellaList:
    """Compute the common offset from the refined points if a run ended before noting it.

    The points were saved after all items had been shifted; shifting them again would be wrong.
    """
    places = {lamella.number: lamella.stage_um for lamella in known.lamellae}
    shifts = [
        (item.stage_um[0] - places[number][0], item.stage_um[1] - places[number][1])
        for item in labelled(navigator.items(), FINAL_LABEL)
        if not lamella_list.is_by_hand(item) and (number := lamella_number(item.label)) in places
    ]
    if known.offset_um is not None or not shifts:
        return known
    return replace(known, offset_um=shifts[0])


def _first_point(label: str) -> Item | None:
    return next((i for i in labelled(navigator.items(), FIRST_LABEL) if i.label == label), None)


def _visit_all(session: GridSession, known: LamellaList, retry: bool) -> VisitResults:
    """Visit every lamella with the first label."""
    unseen: list[str] = []
    failed: list[str] = []
    reason = ""
    points = _to_refine(session)
    labels = {lamella_list.number_of(item): item.label for item in points}
    numbers = [lamella_list.number_of(item) for item in points]
    for number in steering.visits(session, numbers, lambda: go_to_intermediate(session)):
        label = labels[number]
        item = _first_point(label)
        if item is None:
            continue
        found = None
        with survives(f"{label} could not be visited", unless=StoppedByUserError) as outcome:
            found = _visit(session, item, lamella_list.of_item(item, known), known)
        if outcome.failed:
            failed.append(label)
            reason = outcome.reason
        elif found is None:
            unseen.append(label)
            log.info(
                "%s was not found%s.",
                label,
                " again" if retry else f" within {_search(known)[0]:g} um of its place",
            )
        else:
            known = _correct(session, item, found, known)
    return VisitResults(known, tuple(unseen), tuple(failed), reason)


def _search(known: LamellaList) -> tuple[float, float]:
    if known.offset_um is None:
        return SEARCH_UM, USUAL_OFFSET_UM
    return SEARCH_REFINED_UM, USUAL_REFINED_UM


def _visit(
    session: GridSession, item: Item, lamella: Lamella, known: LamellaList
) -> FoundLamella | None:
    """Take a picture at the lamella's place and find it there."""
    navigator.move_to(item.index)
    picture = scope.take_record()
    frame = montage.picture_frame(picture, item.stage_um)
    path = session.intermediate_png(lamella.number)
    small = save_for_model(
        path,
        picture.data,
        picture.pixel_nm,
        session.config.detection_pixel_nm,
        frame,
        item.label,
        task="detect",
        grid=session.grid,
        threshold=session.settings.WG_detection_threshold,
    )
    boxes = detect(session, path, session.settings.WG_detection_threshold)
    if session.settings.save_plot:
        plot = session.directory / f"{path.stem}_detected.png"
        title = f"{session.grid}: {item.label} at intermediate magnification"
        draw_boxes(session, path, plot, boxes, title)
    seen = {lamella_of_box(box, small, number): box for number, box in enumerate(boxes, start=1)}
    search_um, usual_um = _search(known)
    match = best_match(lamella, list(seen), _neighbours(lamella, known), search_um, usual_um)
    if match is None:
        return None
    return FoundLamella(
        _in_full_picture(seen[match.lamella], small.shape, frame.shape), match.lamella
    )


def _neighbours(lamella: Lamella, known: LamellaList) -> list[Lamella]:
    """Return the other lamellae where they are expected now."""
    dx, dy = known.offset_um or (0.0, 0.0)
    everything = (*known.lamellae, *(replace(other, number=-1) for other in known.others))
    return [
        replace(other, stage_um=(other.stage_um[0] + dx, other.stage_um[1] + dy))
        for other in everything
        if other.number != lamella.number
    ]


def _in_full_picture(
    box: Box, small: tuple[int, int], full: tuple[int, int]
) -> tuple[float, float]:
    row, column = box.center_px
    return row * full[0] / small[0], column * full[1] / small[1]


def _correct(
    session: GridSession, item: Item, found: FoundLamella, known: LamellaList
) -> LamellaList:
    """Put the lamella's item where it was found; return the list of lamellae with its position."""
    index = navigator.add_image_point("A", found.point_px, item.z_um)
    found_um = navigator.item(index).stage_um
    shift_um = (found_um[0] - item.stage_um[0], found_um[1] - item.stage_um[1])
    if known.offset_um is None:
        # The new point is right already, so it must not be shifted with the others.
        navigator.delete([index])
        known = _shift_all(shift_um, known)
        index = navigator.add_image_point("A", found.point_px, item.z_um)
    refined = _refined(item, found, found_um, known)
    if refined.category in session.settings.exclude_lamella_classes:
        log.info("%s turned out to be %s: left out.", item.label, refined.category)
        navigator.delete([item.index, index])
    else:
        _label_refined(session, index, refined)
        log.info(
            "%s was found again %.1f um from its place (%s, %.0f%%).",
            item.label,
            math.hypot(*shift_um),
            refined.category,
            100 * refined.probability,
        )
        navigator.delete([item.index])
    navigator.save()
    known = known.updated(refined)
    lamella_list.save(session.lamellae_file, known)
    return known


def _shift_all(shift_um: tuple[float, float], known: LamellaList) -> LamellaList:
    """Shift all items by the common offset; return the list of lamellae with it."""
    navigator.shift_all_um(*shift_um)
    log.info("All items were shifted by (%.1f, %.1f) um.", *shift_um)
    return replace(known, offset_um=shift_um)


def _label_refined(session: GridSession, index: int, refined: Lamella) -> None:
    """Give the new point of a lamella its label, note and colour."""
    navigator.describe(
        index,
        f"{FINAL_LABEL}{refined.number}",
        lamella_note(refined.category, refined.probability),
        session.config.category(refined.category).navigator_color,
    )


def _refined(
    item: Item, found: FoundLamella, found_um: tuple[float, float], known: LamellaList
) -> Lamella:
    """Return the lamella of an item with the place and size seen now, and its surer category.

    What a person has said stays.
    """
    before, now = lamella_list.of_item(item, known), found.lamella
    return replace(
        now if now.probability > before.probability else before,
        number=lamella_list.number_of(item),
        stage_um=_unshifted(found_um, known.offset_um),
        size_um=before.size_um if before.sized_by_hand else now.size_um,
        sized_by_hand=before.sized_by_hand,
    )


def _unshifted(
    found_um: tuple[float, float], offset_um: tuple[float, float] | None
) -> tuple[float, float]:
    """Positions in the list are those at low magnification."""
    dx, dy = offset_um or (0.0, 0.0)
    return found_um[0] - dx, found_um[1] - dy


def _keep_or_drop_unseen(visits: VisitResults) -> None:
    """Keep lamellae that were not found again only if they were certain from the start.

    Those that could not be visited keep their first label: the next run visits them again.
    """
    for label in visits.unseen:
        item = _first_point(label)
        if item is None:
            continue
        lamella = lamella_list.of_item(item, visits.known)
        percent = 100 * lamella.probability
        if stays_unseen(lamella):
            navigator.describe(item.index, label=f"{FINAL_LABEL}{lamella.number}")
            log.info("%s is kept: it was certain at low magnification (%.0f%%).", label, percent)
        else:
            navigator.delete([item.index])
            log.info("%s is dropped (%.0f%% at low magnification).", label, percent)


def _drop_close(known: LamellaList) -> None:
    items = labelled(navigator.items(), FINAL_LABEL)
    lamellae = {item.index: lamella_list.of_item(item, known) for item in items}
    kept = {lamella.number for lamella in drop_close(lamellae.values(), CLOSEST_UM)}
    close = [
        item
        for item in items
        if lamellae[item.index].number not in kept and not lamella_list.is_by_hand(item)
    ]
    for item in close:
        log.info("%s is dropped: another lamella is closer than %g um.", item.label, CLOSEST_UM)
    navigator.delete([item.index for item in close])
