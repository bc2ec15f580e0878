"""What a user may choose about a tomogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from space.errors import SpaceError, shown
from space.predicates import is_number, is_whole
from space.tomograms.reconstruction import Method
from space.tomograms.series import Given

Program = Literal["", "imod", "aretomo"]
PROGRAMS: tuple[Program, ...] = ("imod", "aretomo")

_LARGEST_BIN = 32
_USUAL_VOXEL_NM = 1.0
_THICKEST_NM = 2000.0
_MOST_ITERATIONS = 1000
_CHOICES = {"method": ("wbp", "sirt"), "program": ("", *PROGRAMS)}


@dataclass(frozen=True)
class Options:
    """What a user may choose.

    Attributes
    ----------
    binning : int
        Pixels of the series in one voxel; 0 for as many as make about 1 nm.
    thickness_nm : float
        Of the tomogram along z.
    method : {"wbp", "sirt"}
    iterations : int
        Of SIRT.
    pretilt_deg : float
        Tilt of the stage at which the lamella stands level.
    refine_axis, flatten : bool
        Whether tilt axis and lean of the lamella are measured.
    ctf, dose : bool
        Whether contrast transfer is corrected and pictures are weighted, where it is known how.
    cs_mm, amplitude_contrast : float
    program : str
        "imod" or "aretomo" instead of this program's own methods.
    device : str
        "cpu", "cuda", "cuda:1" or "auto".
    given : Given
        What is said of the series instead of its notes.
    """

    binning: int = 0
    thickness_nm: float = 300.0
    method: Method = "wbp"
    iterations: int = 20
    pretilt_deg: float = 0.0
    refine_axis: bool = True
    flatten: bool = True
    ctf: bool = True
    dose: bool = True
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1
    program: Program = ""
    device: str = "cpu"
    given: Given = field(default_factory=Given)

    def __post_init__(self) -> None:
        for name, value, lowest, highest in (
            ("--bin", self.binning, 0, _LARGEST_BIN),
            ("--thickness", self.thickness_nm, 10, _THICKEST_NM),
            ("--iterations", self.iterations, 1, _MOST_ITERATIONS),
            ("--pretilt", self.pretilt_deg, -60, 60),
            ("--cs", self.cs_mm, 0, 10),
            ("--amplitude-contrast", self.amplitude_contrast, 0, 0.9),
            ("--axis", self.given.axis_deg, -360, 360),
            ("--pixel", self.given.pixel_nm, 0.005, 100),
            ("--dose", self.given.dose_e_A2, 0, 1000),
            ("--voltage", self.given.voltage_kv, 10, 3000),
            ("--defocus", self.given.defocus_um, -100, 100),
        ):
            if value is not None and not (math.isfinite(value) and lowest <= value <= highest):
                raise SpaceError(
                    f"{name} is {shown(value)}.", do=f"Give a number from {lowest} to {highest}."
                )

    def binning_of(self, pixel_nm: float) -> int:
        """Return the binning of a series: as chosen, or such that voxels have about 1 nm."""
        return self.binning or max(1, min(_LARGEST_BIN, round(_USUAL_VOXEL_NM / pixel_nm)))

    def params(self) -> dict[str, Any]:
        """Return all that a tomogram depends on, as plain values for JSON."""
        values = asdict(self)
        tilt_file = values["given"]["tilt_file"]
        values["given"]["tilt_file"] = None if tilt_file is None else str(tilt_file)
        return values

    @staticmethod
    def of_params(params: Mapping[str, Any]) -> Options:
        """Return the options that `params` gave; what is left out is as usual.

        Raises
        ------
        SpaceError
            If they are none.
        """
        usual = Options().params()
        values = {**usual, **params}
        told = values["given"]
        odd = set(params) - set(usual)
        if not odd and isinstance(told, Mapping):
            odd = set(told) - set(usual["given"])
            kinds = ((values, usual), ({**usual["given"], **told}, usual["given"]))
            odd |= {
                name
                for found, like in kinds
                for name, value in found.items()
                if name in like and not _is_like(name, value, like[name])
            }
        if odd or not isinstance(told, Mapping):
            raise SpaceError(
                f"These are no options of a tomogram: {', '.join(sorted(odd)) or shown(told)}.",
                do="Give them as `spacetomo tomogram --help` names them.",
            )
        file = told.get("tilt_file")
        given = Given(**{**told, "tilt_file": None if file is None else Path(file)})
        return Options(**{**values, "given": given})

    @property
    def marks(self) -> dict[str, Any]:
        """The parameters without those that change no value of a tomogram."""
        return {name: value for name, value in self.params().items() if name != "device"}

    @property
    def aligns_alike(self) -> dict[str, Any]:
        """The part of the parameters on which the alignment depends."""
        parts = ("binning", "pretilt_deg", "refine_axis", "flatten", "given", "program")
        return {name: value for name, value in self.params().items() if name in parts}


def _is_like(name: str, value: object, usual: object) -> bool:
    """Whether a plain value can be that of an option."""
    if name == "given":
        return isinstance(value, Mapping)
    if name == "tilt_file":
        return value is None or isinstance(value, str)
    if isinstance(usual, bool):
        return isinstance(value, bool)
    if isinstance(usual, str):
        return isinstance(value, str) and value in _CHOICES.get(name, (value,))
    if isinstance(usual, int):
        return is_whole(value)
    return is_number(value) or (usual is None and value is None)
