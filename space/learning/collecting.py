"""What people did in sessions, gathered as a data set: what they corrected, clicked and approved.

Only what somebody has looked at is taken. Labels that a person corrected, and boxes after a person
added, moved, resized, removed or renamed lamellae, are the better truth: their grids are trained
on. Grids on which a person approved all that is taken, without changing it, are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from space import labelling, steps
from space.errors import SpaceError
from space.lamellae import Box
from space.learning import picture_files
from space.learning.adding import Added, add, open_or_new
from space.learning.clicks.names import REMOVED, WANTED
from space.learning.dataset import LabelClass, NotASampleError, Origin
from space.learning.formats.shared import stored_classes
from space.learning.incoming import Incoming, Item, Point, Tell, classes_of
from space.overview import GridFacts, LamellaFacts, SessionFacts, read_session
from space.review import (
    Edit,
    Kind,
    Review,
    answers_path,
    read_answers,
    read_review,
    review_path,
    targets_count,
)
from space.steps import GridOnDisk
from space.targeting import merged_clicks, read_choice

TRAIN, TEST = "train", "test"
CORRECTED, ACCEPTED = "corrected", "accepted"

_OF_BOXES = (Kind.ADD, Kind.MOVE, Kind.RESIZE, Kind.DELETE, Kind.CLASS)


@dataclass
class Collected:
    """What became of the pictures of some sessions.

    Attributes
    ----------
    done : Added
    not_looked_at : list of str
        Maps with labels that nobody has corrected or approved.
    """

    done: Added = field(default_factory=Added)
    not_looked_at: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """A picture that can be taken, its classes, and whether a person corrected it."""

    kind: str
    load: Callable[[], Item]
    classes: tuple[LabelClass, ...] = ()


def collect(
    sessions: Sequence[Path], to: Path, tell: Tell, map_dir: Path | None = None
) -> Collected:
    """Add what people corrected or approved in sessions to a data set.

    What is there already is not added again; labels and boxes that were corrected since are
    renewed. A grid of which pictures have a split keeps it.

    Parameters
    ----------
    sessions : sequence of Path
        SerialEM's directories.
    to : Path
        Folder of the data set; made if it is not there.
    tell : callable
    map_dir : Path, optional
        Where the maps are, if the settings of the session name another place.

    Raises
    ------
    SpaceError
        If there is no session in a directory, or no data set in the folder. Nothing is written.
    """
    read = [read_session(directory, map_dir) for directory in sessions]
    collected = Collected()
    splits = {
        (one.origin.session, one.origin.grid): one.split
        for one in open_or_new(to).samples
        if one.split
    }
    for session in read:
        name = steps.session_id(session.directory) or session.directory.resolve().name
        for problem in session.problems:
            tell(problem)
        for grid in session.grids:
            found = _of_grid(session, grid, name, collected, tell)
            usual = TRAIN if any(one.kind == CORRECTED for one in found) else TEST
            split = splits.get((name, grid.name), usual)
            for one in found:
                _add(to, one, split, collected.done, tell)
    return collected


def _add(to: Path, one: _Found, split: str, done: Added, tell: Tell) -> None:
    def load() -> list[Item]:
        item = one.load()
        return [replace(item, split=split)]

    more = add(to, Incoming([load], one.classes), tell, renew=True)
    for key, names in vars(more).items():
        getattr(done, key).extend(names)


def _of_grid(
    session: SessionFacts, grid: GridFacts, name: str, collected: Collected, tell: Tell
) -> list[_Found]:
    """Return what of a grid a person has corrected or approved."""
    if not grid.name:
        return []
    files = GridOnDisk(session.directory, session.map_dir, grid.name, grid.map_root)
    try:
        review = read_review(review_path(session.directory, grid.name), grid.name)
    except SpaceError as error:
        tell(str(error))
        review = None
    review = review or Review(grid.name)
    origin = Origin(name[:200], grid.name[:200])
    found = []
    for lamella in grid.visited:
        if lamella.picture is not None and lamella.labels is not None:
            seen = steps.stamp_of_targets(files, lamella.number)
            approved = targets_count(review.targets_approved, lamella.number, seen)
            one = _map_of(lamella, lamella.picture, lamella.labels, approved, origin, tell)
            points = _clicked(files, lamella, tell)
            if points and one is not None:
                one = replace(one, load=_with_points(one.load, points))
            elif points:
                one = _clicks_alone(lamella, lamella.picture, points, origin)
            if one is None:
                collected.not_looked_at.append(f"{grid.name} {lamella.label}")
            else:
                found.append(one)
    kind = _kind_of_boxes(session.directory, grid.name, review, tell)
    if kind and grid.whole_grid_picture is not None:
        picture = grid.whole_grid_picture
        where = replace(origin, kind=kind, source=picture.name)
        found.append(_Found(kind, lambda: _whole_grid(files, picture, where)))
    return found


# --- maps of lamellae -----------------------------------------------------------------------------


def _map_of(
    lamella: LamellaFacts,
    picture: Path,
    segmentation: Path,
    approved: bool,
    origin: Origin,
    tell: Tell,
) -> _Found | None:
    """Return the map of a lamella with the labels that count; None if nobody looked at them."""
    counted = labelling.labels_that_count(segmentation)
    if counted.why_not:
        tell(counted.why_not)
    if not counted.corrected and not approved:
        return None
    kind = CORRECTED if counted.corrected else ACCEPTED
    where = replace(origin, lamella=lamella.number, kind=kind, source=picture.name)
    try:
        classes = _classes_in(counted.path)
    except SpaceError as error:
        tell(str(error))
        return None

    def load() -> Item:
        sections = picture_files.read_pictures(picture)
        return Item(
            stem=f"{origin.grid}_{lamella.label}",
            picture=sections.arrays[0],
            file=picture,
            labels=picture_files.read_label_map(counted.path),
            layers=_layers_of(segmentation) if counted.corrected else {},
            pixel_nm=sections.pixel_nm,
            origin=where,
        )

    return _Found(kind, load, classes)


def _classes_in(labels: Path) -> tuple[LabelClass, ...]:
    """Return the classes that are stored with labels.

    Raises
    ------
    SpaceError
        If there are none, or they cannot be used.
    """
    table = stored_classes(labels)
    if not table:
        raise SpaceError("The labels do not say which classes they have.", str(labels))
    try:
        return classes_of(table)
    except NotASampleError as error:
        raise SpaceError(f"The labels cannot be taken: {error}", str(labels)) from None


def _layers_of(segmentation: Path) -> dict[str, np.ndarray]:
    """Return what a person gave to each class by hand."""
    correction = labelling.read_correction(segmentation)
    if correction is None:
        return {}
    return {
        name: picture_files.read_layer(segmentation.with_name(file))
        for name, file in correction.layers.items()
    }


# --- clicks on maps of lamellae -------------------------------------------------------------------


def _clicked(files: GridOnDisk, lamella: LamellaFacts, tell: Tell) -> tuple[Point, ...]:
    """Return where a person added, fixed and removed targets of a lamella, as keypoints."""
    if lamella.picture is None:
        return ()
    shape = picture_files.read_pictures(lamella.picture).arrays.shape[1:]
    rows, columns = int(shape[0]), int(shape[1])
    try:
        clicks = steps.clicks_of(files, lamella.number, (rows, columns))
        choice = lamella.choice_file and read_choice(lamella.choice_file, (rows, columns))
    except SpaceError as error:
        tell(str(error))
        return ()
    fixed = choice.fixed_map_px if choice else clicks.added_map_px[:0]
    wanted = merged_clicks(clicks, fixed, clicks.removed_map_px[:0])
    return tuple(
        (name, float(column), float(row))
        for name, places in ((WANTED, wanted.added_map_px), (REMOVED, wanted.removed_map_px))
        for row, column in places
    )


def _with_points(load: Callable[[], Item], points: tuple[Point, ...]) -> Callable[[], Item]:
    return lambda: replace(load(), points=points)


def _clicks_alone(
    lamella: LamellaFacts, picture: Path, points: tuple[Point, ...], origin: Origin
) -> _Found:
    """Return the map of a lamella on which only targets were clicked: its labels are not taken."""
    where = replace(origin, lamella=lamella.number, kind=CORRECTED, source=picture.name)

    def load() -> Item:
        sections = picture_files.read_pictures(picture)
        return Item(
            stem=f"{origin.grid}_{lamella.label}",
            picture=sections.arrays[0],
            file=picture,
            points=points,
            pixel_nm=sections.pixel_nm,
            origin=where,
        )

    return _Found(CORRECTED, load)


# --- boxes on the map of the whole grid -----------------------------------------------------------


def _kind_of_boxes(directory: Path, grid: str, review: Review, tell: Tell) -> str:
    """Say whether a person corrected or approved the lamellae of a grid; empty if neither."""
    try:
        answers = read_answers(answers_path(directory, grid))
    except SpaceError as error:
        tell(str(error))
        return ""
    done = {key for key, answer in answers.items() if answer.answer == "applied"}
    edits = [one for one in review.edits if isinstance(one, Edit)]
    if any(one.id in done and one.kind in _OF_BOXES for one in edits):
        return CORRECTED
    return ACCEPTED if review.lamellae_approved else ""


def _whole_grid(files: GridOnDisk, picture: Path, origin: Origin) -> Item:
    """Return the map of a grid with the boxes of its lamellae, those that are not visited, too."""
    scene = steps.scene_on_disk(files)
    known = steps.read_lamella_list(files.lamellae_file)
    frame = steps.map_frame(files, known)
    sections = picture_files.read_pictures(picture)
    if frame is None or tuple(frame.shape) != sections.arrays.shape[1:]:
        raise SpaceError("Where lamellae lie on the map of the grid is not known.", str(picture))
    places = [(one.center_um, one.box_um, one.category) for one in scene.lamellae.values()]
    # What was removed by a person is not among the others: those were found and are not visited.
    places += [(one.stage_um, one.size_um, one.category) for one in (known.others if known else ())]
    boxes = []
    for center_um, size_um, category in places:
        row, column = (float(value) for value in frame.to_map(np.array([center_um]))[0])
        wide, high = (side / frame.pixel_um for side in frame.box_size_in_image_um(size_um))
        boxes.append(
            Box(column - wide / 2, row - high / 2, column + wide / 2, row + high / 2, category, 1.0)
        )
    return Item(
        stem=picture.stem,
        picture=sections.arrays[0],
        file=picture,
        boxes=tuple(boxes),
        pixel_nm=sections.pixel_nm or frame.pixel_um * 1000,
        origin=origin,
    )
