"""Finds the zero-loss peak: a narrow slit is taken across it, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.imaging import pictures

if TYPE_CHECKING:
    from space.simulator.program.session import Session

SLIT_EV = 5.0
REACH_EV = 15.0  # to both sides of where the peak should be
STEP_EV = 1.0
EXPOSURE_S = 0.05
FIELD_PX = 32  # of a picture that shows the whole chip
LEAST_ELECTRONS = 50.0  # in the brightest picture

_SCAN = 92  # what random numbers are drawn for


def find(session: Session) -> float | None:
    """Energy at which the zero-loss peak stands (eV), None where there is none to be seen.

    The pictures are so short that they are not counted as exposures. The filter is as before
    in the end.
    """
    scope = session.scope
    before = (scope.slit_width_ev, scope.chosen_loss_ev, scope.zero_loss)
    energies = np.arange(-REACH_EV, REACH_EV + 0.5 * STEP_EV, STEP_EV)
    try:
        scope.slit_width_ev = SLIT_EV
        counts = []
        for energy_ev in energies.tolist():
            scope.set_energy_loss(energy_ev)
            counts.append(_electrons(session))
    finally:
        scope.slit_width_ev, scope.chosen_loss_ev, scope.zero_loss = before
    signal = np.array(counts)
    if session.noise:
        signal = session.random(_SCAN).poisson(signal).astype(float)
    if signal.max() < LEAST_ELECTRONS:
        return None
    return _middle(energies, signal)


def _electrons(session: Session) -> float:
    """Electrons in a short picture of the whole chip."""
    scope = session.scope
    if not scope.valve_open:
        return 0.0
    binning = max(session.camera.size_px) / FIELD_PX
    geometry = pictures.picture_geometry(session, binning, (FIELD_PX, FIELD_PX))
    pixel_A = binning * scope.pixel_um(scope.mag_index) * 1e4
    per_px = scope.dose_rate_e_A2_s() * EXPOSURE_S * pixel_A**2
    return per_px * float(pictures.intensity(session, geometry).sum())


def _middle(energies: np.ndarray, signal: np.ndarray) -> float | None:
    """Middle between the two edges at half the height of the peak."""
    half, top = 0.5 * signal.max(), int(np.argmax(signal))
    left = np.flatnonzero(signal[:top] < half)
    right = top + np.flatnonzero(signal[top:] < half)
    if not len(left) or not len(right):
        return None
    edges = [
        float(np.interp(half, signal[pair], energies[pair]))
        for pair in ([left[-1], left[-1] + 1], [right[0], right[0] - 1])
    ]
    return 0.5 * (edges[0] + edges[1])
