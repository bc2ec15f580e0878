"""Properties as scripts see them: of program and microscope, and of the current camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.properties import camera_property, property_table
from space.simulator.program.links import Link, attribute

if TYPE_CHECKING:
    from space.simulator.program.session import Session

LINKS: dict[str, Link] = {
    "FileOptionsSaveMdocFile": attribute("files", "single_mdocs", bool),
    "StageMoveDelay": Link(
        lambda session: 1000.0 * session.scope.stage.move_delay_s,
        lambda session, value: setattr(session.scope.stage, "move_delay_s", value / 1000.0),
    ),
}
"""Properties that are kept elsewhere; all others that were set are in `Microscope.properties`."""


def value(session: Session, name: str) -> float:
    """Give a property, by its name in any case.

    Raises
    ------
    SEMerror
        If there is none of that name.
    """
    name = property_table().find(name).name
    if name in LINKS:
        return LINKS[name].read(session)
    known = session.scope.properties
    return known[name] if name in known else camera_property(session.camera.model, name)


def change(session: Session, name: str, number: float) -> None:
    """Change a property for good; one that describes the instrument does not change that.

    Raises
    ------
    SEMerror
        If there is none of that name, or it cannot have this value.
    """
    row = property_table().find(name)
    number = row.taken(number)
    if row.name in LINKS:
        LINKS[row.name].write(session, number)
    else:
        session.scope.properties[row.name] = number
