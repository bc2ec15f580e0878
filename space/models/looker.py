"""A pickle looked at: read with stand-ins in place of everything that it would import."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.pickles import LARGEST_BYTES, read_orders

SHAPE = 2
"""Where the shape is among what an array is made of: numbers, offset, shape, and more."""


class _Table(dict[Any, Any]):
    """Stands for an ordered table."""

    def __setstate__(self, state: Any) -> None:
        """Take no notice of what the object would hold beside its entries."""


class StandIn:
    """Stands for whatever else a pickle would import, call, fill or change.

    Only calls with a shape are kept: a checkpoint holds tens of thousands of others, which all
    are one object.
    """

    given: tuple[Any, ...] = ()

    def __new__(cls, *given: Any, **named: Any) -> StandIn:
        """Stand for a call with these arguments."""
        if len(given) <= SHAPE or not isinstance(given[SHAPE], tuple):
            return _NOTHING
        made = super().__new__(cls)
        made.given = given
        return made

    def __call__(self, *given: Any, **named: Any) -> StandIn:
        """Stand for what the call would give, too."""
        return self

    def __setstate__(self, state: Any) -> None:
        """Take no notice of what the object would hold."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take no notice."""

    def extend(self, values: Any) -> None:
        """Take no notice."""

    def add(self, value: Any) -> None:
        """Take no notice."""


_NOTHING: StandIn = object.__new__(StandIn)


class Looker(pickle.Unpickler):
    """Reads a pickle without importing or calling anything that it names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for whatever is named."""
        return _Table if (module, name) == ("collections", "OrderedDict") else StandIn

    def persistent_load(self, pid: Any) -> None:
        """Leave numbers where they are."""


def look_into(weights: Path, looker: type[Looker] = Looker) -> Any:
    """Return what weights of torch hold, with stand-ins; nothing in them is run.

    Raises
    ------
    SpaceError
        If the file is cut off, damaged or none of torch.
    """
    try:
        with zipfile.ZipFile(weights) as archive:
            (name,) = (n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"])
            if archive.getinfo(name).file_size > LARGEST_BYTES:
                raise ValueError("its description is too large")
            data = archive.read(name)
            read_orders(data)
            return looker(io.BytesIO(data)).load()
    except Exception as error:  # whatever a damaged pickle may raise
        raise SpaceError(
            f"The weights cannot be read ({type(error).__name__}: {error}).",
            str(weights),
            "Download or copy the file again.",
        ) from None
