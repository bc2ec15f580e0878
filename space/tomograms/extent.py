"""Where along z a tomogram holds specimen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EDGE_PART = 0.12
_FLOOR_PERCENT, _TOP_PERCENT = 15.0, 95.0
_BEYOND = 0.2
_SPREADS = 2.0
_TAIL = 0.03


@dataclass(frozen=True)
class Extent:
    """The layers with specimen.

    Attributes
    ----------
    middle_nm : float
        Above the middle of the tomogram.
    thickness_nm : float
    clearness : float
        How much more there is in these layers than beyond, as part of what is in them; near 0
        nothing stands out, and the numbers mean nothing.
    """

    middle_nm: float
    thickness_nm: float
    clearness: float


def extent(volume: np.ndarray, pixel_nm: float) -> Extent:
    """Measure the layers in which densities vary most.

    What varies above the floor is summed up from below; the layers between `_TAIL` and 1 - `_TAIL`
    of it are the specimen. Their middle is that between its faces, wherever most of it is.

    Parameters
    ----------
    volume : ndarray, shape (z, y, x)
    pixel_nm : float
    """
    profile = _profile(volume)
    faces = (np.arange(len(profile) + 1) - len(profile) / 2) * pixel_nm
    floor, top = np.percentile(profile, (_FLOOR_PERCENT, _TOP_PERCENT))
    if top <= floor:
        return Extent(0.0, float(faces[-1] - faces[0]), 0.0)
    above = np.clip(profile - floor, 0.0, None)
    beyond = above[above < _BEYOND * above.max()]
    noise = float(beyond.std()) if beyond.size else 0.0
    above[above < max(_BEYOND / 4 * above.max(), _SPREADS * noise)] = 0.0
    up_to = np.append(0.0, np.cumsum(above)) / above.sum()
    low, high = (float(np.interp(part, up_to, faces)) for part in (_TAIL, 1 - _TAIL))
    wide = (high - low) / (1 - 2 * _TAIL)
    return Extent((low + high) / 2, wide, float((top - floor) / top))


def _profile(volume: np.ndarray) -> np.ndarray:
    """Return the variance of each layer, without its edges and without its strongest places.

    A bead of gold must not decide where the specimen is.
    """
    _, rows, columns = volume.shape
    r, c = int(rows * _EDGE_PART), int(columns * _EDGE_PART)
    inner = volume[:, r : rows - r, c : columns - c].reshape(len(volume), -1)
    limit = 4.0 * float(np.std(inner))
    return np.asarray(np.clip(inner, -limit, limit).var(axis=1), float)
