"""The microscope column and stage: what is set, what is read back and what is true."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from space.simulator.chance import Chance
from space.simulator.errors import SEMerror
from space.simulator.optics import Optics, tilt_cosine
from space.simulator.states import Area, ImagingState, standard_areas, standard_states

OBJECTIVE_APERTURE = 2

# What random numbers are drawn for
_FOCUS, _STAGE, _TILT = 13, 14, 15


def standard_properties() -> dict[str, float]:
    """Program properties that scripts read or set."""
    return {
        "ImageShiftLimit": 15.0,
        "LowMagShiftLimit": 150.0,
        "MaximumTiltAngle": 69.9,
        "DummyInstance": 0.0,
        "NoScope": 0.0,
    }


class Microscope:
    """State of the column and the stage.

    The stage has two positions: the one it reports and the true one, which differs by an
    error that is new at each move. Pictures show the true one.

    Parameters
    ----------
    optics : Optics
        Calibrations.
    seed : int
        Seed of stage errors.
    stage_error_um : float
        Standard deviation per axis of the error of a move.
    elapse : callable
        Called with the seconds that an operation takes.
    """

    def __init__(
        self,
        optics: Optics,
        seed: int = 1,
        stage_error_um: float = 0.35,
        elapse: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.optics = optics
        self.properties = standard_properties()
        self.stage_limits_um = (-990.0, 990.0, -990.0, 990.0)
        self.stage_z_limit_um = 375.0
        self.stage_error_um = stage_error_um
        self.tilt_error_um = 0.03 if stage_error_um > 0 else 0.0
        self.areas: dict[str, Area] = {area.letter: area for area in standard_areas()}
        self.states: tuple[ImagingState, ...] = standard_states()
        self.shift_to_tilt_axis = False
        self.low_dose = False
        self.area = ""
        self.mag_index = self.states[0].mag_index
        self.spot_size = self.states[0].spot_size
        self.intensity = self.states[0].intensity
        self.image_shift = (0.0, 0.0)
        self.target_defocus_um = -4.0
        self.beam_tilt = (0.0, 0.0)
        self.saved_beam_tilt: tuple[float, float] | None = None
        self.valve_open = True
        self.apertures_um: dict[int, int] = {1: 50, OBJECTIVE_APERTURE: 0, 3: 100, 4: 0}
        self.slit_in = True
        self.slit_width_ev = 20.0
        self._chance = Chance(seed)
        self._elapse = elapse
        # Readout at which an object at the height of the tilt axis is in focus.
        self.focus_zero_um = float(self._chance.at(_FOCUS).uniform(-1.5, 1.5))
        self.defocus_um = 0.0
        self._reported = np.zeros(2)
        self._true = np.zeros(2)
        self._z_um = 0.0
        self._tilt_deg = 0.0

    # --- stage -----------------------------------------------------------------------------

    @property
    def stage_um(self) -> tuple[float, float, float]:
        """Reported stage position x, y, z."""
        return float(self._reported[0]), float(self._reported[1]), self._z_um

    @property
    def true_stage_um(self) -> tuple[float, float]:
        """Where the stage stands: the specimen point on the optical axis."""
        return float(self._true[0]), float(self._true[1])

    @property
    def tilt_deg(self) -> float:
        """Tilt angle."""
        return self._tilt_deg

    def move_stage(self, x_um: float, y_um: float, z_um: float | None = None) -> None:
        """Drive the stage to raw coordinates and wait for it.

        Raises
        ------
        SEMerror
            If the position is outside the stage limits.
        """
        x0, x1, y0, y1 = self.stage_limits_um
        if not (x0 <= x_um <= x1 and y0 <= y_um <= y1):
            raise SEMerror(f"Stage position {x_um:.1f}, {y_um:.1f} is outside the stage limits")
        if z_um is not None and abs(z_um) > self.stage_z_limit_um:
            raise SEMerror(f"Stage Z {z_um:.1f} is outside the stage limits")
        target = np.array([x_um, y_um], dtype=float)
        distance = float(np.hypot(*(target - self._reported)))
        if distance > 0.005:
            small = min(1.0, distance / 5.0)
            error = self._chance.at(_STAGE, *target).normal(0.0, 1.0, 4)
            self._true = target + self.stage_error_um * math.sqrt(small) * error[:2]
            self._reported = target + (0.01 if self.stage_error_um > 0 else 0.0) * error[2:]
        if z_um is not None:
            self._z_um = float(z_um)
        self._elapse(1.5 + distance / 100.0)

    def reset_stage(self) -> None:
        """Bring the stage home, as an exchange of the grid does."""
        self._reported = np.zeros(2)
        self._true = np.zeros(2)
        self._z_um = 0.0
        self._tilt_deg = 0.0

    def tilt_to(self, angle_deg: float) -> None:
        """Tilt the stage and wait for it.

        Raises
        ------
        SEMerror
            If the angle is beyond the maximum.
        """
        limit = self.properties["MaximumTiltAngle"]
        if abs(angle_deg) > limit + 0.05:
            raise SEMerror(f"Attempt to tilt to {angle_deg:.1f}, beyond the limit of {limit:.1f}")
        change = abs(angle_deg - self._tilt_deg)
        chance = self._chance.at(_TILT, angle_deg, *self._reported).normal(0.0, 1.0, 3)
        if change > 0.05:
            self._true = self._true + chance[:2] * self.tilt_error_um
        noise = 0.005 * float(chance[2]) if self.tilt_error_um > 0 else 0.0
        self._tilt_deg = float(angle_deg) + noise
        self._elapse(1.0 + change / 5.0)

    # --- image shift ------------------------------------------------------------------------

    @property
    def axis_offset_um(self) -> float:
        """Tilt axis offset in force: 0 unless images are shifted to the tilt axis."""
        return self.optics.tilt_axis_offset_um if self.shift_to_tilt_axis else 0.0

    @property
    def image_shift_limit_um(self) -> float:
        """Largest radial image shift on the specimen at this magnification."""
        low_mag = self.optics.entry(self.mag_index).low_mag
        return self.properties["LowMagShiftLimit" if low_mag else "ImageShiftLimit"]

    def specimen_shift_um(self) -> tuple[float, float]:
        """Image shift in specimen µm."""
        x, y = self.optics.is_to_specimen(self.mag_index) @ np.array(self.image_shift)
        return float(x), float(y)

    def set_image_shift(self, is_x: float, is_y: float) -> bool:
        """Set the image shift relative to the area; False (nothing done) at the limit."""
        shift = self.optics.is_to_specimen(self.mag_index) @ np.array([is_x, is_y])
        if float(np.hypot(*shift)) >= self.image_shift_limit_um:
            return False
        self.image_shift = (float(is_x), float(is_y))
        self._elapse(0.3)
        return True

    def shift_image_by_um(self, x_um: float, y_um: float) -> bool:
        """Change the image shift by specimen µm; False (nothing done) at the limit."""
        change = self.optics.specimen_to_is(self.mag_index) @ np.array([x_um, y_um])
        return self.set_image_shift(
            self.image_shift[0] + float(change[0]), self.image_shift[1] + float(change[1])
        )

    def adjust_stage_for_nav(
        self,
        x_um: float,
        y_um: float,
        is_x: float = 0.0,
        is_y: float = 0.0,
        tilt_deg: float | None = None,
        mag_index: int | None = None,
    ) -> tuple[float, float]:
        """Navigator position for a stage position with an image shift."""
        tilt = self.tilt_deg if tilt_deg is None else tilt_deg
        index = self.mag_index if mag_index is None else mag_index
        shift = self.optics.is_to_stage(index) @ np.array([is_x, is_y])
        axis = self.optics.specimen_to_stage()[:, 1] * self.axis_offset_um
        return (
            float(x_um + shift[0] + axis[0]),
            float(y_um + shift[1] / tilt_cosine(tilt) + axis[1]),
        )

    # --- magnification and areas ------------------------------------------------------------

    def magnification(self, mag_index: int) -> float:
        """Nominal magnification of an index."""
        return self.optics.entry(mag_index).nominal

    def pixel_um(self, mag_index: int) -> float:
        """Unbinned pixel on the specimen."""
        return self.optics.entry(mag_index).pixel_um

    def rotation_deg(self, mag_index: int) -> float:
        """Image rotation: from camera X to the tilt axis, counter-clockwise."""
        return self.optics.entry(mag_index).rotation_deg

    def stage_to_camera(self, mag_index: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Unbinned pixels (Y up) per stage µm."""
        (a, b), (c, d) = self.optics.stage_to_camera(mag_index)
        return (float(a), float(b)), (float(c), float(d))

    def set_mag_index(self, mag_index: int) -> None:
        """Change the magnification; the point in the centre stays by image shift."""
        self.optics.entry(mag_index)
        self.image_shift = self.optics.convert_image_shift(
            self.image_shift, self.mag_index, mag_index
        )
        if mag_index != self.mag_index:
            self._elapse(2.0)
        self.mag_index = mag_index

    def area_mag_index(self, letter: str) -> int:
        """Stored magnification index of a low dose area."""
        return self._stored_area(letter).mag_index

    def _stored_area(self, letter: str) -> Area:
        key = (letter or "").upper()[:1]
        if key not in self.areas:
            raise SEMerror(f"{letter!r} is not a low dose area letter")
        return self.areas[key]

    def _defocus_offset(self) -> float:
        return self.areas[self.area].defocus_offset_um if self.area else 0.0

    def set_low_dose(self, on: bool) -> None:
        """Turn low dose mode on (arrives in Record) or off."""
        if on and not self.low_dose:
            self.low_dose = True
            self.go_to_area("R")
        elif not on and self.low_dose:
            self.defocus_um -= self._defocus_offset()
            self.low_dose = False
            self.area = ""

    def go_to_area(self, letter: str) -> None:
        """Set the conditions of a low dose area.

        Raises
        ------
        SEMerror
            If low dose is off or the letter names no area.
        """
        if not self.low_dose:
            raise SEMerror("You cannot go to a low dose area: low dose mode is off")
        area = self._stored_area(letter)
        self.defocus_um += area.defocus_offset_um - self._defocus_offset()
        self.area = area.letter
        self.set_mag_index(area.mag_index)
        self.spot_size = area.spot_size
        self.intensity = area.intensity

    def apply_state(self, state: ImagingState) -> None:
        """Go to an imaging state; a low dose one is used when an area is next visited."""
        if state.low_dose:
            for area in state.areas:
                self.areas[area.letter] = area
            self.set_low_dose(True)
            return
        self.set_low_dose(False)
        self.set_mag_index(state.mag_index)
        self.spot_size = state.spot_size
        self.intensity = state.intensity

    def store_area(self, letter: str, **changes) -> None:
        """Change stored parameters of an area."""
        area = self._stored_area(letter)
        self.areas[area.letter] = replace(area, **changes)

    # --- beam and focus ---------------------------------------------------------------------

    @property
    def beam_diameter_um(self) -> float:
        """Diameter of the illuminated area."""
        if self.area:
            return self.areas[self.area].beam_um
        return 12000.0 * self.pixel_um(self.mag_index)

    def dose_rate_e_A2_s(self) -> float:
        """Electrons per Å² and second that reach the specimen."""
        if self.area:
            return self.areas[self.area].dose_rate_e_A2_s
        mag = self.optics.entry(self.mag_index)
        # Outside low dose the beam is spread so that the camera gets about the same counts.
        per_pixel = 1250.0 if mag.low_mag else 200.0
        return per_pixel / (mag.pixel_um * 1e4) ** 2

    def true_defocus_um(self, height_um: float) -> float:
        """Real defocus of an object at a height above the tilt axis; under focus negative."""
        return self.defocus_um - self.focus_zero_um + height_um
