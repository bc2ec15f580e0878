"""The picture of a grid with its lamellae, for people; one that fails ends nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from space.drawing import SHOWS, GridPicture
from space.geometry import MapFrame
from space.images import read_json_beside, read_png_text
from space.lamellae import LEFT_OUT, Box, Lamella, why_left_out
from space.microscope import Item, navigator
from space.settings import SQUARES
from space.steps import lamella_list
from space.steps.drawing import drawn_or_reported, have_drawn
from space.steps.find import CLOSEST_UM, STAGE_LIMITS_UM, has_whole_grid_picture
from space.steps.lamella_list import LamellaList
from space.steps.made_with import LAMELLAE, excluded_then, least_then, made_with
from space.steps.session import GridSession, map_label

if TYPE_CHECKING:
    from space.plots import Shown

GONE = "its point is gone (not seen again, or deleted)"
"""Why a lamella that was chosen gets no montage, if there is no other reason."""


def ensure_grid_picture(session: GridSession) -> None:
    """Draw the grid with its lamellae, unless there is a picture that shows them as they are now.

    The numbers are those of the files. Places are those on the map of the grid, however the items
    were shifted since.
    """
    if not has_whole_grid_picture(session):
        return
    items = navigator.items()
    with drawn_or_reported(session.detection_plot):
        known = lamella_list.load(session.lamellae_file) or LamellaList(())
        frame = MapFrame.from_dict(read_json_beside(session.whole_grid_png)["frame"])
        settings = {**made_with(session.settings, LAMELLAE), **known.made_with}
        shown = lamellae_shown(
            known,
            items,
            frame,
            least_then(settings),
            excluded_then(settings),
            LEFT_OUT["rank" if settings.get("sample") == SQUARES else "close"],
        )
        mark = f"{crc32(json.dumps([vars(box) for box in shown]).encode()):08x}"
        if read_png_text(session.detection_plot).get(SHOWS) == mark:
            return
        count = sum(not box.left_out for box in shown)
        title = f"{session.grid}: {count or 'no'} {_places(settings, count)}"
        if count < len(shown):
            title += f", {len(shown) - count} left out"
        request = _request(
            session, session.whole_grid_png, session.detection_plot, shown, title, mark
        )
        have_drawn(session.directory, [request])


def _places(settings: Mapping[str, Any], count: int) -> str:
    if settings.get("sample") == SQUARES:
        return "square" if count == 1 else "squares"
    return "lamella" if count == 1 else "lamellae"


def draw_boxes(
    session: GridSession, picture: Path, plot: Path, boxes: Sequence[Box], title: str
) -> None:
    """Draw what was found in a picture."""
    from space.plots import Shown

    shown = [
        Shown(box.x0_px, box.y0_px, box.x1_px, box.y1_px, box.category, box.probability)
        for box in boxes
    ]
    have_drawn(session.directory, [_request(session, picture, plot, shown, title)])


def lamellae_shown(
    known: LamellaList,
    items: Sequence[Item],
    frame: MapFrame,
    threshold: float,
    excluded: Sequence[str],
    otherwise: str = LEFT_OUT["close"],
) -> list[Shown]:
    """Return what a picture of the grid shows.

    Parameters
    ----------
    known : LamellaList
        What was found.
    items : sequence of Item
        The Navigator's.
    frame : MapFrame
        Where the picture lies.
    threshold, excluded :
        Least probability, and the classes that get no montage, when the lamellae were found.
    otherwise : str
        Why one that was not chosen gets no montage, if there is no other reason.
    """
    visited = lamella_list.to_visit(list(items))
    by_hand = [item for item in visited if lamella_list.is_by_hand(item)]
    numbers = {lamella_list.number_of(item) for item in visited}
    numbers -= {lamella_list.number_of(item) for item in by_hand}
    kept = [lamella for lamella in known.lamellae if lamella.number in numbers]

    def why(lamella: Lamella, otherwise: str) -> str:
        reason = why_left_out(lamella, threshold, excluded, STAGE_LIMITS_UM)
        if reason:
            return LEFT_OUT[reason]
        return LEFT_OUT["close"] if _is_close(lamella, kept) else otherwise

    shown = [_shown(lamella, frame, map_label(lamella.number)) for lamella in kept]
    for lamella in known.lamellae:
        if lamella.number not in numbers:
            shown.append(_shown(lamella, frame, left_out=why(lamella, GONE)))
    for lamella in known.others:
        shown.append(_shown(lamella, frame, left_out=why(lamella, otherwise)))
    return shown + [_shown_by_hand(item, known, frame) for item in by_hand]


def _is_close(lamella: Lamella, others: Iterable[Lamella]) -> bool:
    return any(math.dist(lamella.stage_um, other.stage_um) < CLOSEST_UM for other in others)


def _shown_by_hand(item: Item, known: LamellaList, frame: MapFrame) -> Shown:
    lamella = lamella_list.of_item(item, known)
    dx, dy = known.offset_um or (0.0, 0.0)
    x, y = lamella.stage_um
    there = replace(lamella, stage_um=(x - dx, y - dy))
    return replace(_shown(there, frame, map_label(lamella.number)), probability=None)


def _shown(lamella: Lamella, frame: MapFrame, label: str = "", left_out: str = "") -> Shown:
    from space.plots import Shown

    row, column = (float(value) for value in frame.to_map(np.array([lamella.stage_um]))[0])
    width, height = (side / frame.pixel_um for side in frame.box_size_in_image_um(lamella.size_um))
    # Rounded, since places that were written and read again are the same for a picture.
    corners = (column - width / 2, row - height / 2, column + width / 2, row + height / 2)
    x0, y0, x1, y1 = (round(value, 1) for value in corners)
    return Shown(x0, y0, x1, y1, lamella.category, lamella.probability, label, left_out)


def _request(
    session: GridSession,
    picture: Path,
    plot: Path,
    shown: Sequence[Shown],
    title: str,
    mark: str = "",
) -> GridPicture:
    colors = {box.category: session.config.category(box.category).plot_color for box in shown}
    return GridPicture(plot, picture, tuple(shown), colors, title, mark)
