"""What is measured on pictures: shifts, focus, eucentric height, holes and squares.

Each module is public: it has one measurement.
"""

from space.simulator.measuring import (
    aberrations,
    alignment,
    ctf_fit,
    eucentricity,
    focusing,
    hole_finder,
    square_finder,
    zero_loss,
)

__all__ = [
    "aberrations",
    "alignment",
    "ctf_fit",
    "eucentricity",
    "focusing",
    "hole_finder",
    "square_finder",
    "zero_loss",
]
