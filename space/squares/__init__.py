"""Squares of a grid that nobody has milled: where they are, and which are of use.

Pure functions of arrays. Sessions find squares in the picture of the whole grid.
"""

from space.square_classes import (
    BROKEN,
    CONTAMINATED,
    EMPTY,
    INTACT,
    SQUARE_CLASSES,
    THICK,
)
from space.squares.classes import Look
from space.squares.finding import Square, SquaresFound, find_squares
from space.squares.levels import Levels
from space.squares.mesh import Mesh

__all__ = [
    "BROKEN",
    "CONTAMINATED",
    "EMPTY",
    "INTACT",
    "SQUARE_CLASSES",
    "THICK",
    "Levels",
    "Look",
    "Mesh",
    "Square",
    "SquaresFound",
    "find_squares",
]
