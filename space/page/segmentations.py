"""The segmentations that were looked at last, with what was computed from them.

A person looks at one lamella for a while, and tries other settings on it: its segmentation is
decoded once, for pictures of it as well as for choices, and a choice begins with what the one
before has found out about the map.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from space import steps
from space.errors import SpaceError
from space.images import fingerprint, png_megapixels
from space.targeting import KnownMap, Memory

MOST_PIXELS = 110_000_000
"""Of segmentations that are held in memory at a time; a larger one is held alone."""

MOST_BYTES = 240_000_000
"""Of what was computed from them and is kept."""

Found = tuple[KnownMap, dict[str, int]]
"""A segmentation and the classes that are stored with it."""


class Segmentations:
    """Segmentations by their files, as long as these are as they were.

    Attributes
    ----------
    one_at_a_time : Lock
        To be held while something is computed: a `KnownMap` is not for several threads, and a
        choice takes much memory on a large map.
    """

    def __init__(self) -> None:
        self.one_at_a_time = threading.Lock()
        self._lock = threading.Lock()
        self._memory = Memory(MOST_BYTES)
        self._held: OrderedDict[Hashable, Found] = OrderedDict()

    def read(self, path: Path) -> Found:
        """Return a segmentation.

        Raises
        ------
        SpaceError
            If it cannot be read.
        """
        pixels = int(1e6 * png_megapixels(path))
        return self._found(_mark(path), pixels, lambda: steps.read_segmentation(path))

    def changed(
        self, path: Path, known: KnownMap, how: Hashable, change: Callable[[], np.ndarray]
    ) -> KnownMap:
        """Return a map with other labels than the known one of a file has.

        Parameters
        ----------
        how : hashable
            What is changed.
        change : callable
            Makes the other labels.
        """
        return self._found((_mark(path), how), known.labels.size, lambda: (change(), {}))[0]

    def _found(
        self, key: Hashable, pixels: int, make: Callable[[], tuple[np.ndarray, dict[str, int]]]
    ) -> Found:
        with self._lock:
            if key not in self._held:
                while self._held and self._pixels + pixels > MOST_PIXELS:
                    self._held.popitem(last=False)
                labels, names = make()
                self._held[key] = (KnownMap(labels, self._memory.about((key,))), names)
            self._held.move_to_end(key)
            return self._held[key]

    @property
    def _pixels(self) -> int:
        return sum(known.labels.size for known, _ in self._held.values())


def _mark(path: Path) -> str:
    mark = fingerprint(path)
    if not mark:
        raise SpaceError("The segmentation is not there.", path.name, "Wait for it.")
    return f"{path}|{mark}"
