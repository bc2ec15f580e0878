"""An alignment in IMOD's forms: .xf (2D transforms), .tlt (tilts), and back.

A line of an .xf file holds A11 A12 A21 A22 DX DY: a pixel (x, y) from the middle of a picture, rows
counted upwards, comes to A (x, y) + (DX, DY) of the aligned picture; lengths are pixels of the
image file (IMOD, "xfmodel" and "newstack" manual pages). Lines are those of the used pictures by
tilt, as in the sorted stack that `newstack -secs` makes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import decode, read_bytes_bounded, write_text_atomic
from space.tomograms.geometry import Alignment
from space.tomograms.series import read_tilts

_NOT_A_TURN = 0.02


def xf_text(alignment: Alignment, pixel_nm: float) -> str:
    """Return the lines of an .xf file for pictures of a pixel size."""
    turn = alignment.turn.ravel()
    return "".join(
        "".join(f"{value:12.7f}" for value in turn)
        + "".join(f"{shift / pixel_nm:12.3f}" for shift in shifts)
        + "\n"
        for shifts in alignment.shifts_nm
    )


def tlt_text(alignment: Alignment) -> str:
    """Return the lines of a .tlt file."""
    return "".join(f"{tilt:8.2f}\n" for tilt in alignment.tilts_deg)


def write(folder: Path, name: str, alignment: Alignment, pixel_nm: float) -> tuple[Path, Path]:
    """Write NAME.xf and NAME.tlt; return their paths."""
    xf, tlt = folder / f"{name}.xf", folder / f"{name}.tlt"
    write_text_atomic(xf, xf_text(alignment, pixel_nm))
    write_text_atomic(tlt, tlt_text(alignment))
    return xf, tlt


def read(xf: Path, tlt: Path, pixel_nm: float) -> Alignment:
    """Read an alignment of IMOD's: turns and shifts, one tilt axis for all pictures.

    Raises
    ------
    SpaceError
        If the files do not belong together, or a transform is more than a turn and a shift.
    """
    tilts = read_tilts(tlt)
    try:
        words = decode(read_bytes_bounded(xf, 1_000_000, follow_links=True)).split()
        values = np.array([float(word) for word in words])
    except (OSError, ValueError) as error:
        raise SpaceError(f"The transforms cannot be read ({error}).", str(xf)) from error
    if not np.isfinite(values).all() or values.size != 6 * len(tilts):
        raise SpaceError(
            f"This file should hold {len(tilts)} lines of six numbers, one for each tilt.",
            str(xf),
            f"Give the file that belongs to {tlt.name}.",
        )
    lines = values.reshape(-1, 6)
    mean = lines[:, :4].mean(axis=0)
    angle = math.atan2(mean[1] - mean[2], mean[0] + mean[3])
    found = Alignment(math.degrees(angle), np.array(tilts), lines[:, 4:] * pixel_nm)
    if np.abs(lines[:, :4] - found.turn.ravel()).max() > _NOT_A_TURN:
        raise SpaceError(
            "These transforms stretch the pictures, or turn them by different angles.",
            str(xf),
            "Align again with fixed magnification and one rotation.",
        )
    return found
