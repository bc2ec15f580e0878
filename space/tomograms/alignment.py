"""The whole alignment of a series, from coarse pictures to finer ones.

1. Coarse: each picture against its neighbours (`tracking.chained`).
2. Patches: shifts, lean of the lamella, tilt axis (`tracking.tracked`).
3. Projection matching (`matching.matched`), coarse and then finer.
4. The specimen is moved to the middle of the tomogram, and its thickness is measured (`extent`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from space.tomograms.extent import Extent, extent
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.matching import matched, residuals_nm
from space.tomograms.reconstruction import Plan, reconstruct
from space.tomograms.tracking import Lamella, chained, frame_grid, tracked

COARSE_PX, FINE_PX = 200, 480
"""Longest side of the pictures that are compared."""

_PATCH_ROUNDS = 4
_MATCH_ROUNDS = 3
_FINE_ROUNDS = 3
_LIKELY_THICKNESS_NM = 200.0
_DEEP = 2.0


@dataclass(frozen=True, eq=False)
class Aligned:
    """An aligned series and how well it is.

    Attributes
    ----------
    alignment : Alignment
    lamella : Lamella
        Its lean is what was left after the tilt offset.
    extent : Extent
        Where along z there is specimen.
    residuals_nm : ndarray, shape (n,)
        How far patches of each picture are from where all others predict them.
    likeness : ndarray, shape (n,)
        Correlation of each picture with this prediction.
    """

    alignment: Alignment
    lamella: Lamella
    extent: Extent
    residuals_nm: np.ndarray
    likeness: np.ndarray


def align(
    stack: Stack,
    alignment: Alignment,
    thickness_nm: float | None = None,
    refine_axis: bool = True,
    flatten: bool = True,
    done: Callable[[str], None] = lambda _: None,
) -> Aligned:
    """Align a series.

    Parameters
    ----------
    stack : Stack
        Pictures whose mean is 0.
    alignment : Alignment
        To begin with: tilt axis, tilts with the pretilt as their offset, no shifts.
    thickness_nm : float, optional
        Of the specimen; measured if it is not given.
    refine_axis, flatten : bool
        Whether the tilt axis and the tilt offset are measured.
    done : callable, optional
        Told what begins.
    """
    guess, noted_deg = thickness_nm or _LIKELY_THICKNESS_NM, alignment.axis_deg
    done("coarse alignment")
    coarse, splines = _level(stack, COARSE_PX)
    alignment = chained(splines, coarse, alignment, guess)
    done("alignment by patches")
    lamella = Lamella(0.0, 0.0, 0.0)
    for _ in range(_PATCH_ROUNDS):
        found = tracked(splines, coarse, alignment, noted_deg)
        lamella, alignment = found.lamella, found.allowed(alignment, refine_axis, flatten)
    done("projection matching")
    alignment = _rounds(splines, coarse, alignment, guess, _MATCH_ROUNDS)
    alignment, _ = _in_the_middle(coarse, alignment, guess)
    done("projection matching of finer pictures")
    fine, fine_splines = _level(stack, FINE_PX)
    alignment = _rounds(fine_splines, fine, alignment, guess, _FINE_ROUNDS)
    alignment, where = _in_the_middle(coarse, alignment, guess)
    alignment = _first_in_place(alignment)
    residuals, likeness = residuals_nm(fine_splines, fine, alignment, guess)
    return Aligned(alignment, lamella, where, residuals, likeness)


def _level(stack: Stack, longest_px: int) -> tuple[Stack, np.ndarray]:
    from scipy import ndimage

    small = stack.binned(max(1, round(max(stack.data.shape[1:]) / longest_px)))
    splines = [ndimage.spline_filter(one, 3, output=np.float32) for one in small.data]
    return small, np.stack(splines)


def _rounds(
    splines: np.ndarray, stack: Stack, alignment: Alignment, thickness_nm: float, rounds: int
) -> Alignment:
    for _ in range(rounds):
        alignment = matched(splines, stack, alignment, thickness_nm).alignment
    return alignment


def _in_the_middle(
    stack: Stack, alignment: Alignment, thickness_nm: float
) -> tuple[Alignment, Extent]:
    """Move the specimen to the middle of the tomogram along z."""
    grid = frame_grid(stack, alignment.axis_deg)
    layers = max(24, round(_DEEP * thickness_nm / stack.pixel_nm))
    volume = reconstruct(stack, alignment, Plan((layers, grid.rows, grid.columns)))
    found = extent(volume, stack.pixel_nm)
    moved = alignment.moved((0.0, 0.0, -found.middle_nm))
    return moved, replace(found, middle_nm=0.0)


def _first_in_place(alignment: Alignment) -> Alignment:
    """Move all so that the least tilted picture is where it was: its middle is the target."""
    stage = alignment.tilts_deg - alignment.offset_deg
    index = int(np.argmin(np.abs(stage)))
    x, y = alignment.shifts_nm[index]
    cosine = float(np.cos(np.radians(alignment.tilts_deg[index])))
    # Its height is where the specimen is: only x and y move.
    return alignment.moved((-float(x) / cosine, -float(y), 0.0))
