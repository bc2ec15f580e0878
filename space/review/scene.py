"""What the page shows and the run finds: the lamellae of a grid as both read them from files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from space.files import parse_json

_STAMP_LENGTH = 16
_Point = tuple[float, float]


class State(str, Enum):
    """How far a lamella is, for what may be done to it."""

    FOUND = "found"
    MAPPED = "mapped"
    CHOSEN = "set up"
    ACQUIRING = "being acquired"
    EXPOSED = "exposed"


@dataclass(frozen=True)
class LamellaSeen:
    """One lamella.

    Attributes
    ----------
    number : int
    category : str
        Its class, as the Navigator's note says it.
    center_um, box_um : tuple of float
        Its place on the map of the grid, as the frame of that map gives it, and the size of its
        box along the stage axes.
    state : State
    choice : str
        Stamp of the file with the choice of its targets; empty if there is none.
    targets : str
        Stamp of these targets themselves (`targets_stamp`); empty if there is no choice.
    labels : str
        Stamp of the labels of its map that count; empty if it is not segmented.
    by_hand : bool
        Whether a person added its point in the Navigator.
    visited : bool
        Whether it is worked on: not skipped, and of no class that is left out.
    """

    number: int
    category: str
    center_um: _Point
    box_um: _Point
    state: State = State.FOUND
    choice: str = ""
    by_hand: bool = False
    visited: bool = True
    labels: str = ""
    targets: str = ""

    @property
    def stamp(self) -> str:
        """What stands for the facts that a person decides on."""
        numbers = [f"{value:.2f}" for value in (*self.center_um, *self.box_um)]
        return _stamp(["lamella", self.number, self.category, self.by_hand, *numbers])


@dataclass(frozen=True)
class Scene:
    """One grid.

    Attributes
    ----------
    grid : str
    lamellae : mapping of int to LamellaSeen
        Those that have a point in the Navigator.
    removed : frozenset of int
        Numbers of lamellae that had one.
    classes : tuple of str
        Classes that a lamella may have.
    corners_um : tuple of tuple of float
        Corners of the map of the grid, one after the other; empty if there is no map.
    stamp : str
        Stamp of the map of the grid (`grid_stamp`); what is added, and an order, refer to it.
    offset_um : tuple of float
        What is added to a place on the map to have its place on the stage now.
    reach_um : tuple of float
        x min, x max, y min, y max of the places that the stage reaches.
    closest_um : float
        Nothing is added, or moved, closer than this to another lamella.
    acquiring : bool
        Whether Acquire at Items is running.
    order : tuple of int
        The lamellae in the order in which they are worked on.
    is_refined : bool
        Whether positions of lamellae were refined: places and sizes were found anew then.
    """

    grid: str
    lamellae: Mapping[int, LamellaSeen] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    classes: tuple[str, ...] = ()
    corners_um: tuple[_Point, ...] = ()
    stamp: str = ""
    offset_um: _Point = (0.0, 0.0)
    reach_um: tuple[float, float, float, float] = (-990.0, 990.0, -990.0, 990.0)
    closest_um: float = 10.0
    acquiring: bool = False
    order: tuple[int, ...] = ()
    is_refined: bool = False

    def is_on_map(self, place_um: _Point) -> bool:
        """Whether a place lies on the map of the grid."""
        corners = self.corners_um
        sides = [
            (x1 - x0) * (place_um[1] - y0) - (y1 - y0) * (place_um[0] - x0)
            for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], *corners[:1]))
        ]
        return bool(sides) and (min(sides) >= 0 or max(sides) <= 0)

    def is_in_reach(self, place_um: _Point) -> bool:
        """Whether the stage reaches a place on the map of the grid."""
        x_um, y_um = place_um[0] + self.offset_um[0], place_um[1] + self.offset_um[1]
        x_min, x_max, y_min, y_max = self.reach_um
        return x_min <= x_um <= x_max and y_min <= y_um <= y_max


def grid_stamp(frame: Mapping[str, Any] | None) -> str:
    """Return the stamp of the map of a grid, from its frame as noted; empty without a map."""
    return _stamp(["grid", json.dumps(frame, sort_keys=True)]) if frame else ""


def choice_stamp(data: bytes) -> str:
    """Return the stamp of the choice of a lamella's targets, from the bytes of its file."""
    return hashlib.sha256(data).hexdigest()[:_STAMP_LENGTH]


def targets_stamp(data: bytes, map_mark: str) -> str:
    """Return the stamp of the targets of a lamella: where they lie, and on which map.

    The run writes the file of a choice anew when it sets it up, with scores and settings, and the
    stamp stays if these are the same targets.

    Parameters
    ----------
    data : bytes
        The file of the choice.
    map_mark : str
        What stands for the picture that they lie on.
    """
    try:
        areas = parse_json(data.decode("utf-8-sig"), odd_numbers=True)["areas"]
        places = [
            [
                (float(one["row"]), float(one["column"]), one.get("for_tracking_alone") is True)
                for one in area["targets"]
            ]
            for area in areas
            if area["targets"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError):  # nobody can have seen them
        return _stamp(["unreadable", choice_stamp(data), map_mark])
    return _stamp(["targets", map_mark, *places])


def _stamp(facts: list[Any]) -> str:
    return choice_stamp(json.dumps(facts).encode("utf-8"))
