"""Where along z a tomogram holds specimen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EDGE_PART = 0.12
_FLOOR_PERCENT = 20.0
_SMOOTH_NM = 8.0
_GAP_NM = 30.0  # between particles of one specimen
_HALF = 0.5
_ROUNDS = 4


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

    The specimen is about the layer that varies most. Its faces are where the variance has fallen
    half-way from what is usual within to what is usual beyond.

    Parameters
    ----------
    volume : ndarray, shape (z, y, x)
    pixel_nm : float
    """
    from scipy import ndimage

    profile = ndimage.gaussian_filter1d(_profile(volume), _SMOOTH_NM / pixel_nm, mode="nearest")
    z = (np.arange(len(profile)) - (len(profile) - 1) / 2) * pixel_nm
    floor, level = float(np.percentile(profile, _FLOOR_PERCENT)), float(profile.max())
    if level <= floor:
        return Extent(0.0, float(z[-1] - z[0]), 0.0)
    low, high = z[0], z[-1]
    for _ in range(_ROUNDS):
        low, high = _faces(z, profile, floor + _HALF * (level - floor))
        inside = profile[(z >= low) & (z <= high)]
        level = float(np.median(inside)) if inside.size else level
    return Extent((low + high) / 2, high - low, (level - floor) / level)


def _faces(z: np.ndarray, profile: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return where a profile falls below a threshold on both sides of its highest layer."""
    gap = max(1, round(_GAP_NM / float(z[1] - z[0])))
    above = np.flatnonzero(profile > threshold)
    parts = np.split(above, np.flatnonzero(np.diff(above) > gap) + 1)
    peak = int(profile.argmax())
    part = next(one for one in parts if peak in one) if peak in above else np.array([peak])
    faces = []
    for inner, step in ((int(part[0]), -1), (int(part[-1]), 1)):
        outer = inner + step
        if not 0 <= outer < len(profile):
            faces.append(float(z[inner]))
            continue
        drop = float(profile[inner] - profile[outer])
        way = (float(profile[inner]) - threshold) / drop if drop > 0 else 0.0
        faces.append(float(z[inner] + way * (z[outer] - z[inner])))
    return faces[0], faces[1]


def _profile(volume: np.ndarray) -> np.ndarray:
    """Return the variance of each layer, without its edges and without its strongest places.

    A bead of gold must not decide where the specimen is.
    """
    _, rows, columns = volume.shape
    r, c = int(rows * _EDGE_PART), int(columns * _EDGE_PART)
    inner = volume[:, r : rows - r, c : columns - c].reshape(len(volume), -1)
    limit = 4.0 * float(np.std(inner))
    return np.asarray(np.clip(inner, -limit, limit).var(axis=1), float)
