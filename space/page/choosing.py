"""Targets judged, chosen again and saved, by the functions that a session itself uses.

To judge and to choose again writes nothing. Saved, a choice is what a person would have written by
hand: its file says that exactly these targets are to be taken. The run looks at it when it is
asked to (`space.review`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import numpy as np

from space import overview, steps
from space.errors import SpaceError
from space.labelling import labels_that_count
from space.overview import GridFacts, LamellaFacts
from space.page.lamella_facts import choice_table, navigator_items
from space.page.refusal import RefusedError, stale, wrong
from space.page.session import Session
from space.predicates import is_number
from space.settings import Result, Settings, declaration, settings_of
from space.steps import GridSession, Question
from space.targeting import (
    SERIES,
    Choice,
    ChoiceFile,
    Take,
    TargetArea,
    read_areas,
    read_choice,
)

MOST_AREAS, MOST_TARGETS = 100, 3000
MOST_POLYGONS, MOST_CORNERS = 50, 500
_SAVED_TAKES: tuple[Take, ...] = ("all", "fixed")


def settings_table(settings: Settings) -> list[dict[str, Any]]:
    """Return the settings that change targets, with what they may be."""
    values, usual = settings.to_dict(), Settings().to_dict()
    found = []
    for name in settings_of(Result.TARGETS):
        declared = declaration(name)
        found.append(
            {
                "name": name,
                "value": values[name],
                "default": usual[name],
                "type": declared.kind.type,
                "unit": declared.kind.unit,
                "range": declared.kind.range,
                "meaning": declared.meaning,
            }
        )
    return found


# --- what is sent ---------------------------------------------------------------------------------


def areas_sent(values: Mapping[str, Any], shape: tuple[int, int]) -> tuple[TargetArea, ...]:
    """Return the areas in a request, checked as those of a choice file.

    Raises
    ------
    SpaceError
        With the first thing that is wrong.
    """
    entries = values.get("areas")
    if not isinstance(entries, list) or len(entries) > MOST_AREAS:
        raise wrong(f"areas is no list of at most {MOST_AREAS}.")
    lists = [
        entry.get(key, [])
        for entry in entries
        if isinstance(entry, dict)
        for key in ("targets", "geometry_points")
    ]
    if sum(len(one) for one in lists if isinstance(one, list)) > MOST_TARGETS:
        raise wrong(f"These are more than {MOST_TARGETS} points.")
    known = ({"row", "column", "score", "fixed", "for_tracking_alone"}, {"row", "column"})
    # What the page got with a target and is no part of a choice is left out.
    plain = [
        {
            **{
                key: [_only(point, names) for point in entry.get(key, [])]
                if isinstance(entry.get(key, []), list)
                else entry.get(key)
                for key, names in zip(("targets", "geometry_points"), known)
            },
            **({SERIES: entry[SERIES]} if SERIES in entry else {}),
        }
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]
    try:
        return read_areas(plain, shape, "targets")
    except SpaceError as error:
        raise wrong(error.what, error.where) from None


def clicks_sent(values: Mapping[str, Any], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where a person has put targets (n, 2) and taken some away, of areas that are checked.

    Raises
    ------
    SpaceError
        With the first thing that is wrong.
    """
    removed = values.get("removed", [])
    clicked = [
        point
        for area in values["areas"]
        for point in area.get("targets", [])
        if point.get("clicked") is True
    ]
    if not isinstance(removed, list) or len(removed) > MOST_TARGETS:
        raise wrong(f"removed is no list of at most {MOST_TARGETS}.")
    # Places are checked as those of targets are.
    table = [{"targets": [_only(point, {"row", "column"}) for point in removed]}] if removed else []
    try:
        taken = read_areas(table, shape, "removed")
    except SpaceError as error:
        raise wrong(error.what, error.where) from None
    places = [(float(point["row"]), float(point["column"])) for point in clicked]
    away = taken[0].targets_map_px if taken else np.empty((0, 2))
    return np.array(places, float).reshape(-1, 2), away


def _only(point: Any, names: set[str]) -> Any:
    if not isinstance(point, dict):
        return point
    return {key: value for key, value in point.items() if key in names}


def polygons_sent(values: Mapping[str, Any], key: str) -> tuple[np.ndarray, ...] | None:
    """Return the polygons (k, 2) in a request, in pixels of the map; None if there are none.

    Raises
    ------
    SpaceError
        If they are none.
    """
    polygons = values.get(key)
    if polygons is None:
        return None
    if not isinstance(polygons, list) or len(polygons) > MOST_POLYGONS:
        raise wrong(f"{key} is no list of at most {MOST_POLYGONS} polygons.")
    return tuple(_polygon(corners, key) for corners in polygons)


def _polygon(corners: Any, key: str) -> np.ndarray:
    good = isinstance(corners, list) and 3 <= len(corners) <= MOST_CORNERS
    if not good or not all(
        isinstance(corner, list)
        and len(corner) == 2
        and all(is_number(value) and abs(value) < 1e6 for value in corner)
        for corner in corners
    ):
        raise wrong(f"{key} holds something else than lists of 3 to {MOST_CORNERS} corners.")
    return np.array(corners, float)


def settings_sent(session: Session, values: Mapping[str, Any]) -> Settings:
    """Return the session's settings with the other ones of a request.

    Raises
    ------
    SpaceError
        With all that are not allowed.
    """
    changed = values.get("settings", {})
    if not isinstance(changed, dict) or not all(isinstance(name, str) for name in changed):
        raise wrong("settings is no table of names and values.")
    facts = session.look().facts
    try:
        return overview.settings_with(facts, changed, session.config, session.space_dir, "settings")
    except SpaceError as error:
        raise wrong(error.what, error.where, error.do) from None


# --- answers --------------------------------------------------------------------------------------


def question(
    session: Session, grid: GridFacts, lamella: LamellaFacts, settings: Settings
) -> tuple[GridSession, Question]:
    """Return the question to the target selection about a lamella.

    Raises
    ------
    SpaceError
        If its map is not segmented, or a file cannot be used.
    """
    if lamella.labels is None:
        raise SpaceError(
            "This lamella has no segmented map here.", lamella.label, "Wait for the segmentation."
        )
    record = overview.noted_record(session.look().facts, lamella, settings)
    if record is None:
        raise SpaceError(
            "What a Record picture covers is not noted in this session yet.",
            lamella.label,
            "It is known as soon as targets of one lamella were chosen.",
        )
    files = session.files_of(grid, settings)
    read = session.segmentations.read
    return files, steps.question_on_disk(files, lamella.number, lamella.labels, record, read)


def load_packages() -> None:
    """Load the packages that the first lamella needs, so that who opens it does not wait."""
    for name in ("scipy.spatial", "scipy.fft", "scipy.ndimage", "scipy.sparse.csgraph"):
        importlib.import_module(name)


def prepare(session: Session, grid: GridFacts, lamella: LamellaFacts) -> None:
    """Find out what choices and checks on a lamella begin with, so that the first is quick.

    Raises
    ------
    SpaceError
        As `question`.
    """
    with session.segmentations.one_at_a_time:
        settings = session.settings
        _, asked = question(session, grid, lamella, settings)
        asked.prepare(polygons_of(grid, lamella, settings, asked, {}))


def judged(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return scores, conflicts and warnings of targets as they are on the page."""
    with session.segmentations.one_at_a_time:
        settings = settings_sent(session, values)
        _, asked = question(session, grid, lamella, settings)
        areas = areas_sent(values, asked.shape)
        choice = asked.judged(areas, polygons_of(grid, lamella, settings, asked, values))
        return choice_table(choice.areas, asked.optics, choice)


def chosen_again(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return another choice of targets, and those that are there by the same settings."""
    with session.segmentations.one_at_a_time:
        settings = settings_sent(session, values)
        files, asked = question(session, grid, lamella, settings)
        polygons = polygons_of(grid, lamella, settings, asked, values)
        points = points_of(grid, lamella, files, asked)
        asked = _without(session, lamella, asked, polygons_sent(values, "without_px") or ())
        before = _before(lamella, asked)
        given = None
        if "areas" in values:  # those that are fixed stay
            given = ChoiceFile("fixed", areas_sent(values, asked.shape))
        again = steps.answer_again(files, lamella.number, asked, before, given, polygons, points)
        return {
            "proposal": choice_table(again.choice.areas, asked.optics, again.choice),
            "before": {
                "targets": again.targets_before,
                "score_then": again.stored_score,
                "score": again.before_score,
            },
        }


def saved(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any], of: str
) -> dict[str, Any]:
    """Write the targets of the page into the choice file of a lamella.

    Parameters
    ----------
    session, grid, lamella :
        What they are of.
    values : mapping
        ``areas`` and ``take`` ("all" or "fixed"); for learning, ``clicked`` with each target that a
        person has put there, and ``removed``: targets that one has taken away.
    of : str
        Stamp of the choice file that is there now.

    Raises
    ------
    SpaceError
        If acquisition has begun, the page has seen another choice, or something is not understood.
    """
    take = next((one for one in _SAVED_TAKES if one == values.get("take", "all")), None)
    if take is None:
        raise wrong('take is neither "all" nor "fixed".')
    with session.segmentations.one_at_a_time:
        files, asked = question(session, grid, lamella, settings_sent(session, values))
        if steps.is_begun(files, lamella.number):
            raise RefusedError(
                HTTPStatus.CONFLICT,
                "PACEtomo has begun with this lamella: its targets stay as they are.",
                files.map_stem(lamella.number),
                "What was exposed would be exposed again.",
            )
        if values.get("of") != of:
            raise stale("The targets of this lamella have changed meanwhile.", lamella.label)
        areas = areas_sent(values, asked.shape)
        clicked, removed = clicks_sent(values, asked.shape)
        choice = asked.judged(areas) if areas else Choice(())
        steps.save_choice(files, lamella.number, asked, choice, take)
        steps.save_clicks(files, lamella.number, asked.shape, clicked, removed)
        return choice_table(choice.areas, asked.optics, choice)


def _before(lamella: LamellaFacts, asked: Question) -> ChoiceFile | None:
    if lamella.choice_file is None:
        return None
    return read_choice(lamella.choice_file, asked.shape)


def points_of(
    grid: GridFacts, lamella: LamellaFacts, files: GridSession, asked: Question
) -> np.ndarray | None:
    """Return the points of the Navigator that are to be the targets, if any are."""
    if not files.settings.manual_selection:
        return None
    try:
        return steps.points_by_hand(files, navigator_items(grid), asked.frame)
    except (OSError, ValueError) as error:
        raise SpaceError(f"The points cannot be read: {error}.", lamella.label) from None


def polygons_of(
    grid: GridFacts,
    lamella: LamellaFacts,
    settings: Settings,
    asked: Question,
    values: Mapping[str, Any],
) -> tuple[np.ndarray, ...]:
    """Return what bounds targets: what was drawn on the page, else the Navigator's polygons."""
    drawn = polygons_sent(values, "within_px")
    if drawn is not None:
        return drawn
    if not settings.target_polygons:
        return ()
    try:
        return steps.polygons_on_map(navigator_items(grid), asked.frame)
    except (OSError, ValueError) as error:
        raise SpaceError(f"The polygons cannot be read: {error}.", lamella.label) from None


def _without(
    session: Session, lamella: LamellaFacts, asked: Question, polygons: Sequence[np.ndarray]
) -> Question:
    """Return the question with places where no target is wanted.

    They become coating, which joins the lamella's pieces and holds no target; for a model without
    that class, what lies off the lamella.
    """
    if not polygons or lamella.labels is None:
        return asked
    names = ("coating", *asked.options.off_lamella)
    label = next((asked.names[name] for name in names if name in asked.names), None)
    if label is None:
        raise SpaceError("This model has no class for what is not lamella.", "without_px")
    how = (label, asked.known.made_by, *(corners.tobytes() for corners in polygons))
    path = labels_that_count(lamella.labels).path
    known = session.segmentations.changed(
        path, asked.known, how, lambda: _filled(asked.labels, polygons, label)
    )
    return replace(asked, known=known)


def _filled(labels: np.ndarray, polygons: Sequence[np.ndarray], label: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(labels).copy()  # of labels that others read, too
    draw = ImageDraw.Draw(picture)
    for corners in polygons:
        draw.polygon([(float(column), float(row)) for row, column in corners], fill=label)
    return np.asarray(picture)
