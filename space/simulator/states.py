"""Low dose areas and imaging states: what the optics are set to."""

from __future__ import annotations

from dataclasses import dataclass

from space.simulator import optics


@dataclass(frozen=True)
class Area:
    """Stored conditions of a low dose area.

    Attributes
    ----------
    beam_um : float
        Diameter of the illuminated area on the specimen.
    dose_rate_e_A2_s : float
        Electrons per square ångström and second, without a specimen.
    defocus_offset_um : float
        Added to the defocus while in the area (View and Search only).
    axis_um : float
        Distance along the tilt axis from the Record area (Focus and Trial only).
    """

    letter: str
    mag_index: int
    beam_um: float
    dose_rate_e_A2_s: float
    defocus_offset_um: float = 0.0
    spot_size: int = 7
    intensity: float = 0.45
    axis_um: float = 0.0


@dataclass(frozen=True)
class ImagingState:
    """A named imaging state; a low dose state sets areas, another one the magnification."""

    name: str
    low_dose: bool
    mag_index: int
    exposure_s: float
    spot_size: int = 5
    intensity: float = 0.6
    areas: tuple[Area, ...] = ()


def standard_areas() -> tuple[Area, ...]:
    """Areas of the standard session: View at 4800x, the rest at the Record magnification."""
    return (
        Area("V", optics.VIEW, 20.0, 0.027, defocus_offset_um=-60.0, spot_size=8, intensity=0.51),
        Area("F", optics.RECORD, 1.6, 3.0),
        Area("T", optics.RECORD, 1.6, 3.0),
        Area("R", optics.RECORD, 1.6, 3.0),
        Area("S", 15, 40.0, 0.01, defocus_offset_um=-120.0, spot_size=8, intensity=0.55),
    )


def standard_states() -> tuple[ImagingState, ...]:
    """State 1 whole grid in low magnification, state 2 low dose for montages of lamellae."""
    return (
        ImagingState("WG", False, optics.LM_WHOLE_GRID, 1.0),
        ImagingState("MM", True, optics.VIEW, 1.0, areas=standard_areas()),
    )
