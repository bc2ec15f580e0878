"""What was computed from a label map lately, for more questions about the same map.

A person tries other settings on one map, and most of them change little: which pixels lie on the
lamella, how much of each cell is wanted, and often the scores are the same as before. A result that
is kept is the array itself, so equal questions get equal answers to the last digit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Key = tuple[Hashable, ...]


class Memory:
    """Results by what they depend on; the oldest ones go where there is no room.

    Parameters
    ----------
    most_bytes : int
        Of all results together; 0: nothing is kept.
    """

    def __init__(self, most_bytes: int = 0) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, tuple[Any, int]] = OrderedDict()
        self._about: Key = ()

    def about(self, what: Key) -> Memory:
        """Return the part of this memory that is about something that was made from the map."""
        part = Memory(self._most_bytes)
        part._kept, part._about = self._kept, (*self._about, *what)
        return part

    def get(self, key: Key) -> Any:
        """Return what was kept; None if there is nothing."""
        found = self._kept.get((*self._about, *key))
        if found is None:
            return None
        self._kept.move_to_end((*self._about, *key))
        return found[0]

    def keep(self, key: Key, value: Any, size_bytes: int) -> None:
        """Keep a result, if there is room for it at all. Nobody may change it from now on."""
        if size_bytes > self._most_bytes:
            return
        self._kept[(*self._about, *key)] = (value, size_bytes)
        while self.size_bytes > self._most_bytes:
            self._kept.popitem(last=False)

    @property
    def size_bytes(self) -> int:
        """Return how much all results take."""
        return sum(size for _, size in self._kept.values())


@dataclass(frozen=True, eq=False)
class KnownMap:
    """A label map with what is known of it; not for several threads at a time.

    Parameters
    ----------
    labels : ndarray of whole numbers (rows, columns)
        Not to be changed.
    memory : Memory
    made_by : Key
        What changed the labels since they were read.
    """

    labels: np.ndarray
    memory: Memory = field(default_factory=Memory)
    made_by: Key = ()


def frozen(array: np.ndarray) -> np.ndarray:
    """Return an array that cannot be changed by mistake, with the same values."""
    view = array.view()
    view.flags.writeable = False
    return view
