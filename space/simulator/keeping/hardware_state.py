"""The microscope apart from the program that drives it: what is still so when SerialEM has died.

Each part says itself what stays (`column.hardware`); here it becomes plain values and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from space.simulator.keeping.plain_values import plain, restored

if TYPE_CHECKING:
    from space.simulator.column.hardware import Hardware
    from space.simulator.column.random_source import RandomSource
    from space.simulator.program.session import Session

State = dict[str, dict[str, Any]]
"""Part of the hardware → name → value, as `read` gives them."""


def parts(session: Session) -> dict[str, Hardware]:
    """Give the parts of the hardware by name."""
    return {
        "session": session,
        "clock": session.clock,
        "column": session.scope,
        "stage": session.scope.stage,
        "drift": session.scope.stage.drift,
    }


def random_sources(session: Session) -> dict[str, RandomSource]:
    """Give the random numbers by the part that they belong to: visits go on being counted."""
    stage = session.scope.stage
    return {
        "pictures": session.random_source,
        "stage": stage.random_source,
        "drift": stage.drift.random_source,
    }


def read(session: Session) -> State:
    """Give the state of the hardware as plain values."""
    return {name: plain(part.state()) for name, part in parts(session).items()}


def difference(before: State, now: State) -> State:
    """Give the values of `now` that are not the same in `before`, both as `read` gave them."""
    changed = {
        part: {
            name: value
            for name, value in values.items()
            if before.get(part, {}).get(name, ...) != value
        }
        for part, values in now.items()
    }
    return {part: values for part, values in changed.items() if values}


def apply(session: Session, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a session's hardware the state that `read` gave; what is missing stays as it is."""
    for name, part in parts(session).items():
        before = part.state()
        given = values.get(name, {})
        part.restore({key: restored(given[key], before[key]) for key in before if key in given})
