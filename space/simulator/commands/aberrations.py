"""Astigmatism and coma.

Pictures show neither, so what these commands know comes from the instrument: it has no
astigmatism, and is free of coma at the beam tilt that belongs to the image shift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

ASTIGMATISM_PICTURES, COMA_PICTURES = 3, 5


def _take_pictures(session: Session, count: int) -> None:
    for _ in range(count):
        session.take("F")


def _coma_free_tilt(session: Session) -> tuple[float, float]:
    matrix = np.array(session.instrument.beam.coma_rows)
    x, y = matrix @ np.array(session.scope.image_shift)
    return float(x), float(y)


def _find_no_astigmatism(session: Session) -> None:
    _take_pictures(session, ASTIGMATISM_PICTURES)
    session.workbench.stigmator_needed = (0.0, 0.0)
    session.write_log("No astigmatism to correct")


def _align_coma(session: Session, only_measure: bool) -> None:
    _take_pictures(session, COMA_PICTURES)
    scope = session.scope
    x, y = _coma_free_tilt(session)
    needed = (x - scope.beam_tilt[0], y - scope.beam_tilt[1])
    session.workbench.coma_tilt_needed = needed
    session.write_log(f"Beam tilt to be free of coma: change of {needed[0]:.3f}, {needed[1]:.3f}")
    if not only_measure:
        scope.beam_tilt = (x, y)


def correct_astigmatism(session: Session, measure: int | None = None) -> None:
    """Take Focus pictures and find that there is no astigmatism."""
    _find_no_astigmatism(session)


def fix_astigmatism_by_ctf(
    session: Session,
    measure: int | None = None,
    unused: int | None = None,
    unused_too: int | None = None,
) -> None:
    """Take Focus pictures and find that there is no astigmatism."""
    _find_no_astigmatism(session)


def correct_coma(session: Session, rounds: int | None = None) -> None:
    """Take Focus pictures and set the beam tilt that is free of coma; negative only measures."""
    _align_coma(session, rounds is not None and rounds < 0)


def fix_coma_by_ctf(
    session: Session,
    measure: int | None = None,
    unused: int | None = None,
    unused_too: int | None = None,
    unused_again: int | None = None,
) -> None:
    """Take Focus pictures and set the beam tilt that is free of coma; 1 only measures."""
    _align_coma(session, bool(measure))


def report_stigmator_needed(session: Session) -> tuple[float, float]:
    """Change of the stigmator that was found necessary last."""
    return session.workbench.stigmator_needed


def report_coma_tilt_needed(session: Session) -> tuple[float, float]:
    """Change of the beam tilt that was found necessary last, in milliradians."""
    return session.workbench.coma_tilt_needed


COMMANDS: Commands = {
    "CorrectAstigmatism": correct_astigmatism,
    "FixAstigmatismByCTF": fix_astigmatism_by_ctf,
    "CorrectComa": correct_coma,
    "FixComaByCTF": fix_coma_by_ctf,
    "ReportStigmatorNeeded": report_stigmator_needed,
    "ReportComaTiltNeeded": report_coma_tilt_needed,
}
