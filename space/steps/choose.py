"""The choice of a lamella's targets: chosen here, or taken from a file that a person edited."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import file_state, read_png
from space.item_types import POLYGON
from space.microscope import SavedItem, navigator
from space.steps.made_with import TARGETS, made_with
from space.steps.manual import points_on_map
from space.steps.question import Question
from space.steps.session import GridSession
from space.steps.target_facts import choice_path
from space.targeting import (
    Choice,
    ChoiceFile,
    describe,
    find_holes,
    inherited_series,
    read_choice,
    write_choice,
)

log = logging.getLogger("space.workflow")


def choose_targets(session: GridSession, number: int, question: Question) -> Choice:
    """Choose the targets of a lamella, or take those that a person has edited.

    Writes the choice beside the targets file and describes it in the log.

    Raises
    ------
    SpaceError
        When the edited choice cannot be understood, or there is no hole pattern although the
        settings ask for one.
    """
    path, stem = choice_path(session, number), session.map_stem(number)
    shape = question.shape
    seen = file_state(path)
    edited = read_choice(path, shape)
    polygons = save_and_read_polygons(session, question.frame)
    items = navigator.save_and_read() if session.settings.manual_selection else ()
    points = points_by_hand(session, items, question.frame)
    choice = choice_of(session, number, question, edited, polygons, points)
    for warning in choice.warnings:
        log.warning(warning)
    take = edited.take if edited is not None else "nothing"
    used = made_with(session.settings, TARGETS)
    record = asdict(question.record)
    if file_state(path) == seen:
        write_choice(path, choice, session.map_png(number).name, shape, take, used, record)
    else:
        log.warning(
            "%s was written by somebody else while targets were chosen. It stays; the targets that "
            "are set up now are those that were chosen before.",
            path.name,
        )
    for line in describe(choice, question.options).splitlines():
        log.info("%s: %s", stem, line)
    log.info(
        "%s: to change targets, edit %s, delete %s and run the script again.",
        stem,
        path.name,
        session.targets_file(number).name,
    )
    return choice


def choice_of(
    session: GridSession,
    number: int,
    question: Question,
    edited: ChoiceFile | None,
    polygons_map_px: tuple[np.ndarray, ...],
    points_map_px: np.ndarray | None = None,
) -> Choice:
    """Return the choice of targets, with what a person has edited. Nothing is written.

    `points_map_px` (n, 2) are the only places where a person wants targets; None: anywhere.
    """
    name, stem = choice_path(session, number).name, session.map_stem(number)
    if edited is not None and edited.take == "all":
        log.info("%s: taking the targets in %s.", stem, name)
        return question.judged(edited.areas, polygons_map_px)
    fixed = None
    if edited is not None and edited.take == "fixed":
        fixed = edited.fixed_map_px
        log.info("%s: %d targets in %s stay fixed.", stem, len(fixed), name)
    sites = points_map_px
    if sites is None and session.settings.hole_pattern:
        sites = _holes(session, number)
    choice = question.chosen(polygons_map_px, fixed, sites)
    if fixed is None or edited is None:
        return choice
    return replace(choice, areas=inherited_series(choice.areas, edited.areas))


def points_by_hand(
    session: GridSession, items: Sequence[SavedItem], frame: MapFrame
) -> np.ndarray | None:
    """Return the points (n, 2) in map pixels that are to be the targets; None: anywhere."""
    if not session.settings.manual_selection:
        return None
    points = points_on_map(items, frame, f"{session.grid}_L")
    if not len(points):
        return None
    log.info("Targets are at %d points of the Navigator.", len(points))
    return points


def save_and_read_polygons(session: GridSession, frame: MapFrame) -> tuple[np.ndarray, ...]:
    """Save the Navigator and return the polygons (k, 2) that bound targets, in map pixels.

    None means that targets may be anywhere on the map.

    Raises
    ------
    SpaceError
        When the Navigator file cannot be read.
    """
    if not session.settings.target_polygons:
        return ()
    try:
        items = navigator.save_and_read()
    except SpaceError as error:
        raise SpaceError(
            f"The polygons cannot be read: {error.what}",
            error.where,
            "Save the Navigator, or set target_polygons = False.",
        ) from None
    return polygons_told(items, frame)


def polygons_told(items: Sequence[SavedItem], frame: MapFrame) -> tuple[np.ndarray, ...]:
    """Return the polygons (k, 2) in map pixels that bound targets, and say which they are."""
    found = _labelled_polygons(items, frame)
    for label, _ in found:
        log.info("Targets are bounded by polygon %s.", label)
    if not found:
        log.info("There is no polygon on this map: targets may be anywhere on it.")
    return tuple(points for _, points in found)


def polygons_on_map(items: Sequence[SavedItem], frame: MapFrame) -> tuple[np.ndarray, ...]:
    """Return the polygons (k, 2) in map pixels among Navigator items that lie on the map."""
    return tuple(points for _, points in _labelled_polygons(items, frame))


def _labelled_polygons(
    items: Sequence[SavedItem], frame: MapFrame
) -> tuple[tuple[str, np.ndarray], ...]:
    polygons = []
    for item in items:
        corners = item.numbers("PtsX"), item.numbers("PtsY")
        if item.kind != POLYGON or len(corners[0]) != len(corners[1]):
            continue
        points = frame.to_map(np.array(corners).T)
        if len(points) >= 3 and (points.max(axis=0) > 0).all():
            if (points.min(axis=0) < frame.shape).all():
                polygons.append((item.label, points))
    return tuple(polygons)


def _holes(session: GridSession, number: int) -> np.ndarray:
    picture, _ = read_png(session.map_png(number))
    lattice = find_holes(picture, bright=True)  # film scatters more than ice
    if lattice is None:
        raise SpaceError(
            "No hole pattern was found on the map.",
            session.map_png(number).name,
            "Set hole_pattern = False to place targets anywhere.",
        )
    log.info(
        "%s: %d holes, %.0f px apart.",
        session.map_stem(number),
        len(lattice.holes_map_px),
        lattice.spacing_px,
    )
    return lattice.holes_map_px
