"""The choice of targets as a JSON file that a person can read, edit and hand back.

The file lists the targets of each area (the first one is the tracking target) and the geometry
points as row and column in pixels of the lamella map. Its `take` decides what a later set-up does
with it:

* ``"nothing"`` (as written): the file is for reading only; targets are chosen again;
* ``"fixed"``: targets with ``"fixed": true`` stay where they are, the rest is chosen around them;
* ``"all"``: exactly these targets.

Reading is strict: an error names the place of what is not understood, nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from space.errors import SpaceError
from space.files import parse_json, read_bytes_bounded, read_json, write_text_atomic
from space.predicates import is_number
from space.targeting.choice import Choice, TargetArea
from space.targeting.series_settings import series_problem

FORMAT = "SPACEtomo targets 1"
Take = Literal["nothing", "fixed", "all"]
TAKES: tuple[Take, ...] = get_args(Take)
HOW_TO_EDIT = (
    "Positions are row and column in pixels of the map picture, from its upper left corner.",
    "Move, remove or add targets; the first one of each area is its tracking target.",
    'take: "all" = use exactly these targets; "fixed" = keep those with "fixed": true and choose '
    'the rest again; "nothing" = choose all again.',
    "An area without geometry points gets new ones.",
    'PACEtomo\'s settings of an area stand beside its targets: "pacetomo": {"startTilt": 10, '
    '"minTilt": -50, "maxTilt": 60, "step": 3, "pretilt": 8, "rotation": 0}, any of them.',
    "Then delete the lamella's targets file and run SPACEtomo.py again.",
)
SERIES = "pacetomo"
"""Name of an area's settings for its series."""

_DIGITS = 2


@dataclass(frozen=True, eq=False)
class ChoiceFile:
    """Contents of a file.

    Parameters
    ----------
    take : Take
    areas : tuple of TargetArea
        Targets with their scores (0 where the file gives none) and geometry points.
    """

    take: Take
    areas: tuple[TargetArea, ...]

    @property
    def fixed_map_px(self) -> np.ndarray:
        """Targets (n, 2) that are to stay where they are."""
        points = [area.targets_map_px[area.fixed] for area in self.areas]
        return np.concatenate([np.empty((0, 2)), *points])


def write_choice(
    path: Path,
    choice: Choice,
    map_name: str,
    map_shape: tuple[int, int],
    take: Take = "nothing",
    made_with: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write a choice, whole or not at all.

    A file with other contents is kept beside it as ``<name>_earlier.json``, so that edits are not
    lost if `take` was not set.

    Parameters
    ----------
    path : Path
        File to write.
    choice : Choice
        Targets, counts and warnings.
    map_name : str
        The picture that positions are pixels of.
    map_shape : (int, int)
        Its rows and columns.
    take : Take
        What a later set-up is to take from it.
    made_with : mapping, optional
        The settings that the targets were chosen with, as plain values.
    record : mapping, optional
        What Record pictures and the beam covered, as plain values.
    """
    text = render(choice, map_name, map_shape, take, made_with, record)
    path = Path(path)
    if path.is_file() and (before := path.read_bytes()) != text.encode("utf-8"):
        earlier = path.with_name(f"{path.stem}_earlier{path.suffix}")
        write_text_atomic(earlier, before.decode("utf-8", errors="replace"))
    write_text_atomic(path, text)


def read_choice(path: Path, map_shape: tuple[int, int]) -> ChoiceFile | None:
    """Read a file, made for a map of this shape; None when there is none.

    Raises
    ------
    SpaceError
        When it cannot be read or understood, with the place of the error and what to do.
    """
    path = Path(path)
    try:
        text = read_bytes_bounded(path).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SpaceError(f"The file cannot be read: {error}.", str(path), _REMEDY) from None
    return parse(text, map_shape, path.name)


def take_no_more_than_fixed(path: Path) -> bool:
    """Have targets be chosen again by the next set-up, around those that are fixed.

    Where a person had given exactly these targets, the file is written anew. Returns whether any
    target is fixed.

    Raises
    ------
    OSError, ValueError
        When it cannot be read or written.
    """
    path = Path(path)
    if not path.is_file():
        return False
    values = read_json(path)
    if not isinstance(values, dict) or values.get("take") == "nothing":
        return False
    areas = values.get("areas")
    fixed = any(
        isinstance(target, dict) and target.get("fixed") is True
        for area in (areas if isinstance(areas, list) else ())
        if isinstance(area, dict) and isinstance(area.get("targets"), list)
        for target in area["targets"]
    )
    take: Take = "fixed" if fixed else "nothing"
    if values.get("take") != take:
        write_text_atomic(path, json.dumps({**values, "take": take}, indent=1) + "\n")
    return fixed


def count_points(path: Path) -> tuple[tuple[int, int], ...] | None:
    """Return how many targets and geometry points each area has; None for an unreadable file."""
    try:
        values = read_json(Path(path))
        areas = [area for area in values["areas"] if len(area["targets"])]
        return tuple((len(area["targets"]), len(area.get("geometry_points", ()))) for area in areas)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def render(
    choice: Choice,
    map_name: str,
    map_shape: tuple[int, int],
    take: Take = "nothing",
    made_with: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> str:
    """Text of a file; one line for each target."""
    head = {
        "format": FORMAT,
        "how to edit": list(HOW_TO_EDIT),
        "take": take,
        "map": map_name,
        "map_shape_px": [int(side) for side in map_shape],
    }
    lines = [f"{json.dumps(key)}: {_dump(value)}" for key, value in head.items()]
    areas = ",\n".join(_area_text(area) for area in choice.areas)
    lines.append(f'"areas": [\n{areas}\n]' if areas else '"areas": []')
    report = {
        "counts": {name: _plain(value) for name, value in asdict(choice.counts).items()},
        "rejected": dict(choice.rejected),
        "warnings": list(choice.warnings),
    }
    if made_with:
        lines.append(f'"made_with": {_dump(dict(made_with))}')
    if record:
        lines.append(f'"record": {_dump(dict(record))}')
    lines.append(f'"report": {_dump(report)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(text: str, map_shape: tuple[int, int], name: str = "choice file") -> ChoiceFile:
    """Read the text of a file.

    Raises
    ------
    SpaceError
        With the first thing that is wrong.
    """
    try:
        values = parse_json(text, odd_numbers=True)
    except ValueError as error:
        raise SpaceError(
            f"This is not valid JSON: {error}.",
            name,
            "Look there for a missing comma, quote or bracket.",
        ) from None
    known = {"format", "how to edit", "take", "map", "map_shape_px", "areas"}
    known |= {"made_with", "record", "report"}
    _table(values, known, {"format", "take", "map_shape_px", "areas"}, name)
    if values["format"] != FORMAT:
        raise _wrong("format", values["format"], f'"{FORMAT}"', name)
    if values["take"] not in TAKES:
        raise _wrong("take", values["take"], ", ".join(f'"{take}"' for take in TAKES), name)
    if values["map_shape_px"] != [int(side) for side in map_shape]:
        raise SpaceError(
            f"It was made for a map of {values['map_shape_px']} pixels; this map has "
            f"{list(map_shape)}.",
            name,
            "Positions are valid for one map only: delete the file.",
        )
    return ChoiceFile(values["take"], read_areas(values["areas"], map_shape, name))


def read_areas(entries: Any, map_shape: tuple[int, int], name: str) -> tuple[TargetArea, ...]:
    """Read the areas of a choice from plain values; those without targets are left out.

    Parameters
    ----------
    entries : any
        What stands as ``areas`` in a file.
    map_shape : (int, int)
        Rows and columns of the map.
    name : str
        Where they come from, for messages.

    Raises
    ------
    SpaceError
        With the first thing that is wrong.
    """
    if not isinstance(entries, list):
        raise _wrong("areas", entries, "a list", name)
    areas = [
        _area(entry, map_shape, f"{name}, area {number}") for number, entry in enumerate(entries, 1)
    ]
    return tuple(area for area in areas if len(area.targets_map_px))


_REMEDY = "Correct it, or delete it to have targets chosen again."
_TARGET_KEYS = {"row", "column", "score", "fixed", "for_tracking_alone"}


def _area(entry: Any, map_shape: tuple[int, int], where: str) -> TargetArea:
    _table(entry, {"targets", "geometry_points", SERIES}, {"targets"}, where)
    series = entry.get(SERIES, {})
    if problem := series_problem(series):
        raise SpaceError(problem, f"{where}, {SERIES}", _REMEDY)
    targets = _entries(entry, "targets", where)
    points = _entries(entry, "geometry_points", where)
    for number, target in enumerate(targets, 1):
        place = f"{where}, target {number}"
        _table(target, _TARGET_KEYS, {"row", "column"}, place)
        for key in ("fixed", "for_tracking_alone"):
            if not isinstance(target.get(key, False), bool):
                raise _wrong(key, target[key], "true or false", place)
        if not is_number(target.get("score", 0)):
            raise _wrong("score", target["score"], "a number (or leave it out)", place)
        if target.get("for_tracking_alone") and number > 1:
            raise SpaceError(
                "Only the first target of an area can be for tracking alone.", place, _REMEDY
            )
    for number, point in enumerate(points, 1):
        _table(point, {"row", "column"}, {"row", "column"}, f"{where}, geometry point {number}")
    return TargetArea(
        _positions(targets, map_shape, f"{where}, target"),
        np.array([float(target.get("score", 0)) for target in targets]),
        _positions(points, map_shape, f"{where}, geometry point"),
        bool(targets) and bool(targets[0].get("for_tracking_alone", False)),
        np.array([bool(target.get("fixed", False)) for target in targets], bool),
        {name: float(value) for name, value in series.items()},
    )


def _entries(area: Mapping[str, Any], key: str, where: str) -> list[Any]:
    entries = area.get(key, [])
    if not isinstance(entries, list):
        raise _wrong(key, entries, "a list", where)
    return entries


def _positions(entries: list[dict[str, Any]], map_shape: tuple[int, int], what: str) -> np.ndarray:
    for number, entry in enumerate(entries, 1):
        for key, size in zip(("row", "column"), map_shape):
            value = entry[key]
            if not is_number(value) or not 0 <= value <= size:
                raise _wrong(
                    key,
                    value,
                    f"a number from 0 to {size} (the map ends there)",
                    f"{what} {number}",
                )
    return np.array([(entry["row"], entry["column"]) for entry in entries], float).reshape(-1, 2)


def _table(value: Any, known: set[str], needed: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise SpaceError(f"{_short(value)} is not a table of names and values.", where, _REMEDY)
    unknown = sorted(set(value) - known)
    if unknown:
        raise SpaceError(
            f"Unknown: {', '.join(map(repr, unknown))}. Known: {', '.join(sorted(known))}.",
            where,
            _REMEDY,
        )
    missing = sorted(needed - set(value))
    if missing:
        raise SpaceError(f"Missing: {', '.join(missing)}.", where, _REMEDY)


def _wrong(key: str, value: Any, allowed: str, where: str) -> SpaceError:
    return SpaceError(f"{key} is {_short(value)}. Allowed: {allowed}.", where, _REMEDY)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _area_text(area: TargetArea) -> str:
    targets = []
    for index, (point, score, fixed) in enumerate(
        zip(area.targets_map_px, area.scores, area.fixed)
    ):
        entry = _position(point) | {"score": round(float(score), 4), "fixed": bool(fixed)}
        if area.extra_tracking and index == 0:
            entry["for_tracking_alone"] = True
        targets.append(entry)
    points = [_position(point) for point in area.geometry_points_map_px]
    series = f',\n "{SERIES}": {json.dumps(dict(area.series))}' if area.series else ""
    return f'{{"targets": {_rows(targets)},\n "geometry_points": {_rows(points)}{series}}}'


def _rows(entries: list[dict[str, Any]]) -> str:
    return "[" + ",".join(f"\n  {json.dumps(entry)}" for entry in entries) + "]"


def _position(point: np.ndarray) -> dict[str, float]:
    return {
        "row": round(float(point[0]), _DIGITS),
        "column": round(float(point[1]), _DIGITS),
    }


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else round(float(value), 4)
