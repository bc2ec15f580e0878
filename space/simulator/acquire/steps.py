"""Steps of Acquire at Items: which command each one is, and at which items it is due."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from space.simulator.formats.navfile import NavItem
from space.simulator.program.acquire_state import GROUP_END, GROUP_START, SCRIPT, LastDone, Step

if TYPE_CHECKING:
    from space.simulator.program.session import Script
    from space.simulator.python.command_types import Commands

# Command and arguments of each step, in the order in which the dialog offers them first.
ACTIONS: dict[str, tuple[str, tuple[str | float, ...]]] = {
    "rough eucentricity": ("Eucentricity", (1,)),
    "centre beam": ("AutoCenterBeam", ()),
    "realign to item": ("RealignToOtherItem", ()),
    "cook specimen": ("CookSpecimen", ()),
    "fine eucentricity": ("Eucentricity", (2,)),
    "eucentricity by focus": ("Eucentricity", (-1,)),
    "autofocus": ("G", ()),
    "coma": ("FixComaByCTF", ()),
    "astigmatism": ("FixAstigmatismByCTF", ()),
    "phase plate": ("PhasePlateToNextPos", ()),
    "dark reference": ("UpdateHWDarkRef", (0.0,)),
    "drift wait": ("DriftWaitTask", ()),
    "align to template": ("AlignToTemplate", ()),
    "zero loss": ("RefineZLP", ()),
    "flash FEG": ("LongOperation", ("FF", "0")),
    "dewars and pumps": ("ManageDewarsAndPumps", ()),
    "find holes": ("FindHoles", ()),
}
REALIGN = "realign to item"
MAY_FAIL = ("autofocus", "find holes")
"""Steps whose failure can be allowed to cost no more than the item."""


def not_possible(steps: Sequence[Step], commands: Commands, scripts: Mapping[int, Script]) -> str:
    """Why steps cannot be done, "" if they can."""
    for step in steps:
        if step.action == SCRIPT:
            if step.script not in scripts:
                return f"There is no script number {step.script}"
        elif step.action not in ACTIONS:
            return f"{step.action!r} is not a step of Acquire at Items"
        elif ACTIONS[step.action][0] not in commands:
            return f"The step '{step.action}' is not simulated"
        if step.group not in ("", GROUP_START, GROUP_END):
            return f"{step.group!r}: a step is done at the start or end of groups"
    return ""


def in_range(item: NavItem, registration: int, skipped_groups: set[int]) -> bool:
    """Whether an item is to be acquired."""
    if not item.acquire or item.registration != registration:
        return False
    return item.integer("GroupID") not in skipped_groups


def place_in_group(
    items: Sequence[NavItem], index: int, registration: int, done: Sequence[int]
) -> tuple[bool, bool]:
    """Whether an item is the first, and the last, of its group that is acquired.

    An item without a group is a group of its own.

    Parameters
    ----------
    items : sequence of NavItem
        The table.
    index : int
        The item, counted from 1.
    registration : int
        Registration that is acquired.
    done : sequence of int
        Map IDs of the items acquired so far.
    """
    item = items[index - 1]
    group = item.integer("GroupID")
    if not group:
        return True, True
    members = [other for other in items if other.integer("GroupID") == group]
    first = not any(other.map_id in done for other in members if other is not item)
    later = (other for other in items[index:] if other.integer("GroupID") == group)
    return first, not any(in_range(other, registration, set()) for other in later)


def is_due(
    step: Step,
    last: LastDone,
    place_um: tuple[float, float],
    seconds: float,
    first_in_group: bool,
    last_in_group: bool,
) -> bool:
    """Whether a step is to be done at an item.

    Parameters
    ----------
    step : Step
        The step with its schedule.
    last : LastDone
        When and where it was done; `items` counts the items before this one.
    place_um : tuple of float
        Stage position of the item.
    seconds : float
        Time now.
    first_in_group, last_in_group : bool
        Where in its group the item is.
    """
    if step.group == GROUP_START and not first_in_group:
        return False
    if step.group == GROUP_END and not last_in_group:
        return False
    if not step.group and last.items % max(step.every, 1):
        return False
    if last.seconds is None:
        return True
    if seconds - last.seconds < 60.0 * step.minutes:
        return False
    return math.dist(place_um, last.place_um) >= step.separation_um
