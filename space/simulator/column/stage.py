"""The stage: where it is sent, what it reports and where it really stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from space.simulator.column.clock import Clock
from space.simulator.column.drift import Drift
from space.simulator.column.errors import SEMerror, TaskError
from space.simulator.column.faults import STAGE_FAILED, STAGE_OFF_UM, TILT_SHORT_DEG, Faults
from space.simulator.column.hardware import Hardware
from space.simulator.column.random_source import RandomSource

if TYPE_CHECKING:
    from space.simulator.column.instrument import StageModel

STANDS_UM = 0.005
STANDS_DEG = 0.05
"""Shorter moves and smaller tilts leave the stage where it is."""

_MOVE, _TILT = 14, 15  # what random numbers are drawn for


class Stage(Hardware):
    """The stage of a microscope.

    It has two positions: the one it reports and the true one, which differs by an error that is
    new at each move and by the play of its mechanics. Pictures show the true one.

    Parameters
    ----------
    model : StageModel
        What the stage is like.
    seed : int
        Seed of its errors and its drift.
    error_um : float, optional
        Standard deviation per axis of the error of a move, in place of the model's; 0 makes an
        ideal stage without play and drift.
    clock : Clock, optional
        Moves take time on it.
    faults : Faults, optional
        What goes wrong.

    Attributes
    ----------
    reported_xy_um, true_xy_um : ndarray
        Position as the stage reports it, and the specimen point on the optical axis.
    slack_um : ndarray
        Where in its play the table lies, per axis.
    z_um, tilt_deg : float
        Height and tilt angle.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = (
        "reported_xy_um",
        "true_xy_um",
        "slack_um",
        "z_um",
        "tilt_deg",
    )

    def __init__(
        self,
        model: StageModel,
        seed: int = 1,
        error_um: float | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.model = model
        self.limits_um = model.limits_um
        self.error_um = model.error_um if error_um is None else error_um
        ideal = self.error_um == 0
        self.tilt_error_um = 0.0 if ideal else model.tilt_error_um
        self.play_um = 0.0 if ideal else model.play_um
        self.clock = clock or Clock()
        self.faults = Faults() if faults is None else faults
        self.drift = Drift(self.clock, seed, scale=0.0 if ideal else 1.0)
        self.random_source = RandomSource(seed)
        self.move_delay_s = 0.0  # to wait after each move, and after each tilt
        self.tilt_delay_s = 0.0
        self.go_home()

    def go_home(self) -> None:
        """Bring the stage to its centre, as an exchange of the grid does."""
        self.reported_xy_um = np.zeros(2)
        self.true_xy_um = np.zeros(2)
        self.slack_um = -0.5 * self.play_um * np.sign(self.model.backlash_um)
        self.z_um = 0.0
        self.tilt_deg = 0.0

    @property
    def position_um(self) -> tuple[float, float, float]:
        """Reported stage position x, y, z."""
        return float(self.reported_xy_um[0]), float(self.reported_xy_um[1]), self.z_um

    @property
    def true_um(self) -> tuple[float, float]:
        """Where the stage stands: the specimen point on the optical axis."""
        return float(self.true_xy_um[0]), float(self.true_xy_um[1])

    def move_to(
        self,
        x_um: float,
        y_um: float,
        z_um: float | None = None,
        *,
        backlash: bool = False,
        speed: float = 1.0,
    ) -> None:
        """Drive the stage to a position and wait for it.

        Parameters
        ----------
        backlash : bool
            Whether to arrive with the leg that takes the play out, as the Navigator does.
        speed : float
            Fraction of the usual speed.

        Raises
        ------
        SEMerror
            If the position is outside the stage limits.
        """
        model = self.model
        self._check_limits(x_um, y_um, z_um)
        target = np.array([x_um, y_um], dtype=float)
        if self.faults.strikes("stage-failure"):
            half = (target - self.reported_xy_um) / 2.0
            self.reported_xy_um, self.true_xy_um = (
                self.reported_xy_um + half,
                self.true_xy_um + half,
            )
            raise TaskError(STAGE_FAILED)
        if self.faults.strikes("stage-off"):
            target = target + STAGE_OFF_UM
        distance = float(np.hypot(*(target - self.reported_xy_um)))
        lag_before = self._lag_um()
        if distance > STANDS_UM or backlash:
            self._take_up_play(target, backlash)
        self.true_xy_um = self.true_xy_um + self._lag_um() - lag_before
        if distance > STANDS_UM:
            small = min(1.0, distance / 5.0)
            error = self.random_source.at(_MOVE, *target).normal(0.0, 1.0, 4)
            self.true_xy_um = target + self.error_um * math.sqrt(small) * error[:2] + self._lag_um()
            readout_um = model.readout_error_um if self.error_um > 0 else 0.0
            self.reported_xy_um = target + readout_um * error[2:]
        if z_um is not None:
            self.z_um = float(z_um)
        way_um = distance + (2.0 * math.hypot(*model.backlash_um) if backlash else 0.0)
        self.clock.advance(model.settle_s + way_um / (speed * model.speed_um_s))
        self.drift.moved(distance, *target)
        self.clock.advance(self.move_delay_s)

    def _check_limits(self, x_um: float, y_um: float, z_um: float | None) -> None:
        x0, x1, y0, y1 = self.limits_um
        if not (x0 <= x_um <= x1 and y0 <= y_um <= y1):
            raise SEMerror(f"Stage position {x_um:.1f}, {y_um:.1f} is outside the stage limits")
        if z_um is not None and abs(z_um) > self.model.z_limit_um:
            raise SEMerror(f"Stage Z {z_um:.1f} is outside the stage limits")

    def _take_up_play(self, target: np.ndarray, backlash: bool) -> None:
        """Drive to a target; the table lags by up to half the play on the side it comes from."""
        half = 0.5 * self.play_um
        place = self.reported_xy_um
        leg = np.array(self.model.backlash_um)
        for goal in (target - leg, target) if backlash else (target,):
            self.slack_um = np.clip(self.slack_um - (goal - place), -half, half)
            place = goal

    def _lag_um(self) -> np.ndarray:
        """Lag of the table; arriving with the backlash leg, as when calibrating, is none."""
        return self.slack_um + 0.5 * self.play_um * np.sign(self.model.backlash_um)

    def tilt_to(self, angle_deg: float) -> None:
        """Tilt the stage and wait for it.

        Raises
        ------
        TaskError
            If the stage refuses the angle, or fails.
        """
        lowest, highest = self.model.tilt_range_deg
        if not lowest <= angle_deg <= highest:
            raise TaskError(f"The stage refuses to tilt to {angle_deg:.1f} degrees")
        change = abs(angle_deg - self.tilt_deg)
        if self.faults.strikes("stage-failure"):
            self.tilt_deg += (float(angle_deg) - self.tilt_deg) / 2.0
            raise TaskError(STAGE_FAILED)
        if self.faults.strikes("tilt-off"):
            short = min(TILT_SHORT_DEG, change)
            angle_deg -= math.copysign(short, angle_deg - self.tilt_deg)
            change -= short
        error = self.random_source.at(_TILT, angle_deg, *self.reported_xy_um).normal(0.0, 1.0, 3)
        if change > STANDS_DEG:
            self.true_xy_um = self.true_xy_um + error[:2] * self.tilt_error_um
        readout_deg = self.model.tilt_readout_error_deg if self.tilt_error_um > 0 else 0.0
        self.tilt_deg = float(angle_deg) + readout_deg * float(error[2])
        self.clock.advance(self.model.tilt_settle_s + change / self.model.tilt_speed_deg_s)
        self.drift.tilted(change, angle_deg, *self.reported_xy_um)
        self.clock.advance(self.tilt_delay_s)
