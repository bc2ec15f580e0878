"""One edit of a page that may be done, and how the list of lamellae is changed by it."""

from __future__ import annotations

from dataclasses import dataclass

from space.errors import SpaceError
from space.microscope import Item, navigator
from space.review import Edit, Scene
from space.steps import lamella_list
from space.steps.lamella_list import LamellaList
from space.steps.session import GridSession


class RefusedError(SpaceError):
    """What is asked cannot be done; the text says why."""


@dataclass(frozen=True)
class Work:
    """One edit that may be done."""

    session: GridSession
    edit: Edit
    scene: Scene
    refines: bool

    @property
    def number(self) -> int:
        """The lamella."""
        return self.edit.number

    @property
    def point(self) -> Item:
        """The Navigator's point of the lamella."""
        points = lamella_list.to_visit(navigator.items())
        return next(item for item in points if lamella_list.number_of(item) == self.number)

    @property
    def known(self) -> LamellaList:
        """The list of lamellae as it is now."""
        return lamella_list.load(self.session.lamellae_file) or LamellaList(())

    def keep(self, known: LamellaList) -> None:
        """Write the list of lamellae."""
        lamella_list.save(self.session.lamellae_file, known)
