"""Frames: an exposure in parts, between which the specimen moves. Arrays in, arrays out."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

INITIAL_UM = 0.0005
"""How far the first electrons move the specimen, in the median of all places."""

INITIAL_DOSE_E_A2 = 2.0
"""Dose after which 63 % of that is over."""

CREEP_UM_A2_E = 0.00002
"""Further movement per dose, which does not die away."""

MARGIN_PX = 16  # beyond the farthest shift
LARGEST_MARGIN_PX = 400  # of it for the shift: who drifts farther has no use for frames
_MOST = 65535  # electrons in a pixel that a file can tell


def beam_induced_um(doses_e_A2: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Displacements of the specimen that the beam causes, from the start of an exposure on.

    The first electrons relax the stress in frozen water and film, so that the first frames move
    most, along one direction; later movement is slower and goes elsewhere (A. F. Brilot et al.,
    J. Struct. Biol. 177 (2012); S. H. W. Scheres, eLife 3 (2014)).

    Parameters
    ----------
    doses_e_A2 : (n,) array
        Dose so far.
    rng : Generator, optional
        Draws directions and sizes; without one nothing moves.

    Returns
    -------
    (n, 2) array of (x, y), stage frame
    """
    doses = np.asarray(doses_e_A2, dtype=float)
    if rng is None:
        return np.zeros((len(doses), 2))
    size_um = INITIAL_UM * float(rng.lognormal(0.0, 0.4))
    first, later = rng.uniform(0.0, 2.0 * math.pi, 2)
    relaxed = size_um * (1.0 - np.exp(-doses / INITIAL_DOSE_E_A2))
    crept = CREEP_UM_A2_E * doses
    return np.outer(relaxed, (math.cos(first), math.sin(first))) + np.outer(
        crept, (math.cos(later), math.sin(later))
    )


def margin_px(shifts_px: np.ndarray) -> int:
    """Width of what must be drawn around frames so that what moves into them is there."""
    return MARGIN_PX + min(math.ceil(float(np.abs(shifts_px).max())), LARGEST_MARGIN_PX)


def shifted(picture: np.ndarray, shift_px: tuple[float, float], margin: int) -> np.ndarray:
    """Middle of a picture that is shifted by (columns, rows), also parts of pixels.

    Parameters
    ----------
    picture : (rows + 2 margins, columns + 2 margins) array
    shift_px : tuple of float
        To the right and down.
    margin : int
        What would come from farther away comes from the opposite edge.

    Returns
    -------
    (rows, columns) float32 array
    """
    return _shifted(fft.rfft2(picture.astype(np.float32)), picture.shape, shift_px, margin)


def _shifted(
    waves: np.ndarray, shape: tuple[int, ...], shift_px: tuple[float, float], margin: int
) -> np.ndarray:
    x = fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    y = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    turn = np.float32(-2.0 * math.pi)
    phase = np.exp(np.complex64(1j) * (turn * np.float32(shift_px[0])) * x)
    phase = phase * np.exp(np.complex64(1j) * (turn * np.float32(shift_px[1])) * y)
    moved = fft.irfft2(waves * phase, s=shape)
    return np.maximum(moved[margin : shape[0] - margin, margin : shape[1] - margin], 0.0)


def counted(
    electrons: np.ndarray,
    shifts_px: np.ndarray,
    rng: np.random.Generator | None,
    margin: int,
    sensitivity: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Frames with the numbers of electrons that arrive on the pixels.

    Parameters
    ----------
    electrons : (rows + 2 margins, columns + 2 margins) array
        Expected on each pixel during one frame, of a specimen that does not move.
    shifts_px : (n, 2) array
        Where the specimen is in each frame, (columns, rows).
    rng : Generator, optional
        Draws the numbers; without one they are rounded so that the sum is right.
    margin : int
        See `margin_px`.
    sensitivity : (rows, columns) array, optional
        How much of a signal each pixel gives, 1 in the mean.

    Returns
    -------
    list of n (rows, columns) uint16 arrays
    """
    waves = fft.rfft2(np.asarray(electrons, dtype=np.float32))
    frames, so_far = [], None
    for x, y in shifts_px:
        expected = _shifted(waves, electrons.shape, (float(x), float(y)), margin)
        if sensitivity is not None:
            expected *= sensitivity
        if rng is not None:
            frames.append(np.minimum(rng.poisson(expected), _MOST).astype(np.uint16))
            continue
        before = np.zeros_like(expected) if so_far is None else so_far
        so_far = before + expected
        whole = np.rint(so_far) - np.rint(before)
        frames.append(np.minimum(whole, _MOST).astype(np.uint16))
    return frames


def sensitivity(shape: tuple[int, int], seed: int) -> np.ndarray:
    """How much of a signal each pixel of a chip gives, 1 in the mean."""
    pattern = np.random.default_rng([91, seed]).normal(1.0, 0.04, shape)
    return np.clip(pattern, 0.8, 1.2).astype(np.float32)
