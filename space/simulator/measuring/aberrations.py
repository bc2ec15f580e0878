"""Measures astigmatism and coma as their correction does: from fits to the transfer function.

The fits of single pictures err by what the grain of the specimen happens to look like, which is the
same in all pictures of one place. For the astigmatism they are therefore taken at several defoci.
For the coma the beam is tilted to both sides along both of its axes: without coma, opposite tilts
change defocus and astigmatism alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.aberrations import Vector, astigmatism_in
from space.simulator.measuring import ctf_fit

if TYPE_CHECKING:
    from space.simulator.program.session import Session

LOWEST_UM, HIGHEST_UM = -12.0, -0.3  # defoci among which the first picture's is looked for
# Nearer to focus there are too few rings; a tilted beam takes some underfocus away.
LEAST_UNDERFOCUS_UM, LEAST_UNDERFOCUS_TILTED_UM = 2.0, 2.7
CHANGES_UM = (-3.0, -2.5, -2.0, -1.5, -1.0, 0.0)  # of focus, from one picture to the next
COMA_TILT_MRAD = 10.0
ASTIGMATISM_WEIGHT = 0.4  # against the defocus, which is fitted more precisely
MOST_CHANGE_UM = 1.5  # what beam tilt may do to the defocus


@dataclass(frozen=True)
class Focus:
    """What a picture shows: mean defocus, and astigmatism in the specimen frame."""

    defocus_um: float
    astigmatism_um: Vector


def aberrations_of(session: Session) -> ctf_fit.Aberrations:
    """What the transfer function of this microscope depends on."""
    instrument = session.instrument
    return ctf_fit.Aberrations(
        instrument.voltage_kV, instrument.cs_mm, instrument.amplitude_contrast
    )


def measure_astigmatism(session: Session, set_letter: str) -> Vector | None:
    """Take pictures and fit them; focus and buffers but A are as before.

    Returns
    -------
    (x, y) or None
        Astigmatism (µm) in the specimen frame; None when pictures show no rings.
    """
    with _enough_underfocus(session, set_letter, LEAST_UNDERFOCUS_UM) as start_um:
        if start_um is None:
            return None
        found = []
        for change_um in CHANGES_UM:
            with _focus_changed(session, change_um):
                found.append(_focus(session, set_letter, start_um + change_um))
    there = [focus for focus in found if focus is not None]
    if len(there) < len(CHANGES_UM) - 1:
        return None
    # The more rings there are, the better they are fitted.
    weights = [abs(focus.defocus_um) for focus in there]
    x, y = np.average([focus.astigmatism_um for focus in there], axis=0, weights=weights)
    return float(x), float(y)


def measure_coma(session: Session, set_letter: str) -> Vector | None:
    """Take pictures with the beam tilted to all sides; everything is put back.

    With the beam tilted by t against the coma-free axis and by T to either side of that, the
    defocus differs by ``8 Cs t . T`` and the astigmatism by ``-8 Cs`` times the vector
    (tx Tx - ty Ty, tx Ty + ty Tx), as follows from `column.aberrations.apparent_focus`.

    Returns
    -------
    (x, y) or None
        Tilt of the beam against the coma-free axis in units of the beam tilt (mrad); None when
        pictures show no rings.
    """
    scope = session.scope
    rotation = np.array(session.instrument.beam.tilt_rows())
    center, unit_um = scope.beam_tilt, 8e-3 * session.instrument.cs_mm
    rows: list[np.ndarray] = []
    wanted: list[float] = []
    with _enough_underfocus(session, set_letter, LEAST_UNDERFOCUS_TILTED_UM) as start_um:
        if start_um is None:
            return None
        for axis in np.eye(2):
            pair = []
            for sign in (1.0, -1.0):
                x, y = center + sign * COMA_TILT_MRAD * axis
                try:
                    scope.beam_tilt = (float(x), float(y))
                    pair.append(_focus(session, set_letter, start_um))
                finally:
                    scope.beam_tilt = center
            plus, minus = pair
            if plus is None or minus is None:
                return None
            along, across = COMA_TILT_MRAD * rotation @ axis
            rows.append(unit_um * np.array([along, across]))
            wanted.append(plus.defocus_um - minus.defocus_um)
            weight = ASTIGMATISM_WEIGHT
            rows += list(-weight * unit_um * np.array([[along, -across], [across, along]]))
            change = np.subtract(plus.astigmatism_um, minus.astigmatism_um)
            wanted += (weight * change).tolist()
    tilt, *_ = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)
    x, y = rotation.T @ tilt
    return float(x), float(y)


def _focus(session: Session, set_letter: str, expected_um: float) -> Focus | None:
    """Take a picture and fit it, not too far from a defocus."""
    image = session.take(set_letter)
    spectrum = ctf_fit.power_spectrum(image.data, 1e3 * image.pixel_um)
    session.clock.advance(2.0)
    limits_um = (expected_um - MOST_CHANGE_UM, min(expected_um + MOST_CHANGE_UM, HIGHEST_UM))
    fit = ctf_fit.fit_astigmatism(spectrum, *limits_um, aberrations_of(session))
    if fit is None:
        return None
    optics = session.scope.optics
    axes = optics.specimen_to_camera(image.mag_index) * optics.entry(image.mag_index).pixel_um
    return Focus(fit.defocus_um, astigmatism_in(fit.astigmatism_um, axes))


@contextlib.contextmanager
def _enough_underfocus(
    session: Session, set_letter: str, least_um: float
) -> Iterator[float | None]:
    """Go far enough under focus for rings, and back in the end; gives the defocus there."""
    before_um = session.scope.defocus_um
    try:
        yield _found_underfocus(session, set_letter, least_um)
    finally:
        session.scope.defocus_um = before_um


def _found_underfocus(session: Session, set_letter: str, least_um: float) -> float | None:
    for _ in range(3):
        image = session.take(set_letter)
        spectrum = ctf_fit.rotational_spectrum(image.data, 1e3 * image.pixel_um)
        fit = ctf_fit.fit_defocus(spectrum, LOWEST_UM, HIGHEST_UM, aberrations_of(session))
        if fit is not None and fit.defocus_um <= -least_um:
            return fit.defocus_um
        # Without rings, it may be in or over focus.
        missing_um = least_um + (fit.defocus_um if fit else 0.0)
        session.scope.defocus_um -= missing_um + 0.3
    return None


@contextlib.contextmanager
def _focus_changed(session: Session, change_um: float) -> Iterator[None]:
    session.scope.defocus_um += change_um
    try:
        yield
    finally:
        session.scope.defocus_um -= change_um
