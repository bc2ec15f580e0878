"""The stage: where it is, its tilt, and the height of the specimen."""

from __future__ import annotations

import logging
import math

from space.errors import SpaceError
from space.microscope.attempts import carefully, disturbance
from space.microscope.log import warn_once
from space.microscope.sem import check_space_left, error_text, sem_errors, serialem

STAGE_LIMIT_UM = 990.0
"""Reach of the stage from its centre along x and y (SerialEM's default limit)."""

ARRIVED_WITHIN_UM = 1.5
"""Readings of a stage that has arrived differ less from where it was sent."""

TILTED_WITHIN_DEG = 0.5
"""The same for tilts."""

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


def move_to(x_um: float, y_um: float) -> None:
    """Send the stage to a position as it is read there; image shift stays.

    Raises
    ------
    SpaceError
        When it did not get there in two attempts.
    """
    for last in (False, True):
        trouble = _move_to(x_um, y_um)
        if not trouble:
            return
        if last:
            raise SpaceError(
                f"The stage does not go to {x_um:.1f}, {y_um:.1f} um: {trouble}.",
                "MoveStageTo",
                "Check the stage, then run the script again.",
            )
        log.warning(
            "The stage did not get to %.1f, %.1f um: %s. It is sent again.", x_um, y_um, trouble
        )


def _move_to(x_um: float, y_um: float) -> str:
    """Send the stage to a position; return what went wrong, empty if nothing did."""
    try:
        serialem().MoveStageTo(x_um, y_um)
    except sem_errors() as error:
        check_space_left(error)
        return error_text(error)
    now_x_um, now_y_um, _ = stage_position_um()
    away_um = math.hypot(now_x_um - x_um, now_y_um - y_um)
    return f"it stands {away_um:.1f} um away" if away_um > ARRIVED_WITHIN_UM else ""


def tilt_to(angle_deg: float) -> None:
    """Tilt the stage, and see that it got there.

    Raises
    ------
    SpaceError
        When it did not in two attempts.
    """
    trouble = _tilt_twice(angle_deg)
    if trouble:
        raise SpaceError(
            f"The stage does not tilt to {angle_deg:.1f} degrees: {trouble}.",
            "TiltTo",
            "Check the stage and its limits, then run the script again.",
        )


def _tilt_twice(angle_deg: float) -> str:
    """Tilt the stage, in two attempts; return what went wrong, empty if nothing did."""
    trouble = ""
    for _ in range(2):
        try:
            serialem().TiltTo(float(angle_deg))
            trouble = ""
        except sem_errors() as error:
            check_space_left(error)
            trouble = error_text(error)
        if not trouble and abs(tilt_deg() - angle_deg) > TILTED_WITHIN_DEG:
            trouble = f"it stands at {tilt_deg():.1f} degrees, without an error"
        if not trouble:
            break
    return trouble


def level_stage() -> None:
    """Bring a stage back to 0 degrees that an interrupted script left tilted.

    Raises
    ------
    SpaceError
        When it stays so tilted that maps would be foreshortened.
    """
    if abs(tilt_deg()) <= TILTED_WITHIN_DEG:
        return
    log.info("The stage is tilted by %.1f degrees: it is brought back to 0.", tilt_deg())
    refusal = _tilt_twice(0.0)
    if not refusal:
        return
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
    else:
        _warn_of_failed_routine()
        level_stage()  # where the routine ends, if the stage did all that it was told


def _warn_of_failed_routine() -> None:
    """Warn if the routine gave up, which SerialEM only tells when it is asked."""
    report = getattr(serialem(), "ReportRoughEucenFailed", None)
    try:
        has_failed = report is not None and bool(report())
    except sem_errors():
        return
    if has_failed:
        log.warning(
            "SerialEM gave up finding the eucentric height, which would have passed its limit: the "
            "present height of %.1f um stays. Tilt series of this lamella may leave the picture.",
            stage_position_um()[2],
        )
