"""What an mdoc holds about an exposure that no other part of the image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.formats.autodoc import number_text

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter
    from space.simulator.column.scope import Microscope
    from space.simulator.imaging.images import Image
    from space.simulator.program.session import Session


def exposure_entries(session: Session, set_letter: SetLetter, image: Image) -> dict[str, str]:
    """Give the entries for a picture just taken.

    Parameters
    ----------
    session : Session
        The session, as it was during the exposure.
    set_letter : str
        Camera set.
    image : Image
        The picture.
    """
    camera, scope, options = session.camera.model, session.scope, session.options
    gain, seconds = session.camera.counts_per_electron(set_letter), image.exposure_s
    mean = float(np.mean(image.data, dtype=np.float64))
    entries = {
        "DoseRate": number_text(mean / (gain * max(seconds, 1e-6) * image.binning**2)),
        "CountsPerElectron": number_text(gain),
        "RotationAndFlip": str(camera.rotation_and_flip),
        "TimeStamp": str(int(session.clock.seconds)),
    }
    if session.instrument.energy_filter:
        entries["FilterSlitAndLoss"] = _filter(scope)
    if camera.kind.k2_type > 0:
        entries |= {"OperatingMode": str(session.camera.read_mode(set_letter)), "UsingCDS": "0"}
    if set_letter == "R" and options.accumulate_dose:
        prior = options.cumulative_dose.get(options.dose_area, 0.0)
        entries["PriorRecordDose"] = number_text(prior)
    return entries


def navigator_label(session: Session) -> str:
    """Give the label of the item that is being acquired, else of none."""
    state = session.acquire
    return session.navigator.label_of(state.item_index) if state.acquiring else ""


def _filter(scope: Microscope) -> str:
    width_ev = scope.slit_width_ev if scope.slit_in else 0.0
    return number_text((width_ev, scope.energy_loss_ev))
