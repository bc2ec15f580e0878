"""With which settings each result was made, and remarks on those that have changed since.

What is done is never done again by itself, so a setting that was changed since has no effect on it.
Each result therefore carries the settings that made it: the whole-grid map and the
lamella maps in the JSON beside their pictures, the lamellae in the list of lamellae, the targets
in the choice file. The saved settings of a session are only those of the last run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from space.images import read_json_beside
from space.predicates import is_number
from space.settings import SQUARES, Result, Settings, settings_of
from space.steps import lamella_list
from space.steps.session import GridSession
from space.steps.target_facts import choice_path, is_begun, targets_files

KEY = "made_with"
"""Name of the table of settings in each of these files."""

WHOLE_GRID = settings_of(Result.WHOLE_GRID)
LAMELLAE = settings_of(Result.LAMELLAE)
REFINED = settings_of(Result.REFINED)
MAP = settings_of(Result.MAP)
TARGETS = settings_of(Result.TARGETS)


def made_with(settings: Settings, names: Sequence[str]) -> dict[str, Any]:
    """Return the settings of these names as plain values for JSON."""
    values = settings.to_dict()
    return {name: values[name] for name in names if name in values}


def changes(recorded: object, settings: Settings, names: Sequence[str]) -> list[str]:
    """Return how settings differ from those that made a result.

    Parameters
    ----------
    recorded : object
        What the result carries; a setting missing there (older version) counts as unchanged.
    settings : Settings
        Those of this run.
    names : sequence of str
        The settings that concern it.
    """
    now = json.loads(json.dumps(made_with(settings, names)))
    before = recorded if isinstance(recorded, Mapping) else {}
    return [
        f"{name} = {_shown(before[name])} (now {_shown(now[name])})"
        for name in now
        if name in before and before[name] != now[name]
    ]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def remarks_on_changes(session: GridSession, numbers: Sequence[int], level: int) -> list[str]:
    """Return remarks on the results that were made with other settings than those of this run.

    Reads files only, and changes nothing.

    Parameters
    ----------
    session : GridSession
    numbers : sequence of int
        Numbers of the lamellae to visit.
    level : int
        Level of this run; results of later levels are not its concern.
    """
    found = [*_of_the_grid(session), *_of_the_lamellae(session, numbers)]
    if level >= 2:
        found += _of_the_maps(session, numbers)
    if level >= 4:
        found += _of_the_targets(session, numbers)
    return found


def _of_the_grid(session: GridSession) -> list[str]:
    before = read_json_beside(session.whole_grid_png).get(KEY)
    differ = changes(before, session.settings, WHOLE_GRID)
    if not differ or not (session.directory / session.whole_grid_note).is_file():
        return []
    return [
        f"The map of grid {session.grid} was collected with {', '.join(differ)} and is kept. To "
        f"collect it again, delete its item ({session.whole_grid_note}) and all points PL and FL "
        "in the Navigator."
    ]


def _of_the_lamellae(session: GridSession, numbers: Sequence[int]) -> list[str]:
    known = lamella_list.load(session.lamellae_file)
    if known is None or not numbers:
        return []
    differ = changes(known.made_with, session.settings, (*LAMELLAE, *REFINED))
    if not differ:
        return []
    settings = session.settings
    not_wanted = [
        lamella.number
        for lamella in known.lamellae
        if lamella.number in numbers
        and (
            lamella.category in settings.excluded_classes
            or lamella.probability < settings.least_probability
        )
    ]
    missed = sum(
        other.category not in settings.excluded_classes
        and other.probability >= settings.least_probability
        and other.category in excluded_then(known.made_with)
        for other in known.others
    )
    text = (
        f"The lamellae of grid {session.grid} were found with {', '.join(differ)} and are kept. To "
        "find them again, delete all points PL and FL in the Navigator."
    )
    if not_wanted:
        text += (
            f" By the present settings {_numbered('lamella', not_wanted)} would be left out: "
            "delete their points to leave them out."
        )
    if missed:
        text += f" By the present settings {missed} more would be taken that were left out."
    return [text]


def excluded_then(made: Mapping[str, Any]) -> list[str]:
    """Return the classes that got no map when places were found, by what is noted of it."""
    squares = made.get("sample") == SQUARES
    listed = made.get("exclude_square_classes" if squares else "exclude_lamella_classes")
    return listed if isinstance(listed, list) else []


def least_then(made: Mapping[str, Any]) -> float:
    """Return the probability below which a place got no map when places were found."""
    name = "square_transmission" if made.get("sample") == SQUARES else "WG_detection_threshold"
    least = made.get(name, 0.0)
    return float(least) if is_number(least) else 0.0


def _of_the_maps(session: GridSession, numbers: Sequence[int]) -> list[str]:
    return [
        f"{_numbered('The map of lamella', concerned)} of grid {session.grid}: collected with "
        f"{differ}; kept. To collect again: reacquire = "
        f"{_shown([session.map_stem(number) for number in concerned])}, unless tilt series were "
        "begun; the lamella is then exposed once more."
        for differ, concerned in _grouped(
            {
                number: changes(
                    read_json_beside(session.map_png(number)).get(KEY), session.settings, MAP
                )
                for number in numbers
                if (session.directory / session.map_note(number)).is_file()
            }
        )
    ]


def _of_the_targets(session: GridSession, numbers: Sequence[int]) -> list[str]:
    there = [number for number in numbers if targets_files(session, number)]
    differing = {
        number: changes(
            read_json_beside(choice_path(session, number)).get(KEY), session.settings, TARGETS
        )
        for number in there
    }
    found = []
    for begun in (False, True):
        groups = {n: d for n, d in differing.items() if is_begun(session, n) == begun}
        for differ, concerned in _grouped(groups):
            what = f"{_numbered('The targets of lamella', concerned)} of grid {session.grid}"
            if begun:
                do = "Their acquisition has begun: what was exposed would be exposed again."
            else:
                name = session.targets_file(concerned[0]).name
                do = f"To choose again, delete {name}{' and so on' if len(concerned) > 1 else ''}."
            found.append(f"{what}: chosen with {differ}; kept. {do}")
    return found


def _grouped(differing: Mapping[int, list[str]]) -> list[tuple[str, list[int]]]:
    """Put lamellae together that differ alike."""
    groups: dict[str, list[int]] = {}
    for number, differ in differing.items():
        if differ:
            groups.setdefault(", ".join(differ), []).append(number)
    return list(groups.items())


def _numbered(what: str, numbers: Sequence[int]) -> str:
    return f"{what} {', '.join(map(str, numbers))}"
