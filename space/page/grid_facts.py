"""One grid for the page: its map, and the boxes of its lamellae on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from space import steps
from space.config import Category
from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import fingerprint
from space.overview import GridFacts, LamellaFacts
from space.page.fluorescence import fluorescence_table
from space.page.places import frame_table, tiles_table
from space.review import Scene
from space.steps import DEFAULT_SIZE_UM, FilesOfGrid, LamellaList, read_lamella_list


def grid_facts(
    grid: GridFacts, files: FilesOfGrid, classes: Mapping[str, Category], scene: Scene
) -> dict[str, Any]:
    """Return what the page shows of a grid.

    Places are those on the map, as it lies since the grid was loaded last: what was measured
    between the magnifications since (``offset_um``) is in the stage positions of the Navigator and
    not in the map.

    Parameters
    ----------
    grid : GridFacts
    files : FilesOfGrid
    classes : mapping of str to Category
        What places are called, and their colours.
    scene : Scene
        Where its lamellae lie on the map, as the run sees it, too.
    """
    frame = None
    if grid.whole_grid_picture is not None:
        frame = steps.map_frame(files, _list_of(grid))
    return {
        "grid": grid.name,
        "title": grid.title,
        "state": grid.state,
        "map": None if frame is None else _map(grid, frame),
        "fluorescence": None if frame is None else _fluorescence(grid, frame),
        "offset_um": list(scene.offset_um),
        "classes": {name: {"color": category.plot_color} for name, category in classes.items()},
        "default_box_um": list(DEFAULT_SIZE_UM),
        "lamellae": [_box(lamella, frame, scene) for lamella in grid.lamellae],
    }


def _list_of(grid: GridFacts) -> LamellaList | None:
    if grid.lamellae_file is None:
        return None
    try:
        return read_lamella_list(grid.lamellae_file)
    except SpaceError:  # it stands among the problems of the grid
        return None


def _map(grid: GridFacts, frame: MapFrame) -> dict[str, Any]:
    mark = fingerprint(grid.whole_grid_picture) if grid.whole_grid_picture else ""
    address = f"tiles/{quote(grid.name, safe='')}/grid/{{z}}/{{x}}/{{y}}.jpg?v={mark}"
    return {**frame_table(frame), "tiles": tiles_table(address, frame.shape)}


def _fluorescence(grid: GridFacts, frame: MapFrame) -> dict[str, Any] | None:
    place = f"tiles/{quote(grid.name, safe='')}/grid"
    return fluorescence_table(grid.whole_grid_picture, place, frame.shape)


def _box(lamella: LamellaFacts, frame: MapFrame | None, scene: Scene) -> dict[str, Any]:
    x, y = lamella.position_um
    center_um = (x - scene.offset_um[0], y - scene.offset_um[1])
    box_um = lamella.size_um if all(lamella.size_um) else DEFAULT_SIZE_UM
    seen = scene.lamellae.get(lamella.number)
    if seen is not None and lamella.state != "excluded":
        center_um, box_um = seen.center_um, seen.box_um
    values: dict[str, Any] = {
        "number": lamella.number,
        "label": lamella.label if lamella.number else "",
        "class": lamella.category,
        "probability": lamella.probability,
        "state": lamella.state,
        "reason": lamella.reason,
        "by_hand": lamella.by_hand,
        "visit": lamella.state != "excluded",
        "stage_um": [x, y],
        "center_um": list(center_um),
        "box_um": list(box_um),
    }
    if frame is not None:
        row, column = (float(value) for value in frame.to_map(np.array([center_um]))[0])
        width, height = (side / frame.pixel_um for side in frame.box_size_in_image_um(box_um))
        values["box_px"] = [
            row - height / 2, column - width / 2, row + height / 2, column + width / 2
        ]  # fmt: skip
    return values
