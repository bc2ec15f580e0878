"""Level 1, first half: the whole-grid map and the lamellae, or squares, on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from space.geometry import MapFrame
from space.images import is_whole_png, read_json_beside
from space.lamellae import (
    FINAL_LABEL,
    FIRST_LABEL,
    LEFT_OUT,
    Box,
    Lamella,
    drop_close,
    filter_lamellae,
    lamella_note,
    renumbered,
)
from space.microscope import MapImage, column, montage, navigator, stage, states
from space.settings import POSITIONS, SQUARES, Settings
from space.steps import lamella_list
from space.steps.find_positions import take_positions
from space.steps.find_squares import squares_to_visit
from space.steps.inference import detect
from space.steps.lamella_list import LamellaList, labelled
from space.steps.made_with import KEY, LAMELLAE, WHOLE_GRID, made_with
from space.steps.pictures import save_for_model
from space.steps.session import GridSession

CLOSEST_UM = 10.0
"""Of two lamellae closer than this the less probable one is left out."""

_REACH_UM = stage.STAGE_LIMIT_UM - 10.0
STAGE_LIMITS_UM = (-_REACH_UM, _REACH_UM, -_REACH_UM, _REACH_UM)
"""x min, x max, y min, y max of the places that the stage reaches."""

log = logging.getLogger("space.workflow")


def find_lamellae(session: GridSession) -> None:
    """Collect the whole-grid map, detect lamellae, and make a Navigator point of each."""
    items = navigator.items()
    known = lamella_list.load(session.lamellae_file)
    for remark in lamella_list.remarks(items):
        log.info("%s", remark)
    first, final = labelled(items, FIRST_LABEL), labelled(items, FINAL_LABEL)
    if final or (first and known is not None):
        log.info(
            "%d lamellae of grid %s were found before: detection skipped.",
            len(lamella_list.to_visit(items)),
            session.grid,
        )
        return
    if first:
        log.info("An earlier detection did not finish: its points are replaced.")
        navigator.delete([item.index for item in first])
    if session.settings.sample == POSITIONS:
        take_positions(session)
        return
    # A map that is there was collected with the settings of an earlier run.
    earlier = read_json_beside(session.whole_grid_png).get(KEY, {})
    collected = navigator.map_with_note(session.whole_grid_note) is None
    grid_map = ensure_whole_grid_map(session)
    map_made_with = made_with(session.settings, WHOLE_GRID) if collected else earlier
    frame = save_whole_grid(session, grid_map, map_made_with)
    lamellae, others = _detect(session, frame)
    _add_points(session, grid_map, lamellae)
    navigator.save()
    lamella_list.save(
        session.lamellae_file,
        LamellaList(tuple(lamellae), tuple(others), None, made_with(session.settings, LAMELLAE)),
    )


def ensure_whole_grid_map(session: GridSession) -> MapImage:
    """Load the whole-grid map; collect it if there is none yet."""
    item = navigator.map_with_note(session.whole_grid_note)
    if item is not None:
        log.info("The map of grid %s exists: montage skipped.", session.grid)
        known = montage.load_map(item.index)
        _warn_of_image_shift(session, known)
        return known
    if session.settings.aperture_control:
        column.retract_objective_aperture()
    states.go_to_whole_grid_state(session.settings.WG_image_state)
    log.info("Collecting the map of the whole grid %s...", session.grid)
    path = session.directory / session.whole_grid_note
    collected = montage.collect_whole_grid(
        path, session.settings.WG_montage_overlap, session.whole_grid_note, session.whole_grid_label
    )
    if collected.picture.pixel_nm > session.config.detection_pixel_nm:
        log.warning(
            "The whole-grid map has %.0f nm pixels, coarser than the %.0f nm that the "
            "detection model was made for: lamellae may be missed.",
            collected.picture.pixel_nm,
            session.config.detection_pixel_nm,
        )
    _warn_of_image_shift(session, collected)
    return collected


def _warn_of_image_shift(session: GridSession, grid_map: MapImage) -> None:
    if grid_map.by_image_shift:
        log.warning(
            "%s was taken by image shift in place of stage moves: lamellae may lie some um beside "
            "their points until they are seen at intermediate magnification. Switch image shift "
            "off in SerialEM's Montage Setup (also in blocks).",
            session.whole_grid_note,
        )


def save_whole_grid(
    session: GridSession, grid_map: MapImage, map_made_with: Mapping[str, Any]
) -> MapFrame:
    """Save the whole-grid map for the detection model; return the frame of the picture."""
    return save_for_model(
        session.whole_grid_png,
        grid_map.picture.data,
        grid_map.picture.pixel_nm,
        session.config.detection_pixel_nm,
        grid_map.frame,
        session.whole_grid_note,
        task="detect",
        grid=session.grid,
        threshold=session.settings.WG_detection_threshold,
        **{KEY: map_made_with},
    )


def has_whole_grid_picture(session: GridSession) -> bool:
    """Whether the picture of the whole grid, and what is noted beside it, are there and whole."""
    noted = read_json_beside(session.whole_grid_png)
    return "frame" in noted and is_whole_png(session.whole_grid_png)


def lamella_of_box(box: Box, frame: MapFrame, number: int = 0) -> Lamella:
    """Return the lamella that a box in a picture with this frame shows."""
    center = frame.to_stage(np.array([box.center_px]))[0]
    size_px = (box.x1_px - box.x0_px, box.y1_px - box.y0_px)
    return Lamella(
        number,
        (float(center[0]), float(center[1])),
        frame.box_size_on_stage_um(size_px),
        box.category,
        box.probability,
    )


def _detect(session: GridSession, frame: MapFrame) -> tuple[list[Lamella], list[Lamella]]:
    """Find lamellae or squares in the picture of the grid; return those to visit, and others."""
    if session.settings.sample == SQUARES:
        return squares_to_visit(session, frame, STAGE_LIMITS_UM)
    boxes = detect(session, session.whole_grid_png, session.settings.WG_detection_threshold)
    detected = [lamella_of_box(box, frame) for box in boxes]
    lamellae, left_out = _to_visit(detected, session.settings)
    places = {lamella.stage_um for lamella in lamellae}
    _report(session, len(boxes), len(lamellae), left_out)
    return lamellae, [lamella for lamella in detected if lamella.stage_um not in places]


def _to_visit(detected: list[Lamella], settings: Settings) -> tuple[list[Lamella], dict[str, int]]:
    """Return the lamellae to visit with their numbers, and how many were left out for what."""
    kept, dropped = filter_lamellae(
        detected,
        settings.WG_detection_threshold,
        settings.exclude_lamella_classes,
        STAGE_LIMITS_UM,
    )
    apart = drop_close(kept, CLOSEST_UM)
    # The most certain one first: its offset at intermediate magnification moves all others.
    by_probability = sorted(apart, key=lambda lamella: (-lamella.probability, lamella.stage_um))
    return renumbered(by_probability), {**dropped, "close": len(kept) - len(apart)}


def _report(session: GridSession, n_boxes: int, n_lamellae: int, left_out: dict[str, int]) -> None:
    reasons = [f"{count} {LEFT_OUT[reason]}" for reason, count in left_out.items() if count]
    tail = f" (left out: {', '.join(reasons)})" if reasons else ""
    if n_lamellae:
        log.info("%d lamellae found on grid %s%s.", n_lamellae, session.grid, tail)
    else:
        log.warning(
            "No lamella was found on grid %s%s. Look at %s; lower "
            "WG_detection_threshold (%g), or add Navigator points labelled %s1, %s2... "
            "without a note by hand and run the script again.",
            session.grid,
            tail or f" ({n_boxes} boxes)",
            session.whole_grid_png.name,
            session.settings.WG_detection_threshold,
            FINAL_LABEL,
            FINAL_LABEL,
        )


def _add_points(session: GridSession, grid_map: MapImage, lamellae: list[Lamella]) -> None:
    z_um = navigator.item(grid_map.index).z_um
    for lamella in lamellae:
        point = grid_map.frame.to_map(np.array([lamella.stage_um]))[0]
        index = navigator.add_image_point(grid_map.buffer, (point[0], point[1]), z_um)
        navigator.describe(
            index,
            f"{FIRST_LABEL}{lamella.number}",
            lamella_note(lamella.category, lamella.probability),
            session.config.category(lamella.category).navigator_color,
        )
