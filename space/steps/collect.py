"""Level 2: a View montage of each lamella. Level 3: each map is segmented at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Container
from dataclasses import asdict
from typing import Any

from space.contrast import judge_structure
from space.errors import SpaceError
from space.images import is_whole_png, read_json_beside
from space.journal import Kind, note
from space.microscope import (
    Item,
    MapImage,
    Picture,
    StoppedByUserError,
    column,
    key_pressed,
    montage,
    navigator,
    pause,
    scope,
    stage,
    states,
    survives,
)
from space.steps import lamella_list, restitch, retake, review, steering
from space.steps.inference import job_folder, submit_segmentation, wait_for_jobs
from space.steps.learned import map_statuses
from space.steps.made_with import KEY, MAP, made_with
from space.steps.map_facts import (
    STITCHED,
    TURNED,
    stitching_of,
    turned_since,
    view_of,
    view_shape_px,
)
from space.steps.pictures import save_for_model
from space.steps.session import GridSession, map_label
from space.steps.telling import tell

CENTRE_BY_HAND_TIMEOUT_S = 2 * 3600.0
"""How long to wait for a person to bring a lamella into view."""

log = logging.getLogger("space.workflow")


class NobodyThereError(SpaceError):
    """A person was needed and did not come."""


def collect_maps(session: GridSession, segment: bool) -> None:
    """Collect a map of each lamella that has none; queue each for segmentation if wanted.

    Maps that are to be taken again (`space.steps.retake`) are collected, too; those that are to be
    stitched anew (`space.steps.restitch`) are saved anew.

    Raises
    ------
    SpaceError
        When maps were to be collected, and there is no map of any lamella.
    """
    review.look(session)
    todo = []
    left_out = steering.left_out(session)
    again = _maps_to_take_again(session)
    stitched = _maps_to_stitch(session)
    for number in _numbers_to_visit():
        if number in left_out:
            log.info(
                "Lamella %d is left out: as ordered, as its note says, or since it was not "
                "recognized after the grid was loaded again.",
                number,
            )
        elif number in again or not has_map(session, number):
            todo.append(number)
        elif number in stitched:
            _stitch(session, number, stitched[number], segment)
        elif _finish(session, number, segment):
            log.info("The map %s exists: montage skipped.", session.map_note(number))
    if not todo:
        return
    go_to_lamella_conditions(session)
    known = lamella_list.load(session.lamellae_file)
    seen, tried, failed = review.corrections(session), list[int](), list[int]()
    added = known.in_order(todo) if known else todo
    while added:
        tried += added
        failed += _collect_each(session, added, segment)
        review.look(session)
        now = review.corrections(session)
        # What a person has corrected may have lost its map, or be collected now.
        added = _without_map(session, tried if now == seen else ())
        if added:
            what = "Added" if now == seen else "Corrected"
            log.info("%s meanwhile: lamella %s.", what, ", ".join(map(str, added)))
        seen = now
    if failed and not any(has_map(session, number) for number in _numbers_to_visit()):
        raise SpaceError(
            "No lamella map could be collected.",
            session.grid,
            "See the messages above; run the script again to continue.",
        )


def _maps_to_take_again(session: GridSession) -> frozenset[int]:
    wanted: frozenset[int] = frozenset()
    with survives("No map is taken again"):
        wanted = retake.maps_to_take_again(session)
    return wanted


def _maps_to_stitch(session: GridSession) -> dict[int, str]:
    wanted: dict[int, str] = {}
    with survives("No map is stitched anew"):
        wanted = restitch.maps_to_stitch(session, _numbers_to_visit())
    return wanted


def _stitch(session: GridSession, number: int, way: str, segment: bool) -> None:
    """Put a map's pieces together in another way, and have it segmented anew."""
    item = required_map_item(session, number)
    with survives(f"{session.map_note(number)} was not stitched anew"):
        image = montage.load_map(item.index, way)
        restitch.make_way(session, number, way)
        _save(session, number, image, stitching=way)
        note(
            session.directory,
            Kind.LAMELLA_MAPPED,
            session.grid,
            number,
            f"stitched anew from its pieces ({way}), as asked by restitch",
        )
    _finish(session, number, segment)


def _without_map(session: GridSession, known: Container[int]) -> list[int]:
    """Return the lamellae without map besides the `known` ones; none where the run is to stop."""
    if steering.leaves_grid(session):
        return []
    left_out = steering.left_out(session)
    return [
        number
        for number in _numbers_to_visit()
        if number not in known and number not in left_out and not has_map(session, number)
    ]


def _is_to_visit(session: GridSession, number: int) -> bool:
    return number in _numbers_to_visit() and number not in steering.left_out(session)


def _numbers_to_visit() -> list[int]:
    return lamella_list.numbers_to_visit(navigator.items())


def _collect_each(session: GridSession, numbers: list[int], segment: bool) -> list[int]:
    """Collect the maps of lamellae; return the numbers of those that have none in the end."""
    failed = []
    somebody_there = True
    for number in steering.visits(session, numbers, lambda: go_to_lamella_conditions(session)):
        later = numbers[numbers.index(number) + 1 :]
        if review.look(session) and not _is_to_visit(session, number):
            continue
        with survives(f"No map of lamella {number} (the next one follows)") as outcome:
            _collect(session, number, later, segment, somebody_there)
        if outcome.failed:
            note(session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, outcome.reason)
            somebody_there = somebody_there and not isinstance(outcome.error, NobodyThereError)
            failed.append(number)
    # Where only saving or queueing the map had failed, it is there.
    return [
        number
        for number in failed
        if not (has_map(session, number) and _finish(session, number, segment))
    ]


def go_to_lamella_conditions(session: GridSession) -> None:
    """Set aperture, imaging state and View area for lamella maps and tilt series.

    Takes off the defocus offset of View if SerialEM had left it behind.
    """
    if session.settings.aperture_control:
        column.insert_objective_aperture(session.settings.objective_aperture)
    states.go_to_low_dose_states(session.settings.MM_image_state)
    states.correct_focus_left_in_view()


def map_item(session: GridSession, number: int) -> Item | None:
    """Return the Navigator item of a lamella's map; None if there is none."""
    return navigator.map_with_note(session.map_note(number))


def required_map_item(session: GridSession, number: int) -> Item:
    """Return the Navigator item of a lamella's map.

    Raises
    ------
    SpaceError
        When there is none.
    """
    item = map_item(session, number)
    if item is None:
        raise SpaceError(
            "The Navigator has no item for a lamella map.",
            session.map_note(number),
            "Delete its files and run the script again.",
        )
    return item


def has_map(session: GridSession, number: int) -> bool:
    """Whether a lamella's map was collected: its file and its Navigator item are there."""
    path = session.directory / session.map_note(number)
    return map_item(session, number) is not None and path.is_file()


def has_picture(session: GridSession, number: int) -> bool:
    """Whether the picture of a lamella's map, and what is noted beside it, are there and whole."""
    picture = session.map_png(number)
    return "frame" in read_json_beside(picture) and is_whole_png(picture)


def ensure_picture(session: GridSession, number: int) -> None:
    """Save the picture of a lamella's map from the map, unless it is there and whole."""
    item = map_item(session, number)
    if item is None or has_picture(session, number):
        return
    log.info("%s is saved from the map collected earlier.", session.map_png(number).name)
    _save(
        session,
        number,
        load_lamella_map(session, number, item.index),
        stitching=stitching_of(session.map_png(number)),
    )
    # The run that has collected the map may have ended before it could tell of it.
    about = "its picture was saved from the map collected earlier"
    note(session.directory, Kind.LAMELLA_MAPPED, session.grid, number, about)


def load_lamella_map(session: GridSession, number: int, index: int) -> MapImage:
    """Load a lamella's map, its pieces put together as its picture shows them."""
    return montage.load_map(index, stitching_of(session.map_png(number)))


def _finish(session: GridSession, number: int, segment: bool) -> bool:
    """Save a collected map's picture if it is missing, and queue it; False if that failed."""
    with survives(f"{session.map_note(number)} cannot be used") as outcome:
        ensure_picture(session, number)
        if segment:
            submit_segmentation(session, session.map_png(number), again=True)
    return not outcome.failed


def _item_of(number: int) -> Item | None:
    return next(
        (
            item
            for item in lamella_list.to_visit(navigator.items())
            if lamella_list.number_of(item) == number
        ),
        None,
    )


def _collect(
    session: GridSession, number: int, later: list[int], segment: bool, somebody_there: bool
) -> None:
    item = _item_of(number)
    if item is None:
        return
    settings = session.settings
    known = lamella_list.load(session.lamellae_file)
    lamella = lamella_list.of_item(item, known)
    log.info("Lamella %d (%s): moving there...", number, lamella.category)
    navigator.move_to(item.index)
    view = _view_of_lamella(session, number, somebody_there)
    stage.find_eucentric_height()
    navigator.take_height(item.index)
    for other in later:  # neighbours are about as high
        other_item = _item_of(other)
        if other_item is not None:
            navigator.take_height(other_item.index)
    frame = montage.picture_frame(view, item.stage_um)
    width_um, height_um = frame.box_size_in_image_um(lamella.size_um)
    padding = settings.MM_padding_factor
    wanted_um = (width_um * padding, height_um * padding)
    asked_by = retake.make_way(session, number)
    _drop_unfinished_item(session, number)
    collected = montage.collect_here(
        session.directory / session.map_note(number),
        wanted_um,
        (width_um, height_um),
        settings.MM_montage_overlap,
        view,
        session.map_note(number),
        map_label(number),
    )
    navigator.take_height(collected.index)
    navigator.save()
    _save(session, number, collected, view)
    about = f"taken again, as asked by {asked_by}" if asked_by else ""
    fit = _fit(collected.seams)
    note(session.directory, Kind.LAMELLA_MAPPED, session.grid, number, about, **fit)
    if segment:
        submit_segmentation(session, session.map_png(number), again=True)


def _fit(seams: montage.MapSeams) -> dict[str, float]:
    """Return how well a map's pieces fit, for the journal."""
    clear = [seam.step_um for seam in seams if seam.clear]
    return {"seams": len(clear), "worst_step_um": max(clear)} if clear else {}


def _drop_unfinished_item(session: GridSession, number: int) -> None:
    """Remove a map item whose file is gone, so that a note belongs to one map."""
    old = map_item(session, number)
    if old is not None:
        navigator.delete([old.index])


def _view_of_lamella(session: GridSession, number: int, somebody_there: bool) -> Picture:
    """Take a View picture; if it is too dark, ask a person to centre the lamella.

    Raises
    ------
    NobodyThereError
        When nobody did, or `somebody_there` is False since nobody came for an earlier lamella: a
        night is too short to wait for each of them.
    """
    threshold = session.settings.MM_mean_threshold
    view = scope.take_view()
    mean = scope.mean_counts()
    if not threshold or mean >= threshold:
        return view
    if not somebody_there:
        raise NobodyThereError(
            f"View is too dark (mean {mean:.1f}) and nobody is there to centre lamella {number}.",
            do="Run the script again while somebody is there, or set MM_mean_threshold = 0.",
        )
    log.warning(
        "Lamella %d: View has a mean of %.1f, below MM_mean_threshold = %g. Drag the "
        "lamella into the middle (right mouse button), then press B.",
        number,
        mean,
        threshold,
    )
    tell(
        session.settings,
        session.directory,
        "person needed",
        f"Lamella {number} has to be brought into view by hand; then press B. "
        f"This waits for {CENTRE_BY_HAND_TIMEOUT_S / 3600:.0f} h.",
        session.grid,
    )
    key_pressed("B")
    start = time.monotonic()
    while not key_pressed("B"):
        pause(0.5)
        if time.monotonic() - start > CENTRE_BY_HAND_TIMEOUT_S:
            raise NobodyThereError(
                f"Nobody centred lamella {number} within {CENTRE_BY_HAND_TIMEOUT_S / 3600:.0f} h.",
                do="Set MM_mean_threshold = 0 for sessions without a person.",
            )
        reason = steering.why_to_stop_waiting(session)
        if reason:
            raise StoppedByUserError(f"Centring lamella {number} was given up {reason}.")
    scope.reset_image_shift()
    return scope.take_view()


def _save(
    session: GridSession,
    number: int,
    image: MapImage,
    view: Picture | None = None,
    stitching: str = "",
) -> None:
    """Save a map for the segmentation model, with what later steps need to know.

    Parameters
    ----------
    session : GridSession
    number : int
        The lamella.
    image : MapImage
    view : Picture, optional
        A View picture, if the map was collected just now.
    stitching : str
        How its pieces were put together, "" as when it was collected.

    Raises
    ------
    SpaceError
        If places in it are not where the stage finds them.
    """
    if image.by_image_shift:
        raise SpaceError(
            "The map was taken by image shift in place of stage moves: its targets would be "
            "misplaced.",
            session.map_note(number),
            "Delete its Navigator item, switch image shift off in SerialEM's Montage Setup (in "
            "blocks, too), and run the script again: the map is collected again.",
        )
    structure = judge_structure(image.picture.data)
    if structure:
        log.warning(
            "%s: %s. %s. Look at the map before you trust its targets.",
            session.map_note(number),
            structure.seen,
            structure.causes,
        )
    conditions = view_of(session, number, image)
    about: dict[str, Any] = {} if conditions is None else {"view": asdict(conditions)}
    # A map that is only saved again was collected with the settings of an earlier run.
    earlier = read_json_beside(session.map_png(number)).get(KEY, {})
    about[KEY] = earlier if view is None else made_with(session.settings, MAP)
    if view is None and (turned := turned_since(session, number)):
        about[TURNED] = turned
    if stitching:
        about[STITCHED] = stitching
    frame_px = view_shape_px(session, number) if view is None else view.data.shape
    save_for_model(
        session.map_png(number),
        image.picture.data,
        image.picture.pixel_nm,
        session.config.segmentation_pixel_nm,
        image.frame,
        session.map_note(number),
        task="segment",
        grid=session.grid,
        lamella=number,
        view_shape_px=[int(side) for side in frame_px],
        **about,
    )
    log.info("Saved %s.", session.map_png(number).name)


def wait_for_segmentations(session: GridSession, timeout_s: float) -> None:
    """Wait until every map is segmented or has failed; the B key ends the waiting."""
    numbers = lamella_list.numbers_to_visit(navigator.items())
    pictures = {number: session.map_png(number).name for number in numbers}
    pictures = {n: name for n, name in pictures.items() if (session.map_dir / name).is_file()}
    names = list(pictures.values())
    folder = job_folder(session)

    def poll() -> bool | None:
        review.look(session)
        skipped = steering.skipped(session)
        wanted = [name for number, name in pictures.items() if number not in skipped]
        statuses = map_statuses(folder, wanted, session.settings).values()
        return None if any(s.state in ("queued", "running") for s in statuses) else True

    try:
        wait_for_jobs(session, folder, poll, f"the segmentation of {len(names)} maps", timeout_s)
    except StoppedByUserError as stopped:
        log.warning("%s", stopped)
    for name, status in map_statuses(folder, names, session.settings).items():
        if status.state == "failed":
            log.error(
                "The segmentation of %s failed: %s. See %s.",
                name,
                status.reason,
                folder.log_path(name).name,
            )
