"""Preview pictures of targets, for settings of PACEtomo that need more than a View map."""

from __future__ import annotations

from pathlib import Path

from space.microscope import scope
from space.microscope.sem import serialem


def centre_on(view_map: Path) -> None:
    """Bring what a View map shows into the middle: the stage first, then image shift."""
    sem = serialem()
    for last in (False, True):
        sem.ReadOtherFile(0, "O", str(view_map))
        scope.take_view()
        sem.AlignTo("O", 0, 0, 0, 0)
        if not last:
            scope.reset_image_shift()


def take_previews(previews: list[tuple[Path, tuple[float, float]]]) -> None:
    """Take a Preview at each image shift (specimen um) from here, into a file of its own.

    Image shift is zero afterwards, whatever happens.
    """
    sem = serialem()
    x, y, *_ = sem.ReportImageShift()
    try:
        for path, shift_um in previews:
            sem.GoToLowDoseArea("R")
            scope.set_image_shift(x, y)
            scope.shift_image(*shift_um)
            scope.take_preview(path.name)
            sem.OpenNewFile(str(path))
            try:
                sem.S()
            finally:
                sem.CloseFile()
    finally:
        sem.SetImageShift(0, 0)
