"""Montage parameters: those of the program and those of one montage file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from space.simulator.montage.layout import Layout

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter


@dataclass(frozen=True)
class MontageSettings:
    """What the program remembers from one montage to the next.

    Parameters
    ----------
    camera_set : str
        "" the standard one, "M" the mont-map set, "V" View or "S" Search in low dose.
    overlap_fraction : float
        Least overlap of a montage fitted to an area when none is given.
    counts : tuple of int
        Pieces in X and Y last used.
    frame_px, overlap_px : tuple of int or None
        Binned frame size and overlap last used.
    binning : float
        Binning they were used with.
    move_stage : bool
        Whether montages move the stage rather than the image shift.
    very_sloppy : bool
        Whether pieces may be far from their places when they are aligned.
    align_pieces : bool
        Whether pieces are aligned in the overview.
    overview_binning : int
        Piece pixels per overview pixel; 0 = as needed.
    redo_correlations : bool
        Whether pieces are aligned anew when a montage is read.
    """

    camera_set: SetLetter | Literal[""] = ""
    overlap_fraction: float = 0.1
    counts: tuple[int, int] = (2, 2)
    frame_px: tuple[int, int] | None = None
    overlap_px: tuple[int, int] | None = None
    binning: float = 0.0
    move_stage: bool = True
    very_sloppy: bool = False
    align_pieces: bool = True
    overview_binning: int = 0
    redo_correlations: bool = False


@dataclass(frozen=True)
class MontageParams:
    """The montage that one file holds.

    Parameters
    ----------
    layout : Layout
        Its pieces.
    binning : float
        Binning of the pieces.
    move_stage : bool
        Whether the stage is moved rather than the image shift.
    center_um : tuple of float or None
        Fixed stage position of the centre; None = where the stage stands at the start.
    correlate : bool
        Whether pieces may be aligned with their neighbours.
    block_um : float
        Largest image shift within blocks of pieces between which the stage moves; 0 = no blocks.
    polygon_id : int
        Map ID of the Navigator item that the montage was fitted to, 0 = none.
    """

    layout: Layout
    binning: float
    move_stage: bool = True
    center_um: tuple[float, float] | None = None
    correlate: bool = True
    block_um: float = 0.0
    polygon_id: int = 0
