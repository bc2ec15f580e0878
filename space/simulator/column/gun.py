"""The gun: a field emission tip gives less current with time, until it is flashed."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEP_H = 0.1


@dataclass(frozen=True)
class GunModel:
    """The gun of a microscope.

    Attributes
    ----------
    current_loss_per_h : float
        Part of the current that is lost in an hour.
    flash_below : float
        Part of the current after flashing below which flashing is advised; 0: never.
    """

    current_loss_per_h: float
    flash_below: float

    def current(self, seconds: float) -> float:
        """Part of the current that is left after this time since the last flash.

        It goes down in small steps, so that pictures taken one after another have one beam.
        """
        hours = math.floor(seconds / 3600.0 / STEP_H) * STEP_H
        return math.exp(-self.current_loss_per_h * hours)

    def flash_advised(self, seconds: float, high_temperature: bool) -> bool:
        """Whether to flash; at a high temperature when twice as much has been lost."""
        limit = self.flash_below**2 if high_temperature else self.flash_below
        return self.current(seconds) < limit
