"""Level 1 of grids without lamellae: the squares of the mesh in the picture of the whole grid."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np

from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import read_png
from space.lamellae import Lamella, filter_lamellae, renumbered
from space.settings import Settings
from space.squares import SQUARE_CLASSES, Square, find_squares
from space.steps.session import GridSession

log = logging.getLogger("space.workflow")


def squares_to_visit(
    session: GridSession, frame: MapFrame, limits_um: tuple[float, float, float, float]
) -> tuple[list[Lamella], list[Lamella]]:
    """Find squares in the picture of the grid; return those to map, the best first, and the others.

    What is known of a square is kept as of a lamella: its class, and as its probability the share
    of the light that its film lets through.

    Parameters
    ----------
    session : GridSession
    frame : MapFrame
        Where the picture lies.
    limits_um : tuple of float
        x min, x max, y min, y max of the stage.

    Raises
    ------
    SpaceError
        Where there is no mesh in the picture.
    """
    picture, _ = read_png(session.whole_grid_png)
    found = find_squares(picture, frame.pixel_um)
    if found is None:
        raise SpaceError(
            "No mesh was found in the map of the whole grid.",
            session.whole_grid_png.name,
            'Look at the map. With sample = "positions", places that you mark in the Navigator are '
            "mapped.",
        )
    settings = session.settings
    places = [_place(square, frame, settings) for square in found.squares]
    allowed, _ = filter_lamellae(
        places, settings.least_probability, settings.excluded_classes, limits_um
    )
    chosen = renumbered(allowed[: settings.max_squares or None])
    _report(session, places, len(chosen), len(allowed))
    taken = {place.stage_um for place in chosen}
    return chosen, [place for place in places if place.stage_um not in taken]


def _place(square: Square, frame: MapFrame, settings: Settings) -> Lamella:
    x, y = frame.to_stage(np.array([square.center_px]))[0]
    side_um = settings.place_size or square.side_px * frame.pixel_um
    size_px = (side_um / frame.pixel_um, side_um / frame.pixel_um)
    return Lamella(
        0,
        (float(x), float(y)),
        frame.box_size_on_stage_um(size_px),
        square.look.category,
        square.look.transmission,
    )


def _report(session: GridSession, places: list[Lamella], chosen: int, allowed: int) -> None:
    counts = Counter(place.category for place in places)
    told = ", ".join(f"{counts[name]} {name}" for name in SQUARE_CLASSES if counts[name])
    log.info("%d squares found on grid %s: %s.", len(places), session.grid, told)
    if chosen:
        log.info("%d of %d that may be mapped are chosen (max_squares).", chosen, allowed)
    else:
        log.warning(
            "No square of grid %s may be mapped. Look at %s; allow more classes "
            "(exclude_square_classes) or thicker ice (square_transmission = %g).",
            session.grid,
            session.detection_plot.name,
            session.settings.square_transmission,
        )
