"""Tells problems of the simulator in the way of this project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from space.errors import SpaceError
from space.simulator.options import OptionError


@contextmanager
def problems_of_the_simulator() -> Iterator[None]:
    """Raise a SpaceError where the simulator cannot follow an option."""
    try:
        yield
    except OptionError as error:
        raise SpaceError(error.what, error.where, error.do) from error
