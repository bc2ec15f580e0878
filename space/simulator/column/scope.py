"""The microscope column: magnification, image shift, low dose areas, beam and focus."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from space.simulator.column.aberrations import drawn_vector
from space.simulator.column.clock import Clock
from space.simulator.column.energy_filter import Passed, drift_ev, through_slit
from space.simulator.column.errors import SEMerror
from space.simulator.column.hardware import Hardware
from space.simulator.column.letters import area_named
from space.simulator.column.optics import tilt_cosine
from space.simulator.column.properties import starting_properties
from space.simulator.column.random_source import RandomSource
from space.simulator.column.stage import Stage
from space.simulator.column.states import MICROPROBE, Area, ImagingState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from space.simulator.column.faults import Faults
    from space.simulator.column.instrument import Instrument
    from space.simulator.column.letters import AreaLetter
    from space.simulator.column.states import AreaChanges

SMALLEST_SPREAD = 1e-4

_FOCUS, _ABERRATIONS, _LIGHT = 13, 14, 15  # what random numbers are drawn for


class _Beam(NamedTuple):
    """What the beam is like at one spot size and intensity; as in `Area`."""

    beam_um: float
    dose_rate_e_A2_s: float
    spot_size: int
    intensity: float
    probe_mode: int = MICROPROBE


class Microscope(Hardware):
    """The column with its stage: what is set, and what follows from it.

    Parameters
    ----------
    instrument : Instrument
        What the microscope is made of.
    seed : int
        Seed of stage errors and of the low magnification offset.
    stage_error_um : float, optional
        As for `Stage`.
    clock : Clock, optional
        Operations take time on it.
    faults : Faults, optional
        What goes wrong.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = (
        "mag_index",
        "spot_size",
        "intensity",
        "probe_mode",
        "image_shift",
        "beam_tilt",
        "beam_shift",
        "stigmator",
        "defocus_um",
        "focus_zero_um",
        "valve_open",
        "screen_down",
        "apertures_um",
        "slit_in",
        "slit_width_ev",
        "chosen_loss_ev",
        "zero_loss",
        "filter_offset_ev",
        "flashed_s",
        "next_flash_hot",
        "free_beam",
    )

    def __init__(
        self,
        instrument: Instrument,
        seed: int = 1,
        stage_error_um: float | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.instrument = instrument
        self.optics = instrument.optics(seed)
        self.clock = clock or Clock()
        self.stage = Stage(instrument.stage, seed, stage_error_um, self.clock, faults)
        self.properties = starting_properties(instrument)
        self.areas: dict[AreaLetter, Area] = {area.letter: area for area in instrument.areas}
        self.states: tuple[ImagingState, ...] = instrument.states
        self.shift_to_tilt_axis = False
        self.axis_angle_deg = 0  # of the line on which Focus and Trial lie, to the tilt axis
        self.axis_rotated = False
        self.low_dose = False
        self.mag_index = self.states[0].mag_index
        self.spot_size = self.states[0].spot_size
        self.intensity = self.states[0].intensity
        self.probe_mode = MICROPROBE
        self.image_shift = (0.0, 0.0)
        self.target_defocus_um = -4.0
        self.beam_tilt = (0.0, 0.0)
        self.beam_shift = (0.0, 0.0)
        self.stigmator = (0.0, 0.0)
        self.saved_beam_tilt: tuple[float, float] | None = None
        self.saved_stigmator: tuple[float, float] | None = None
        self.valve_open = True
        self.screen_down = False
        self.apertures_um = {part.number: part.size_um for part in instrument.apertures}
        self._seed = seed
        model = instrument.energy_filter
        self.slit_in = model is not None
        self.slit_width_ev = model.slit_width_eV if model else 0.0
        self.chosen_loss_ev, self.zero_loss = 0.0, True
        # Where the filter takes the zero-loss peak to be, against where it was at the start.
        self.filter_offset_ev = 0.0
        self.flashed_s = self.clock.seconds
        self.next_flash_hot = False
        # Area whose conditions were set last, and what outside low dose counts as the usual beam.
        self._applied: Area | None = None
        self.free_beam = (self.spot_size, self.intensity)
        # Readout at which an object at the height of the tilt axis is in focus.
        spread_um = instrument.beam.focus_spread_um
        rng = RandomSource(seed).at(_FOCUS)
        self.focus_zero_um = float(rng.uniform(-spread_um, spread_um))
        self.defocus_um = 0.0
        # Towards where the beam is brighter, specimen frame: by how much from middle to edge.
        self.brighter_towards = drawn_vector(
            RandomSource(seed).at(_LIGHT), instrument.beam.unevenness
        )
        # What there is with stigmator, image shift and beam tilt at zero, specimen frame.
        rng = RandomSource(seed).at(_ABERRATIONS)
        self.own_astigmatism_um = drawn_vector(rng, instrument.aberrations.astigmatism_um)
        self.own_coma_tilt_mrad = drawn_vector(rng, instrument.aberrations.coma_tilt_mrad)

    # --- tilt --------------------------------------------------------------------------------

    def tilt_to(self, angle_deg: float) -> None:
        """Tilt the stage within the limit that the program knows, and wait for it.

        Raises
        ------
        SEMerror
            If the angle is beyond the limit, or the stage does not reach it.
        """
        limit = self.properties["MaximumTiltAngle"]
        if abs(angle_deg) > limit + 0.05:
            raise SEMerror(f"Attempt to tilt to {angle_deg:.1f}, beyond the limit of {limit:.1f}")
        self.stage.tilt_to(angle_deg)

    # --- image shift ------------------------------------------------------------------------

    @property
    def tilt_axis_offset_um(self) -> float:
        """Calibrated distance of the tilt axis from the optical axis."""
        return self.properties["TiltAxisOffset"]

    @property
    def axis_offset_um(self) -> float:
        """Tilt axis offset in force: 0 unless images are shifted to the tilt axis."""
        return self.tilt_axis_offset_um if self.shift_to_tilt_axis else 0.0

    @property
    def image_shift_limit_um(self) -> float:
        """Largest radial image shift on the specimen at this magnification."""
        low_mag = self.optics.entry(self.mag_index).low_mag
        return self.properties["LowMagShiftLimit" if low_mag else "ImageShiftLimit"]

    def specimen_shift_um(self) -> tuple[float, float]:
        """Image shift in specimen µm, relative to the low dose area."""
        x, y = self.optics.is_to_specimen(self.mag_index) @ np.array(self.image_shift)
        return float(x), float(y)

    def total_shift_um(self) -> tuple[float, float]:
        """Image shift in specimen µm with that of the low dose area: from neutral."""
        x, y = self.specimen_shift_um()
        own_x, own_y = self.area_shift_um(self._applied) if self._applied else (0.0, 0.0)
        return x + own_x, y + own_y

    @property
    def area_angle_deg(self) -> float:
        """Angle in force of the line on which Focus and Trial lie, to the tilt axis."""
        return float(self.axis_angle_deg) if self.axis_rotated else 0.0

    def area_shift_um(self, area: Area) -> tuple[float, float]:
        """Image shift of a low dose area itself in specimen µm."""
        angle = math.radians(self.area_angle_deg)
        x, y = area.image_shift_um
        return x + area.axis_um * math.cos(angle), y + area.axis_um * math.sin(angle)

    def set_image_shift(self, is_x: float, is_y: float) -> bool:
        """Set the image shift relative to the area; False (nothing done) at the limit.

        The limit holds for the shift as given, without that of the low dose area.
        """
        shift = self.optics.is_to_specimen(self.mag_index) @ np.array([is_x, is_y])
        return self._shift_image(is_x, is_y, shift)

    def shift_image_by(self, is_x: float, is_y: float) -> bool:
        """Change the image shift by units; False (nothing done) at the limit.

        The limit holds for the sum, with the shift of the low dose area.
        """
        change = self.optics.is_to_specimen(self.mag_index) @ np.array([is_x, is_y])
        total = np.array(self.total_shift_um()) + change
        return self._shift_image(self.image_shift[0] + is_x, self.image_shift[1] + is_y, total)

    def shift_image_by_um(self, x_um: float, y_um: float) -> bool:
        """Change the image shift by specimen µm; False (nothing done) at the limit."""
        change = self.optics.specimen_to_is(self.mag_index) @ np.array([x_um, y_um])
        return self.shift_image_by(float(change[0]), float(change[1]))

    def _shift_image(self, is_x: float, is_y: float, checked_um: np.ndarray) -> bool:
        if float(np.hypot(*checked_um)) >= self.image_shift_limit_um:
            return False
        self.image_shift = (float(is_x), float(is_y))
        self.clock.advance(0.3)
        return True

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
        tilt = self.stage.tilt_deg if tilt_deg is None else tilt_deg
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
            self.clock.advance(2.0)
        self.mag_index = mag_index

    @property
    def area(self) -> AreaLetter | Literal[""]:
        """Letter of the low dose area, empty outside low dose."""
        return self._applied.letter if self._applied else ""

    def area_mag_index(self, letter: str) -> int:
        """Stored magnification index of a low dose area."""
        return self.stored_area(letter).mag_index

    def stored_area(self, letter: str) -> Area:
        """Stored conditions of a low dose area.

        Raises
        ------
        SEMerror
            If the letter names no area.
        """
        key = area_named(letter or "")
        if key is None:
            raise SEMerror(f"{letter!r} is not a low dose area letter")
        return self.areas[key]

    def _defocus_offset(self) -> float:
        return self._applied.defocus_offset_um if self._applied else 0.0

    def set_low_dose(self, on: bool) -> None:
        """Turn low dose mode on (arrives in Record) or off."""
        if on and not self.low_dose:
            self.low_dose = True
            self.go_to_area("R")
        elif not on and self.low_dose:
            self.defocus_um -= self._defocus_offset()
            self.low_dose = False
            self._applied = None
            self.free_beam = (self.spot_size, self.intensity)

    def go_to_area(self, letter: str) -> None:
        """Set the conditions of a low dose area; in it already, what was changed since stays.

        Raises
        ------
        SEMerror
            If low dose is off or the letter names no area.
        """
        if not self.low_dose:
            raise SEMerror("You cannot go to a low dose area: low dose mode is off")
        area = self.stored_area(letter)
        if area is self._applied:
            return
        self.defocus_um += area.defocus_offset_um - self._defocus_offset()
        self._applied = area
        self.set_mag_index(area.mag_index)
        self.spot_size = area.spot_size
        self.intensity = area.intensity
        self.probe_mode = area.probe_mode

    def miss_magnification(self) -> None:
        """Stand one step of magnification off, as after a command that had not its effect."""
        lower = self.mag_index - 1
        self.set_mag_index(lower if lower >= 1 else self.mag_index + 1)

    def apply_state(self, state: ImagingState) -> None:
        """Go to an imaging state; a low dose one is used when its area is next visited."""
        if state.area is not None:
            self.areas[state.area.letter] = replace(state.area)
            self.set_low_dose(True)
            return
        self.set_low_dose(False)
        self.set_mag_index(state.mag_index)
        self.spot_size = state.spot_size
        self.intensity = state.intensity
        self.free_beam = (self.spot_size, self.intensity)

    def store_area(self, letter: str, **changes: Unpack[AreaChanges]) -> None:
        """Change stored parameters of an area; its defocus offset changes at once when in it."""
        area = replace(self.stored_area(letter), **changes)
        self.areas[area.letter] = area
        if area.letter == self.area:
            self.defocus_um += area.defocus_offset_um - self._defocus_offset()
            self._applied = area

    def store_present(self, letter: str) -> None:
        """Make the present magnification and beam those of an area."""
        self.store_area(
            letter,
            mag_index=self.mag_index,
            spot_size=self.spot_size,
            intensity=self.intensity,
            beam_um=self.beam_diameter_um,
            dose_rate_e_A2_s=self.dose_rate_e_A2_s() / self.gun_current(),
            probe_mode=self.probe_mode,
        )

    def open_valves(self) -> None:
        """Open the column valves as the program does by itself, where it can drive them."""
        if self.instrument.controls.valves:
            self.valve_open = True

    # --- beam and focus ---------------------------------------------------------------------

    @property
    def beam_diameter_um(self) -> float:
        """Diameter of the illuminated area."""
        usual = self._usual_beam()
        spread = self._spread(self.spot_size, self.intensity)
        wider = spread / self._spread(usual.spot_size, usual.intensity)
        return usual.beam_um * wider * self._probe_width(self.probe_mode, usual)

    def dose_rate_e_A2_s(self) -> float:
        """Electrons per Å² and second that reach the specimen: beam current over its area."""
        usual = self._usual_beam()
        currents = self.instrument.beam.currents_nA
        brighter = currents[self.spot_size - 1] / currents[usual.spot_size - 1]
        narrower = usual.beam_um / self.beam_diameter_um
        return usual.dose_rate_e_A2_s * (brighter * narrower**2) * self.gun_current()

    def set_beam_diameter(self, diameter_um: float) -> None:
        """Set the intensity that makes the beam this wide, on its side of the crossover.

        Raises
        ------
        SEMerror
            If the lens does not reach that far.
        """
        usual = self._usual_beam()
        crossover = self.instrument.beam.crossover
        usual_way = usual.intensity - crossover[usual.spot_size - 1]
        way = usual_way * diameter_um / usual.beam_um / self._probe_width(self.probe_mode, usual)
        intensity = crossover[self.spot_size - 1] + way
        if not (diameter_um > 0.0 and 0.0 < intensity < 1.0):
            raise SEMerror(f"The beam cannot be made {diameter_um:g} um wide")
        self.intensity = intensity

    def _usual_beam(self) -> _Beam:
        """Conditions at which diameter and dose rate of the beam are known."""
        area = self._applied
        if area is not None:
            return _Beam(
                area.beam_um,
                area.dose_rate_e_A2_s,
                area.spot_size,
                area.intensity,
                area.probe_mode,
            )
        beam, mag = self.instrument.beam, self.optics.entry(self.mag_index)
        spot_size, intensity = self.free_beam
        # The beam is spread with the field, so that the camera gets about the same counts.
        per_px_s = beam.free_low_mag_rate_e_px_s if mag.low_mag else beam.free_rate_e_px_s
        return _Beam(
            beam.free_diameter_px * mag.pixel_um,
            per_px_s / (mag.pixel_um * 1e4) ** 2,
            spot_size,
            intensity,
        )

    def _probe_width(self, probe_mode: int, usual: _Beam) -> float:
        """Width of the beam in a probe mode, in parts of that in the usual one."""
        nanoprobe = self.instrument.beam.nanoprobe_width
        if self.optics.entry(self.mag_index).low_mag or probe_mode == usual.probe_mode:
            return 1.0
        return 1.0 / nanoprobe if probe_mode == MICROPROBE else nanoprobe

    def beam_shift_rows(self) -> np.ndarray:
        """Specimen µm per unit of beam shift in the present probe mode."""
        beam = self.instrument.beam
        micro = self.probe_mode == MICROPROBE or self.optics.entry(self.mag_index).low_mag
        return np.array(beam.shift_rows if micro else beam.nanoprobe_shift_rows)

    def _spread(self, spot_size: int, intensity: float) -> float:
        """Distance of the intensity from the crossover; the beam is as many times wider."""
        return max(SMALLEST_SPREAD, abs(intensity - self.instrument.beam.crossover[spot_size - 1]))

    def true_defocus_um(self, height_um: float) -> float:
        """Real defocus of an object at a height above the tilt axis; under focus negative."""
        return self.defocus_um - self.focus_zero_um + height_um

    # --- gun and filter ---------------------------------------------------------------------

    def gun_current(self) -> float:
        """Part of the beam current that the gun gives since it was flashed last."""
        return self.instrument.gun.current(self.clock.seconds - self.flashed_s)

    def flash_advised(self, high_temperature: bool) -> bool:
        """Whether the gun has lost so much current that it should be flashed."""
        seconds = self.clock.seconds - self.flashed_s
        return self.instrument.gun.flash_advised(seconds, high_temperature)

    def flash(self) -> None:
        """Flash the gun, which gives its full current again."""
        self.flashed_s, self.next_flash_hot = self.clock.seconds, False

    @property
    def energy_loss_ev(self) -> float:
        """Energy loss that the filter is set to."""
        return 0.0 if self.zero_loss else self.chosen_loss_ev

    def set_energy_loss(self, loss_ev: float) -> None:
        """Set the filter to an energy loss; 0 is zero loss."""
        self.chosen_loss_ev, self.zero_loss = loss_ev, loss_ev == 0.0

    def zero_loss_ev(self) -> float:
        """Where the zero-loss peak really is, in the energy of the filter's scale."""
        model = self.instrument.energy_filter
        if model is None:
            return 0.0
        return drift_ev(self._seed, model.drift_eV, self.clock.seconds) - self.filter_offset_ev

    def passed(self) -> Passed:
        """Which electrons reach the camera.

        The transmission of specimens is that of electrons that lost no energy. A microscope
        without a filter is taken to show the same, by a small objective aperture.
        """
        if self.instrument.energy_filter is None:
            return Passed()
        if not self.slit_in:
            return Passed(losses=None)
        middle_ev = self.energy_loss_ev - self.zero_loss_ev()
        half_ev = 0.5 * self.slit_width_ev
        return through_slit(middle_ev - half_ev, middle_ev + half_ev)

    # --- aberrations ------------------------------------------------------------------------

    def astigmatism_um(self) -> tuple[float, float]:
        """Astigmatism at the present stigmator and image shift, specimen frame."""
        model = self.instrument.aberrations
        by_stigmator = np.array(model.stigmator_rows) @ np.array(self.stigmator)
        by_shift = np.array(model.astigmatism_rows) @ np.array(self.image_shift)
        x, y = self.own_astigmatism_um + by_stigmator + by_shift
        return float(x), float(y)

    def coma_tilt_mrad(self, beam_tilt: tuple[float, float] | None = None) -> tuple[float, float]:
        """Tilt against the coma-free axis in the specimen frame, at a beam tilt or the present."""
        tilt = np.array(self.beam_tilt if beam_tilt is None else beam_tilt)
        free = np.array(self.instrument.beam.coma_rows) @ np.array(self.image_shift)
        rotation = np.array(self.instrument.beam.tilt_rows())
        x, y = rotation @ (tilt - free) + self.own_coma_tilt_mrad
        return float(x), float(y)

    def adjust_for_image_shift(self, change: np.ndarray) -> None:
        """Change beam tilt and stigmator by what a change of the image shift asks for.

        The stigmator stays where its calibration against image shift is all zero.
        """
        x, y = self.beam_tilt + np.array(self.instrument.beam.coma_rows) @ change
        self.beam_tilt = (float(x), float(y))
        model = self.instrument.aberrations
        astigmatism_um = np.array(model.astigmatism_rows) @ change
        if astigmatism_um.any():
            x, y = self.stigmator - np.linalg.solve(np.array(model.stigmator_rows), astigmatism_um)
            self.stigmator = (float(x), float(y))

    def save_beam_tilt(self) -> None:
        """Remember beam tilt and stigmator."""
        self.saved_beam_tilt, self.saved_stigmator = self.beam_tilt, self.stigmator

    def restore_beam_tilt(self) -> bool:
        """Go back to the remembered beam tilt and stigmator; False when there is none."""
        if self.saved_beam_tilt is None:
            return False
        self.beam_tilt, self.saved_beam_tilt = self.saved_beam_tilt, None
        if self.saved_stigmator is not None:
            self.stigmator, self.saved_stigmator = self.saved_stigmator, None
        return True
