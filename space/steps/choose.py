"""What is asked of the target selection for one lamella, and what came out of it."""

from __future__ import annotations

import logging

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import read_png
from space.microscope import navigator
from space.microscope.navfile import read_navigator_file
from space.steps.made_with import TARGETS, made_with
from space.steps.session import GridSession
from space.steps.target_facts import choice_path
from space.targeting import (
    Choice,
    Optics,
    TargetingOptions,
    describe,
    find_holes,
    read_choice,
    review_targets,
    select_targets,
    write_choice,
)

_POLYGON = "1"
"""Type of polygon items in a Navigator file."""

_log = logging.getLogger("space.workflow")


def choose_targets(
    session: GridSession,
    number: int,
    labels: np.ndarray,
    names: dict[str, int],
    options: TargetingOptions,
    optics: Optics,
    frame: MapFrame,
) -> Choice:
    """Choose the targets of a lamella, or take those that a person has edited.

    Writes the choice beside the targets file and tells about it in the log.

    Raises
    ------
    SpaceError
        When the edited choice cannot be understood, or there is no hole pattern where one is
        asked for.
    """
    path = choice_path(session, number)
    edited = read_choice(path, labels.shape)
    take = edited.take if edited is not None else "nothing"
    stem = session.map_stem(number)
    polygons = target_polygons(session, frame) if session.settings.target_polygons else ()
    if edited is not None and take == "all":
        _log.info("%s: taking the targets in %s.", stem, path.name)
        choice = review_targets(
            labels, names, options, optics, edited.areas, polygons_map_px=polygons
        )
    else:
        fixed = None
        if edited is not None and take == "fixed":
            fixed = edited.fixed_map_px
            _log.info("%s: %d targets in %s stay fixed.", stem, len(fixed), path.name)
        sites = _holes(session, number) if session.settings.hole_pattern else None
        choice = select_targets(
            labels,
            names,
            options,
            optics,
            polygons_map_px=polygons,
            fixed_map_px=fixed,
            sites_map_px=sites,
        )
    used = made_with(session.settings, TARGETS)
    write_choice(path, choice, session.map_png(number).name, labels.shape, take, used)
    for line in describe(choice, options).splitlines():
        _log.info("%s: %s", stem, line)
    _log.info(
        "%s: to change targets, edit %s, delete %s and run the script again.",
        stem,
        path.name,
        session.targets_file(number).name,
    )
    return choice


def target_polygons(session: GridSession, frame: MapFrame) -> tuple[np.ndarray, ...]:
    """Polygons (k, 2) in map pixels that were drawn in the Navigator where the map lies.

    None means that targets may be anywhere on the map.
    """
    navigator.save()
    try:
        items = read_navigator_file(session.navigator_file)
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The polygons cannot be read: {error}.",
            str(session.navigator_file),
            "Save the Navigator, or set target_polygons = False.",
        ) from None
    polygons = []
    for item in items:
        corners = item.numbers("PtsX"), item.numbers("PtsY")
        if item.values.get("Type", "").strip() != _POLYGON or len(corners[0]) != len(corners[1]):
            continue
        points = frame.to_map(np.array(corners).T)
        if len(points) >= 3 and (points.max(axis=0) > 0).all():
            if (points.min(axis=0) < frame.shape).all():
                polygons.append(points)
                _log.info("Targets are bounded by polygon %s.", item.label)
    if not polygons:
        _log.info("There is no polygon on this map: targets may be anywhere on it.")
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
    _log.info(
        "%s: %d holes, %.0f px apart.",
        session.map_stem(number),
        len(lattice.holes_map_px),
        lattice.spacing_px,
    )
    return lattice.holes_map_px
