"""Simulated lamella maps as a stream: processes draw them while a network learns from them."""

from __future__ import annotations

import multiprocessing as mp
import queue
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from space.simulator.specimen import LABELS

from .lamella_maps import MODEL_PIXEL_NM, Look, lamella_map
from .seeds import FIRST_NATURAL_SEED, is_natural

#: Share of maps in the plain appearance; the others look as real ones do.
PLAIN_EVERY = 4
#: Share of maps in which rare classes are as rare as in nature.
NATURAL_OF_FIVE = 2
_PLACES = 256


@dataclass(frozen=True)
class LabelledMap:
    """A map and what a trainer needs to know of it.

    Attributes
    ----------
    seed : int
    picture, labels : (rows, columns) uint8 arrays
    mean, deviation : float
        Of the grey levels where there are data, as nnU-Net takes them.
    places : dict of int to (n, 2) int32 array
        Pixels (row, column) of each class that occurs, at most 256 each.
    """

    seed: int
    picture: np.ndarray
    labels: np.ndarray
    mean: float
    deviation: float
    places: dict[int, np.ndarray]


def map_of(number: int) -> tuple[int, Look]:
    """Seed and appearance of the map with a running number."""
    look: Look = "plain" if number % PLAIN_EVERY == PLAIN_EVERY - 1 else "real"
    natural = number % 5 < NATURAL_OF_FIVE
    return (FIRST_NATURAL_SEED["train"] + number if natural else number), look


def number_of(seed: int) -> int:
    """Running number of the map with a seed, the inverse of `map_of`."""
    return seed - FIRST_NATURAL_SEED["train"] if is_natural(seed) else seed


def labelled_map(seed: int, look: Look, pixel_nm: float = MODEL_PIXEL_NM) -> LabelledMap:
    """Draw a map and find where its classes lie."""
    picture, labels = lamella_map(seed, pixel_nm, look)
    rows, cols = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    part = picture[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] if rows.size else picture
    rng = np.random.default_rng([103, seed])
    places = {}
    for value in range(1, len(LABELS)):
        found = np.flatnonzero(labels == value)
        if found.size:
            chosen = rng.choice(found, min(_PLACES, found.size), replace=False)
            places[value] = np.column_stack(np.unravel_index(chosen, labels.shape)).astype(np.int32)
    return LabelledMap(seed, picture, labels, float(part.mean()), float(part.std()), places)


def _draw(first: int, step: int, out: mp.Queue, pixel_nm: float) -> None:
    number = first
    while True:
        seed, look = map_of(number)
        try:
            out.put(labelled_map(seed, look, pixel_nm))
        except Exception:  # noqa: BLE001 - one map that fails must not end a training
            traceback.print_exc()
            print(f"map {seed} ({look}) could not be drawn and is left out", flush=True)
        number += step


class MapStream:
    """Maps that processes draw one after another, until the stream is closed.

    Parameters
    ----------
    processes : int
    first : int
        Running number of the first map.
    pixel_nm : float
    """

    def __init__(self, processes: int, first: int = 0, pixel_nm: float = MODEL_PIXEL_NM) -> None:
        context = mp.get_context("spawn")
        self._maps: mp.Queue = context.Queue(2 * processes)
        self._processes = [
            context.Process(
                target=_draw, args=(first + k, processes, self._maps, pixel_nm), daemon=True
            )
            for k in range(processes)
        ]
        for process in self._processes:
            process.start()
        # A thread takes them in meanwhile: reading a map of 20 MB would hold up the training.
        self._read: queue.Queue[LabelledMap] = queue.Queue(2 * processes)
        self._open = True
        self._reader = threading.Thread(target=self._take_in, daemon=True)
        self._reader.start()

    def _take_in(self) -> None:
        held: LabelledMap | None = None
        while self._open:
            try:
                held = held or self._maps.get(timeout=0.2)
                self._read.put(held, timeout=0.2)
                held = None
            except (queue.Empty, queue.Full):
                continue

    def ready(self, wait_s: float = 0.0) -> Iterator[LabelledMap]:
        """Yield the maps that are there; waits for the first one at most `wait_s`."""
        while True:
            try:
                yield self._read.get(timeout=wait_s) if wait_s else self._read.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0

    def close(self) -> None:
        """End the processes."""
        self._open = False
        self._reader.join(5)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(5)
