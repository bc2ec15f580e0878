"""Pictures for people, drawn by a process that nobody waits for.

A script hands over what is to be drawn and goes on. Whoever has drawn a picture, or could not,
takes its request away. What is left over when SerialEM is closed is requested again by the next
run, which misses the picture.
"""

from space.drawing.beside import FOLDER, LOG, failures, hand_over, wait
from space.drawing.requests import (
    SHOWS,
    GridPicture,
    Request,
    SegmentationPicture,
    TargetsPicture,
)

__all__ = [
    "FOLDER",
    "LOG",
    "SHOWS",
    "GridPicture",
    "Request",
    "SegmentationPicture",
    "TargetsPicture",
    "failures",
    "hand_over",
    "wait",
]
