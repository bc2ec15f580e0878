"""What single squares look like: brightness of the film, vacuum, spots.

Each opening is drawn straight, `PATCH_PX` pixels wide, whatever the direction of the mesh. Grey
values are counted from that of the bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.squares.mesh import Mesh

PATCH_PX = 72
WORKING_UM = 1.2
"""Pixel of the picture in which squares are measured: holes of the film are averaged over."""

# Of an opening this share is looked at: its corners are round and its edges blurred.
_INNER = 0.86
# Film is what is brighter than the first share of the usual film of a grid; dark what is not.
_DARK = 0.4
_LEVELS = 48
_SMOOTH_UM = 2.5
"""Averages out the holes of all common films, which lie up to 6 um apart."""

# Spots are narrower than the first (µm), and darker than what surrounds them by the second share.
_SPOT_UM, _SPOT_DEPTH = 8.0, 0.35


@dataclass(frozen=True)
class Measures:
    """What a square looks like.

    Attributes
    ----------
    film : float
        Most frequent grey of what is not dark; 0 where all is.
    upper : float
        Grey of the brightest twentieth.
    clear : float
        Share that is not dark, 0..1.
    spots : float
        Share of what is not dark that is covered by small dark spots.
    grey : ndarray (PATCH_PX, PATCH_PX)
        The square itself, averaged so far that holes of a film cannot be seen.
    """

    film: float
    upper: float
    clear: float
    spots: float
    grey: np.ndarray


def patches(picture: np.ndarray, mesh: Mesh, factor: int) -> np.ndarray:
    """Return the openings of squares (n, PATCH_PX, PATCH_PX), drawn straight.

    Parameters
    ----------
    picture : ndarray (rows, columns)
        Blocks of `factor` pixels of the picture that `mesh` lies in, averaged.
    mesh : Mesh
    factor : int
    """
    from scipy import ndimage

    share = (np.arange(PATCH_PX) + 0.5) / PATCH_PX - 0.5
    across = mesh.axes * mesh.open_px * _INNER
    inner = share[:, None, None] * across[0] + share[None, :, None] * across[1]
    drawn = np.empty((len(mesh.centers_px), PATCH_PX, PATCH_PX), np.float32)
    for one, center in zip(drawn, mesh.centers_px):
        at = (center + inner) / factor - 0.5
        ndimage.map_coordinates(picture, at.transpose(2, 0, 1), one, order=1, mode="nearest")
    return drawn


def usual_film(openings: np.ndarray) -> float:
    """Return the usual grey of film on a grid, from all its openings (n, rows, columns)."""
    medians = np.median(openings, axis=(1, 2))
    lit = medians[medians > 0.25 * np.quantile(medians, 0.9)]
    return float(np.median(lit)) if lit.size else 0.0


def measured(opening: np.ndarray, usual: float, pixel_um: float) -> Measures:
    """Measure a square.

    Parameters
    ----------
    opening : ndarray (PATCH_PX, PATCH_PX)
        Grey values, less that of bars.
    usual : float
        Grey of usual film on this grid.
    pixel_um : float
        Pixel of the opening.
    """
    from scipy import ndimage

    is_clear = opening > _DARK * usual
    smooth = ndimage.gaussian_filter(opening, _SMOOTH_UM / pixel_um, mode="nearest")
    clear = float(is_clear.mean())
    upper = float(np.quantile(opening, 0.95))
    if clear < 0.02:
        return Measures(0.0, upper, clear, 0.0, smooth)
    size = max(3, round(_SPOT_UM / pixel_um))
    depth = ndimage.grey_closing(opening, (size, size), mode="nearest") - opening
    film = _mode(opening[is_clear])
    spots = depth > _SPOT_DEPTH * film
    share = float(spots.sum() / (is_clear | spots).sum())
    return Measures(film, upper, clear, share, smooth)


def _mode(values: np.ndarray) -> float:
    """The most frequent value, to a part of a bin."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = np.histogram(values, _LEVELS, (low, high))
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), mode="same")
    top = int(np.argmax(smooth))
    near = values[(values >= edges[max(0, top - 2)]) & (values <= edges[min(_LEVELS, top + 3)])]
    return float(near.mean())
