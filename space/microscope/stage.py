"""The stage: where it is, its tilt, and the height of the specimen."""

from __future__ import annotations

import logging

from space.errors import SpaceError
from space.microscope.attempts import carefully, disturbance
from space.microscope.log import warn_once
from space.microscope.sem import check_space_left, error_text, sem_errors, serialem

STAGE_LIMIT_UM = 990.0
"""Reach of the stage from its centre along x and y (SerialEM's default limit)."""

_LEVEL_WITHIN_DEG = 0.5
_NEARLY_LEVEL_DEG = 3.0  # foreshortens by a thousandth
_SAME_TILT_DEG = 0.2
log = logging.getLogger("space.microscope")


class _RefusedError(SpaceError):
    """SerialEM refused a routine before anything had moved."""


def stage_position_um() -> tuple[float, float, float]:
    """Return the stage's reading x, y, z."""
    x, y, z = serialem().ReportStageXYZ()
    return float(x), float(y), float(z)


def tilt_deg() -> float:
    """Return the stage's tilt."""
    return float(serialem().ReportTiltAngle())


def level_stage() -> None:
    """Bring a stage back to 0 degrees that an interrupted script left tilted.

    Raises
    ------
    SpaceError
        When it stays so tilted that maps would be foreshortened.
    """
    if abs(tilt_deg()) <= _LEVEL_WITHIN_DEG:
        return
    log.info("The stage is tilted by %.1f degrees: it is brought back to 0.", tilt_deg())
    for _ in range(2):
        try:
            serialem().TiltTo(0.0)
            return
        except sem_errors() as error:
            check_space_left(error)
            refusal = error_text(error)
    if abs(tilt_deg()) > _NEARLY_LEVEL_DEG:
        raise SpaceError(
            f"The stage stays tilted by {tilt_deg():.1f} degrees: {refusal}.",
            "TiltTo 0",
            "Bring it to 0 by hand, then run the script again.",
        )
    warn_once(
        "tilt",
        "The stage cannot be brought to 0 degrees (%s); it stays at %.1f, which is little enough "
        "to continue.",
        refusal,
        tilt_deg(),
    )


def find_eucentric_height() -> None:
    """Bring the specimen to eucentric height by tilting (coarse routine).

    A routine that is refused outright (none for this microscope, or a stage that does not tilt)
    leaves the present height, and the log says so once.

    Raises
    ------
    SpaceError
        When it began and failed, twice; the stage is level then.
    """
    before_deg = tilt_deg()

    def coarse_routine() -> None:
        try:
            serialem().Eucentricity(1)
        except sem_errors() as error:
            check_space_left(error)
            begun = abs(tilt_deg() - before_deg) > _SAME_TILT_DEG
            if begun or disturbance():
                raise
            raise _RefusedError(error_text(error)) from error

    try:
        carefully(coarse_routine, "Finding the eucentric height")
    except _RefusedError as refused:
        warn_once(
            "eucentricity",
            "SerialEM cannot find the eucentric height here (%s): the present height stays. Bring "
            "the grid to eucentric height by hand. PACEtomo asks for the same routine.",
            refused.what,
        )
        log.info("The stage stays at a height of %.1f um.", stage_position_um()[2])
    except SpaceError:
        level_stage()  # a stage that stopped on its way would spoil all that follows
        raise
