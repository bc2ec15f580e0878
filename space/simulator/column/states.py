"""Low dose areas and imaging states: what the optics are set to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from space.simulator.column.letters import AreaLetter

NANOPROBE, MICROPROBE = 0, 1


@dataclass(frozen=True)
class Area:
    """Stored conditions of a low dose area.

    Attributes
    ----------
    beam_um : float
        Diameter of the illuminated area on the specimen at the spot size and intensity here.
    dose_rate_e_A2_s : float
        Electrons per square ångström and second there, without a specimen.
    defocus_offset_um : float
        Added to the defocus while in the area (View and Search only).
    axis_um : float
        Distance from the Record area (Focus and Trial only), along the tilt axis or a line at an
        angle to it (`Microscope.area_angle_deg`).
    image_shift_um : tuple of float
        Calibrated image shift (specimen µm) that centres what Record has in its centre (View and
        Search only).
    probe_mode : int
        MICROPROBE or NANOPROBE.
    """

    letter: AreaLetter
    mag_index: int
    beam_um: float
    dose_rate_e_A2_s: float
    defocus_offset_um: float = 0.0
    spot_size: int = 7
    intensity: float = 0.45
    axis_um: float = 0.0
    image_shift_um: tuple[float, float] = (0.0, 0.0)
    probe_mode: int = MICROPROBE


class AreaChanges(TypedDict, total=False):
    """What can be changed of an `Area`."""

    mag_index: int
    beam_um: float
    dose_rate_e_A2_s: float
    defocus_offset_um: float
    spot_size: int
    intensity: float
    axis_um: float
    image_shift_um: tuple[float, float]
    probe_mode: int


@dataclass(frozen=True)
class ImagingState:
    """A named imaging state.

    Attributes
    ----------
    exposure_s : float
        Of the camera set of the area; outside low dose of View and Record.
    area : Area or None
        The one low dose area that the state was made in, as it was then: the state sets it and
        no other. None for a state outside low dose, which sets magnification and beam.
    """

    name: str
    mag_index: int
    exposure_s: float
    spot_size: int = 5
    intensity: float = 0.6
    area: Area | None = None
