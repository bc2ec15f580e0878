"""What a page shows of a grid and the run finds there, read from files by both alike."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from space import orders
from space.errors import SpaceError
from space.files import read_bytes_bounded
from space.geometry import MapFrame
from space.images import fingerprint, read_json_beside
from space.jobs import result_path
from space.labelling import labels_that_count
from space.lamellae import Lamella, Mark
from space.microscope import SavedItem, read_navigator_file
from space.review import LamellaSeen, Scene, State, choice_stamp, grid_stamp, targets_stamp
from space.steps import lamella_list
from space.steps.earlier import was_exposed
from space.steps.find import CLOSEST_UM, STAGE_LIMITS_UM
from space.steps.lamella_list import DEFAULT_SIZE_UM, LamellaList
from space.steps.session import FilesOfGrid
from space.steps.target_facts import choice_path

SAME_PLACE_UM = 0.5
"""A point that lies no farther from where its lamella was seen was not moved by a person."""


def scene_on_disk(
    files: FilesOfGrid,
    classes: Iterable[str] = (),
    excluded: Collection[str] = (),
    acquiring: bool = False,
    being_acquired: int | None = None,
) -> Scene:
    """Return what may be changed on a grid, from its files alone. Changes nothing.

    Parameters
    ----------
    files : FilesOfGrid
    classes : iterable of str
        Classes of lamellae in the configuration.
    excluded : collection of str
        Those that the settings leave out.
    acquiring : bool
        Whether Acquire at Items is running.
    being_acquired : int, optional
        The lamella that is exposed at this moment.

    Raises
    ------
    SpaceError
        When a file cannot be read.
    """
    items = _items(files.navigator_file)
    known = lamella_list.load(files.lamellae_file) or LamellaList(())
    points = lamella_list.points_to_visit(items)
    maps = {item.note for item in items if item.is_map}
    marks = [mark for mark, _ in points]
    left_out = _skipped(files) | lamella_list.excluded_by_hand(marks, known, excluded)
    choices = {
        mark.number: data for mark, _ in points if (data := _choice(files, mark.number)) is not None
    }
    seen = {
        mark.number: LamellaSeen(
            mark.number,
            mark.category,
            *_box_of(mark, item, known),
            State.ACQUIRING
            if mark.number == being_acquired
            else _state(files, mark.number, f"{files.map_note(mark.number)}" in maps),
            choice_stamp(choices[mark.number]) if mark.number in choices else "",
            mark.by_hand,
            mark.number not in left_out,
            labels_stamp(files, mark.number),
            _targets(files, mark.number, choices.get(mark.number)),
        )
        for mark, item in points
    }
    frame = map_frame(files, known)
    return Scene(
        files.grid,
        seen,
        frozenset(lamella.number for lamella in known.lamellae) - frozenset(seen),
        tuple(dict.fromkeys([*classes, *(lamella.category for lamella in known.lamellae)])),
        _corners(frame) if frame else (),
        grid_stamp(frame.to_dict()) if frame else "",
        known.offset_um or (0.0, 0.0),
        STAGE_LIMITS_UM,
        CLOSEST_UM,
        acquiring,
        tuple(known.in_order(seen)),
        known.offset_um is not None,
    )


def map_frame(files: FilesOfGrid, known: LamellaList | None) -> MapFrame | None:
    """Return the frame of the picture of the whole grid; None without a picture.

    Places in the list of lamellae refer to it.
    """
    noted = known.frame if known is not None and known.frame is not None else None
    frame = noted or read_json_beside(files.whole_grid_png).get("frame")
    if not frame:
        return None
    try:
        return MapFrame.from_dict(frame)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def lamella_on_map(mark: Mark, place_um: tuple[float, float], known: LamellaList) -> Lamella:
    """Return a lamella with its place on the map of the grid.

    That is where it was seen, unless a person has moved its point since: points are moved by
    what lies between the magnifications, and by less where they were found again.
    """
    listed = next((one for one in known.lamellae if one.number == mark.number), None)
    dx, dy = known.offset_um or (0.0, 0.0)
    x_um, y_um = place_um[0] - dx, place_um[1] - dy
    if mark.by_hand or listed is None:
        return Lamella(mark.number, (x_um, y_um), DEFAULT_SIZE_UM, mark.category, mark.probability)
    there = listed.stage_um
    if math.dist((x_um, y_um), there) > SAME_PLACE_UM:
        there = (round(x_um, 1), round(y_um, 1))
    return replace(listed, stage_um=there, category=mark.category, probability=mark.probability)


def _box_of(
    mark: Mark, item: SavedItem, known: LamellaList
) -> tuple[tuple[float, float], tuple[float, float]]:
    place = item.numbers("StageXYZ")
    lamella = lamella_on_map(mark, (place[0], place[1]) if len(place) >= 2 else (0.0, 0.0), known)
    return lamella.stage_um, lamella.size_um


def _state(files: FilesOfGrid, number: int, has_item: bool) -> State:
    if was_exposed(files, number):
        return State.EXPOSED
    if files.targets_file(number).is_file():
        return State.CHOSEN
    is_mapped = has_item and (files.directory / files.map_note(number)).is_file()
    return State.MAPPED if is_mapped else State.FOUND


def stamp_of_targets(files: FilesOfGrid, number: int) -> str:
    """Return the stamp of the targets of a lamella that a person can look at; empty if none are."""
    return _targets(files, number, _choice(files, number))


def _targets(files: FilesOfGrid, number: int, choice: bytes | None) -> str:
    mark = fingerprint(files.map_png(number))
    return targets_stamp(choice, mark) if mark and choice is not None else ""


def _choice(files: FilesOfGrid, number: int) -> bytes | None:
    with contextlib.suppress(OSError):
        return read_bytes_bounded(choice_path(files, number))
    return None


def labels_stamp(files: FilesOfGrid, number: int) -> str:
    """Return the stamp of the labels of a lamella's map that count; empty if there are none."""
    segmentation = result_path(files.map_dir, files.map_png(number).name, "segment")
    mark = fingerprint(labels_that_count(segmentation).path)
    return choice_stamp(mark.encode("ascii")) if mark else ""


def _skipped(files: FilesOfGrid) -> frozenset[int]:
    standing = orders.read_standing(files.directory)
    return frozenset(number for grid, number in standing.skipped if grid == files.grid)


def _items(path: Path) -> tuple[SavedItem, ...]:
    try:
        return read_navigator_file(path)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise SpaceError(f"The Navigator file cannot be read: {error}.", str(path)) from None


def _corners(frame: MapFrame) -> tuple[tuple[float, float], ...]:
    rows, columns = frame.shape
    corners_px = np.array([(0, 0), (0, columns), (rows, columns), (rows, 0)], float)
    return tuple((float(x), float(y)) for x, y in frame.to_stage(corners_px))
