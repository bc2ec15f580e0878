"""A person at the page beside a session at the simulated microscope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from space.page import reviews
from space.page.current import doing
from space.page.session import Session
from space.simulation import Bench


class Person:
    """Asks for what the page asks for, by the page's own functions.

    Parameters
    ----------
    session : Bench
    grid : str
        Name of the grid that is looked at.
    """

    def __init__(self, session: Bench, grid: str = "G1") -> None:
        self.page = Session(session.directory, None, session.space_dir)
        self._grid = grid

    def sees(self) -> dict[str, Any]:
        """What the page shows of the grid now."""
        self.page.look(now=True)
        return reviews.review_table(self.page, self.page.grid(self._grid))

    def sees_doing(self) -> dict[str, Any]:
        """What the page says that the run does now."""
        return doing(self.page.look(now=True))

    def asks(self, *edits: Mapping[str, Any], **approved: Any) -> dict[str, Any]:
        """Ask for edits, which are of what the page shows now, and approve that.

        ``lamellae`` is true or false, ``targets`` are numbers of lamellae.
        """
        seen = self.sees()
        if "targets" in approved:
            numbers = map(str, approved["targets"])
            shown = {number: seen["lamellae"][number]["choice"] for number in numbers}
            approved = {**approved, "targets": shown}
        add = [{"of": _of(edit, seen), **edit} for edit in edits]
        if approved.get("lamellae"):
            shown = {number: one["stamp"] for number, one in seen["lamellae"].items()}
            approved = {**approved, "lamellae": shown}
        values = {"revision": seen["revision"], "add": add, "approved": approved}
        return reviews.ask(self.page, self.page.grid(self._grid), values)

    def saves_targets(self, number: int, areas: list[dict[str, Any]]) -> dict[str, Any]:
        """Save the targets of a lamella."""
        of = self.sees()["lamellae"][str(number)]["choice"]
        grid, lamella = self.page.lamella(self._grid, number)
        return reviews.hand_over_targets(self.page, grid, lamella, {"areas": areas, "of": of})


def _of(edit: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    lamella = seen["lamellae"].get(str(edit.get("number")))
    return lamella["stamp"] if lamella is not None else seen["stamp"]
