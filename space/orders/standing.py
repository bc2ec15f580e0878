"""Orders that hold until they are fulfilled or withdrawn, and what a new one changes in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from space.errors import shown
from space.files import read_json_or_empty, write_text_atomic
from space.orders.grammar import NotAnOrderError, Order, Verb
from space.predicates import is_whole

STANDING_FILE = "SPACE_orders.json"
"""Orders that hold, in the directory of the session."""

_MOST_ENTRIES = 10_000
Key = TypeVar("Key")


@dataclass(frozen=True)
class StopAfter:
    """Where the run is to stop: after a lamella of a grid, or after the grid (None)."""

    grid: str
    lamella: int | None = None

    def __str__(self) -> str:
        if self.lamella is None:
            return f"grid {self.grid}"
        return f"{self.grid}_L{self.lamella:02d}"


@dataclass(frozen=True)
class Standing:
    """The orders that hold.

    Attributes
    ----------
    pause, stop : bool
        Before the next lamella or grid.
    stop_after : StopAfter or None
    skipped : frozenset of (str, int)
        Lamellae that get no map, no targets and no tilt series: grid's name and number.
    skipped_grids : frozenset of str
        Grids that are left out, by slot ("2", "stage").
    pinned : tuple of (str, int)
        Lamellae that come first in the plan of the night, in this order: grid's name and number.
    pinned_grids : tuple of str
        Grids that come first in it, by slot; after the lamellae.
    turned_off : frozenset of str
        Notes of the Navigator items whose Acquire was turned off, for this or by the plan.
    read : tuple of int, optional
        Size and time of the file with orders that was read last.
    """

    pause: bool = False
    stop: bool = False
    stop_after: StopAfter | None = None
    skipped: frozenset[tuple[str, int]] = frozenset()
    skipped_grids: frozenset[str] = frozenset()
    pinned: tuple[tuple[str, int], ...] = ()
    pinned_grids: tuple[str, ...] = ()
    turned_off: frozenset[str] = frozenset()
    read: tuple[int, int] | None = None


@dataclass(frozen=True)
class Scene:
    """What an order may refer to.

    Attributes
    ----------
    grid : str
        Name of the grid in work, or of the next one; "" for none.
    lamellae : tuple of int
        Its lamellae as far as they are known; empty: not known yet.
    grids : mapping of str to str
        Names of the grids of the session by slot ("2", "stage"); "" where it is not known yet.
    """

    grid: str = ""
    lamellae: tuple[int, ...] = ()
    grids: Mapping[str, str] = field(default_factory=dict)


def applied(standing: Standing, order: Order, scene: Scene) -> tuple[Standing, str]:
    """Return the orders that hold after a new one, and the answer to the person.

    Raises
    ------
    NotAnOrderError
        When it refers to what there is not; nothing is changed then.
    """
    if order.lamella is not None:
        return _for_lamella(standing, order, scene)
    if order.grid:
        return _for_grid(standing, order, scene)
    if order.verb is Verb.PAUSE:
        return replace(standing, pause=True), "The run pauses after the current lamella."
    if order.verb is Verb.STOP:
        return replace(standing, stop=True), "The run stops after the current lamella."
    if order.verb is Verb.STOP_AFTER_GRID:
        if not scene.grid:
            raise NotAnOrderError("No grid is in work: there is nothing to stop after.")
        return (
            replace(standing, stop_after=StopAfter(scene.grid)),
            f"The run stops when grid {scene.grid} is done.",
        )
    held = standing.pause or standing.stop or standing.stop_after is not None
    going = replace(standing, pause=False, stop=False, stop_after=None)
    return going, "The run goes on." if held else "There was no pause or stop: the run goes on."


def _for_lamella(standing: Standing, order: Order, scene: Scene) -> tuple[Standing, str]:
    number = order.lamella or 0
    grid = _grid_meant(order.grid, scene) if order.grid else scene.grid
    if not grid:
        raise NotAnOrderError(
            f"No grid is in work. Write its name before the lamella, as in: skip G1_L{number:02d}."
        )
    known = scene.lamellae if grid == scene.grid else ()
    if known and number not in known:
        numbers = ", ".join(f"L{n:02d}" for n in known)
        raise NotAnOrderError(f"Grid {grid} has no lamella {number} (it has {numbers}).")
    name, key = f"{grid}_L{number:02d}", (grid, number)
    if order.verb is Verb.STOP_AFTER_LAMELLA:
        return replace(standing, stop_after=StopAfter(grid, number)), f"The run stops after {name}."
    if order.verb in (Verb.PIN_LAMELLA, Verb.UNPIN_LAMELLA):
        pinned, answer = _pinned(standing.pinned, key, name, order.verb is Verb.PIN_LAMELLA)
        return replace(standing, pinned=pinned), answer
    if order.verb is Verb.SKIP_LAMELLA:
        skipped = standing.skipped | {key}
        return replace(standing, skipped=skipped), (
            f"{name} is skipped from the next step on, until: take L{number:02d}."
        )
    was = key in standing.skipped
    return replace(standing, skipped=standing.skipped - {key}), (
        f"{name} is taken again." if was else f"{name} was not skipped."
    )


def _for_grid(standing: Standing, order: Order, scene: Scene) -> tuple[Standing, str]:
    slot = _slot_meant(order.grid, scene)
    if order.verb in (Verb.PIN_GRID, Verb.UNPIN_GRID):
        on = order.verb is Verb.PIN_GRID
        grids, answer = _pinned(standing.pinned_grids, slot, f"Grid {slot}", on)
        return replace(standing, pinned_grids=grids), answer
    if order.verb is Verb.SKIP_GRID:
        skipped = standing.skipped_grids | {slot}
        return replace(standing, skipped_grids=skipped), (
            f"Grid {slot} is skipped from the next step on, until: take grid {slot}."
        )
    was = slot in standing.skipped_grids
    return replace(standing, skipped_grids=standing.skipped_grids - {slot}), (
        f"Grid {slot} is taken again." if was else f"Grid {slot} was not skipped."
    )


def _pinned(pinned: tuple[Key, ...], key: Key, name: str, on: bool) -> tuple[tuple[Key, ...], str]:
    """Return what is pinned after one more, or one less, and the answer."""
    others = tuple(one for one in pinned if one != key)
    if on:
        return (*others, key), (
            f"{name} comes first in the plan of the night (with night_hours), after what was "
            "pinned before."
        )
    return others, f"{name} is not pinned any more." if key in pinned else f"{name} was not pinned."


def _slot_meant(text: str, scene: Scene) -> str:
    """Return the slot of the grid that is written as slot or name."""
    for slot in scene.grids:
        if text.lower() == slot.lower():
            return slot
    for slot, name in scene.grids.items():
        if name and text.lower() == name.lower():
            return slot
    known = ", ".join(f"{slot} ({name})" if name else slot for slot, name in scene.grids.items())
    raise NotAnOrderError(
        f"There is no grid {shown(text)} in this session" + (f"; it has {known}." if known else ".")
    )


def _grid_meant(text: str, scene: Scene) -> str:
    """Return the name of a grid that is written before a lamella."""
    if scene.grid and text.lower() == scene.grid.lower():
        return scene.grid
    name = scene.grids[_slot_meant(text, scene)]
    if not name:
        raise NotAnOrderError(f"The name of grid {text} is not known yet.")
    return name


# --- file -----------------------------------------------------------------------------------------


def read_standing(directory: Path) -> Standing:
    """Return the orders that hold in a session; none when there is no such file.

    What is damaged is left out: an order that cannot be read is not obeyed.
    """
    values = read_json_or_empty(Path(directory) / STANDING_FILE)
    after = values.get("stop_after")
    stamp = values.get("read")
    return Standing(
        values.get("pause") is True,
        values.get("stop") is True,
        _stop_after(after) if isinstance(after, dict) else None,
        frozenset(_lamellae(values, "skipped")),
        frozenset(e for e in _entries(values, "skipped_grids") if isinstance(e, str)),
        tuple(_lamellae(values, "pinned")),
        tuple(e for e in _entries(values, "pinned_grids") if isinstance(e, str)),
        frozenset(e for e in _entries(values, "turned_off") if isinstance(e, str)),
        (stamp[0], stamp[1])
        if isinstance(stamp, list) and len(stamp) == 2 and all(map(is_whole, stamp))
        else None,
    )


def write_standing(directory: Path, standing: Standing) -> None:
    """Write the orders that hold."""
    after = standing.stop_after
    values = {
        "pause": standing.pause,
        "stop": standing.stop,
        "stop_after": None if after is None else {"grid": after.grid, "lamella": after.lamella},
        "skipped": sorted([grid, number] for grid, number in standing.skipped),
        "skipped_grids": sorted(standing.skipped_grids),
        "pinned": [[grid, number] for grid, number in standing.pinned],
        "pinned_grids": list(standing.pinned_grids),
        "turned_off": sorted(standing.turned_off),
        "read": None if standing.read is None else list(standing.read),
    }
    write_text_atomic(Path(directory) / STANDING_FILE, json.dumps(values, indent=1) + "\n")


def _entries(values: Mapping[str, Any], key: str) -> list[Any]:
    entries = values.get(key)
    return entries if isinstance(entries, list) and len(entries) <= _MOST_ENTRIES else []


def _lamellae(values: Mapping[str, Any], key: str) -> list[tuple[str, int]]:
    return [
        (str(entry[0]), entry[1])
        for entry in _entries(values, key)
        if isinstance(entry, list) and len(entry) == 2 and is_whole(entry[1])
    ]


def _stop_after(values: Mapping[str, Any]) -> StopAfter | None:
    grid, lamella = values.get("grid"), values.get("lamella")
    if not isinstance(grid, str) or not (lamella is None or is_whole(lamella)):
        return None
    return StopAfter(grid, lamella)
