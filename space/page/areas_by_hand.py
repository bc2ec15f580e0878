"""Areas that a person splits, merges or distributes anew on the page. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from space.errors import SpaceError
from space.overview import GridFacts, LamellaFacts
from space.page import choosing
from space.page.lamella_facts import choice_table
from space.page.refusal import wrong
from space.page.session import Session
from space.predicates import is_number, is_whole
from space.targeting import AREA_CHANGES, AreaChange


def change_sent(values: Mapping[str, Any]) -> AreaChange:
    """Return what a request asks for.

    Raises
    ------
    SpaceError
        If it is not understood.
    """
    kind = next((one for one in AREA_CHANGES if one == values.get("do")), None)
    if kind is None:
        raise wrong(f"do is none of {', '.join(AREA_CHANGES)}.")
    numbers = {name: values.get(name, 1) for name in ("area", "other", "target")}
    if not all(is_whole(number) and number >= 1 for number in numbers.values()):
        raise wrong("area, other and target are numbers from 1.")
    tiles = {name: values.get(name, 2) for name in ("columns", "rows")}
    overlap = values.get("overlap", 0.1)
    if not all(map(is_whole, tiles.values())) or not is_number(overlap):
        raise wrong("columns and rows are whole numbers, overlap is a number.")
    return AreaChange(kind, **numbers, **tiles, overlap=float(overlap))


def rearranged(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the areas of the page after a change, with scores, conflicts and warnings.

    Raises
    ------
    SpaceError
        If it is not understood, or cannot be done.
    """
    change = change_sent(values)
    with session.segmentations.one_at_a_time:
        settings = choosing.settings_sent(session, values)
        _, asked = choosing.question(session, grid, lamella, settings)
        areas = choosing.areas_sent(values, asked.shape)
        polygons = choosing.polygons_of(grid, lamella, settings, asked, values)
        try:
            choice = asked.rearranged(areas, change, polygons)
        except SpaceError as error:
            raise wrong(error.what, error.where, error.do) from None
        return choice_table(choice.areas, asked.optics, choice)
