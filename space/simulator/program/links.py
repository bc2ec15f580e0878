"""Settings that are part of what the microscope or the program is set to, under another name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from space.simulator.column.errors import SEMerror
from space.simulator.imaging.images import LETTERS

if TYPE_CHECKING:
    from space.simulator.column.letters import AreaLetter, SetLetter
    from space.simulator.program.session import Session


@dataclass(frozen=True)
class Link:
    """Where a setting is kept: what reads it there, and what writes it there."""

    read: Callable[[Session], float]
    write: Callable[[Session, float], None]


def attribute(owner: str, name: str, kind: Callable[[float], object] = float) -> Link:
    """A number, or flag, that a part of the session (`scope.stage`, say) has under a name."""
    part = attrgetter(owner)

    def read(session: Session) -> float:
        return float(getattr(part(session), name))

    def write(session: Session, value: float) -> None:
        setattr(part(session), name, kind(value))

    return Link(read, write)


def montage_choice(name: str, kind: Callable[[float], Any] = float) -> Link:
    """A choice in `MontageSettings`."""

    def read(session: Session) -> float:
        return float(getattr(session.montage, name))

    def write(session: Session, value: float) -> None:
        session.montage = replace(session.montage, **{name: kind(value)})

    return Link(read, write)


def montage_set(letter: SetLetter) -> Link:
    """Whether montages are taken with a camera set."""

    def write(session: Session, value: float) -> None:
        if value:
            session.montage = replace(session.montage, camera_set=letter)
        elif session.montage.camera_set == letter:
            session.montage = replace(session.montage, camera_set="")

    return Link(lambda session: float(session.montage.camera_set == letter), write)


def buffer_index(name: str) -> Link:
    """A buffer that `Buffers` has under a name, as a number from 0 for A."""

    def read(session: Session) -> float:
        return float(LETTERS.index(getattr(session.buffers, name)))

    def write(session: Session, value: float) -> None:
        if not 0 <= value < len(LETTERS):
            raise SEMerror(f"{value:g} is not the number of a buffer, from 0 to {len(LETTERS) - 1}")
        setattr(session.buffers, name, LETTERS[int(value)])

    return Link(read, write)


def defocus_offset(letter: AreaLetter) -> Link:
    """Defocus offset of View or Search."""
    return Link(
        lambda session: session.scope.stored_area(letter).defocus_offset_um,
        lambda session, value: session.scope.store_area(letter, defocus_offset_um=value),
    )
