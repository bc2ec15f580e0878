"""The plan as a file in the session's directory, which people and programs read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space.files import read_json_or_empty, write_text_atomic
from space.planning.plan import Entry, Plan
from space.predicates import is_number, is_whole

PLAN_FILE = "plan.json"
"""Name of the plan in a session's directory."""

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""

_ABOUT = (
    "The plan of the night, made anew after each lamella. value: expected sum of scores of good "
    "tilt series; 1 is one good series whose whole field is wanted. To change it, write orders "
    "into SPACE_control.txt: pin L03, unpin L03, skip L03, take L03, pin grid 2, skip grid 2."
)
_MOST_ENTRIES = 5000
_LONGEST_TEXT = 500
_LARGEST = 1e9


def write_plan(directory: Path, plan: Plan) -> None:
    """Write a plan.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    text = json.dumps({"about": _ABOUT, **plan_table(plan)}, indent=1)
    write_text_atomic(Path(directory) / PLAN_FILE, text + "\n")


def plan_table(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values."""
    return {
        "format": FORMAT,
        "made_utc": plan.made_utc,
        "hours": plan.hours,
        "left_s": round(plan.left_s),
        "value": round(plan.value, 3),
        "series": plan.series,
        "notes": list(plan.notes),
        "entries": [_values(entry) for entry in plan.entries],
        "left_out": [_values(entry) for entry in plan.left_out],
    }


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "slot": entry.slot,
        "grid": entry.grid,
        "lamella": entry.lamella,
        "area": entry.area,
        "series": entry.series,
        "value": round(entry.value, 3),
        "value_per_hour": round(entry.per_hour, 3),
        "begin_s": round(entry.begin_s),
        "setup_s": round(entry.setup_s),
        "seconds": round(entry.seconds),
        "why": entry.why,
        "how": entry.how,
    }


def read_plan(directory: Path) -> Plan | None:
    """Return the plan of a session; None if there is none, or it cannot be read.

    Nothing is turned off by an entry that cannot be read: it is as if it were not there.
    """
    values = read_json_or_empty(Path(directory) / PLAN_FILE)
    if values.get("format") != FORMAT:
        return None
    return Plan(
        _text(values, "made_utc"),
        _number(values, "hours"),
        _number(values, "left_s"),
        _entries(values, "entries"),
        _entries(values, "left_out"),
        tuple(str(note)[:_LONGEST_TEXT] for note in _list(values, "notes")),
    )


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    found = values.get(key)
    return found[:_MOST_ENTRIES] if isinstance(found, list) else []


def _entries(values: Mapping[str, Any], key: str) -> tuple[Entry, ...]:
    found = (_entry(one) for one in _list(values, key) if isinstance(one, dict))
    return tuple(entry for entry in found if entry is not None)


def _entry(values: Mapping[str, Any]) -> Entry | None:
    counts = [values.get(key) for key in ("lamella", "area", "series")]
    if not all(is_whole(count) and 0 <= count <= _LARGEST for count in counts):
        return None
    lamella, area, series = (int(count) for count in counts if count is not None)
    return Entry(
        _text(values, "slot"),
        _text(values, "grid"),
        lamella,
        area,
        series,
        _number(values, "value"),
        _number(values, "begin_s"),
        _number(values, "setup_s"),
        _number(values, "seconds"),
        _text(values, "why"),
        _text(values, "how"),
    )


def _text(values: Mapping[str, Any], key: str) -> str:
    found = values.get(key)
    return found[:_LONGEST_TEXT] if isinstance(found, str) else ""


def _number(values: Mapping[str, Any], key: str) -> float:
    found = values.get(key)
    return float(found) if is_number(found) and math.fabs(found) < _LARGEST else 0.0
