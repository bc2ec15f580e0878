"""Pieces of work for processes of Dask, which find these functions by their names."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError


@dataclass(frozen=True)
class Piece:
    """A number, and the folder that its square is written to."""

    folder: Path
    number: int


def squared(piece: Piece) -> int:
    """Write the square of a number once, as a whole; notice who tried."""
    tries = piece.folder / f"{piece.number}.tries"
    with open(tries, "a", encoding="utf-8") as stream:
        stream.write(f"{os.getpid()}\n")
    if (piece.folder / f"{piece.number}.odd").exists():
        raise SpaceError(f"{piece.number} is odd.", do="Leave it out")
    if (piece.folder / f"{piece.number}.fatal").exists():
        os._exit(1)
    is_first = len(tries.read_text(encoding="utf-8").split()) == 1
    while is_first and (piece.folder / f"{piece.number}.hang").exists():
        time.sleep(0.05)
    (piece.folder / f"{piece.number}.result").write_text(str(piece.number**2), encoding="utf-8")
    return piece.number**2
