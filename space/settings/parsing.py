"""Settings as a user wrote them: read, with all their problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from space.settings.declared import (
    AFTER,
    BEFORE,
    NAMES,
    NO_BROAD,
    STEEPEST_TILT_DEG,
    Settings,
    problems_of,
)
from space.settings.kinds import plain, quoted
from space.settings.lists import BEST, STAGE, map_again, stitched_as
from space.spelling import ALIKE_IF_MISSING, meant, slip


@dataclass(frozen=True)
class ParsedSettings:
    """Settings as a user wrote them.

    Attributes
    ----------
    raw : dict
        Name → value, right or wrong; what is missing is not in it.
    settings : Settings
        The values that are allowed, and the default of each setting that is missing or wrong.
    invalid : frozenset of str
        Names of the settings whose value is not allowed.
    problems : tuple of str
        Values that are not allowed, and contradictions between them. If there are problems,
        `settings` must not be used.
    """

    raw: dict[str, Any]
    settings: Settings
    invalid: frozenset[str]
    problems: tuple[str, ...]

    def class_names(self, name: str) -> list[str]:
        """Return the class names in a list or table, also if something else in it is wrong."""
        value = self.raw.get(name, getattr(self.settings, name))
        entries: Iterable[object] = value if isinstance(value, (tuple, dict)) else ()
        return [entry for entry in entries if isinstance(entry, str)]


def parse(values: Mapping[str, Any]) -> ParsedSettings:
    """Read the settings in a mapping, such as the `globals()` of a script.

    Lists become tuples, paths strings, numbers of NumPy plain ones. Other names are passed over.
    """
    raw = {name: plain(values[name]) for name in NAMES if name in values}
    found = {name: problems_of(name, value) for name, value in raw.items()}
    invalid = frozenset(name for name in found if found[name])
    settings = Settings(**{name: raw[name] for name in raw if name not in invalid})
    problems = tuple(text for texts in found.values() for text in texts)
    parsed = ParsedSettings(raw, settings, invalid, problems)
    contradictions = (
        *_too_steep(parsed),
        *_wanted_and_avoided(parsed),
        *_odd_order(parsed),
        *_of_which_grid(parsed),
        *_broad(parsed),
    )
    return replace(parsed, problems=(*problems, *contradictions))


def _too_steep(parsed: ParsedSettings) -> list[str]:
    max_tilt, pretilt = parsed.settings.max_tilt, parsed.settings.pretilt
    if parsed.invalid & {"max_tilt", "pretilt"} or max_tilt + abs(pretilt) <= STEEPEST_TILT_DEG:
        return []
    return [
        f"max_tilt = {max_tilt!r} and pretilt = {pretilt!r} together tilt "
        f"the lamella by more than {STEEPEST_TILT_DEG} degrees. Lower max_tilt, or set "
        "pretilt = 0 if the range is counted from the lamella."
    ]


def _wanted_and_avoided(parsed: ParsedSettings) -> list[str]:
    avoided = parsed.class_names("avoid_list")
    both = [name for name in parsed.class_names("target_list") if name in avoided]
    if not both:
        return []
    return [f"{', '.join(both)} is in target_list and in avoid_list. Remove it from one of them."]


def _odd_order(parsed: ParsedSettings) -> list[str]:
    """Return what in the order of the grids contradicts the list of them."""
    settings = parsed.settings
    problems = []
    if not parsed.invalid & {"grid_order", "grid_list"} and settings.grid_order != BEST:
        others = [slot for slot in settings.grid_order if slot not in settings.grid_list]
        if others:
            problems.append(
                f"grid_order names {quoted(tuple(others))}, which grid_list does not hold. Name "
                "slots of grid_list only."
            )
    if settings.grid_order == BEST and not settings.screen_first:
        problems.append(
            f'grid_order = "{BEST}" needs to know the lamellae of all grids first. Set '
            "screen_first = True, or give the slots in their order."
        )
    if settings.follows_plan and settings.grid_order:
        problems.append(
            f"With night_hours the plan says which grid comes next, and grid_order = "
            f"{quoted(settings.grid_order)} says so, too. Set grid_order = [] (to have a grid "
            "first, order: pin grid 2), or planner = False."
        )
    if settings.screen_first and STAGE in settings.grid_list[:1] and len(settings.grid_list) > 1:
        problems.append(
            f'screen_first loads each grid again, which cannot be done with "{STAGE}". Name its '
            "slot in grid_list."
        )
    return problems


def _of_which_grid(parsed: ParsedSettings) -> list[str]:
    """Return the lamellae named without a grid: those of other grids are not meant."""
    settings = parsed.settings
    if "grid_list" in parsed.invalid or len(settings.grid_list) < 2:
        return []
    words = [
        *(("reacquire", map_again(entry)) for entry in settings.reacquire),
        *(("restitch", stitched_as(entry)) for entry in settings.restitch),
    ]
    return [
        f"{name} names {one.word} without its grid. With several grids write "
        f'"G1_{one.word}" with the name of the grid.'
        for name, one in words
        if one is not None and not one.grid
    ]


def _broad(parsed: ParsedSettings) -> list[str]:
    """Return what keeps broad series from being taken as the settings say."""
    settings = parsed.settings
    if settings.broad_area == NO_BROAD:
        return []
    problems = []
    avoided = parsed.class_names("avoid_list")
    both = [name for name in parsed.class_names("broad_targets") if name in avoided]
    if both:
        problems.append(
            f"{', '.join(both)} is in broad_targets and in avoid_list. Remove it from one of them."
        )
    if not isinstance(settings.MM_image_state, tuple):
        problems.append(
            f'broad_area = "{settings.broad_area}" changes Record for the broad series, and only '
            "an imaging state puts it back. Set MM_image_state to a list of two: View, Record."
        )
    if settings.follows_plan:
        problems.append(
            "The plan of a night does not know broad series. Set planner = False, or broad_area = "
            f'"{NO_BROAD}".'
        )
    if settings.broad_order == BEFORE and not settings.broad_dose:
        problems.append(
            f'broad_order = "{BEFORE}" needs broad_dose, which is counted at the other targets. '
            f'Set it to the dose of one whole broad series, or broad_order = "{AFTER}".'
        )
    return problems


# --- names --------------------------------------------------------------------------------------


def misspelt(script_globals: Mapping[str, Any]) -> list[str]:
    """Return a message for each name in a script that looks like a setting and is none.

    Otherwise the default would silently be used for a setting whose name has a slip, and a second,
    misspelt line would be ignored. Names of modules and functions do not count.
    """
    others = [
        name
        for name, value in script_globals.items()
        if name not in NAMES
        and not name.startswith("_")
        and not isinstance(value, ModuleType)
        and not callable(value)
    ]
    problems = []
    for name in others:
        known = slip(name, NAMES, script_globals)
        if known:
            beside = " (which is there, too)" if known in script_globals else ""
            problems.append(
                f"{name} is not a setting. Did you mean {known!r}{beside}? "
                "Correct or remove this line."
            )
    return problems


def unknown(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each name that is not a setting, where there must be no others."""
    problems = []
    for name in values:
        if name not in NAMES:
            known = meant(str(name), NAMES, ALIKE_IF_MISSING)
            hint = f"Did you mean {known!r}?" if known else "Remove it."
            problems.append(f"{quoted(name)} is not a setting. {hint}")
    return problems


def left_out(script_globals: Mapping[str, Any]) -> str:
    """Return a message about settings that a script lacks; empty when it has all."""
    missing = [name for name in NAMES if name not in script_globals]
    if not missing:
        return ""
    defaults = Settings().to_dict()
    defaults_used = ", ".join(f"{name} = {defaults[name]!r}" for name in missing)
    return f"The script lacks some settings. Their defaults are used: {defaults_used}."
