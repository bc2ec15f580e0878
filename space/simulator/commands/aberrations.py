"""Astigmatism and coma: the objective stigmator, and corrections that measure in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.measuring import aberrations

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

STIGMATOR_LIMIT = 1.0


def set_objective_stigmator(session: Session, x: float, y: float) -> None:
    """Objective stigmator, in units of the microscope from -1 to 1."""
    if max(abs(x), abs(y)) > STIGMATOR_LIMIT:
        raise SEMerror(f"An objective stigmator of {x:g}, {y:g} is beyond {STIGMATOR_LIMIT:g}")
    session.scope.stigmator = (float(x), float(y))


def report_objective_stigmator(session: Session) -> tuple[float, float]:
    """Objective stigmator, in units of the microscope."""
    return session.scope.stigmator


def _align_stigmator(session: Session, only_measure: bool) -> None:
    found_um = aberrations.measure_astigmatism(session, "F")
    if found_um is None:
        raise SEMerror("Astigmatism cannot be measured: the pictures show too few rings")
    per_unit = np.array(session.instrument.aberrations.stigmator_rows)
    x, y = np.linalg.solve(per_unit, -np.array(found_um))
    session.workbench.stigmator_needed = (float(x), float(y))
    session.write_log(
        f"Astigmatism of {np.hypot(*found_um):.3f} um: change of the stigmator by {x:.4f}, {y:.4f}"
    )
    if not only_measure:
        before_x, before_y = session.scope.stigmator
        set_objective_stigmator(session, before_x + float(x), before_y + float(y))


def _align_coma(session: Session, only_measure: bool) -> None:
    found_mrad = aberrations.measure_coma(session, "F")
    if found_mrad is None:
        raise SEMerror("Coma cannot be measured: the pictures show too few rings")
    scope, (x, y) = session.scope, found_mrad
    session.workbench.coma_tilt_needed = (-x, -y)
    session.write_log(f"Beam tilt to be free of coma: change of {-x:.3f}, {-y:.3f} mrad")
    if not only_measure:
        scope.beam_tilt = (scope.beam_tilt[0] - x, scope.beam_tilt[1] - y)


def correct_astigmatism(session: Session, measure: int | None = None) -> None:
    """Take Focus pictures and set the stigmator; other than 0 only measures."""
    _align_stigmator(session, bool(measure))


def fix_astigmatism_by_ctf(
    session: Session,
    measure: int | None = None,
    unused: int | None = None,
    unused_too: int | None = None,
) -> None:
    """Take Focus pictures and set the stigmator; other than 0 only measures."""
    _align_stigmator(session, bool(measure))


def correct_coma(session: Session, rounds: int | None = None) -> None:
    """Take Focus pictures and set the beam tilt that is free of coma, in one round or more.

    A negative number only measures.
    """
    for _ in range(max(1, rounds or 1)):
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
    "SetObjectiveStigmator": set_objective_stigmator,
    "ReportObjectiveStigmator": report_objective_stigmator,
    "CorrectAstigmatism": correct_astigmatism,
    "FixAstigmatismByCTF": fix_astigmatism_by_ctf,
    "CorrectComa": correct_coma,
    "FixComaByCTF": fix_coma_by_ctf,
    "ReportStigmatorNeeded": report_stigmator_needed,
    "ReportComaTiltNeeded": report_coma_tilt_needed,
}
