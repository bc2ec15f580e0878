"""Simulated time: operations take as long as on a microscope, without waiting for it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import ClassVar

from space.simulator.column.hardware import Hardware

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST_SLEEP_S = 1.0


class Clock(Hardware):
    """A clock that advances by what operations take.

    Parameters
    ----------
    time_scale : float
        Real seconds slept per simulated second of an explicit delay.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = ("seconds",)

    def __init__(self, time_scale: float = 0.02) -> None:
        self.time_scale = time_scale
        self.seconds = 0.0
        self._start = datetime(2025, 3, 3, 9, 0, 0)
        self._zero = 0.0

    def advance(self, seconds: float) -> None:
        """Let simulated time pass at once."""
        self.seconds += seconds

    def wait(self, seconds: float) -> None:
        """Let simulated time pass and sleep a scaled part of it."""
        self.advance(seconds)
        time.sleep(min(max(seconds, 0.0) * self.time_scale, LONGEST_SLEEP_S))

    def reset(self) -> None:
        """Set the elapsed time to zero."""
        self._zero = self.seconds

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self.seconds - self._zero

    @property
    def now(self) -> datetime:
        """Simulated date and time."""
        return self._start + timedelta(seconds=self.seconds)

    def date_time(self) -> str:
        """Date and time as image files carry it: dd-Mon-yy, two blanks, hh:mm:ss."""
        now = self.now
        return (
            f"{now.day:02d}-{_MONTHS[now.month - 1]}-{now.year % 100:02d}  "
            f"{now.hour:02d}:{now.minute:02d}:{now.second:02d}"
        )
