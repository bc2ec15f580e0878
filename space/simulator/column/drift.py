"""Drift: the stage creeps on after it has reported that it arrived.

After a move the specimen approaches its place exponentially. How far from it a move ends is
drawn for the place, so that a session is the same whatever its timing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from space.simulator.column.clock import Clock
from space.simulator.column.hardware import Hardware
from space.simulator.column.random_source import RandomSource

MOVE_CREEP_UM = 0.025
TILT_CREEP_UM = 0.004
SETTLING_S = 10.0
LONG_MOVE_UM = 5.0  # longer moves creep no more than this one
LARGE_TILT_DEG = 3.0
STANDS_STILL_UM = 0.005

_MOVE, _TILT = 81, 82  # what random numbers are drawn for


@dataclass(frozen=True)
class Creep:
    """An exponential approach, from the simulated time `start_s` on.

    Attributes
    ----------
    begin_um, end_um : tuple of float
        Displacement of the specimen in stage coordinates at the start and in the end.
    settling_s : float
        Time constant.
    """

    start_s: float
    begin_um: tuple[float, float]
    end_um: tuple[float, float]
    settling_s: float

    def displacement_um(self, now_s: float) -> tuple[float, float]:
        """Displacement in stage coordinates at a simulated time."""
        left = math.exp(-max(0.0, now_s - self.start_s) / self.settling_s)
        (x0, y0), (x1, y1) = self.begin_um, self.end_um
        return x1 + (x0 - x1) * left, y1 + (y0 - y1) * left

    def is_over(self, now_s: float) -> bool:
        """Whether less than a hundredth of the way is left."""
        return now_s - self.start_s > 5.0 * self.settling_s


class Drift(Hardware):
    """Where the specimen is apart from where the stage stands.

    Parameters
    ----------
    clock : Clock, optional
        The session's clock; none for a stage that stands still.
    seed : int
        Seed of directions and distances.
    scale : float
        1 for an ordinary stage, 0 for one without creep.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = ("creeps", "wanderings")

    def __init__(self, clock: Clock | None = None, seed: int = 1, scale: float = 0.0) -> None:
        self.clock = clock or Clock()
        self.scale = scale
        self.creeps: list[Creep] = []
        self.wanderings: list[Creep] = []
        self.random_source = RandomSource(seed)

    def moved(self, distance_um: float, *place: float) -> None:
        """Creep after a move in X and Y; what is left of earlier creep is over."""
        if distance_um < STANDS_STILL_UM:
            return
        now_s = self.clock.seconds
        self.creeps.clear()
        self.wanderings = [creep for creep in self.wanderings if not creep.is_over(now_s)]
        self._settle(MOVE_CREEP_UM * math.sqrt(min(1.0, distance_um / LONG_MOVE_UM)), _MOVE, place)

    def tilted(self, change_deg: float, *place: float) -> None:
        """Creep after a tilt."""
        self._settle(TILT_CREEP_UM * min(1.0, change_deg / LARGE_TILT_DEG), _TILT, place)

    def _settle(self, size_um: float, purpose: int, place: tuple[float, ...]) -> None:
        size_um *= self.scale
        if size_um > 0.0:
            x, y = size_um * self.random_source.at(purpose, *place).standard_normal(2)
            begin = (float(x), float(y))
            self.creeps.append(Creep(self.clock.seconds, begin, (0.0, 0.0), SETTLING_S))

    def start(self, rate_nm_s: float, settling_s: float, direction_deg: float = 30.0) -> None:
        """Let the specimen begin to wander, as after a shock or a change of temperature.

        Parameters
        ----------
        rate_nm_s : float
            At the beginning.
        settling_s : float
            Time constant with which the wandering dies away.
        direction_deg : float
            From stage X, counter-clockwise.
        """
        way_um = 1e-3 * rate_nm_s * settling_s
        angle = math.radians(direction_deg)
        end = (way_um * math.cos(angle), way_um * math.sin(angle))
        self.wanderings.append(Creep(self.clock.seconds, (0.0, 0.0), end, settling_s))

    def displacement_um(self, now_s: float | None = None) -> tuple[float, float]:
        """Displacement of the specimen in stage coordinates, at a time or now."""
        now_s = self.clock.seconds if now_s is None else now_s
        parts = [creep.displacement_um(now_s) for creep in (*self.creeps, *self.wanderings)]
        return sum(x for x, _ in parts), sum(y for _, y in parts)
