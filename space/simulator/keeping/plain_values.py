"""Values of the hardware and of pictures as JSON can hold them, so that a person can read them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np

from space.simulator.column.drift import Creep

_RECORDS = {"Creep": Creep}
_AS_THEY_ARE = {float, int, str, bool, type(None)}


def plain(value: Any) -> Any:
    """Give a value as JSON can hold it."""
    kind = type(value)
    if kind in _AS_THEY_ARE:  # most are, and this is asked after each command
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if is_dataclass(kind):
        inside = {name: plain(getattr(value, name)) for name in _names(kind)}
        return {"type": kind.__name__, **inside}
    return value


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def restored(value: Any, like: Any = ()) -> Any:
    """Give the value that `plain` was called with.

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
        return _restored_dict(value)
    if isinstance(value, list):
        inner = [restored(part) for part in value]
        return inner if isinstance(like, list) else tuple(inner)
    return value


def _restored_dict(value: dict[str, Any]) -> Any:
    record = _RECORDS.get(value.get("type", ""))
    if record is not None:
        return record(**{name: restored(part) for name, part in value.items() if name != "type"})
    return {
        int(key) if key.lstrip("-").isdigit() else key: restored(part)
        for key, part in value.items()
    }
