"""User settings: all that SerialEM knows by name, and what those of them do that do something."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.parameters import Parameters
from space.simulator.program.links import (
    attribute,
    buffer_index,
    defocus_offset,
    montage_choice,
    montage_set,
)

if TYPE_CHECKING:
    from space.simulator.program.session import Session

TABLE = Path(__file__).with_name("settings.tsv")

LINKS = {
    "BufferToReadInto": buffer_index("read_buffer"),
    "BuffersToRollOnAcquire": buffer_index("roll_last"),
    "FilterEnergyLoss": attribute("scope", "chosen_loss_ev"),
    "FilterSlitWidth": attribute("scope", "slit_width_ev"),
    "FilterZeroLoss": attribute("scope", "zero_loss", bool),
    "LowDoseAxisAngle": attribute("scope", "axis_angle_deg", int),
    "LowDoseRotateAxis": attribute("scope", "axis_rotated", bool),
    "LowDoseSearchDefocus": defocus_offset("S"),
    "LowDoseViewDefocus": defocus_offset("V"),
    "MontageAlignPieces": montage_choice("align_pieces", bool),
    "MontageMinOverlapFactor": montage_choice("overlap_fraction"),
    "MontageUseMontMap": montage_set("M"),
    "MontageUseSearchInLD": montage_set("S"),
    "MontageUseViewInLD": montage_set("V"),
    "MontageVerySloppy": montage_choice("very_sloppy", bool),
    "ShiftToTiltAxis": attribute("scope", "shift_to_tilt_axis", bool),
    "TargetDefocus": attribute("scope", "target_defocus_um"),
    "TiltDelay": attribute("scope.stage", "tilt_delay_s"),
    "TiltIncrement": attribute("workbench", "tilt_increment_deg"),
}
"""Settings that are kept elsewhere; all others are in `Options.user_settings`."""

EFFECTS = {
    "AutofocusBeamTilt": "beam tilt to each side in autofocus (mrad)",
    "AutofocusOffset": "change of focus while autofocus measures (µm)",
    "AutosaveNavNew": "a changed Navigator with a file name is saved without asking when it closes",
    "BufferToReadInto": "buffer for files and maps when none is named, 0 for A",
    "BuffersToRollOnAcquire": "last buffer that rolling fills, 0 for A",
    "CameraDivide16BitBy2": "counts of pictures are divided by 2, as SetDivideBy2",
    "CosineTilting": "the tilt increment gets smaller with the cosine of the tilt",
    "DriftProtection": "autofocus takes a third picture and corrects for drift",
    "FilterEnergyLoss": "energy loss of the filter (eV), unless FilterZeroLoss is on",
    "FilterSlitWidth": "slit width of the filter (eV)",
    "FilterZeroLoss": "the filter is at zero loss",
    "FineEucenUseTrialInLowDose": "fine eucentricity takes Trial pictures in low dose",
    "LoadMapsUnbinned": "overviews of montage maps are loaded with the pixels of the pieces",
    "LowDoseAxisAngle": "angle of the line on which Focus and Trial lie to the tilt axis (degrees)",
    "LowDoseRotateAxis": "LowDoseAxisAngle is in force",
    "LowDoseSearchDefocus": "defocus offset of Search, as SetLDDefocusOffset (µm)",
    "LowDoseViewDefocus": "defocus offset of View, as SetLDDefocusOffset (µm)",
    "MontageAlignPieces": "pieces are aligned in the overview",
    "MontageMinMicronsOverlap": "least overlap of a montage that is fitted to an area (µm)",
    "MontageMinOverlapFactor": "least overlap of a montage that is fitted to an area (fraction)",
    "MontageShowOverview": "after a montage the overview in B is displayed, otherwise A",
    "MontageUseMontMap": "montages are taken with the mont-map set",
    "MontageUseSearchInLD": "montages in low dose are taken in Search",
    "MontageUseViewInLD": "montages in low dose are taken in View",
    "MontageVerySloppy": "pieces may be far from their places when they are aligned",
    "NameFramesAsMRCS": "frames that are saved as MRC are called .mrcs",
    "OneK2FramePerFile": "not simulated: saving frames is refused",
    "RefocusThreshold": "change of focus after which autofocus measures again (µm)",
    "RoughEucenUseSearchIfInLM": "rough eucentricity may use Search in low magnification",
    "SaveFrameStackMdoc": "an mdoc file is written beside each stack of frames",
    "SaveInEERformat": "not simulated: a Falcon refuses to save frames",
    "SaveK2FramesAsTiff": "frames of a K2 or K3: 0 MRC, 1 TIFF with LZW, 2 TIFF with ZIP",
    "SaveUnnormedFrames": "frames of a K2 or K3 are not normalised, and get a gain reference",
    "ShiftToTiltAxis": "image shift counts from the tilt axis",
    "TakeK3SuperResBinned": "frames in super-resolution have whole pixels",
    "TargetDefocus": "target of autofocus, as SetTargetDefocus (µm)",
    "TieFocusTrialPos": "SetAxisPosition sets Focus and Trial alike",
    "TiltDelay": "seconds to wait after each tilt",
    "TiltIncrement": "step of TiltUp, TiltDown and the like (degrees)",
    "TrimBordersInAutoalign": "dark borders are cut off before AlignTo compares pictures",
    "UseRecordForMontage": "the mont-map set is that of Record",
    "WalkUpMaxInterval": "largest step of WalkUpTo (degrees)",
    "WalkupUseViewInLowDose": "WalkUpTo takes View pictures in low dose",
    "WriteNavAsXML": "Navigator files are written as XML",
}
"""Settings that change what the simulator does, and how; all others are only kept."""


@lru_cache(maxsize=1)
def setting_table() -> Parameters:
    """All user settings."""
    return Parameters(TABLE, "user setting")


def defaults() -> dict[str, float]:
    """Values of a new session, but for those that are kept elsewhere."""
    return {row.name: row.default for row in setting_table() if row.name not in LINKS}


def value(session: Session, name: str) -> float:
    """Give a setting, by its name in any case.

    Raises
    ------
    SEMerror
        If there is none of that name.
    """
    name = setting_table().find(name).name
    link = LINKS.get(name)
    return session.options.user_settings[name] if link is None else link.read(session)


def change(session: Session, name: str, number: float, keep: bool = False) -> None:
    """Change a setting until the script ends, or for good.

    Raises
    ------
    SEMerror
        If there is none of that name, or it cannot have this value.
    """
    row = setting_table().find(name)
    before = value(session, row.name)
    _write(session, row.name, row.taken(number))
    saved = session.options.settings_before
    if keep:
        saved.pop(row.name, None)
    else:
        saved.setdefault(row.name, before)


def restore(session: Session) -> None:
    """Put back what was changed for one script only."""
    for name, number in session.options.settings_before.items():
        _write(session, name, number)
    session.options.settings_before = {}


def take_over(session: Session, other: Session) -> None:
    """Give a session the settings of another."""
    session.options.user_settings = dict(other.options.user_settings)
    for link in LINKS.values():
        link.write(session, link.read(other))


def _write(session: Session, name: str, number: float) -> None:
    link = LINKS.get(name)
    if link is None:
        session.options.user_settings[name] = number
    else:
        link.write(session, number)
