"""Autofocus."""

from __future__ import annotations

from space.microscope.attempts import SpoiltError, carefully
from space.microscope.sem import serialem

_ONLY_MEASURE = -1


def measured_defocus_um() -> float:
    """Measure the defocus where Focus is now, which exposes it; the focus stays as it is.

    Ends in the Focus area.

    Raises
    ------
    SpaceError
        When it failed twice. SerialEM tells of a failed measurement only when it is asked.
    """

    def work() -> float:
        sem = serialem()
        sem.G(_ONLY_MEASURE)
        defocus_um, code = sem.ReportAutoFocus()
        if code:
            raise SpoiltError(
                f"SerialEM found no focus (code {code:g})",
                do="Try autofocus there by hand, then run the script again.",
            )
        return float(defocus_um)

    return carefully(work, "Autofocus")
