"""The microscope as apart from the program that drives it: what is still so when SerialEM died.

Everything here is told in plain values (numbers, texts, lists), so that a person can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.column.drift import Creep

if TYPE_CHECKING:
    from space.simulator.program.session import Session

# Part of the session → its attributes that belong to the hardware.
HARDWARE: dict[str, tuple[str, ...]] = {
    "": ("loaded_slot", "dewars_full_at_s", "last_apertures"),
    "clock": ("seconds",),
    "scope": (
        "mag_index",
        "spot_size",
        "intensity",
        "image_shift",
        "beam_tilt",
        "beam_shift",
        "defocus_um",
        "focus_zero_um",
        "valve_open",
        "screen_down",
        "apertures_um",
        "slit_in",
        "slit_width_ev",
        "_reported",
        "_true",
        "_slack",
        "_free_beam",
        "_z_um",
        "_tilt_deg",
    ),
    "scope.drift": ("creeps", "wanderings"),
}

State = dict[str, dict[str, Any]]
"""Part of the session → name → value, as `read` gives them."""

# Parts with random numbers of their own, whose visits go on being counted.
CHANCES = ("", "scope", "scope.drift")

_RECORDS = {"Creep": Creep}


def part(session: Session, path: str) -> Any:
    """Give the part of a session, of whatever type, at a dotted path; itself for an empty one."""
    return reduce(getattr, path.split("."), session) if path else session


def read(session: Session) -> State:
    """Give the state of the hardware as plain values."""
    return {
        path or "session": {
            name.lstrip("_"): plain(getattr(part(session, path), name)) for name in names
        }
        for path, names in HARDWARE.items()
    }


def difference(before: State, now: State) -> State:
    """Give what `now` tells otherwise than `before`, both as `read` gave them."""
    changed = {
        part: {name: value for name, value in values.items() if _told(before, part, name) != value}
        for part, values in now.items()
    }
    return {part: values for part, values in changed.items() if values}


def _told(values: State, part: str, name: str) -> Any:
    return values.get(part, {}).get(name, ...)


def apply(session: Session, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a session's hardware the state that `read` told; what is not told stays."""
    for path, names in HARDWARE.items():
        told = values.get(path or "session", {})
        holder = part(session, path)
        for name in names:
            if name.lstrip("_") in told:
                before = getattr(holder, name)
                setattr(holder, name, restored(told[name.lstrip("_")], before))


def plain(value: Any) -> Any:
    """Give a value as JSON can hold it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if is_dataclass(value):
        told = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **told}
    return value


def restored(value: Any, like: Any = ()) -> Any:
    """Give what `plain` was told of.

    Parameters
    ----------
    value :
        As JSON gave it.
    like :
        A value of the type wanted; lists inside of it become tuples.
    """
    if isinstance(like, np.ndarray):
        return np.array(value, dtype=like.dtype)
    if isinstance(value, dict):
        if value.get("type") in _RECORDS:
            told = {name: restored(inner) for name, inner in value.items() if name != "type"}
            return _RECORDS[value["type"]](**told)
        return {
            int(key) if key.lstrip("-").isdigit() else key: restored(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        inner = [restored(one) for one in value]
        return inner if isinstance(like, list) else tuple(inner)
    return value
