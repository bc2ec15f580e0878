"""Where along z a tomogram holds specimen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EDGE_PART = 0.12
_FLOOR_PERCENT = 15.0
_HALF = 0.5


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

    A box with soft edges is fitted to the variance of the layers; where the fit fails, the middle
    is that of the variance above its floor.

    Parameters
    ----------
    volume : ndarray, shape (z, y, x)
    pixel_nm : float
    """
    profile = _profile(volume)
    z = (np.arange(len(profile)) - (len(profile) - 1) / 2) * pixel_nm
    floor, top = np.percentile(profile, (_FLOOR_PERCENT, 95))
    above = np.clip(profile - floor, 0.0, None)
    if top <= floor:
        return Extent(0.0, float(z[-1] - z[0]), 0.0)
    middle = float((z * above**2).sum() / (above**2).sum())
    high = z[above > _HALF * (top - floor)]
    wide = float(high.max() - high.min()) if high.size else float(z[-1])
    start = (float(top - floor), float(floor), middle, max(pixel_nm, wide), 3 * pixel_nm)
    clear = float((top - floor) / top)
    fitted = _fitted(z, profile, start)
    if fitted is None:
        return Extent(middle, wide, clear)
    return Extent(fitted[0], fitted[1], clear)


def _profile(volume: np.ndarray) -> np.ndarray:
    """Return the variance of each layer, without its edges and without its strongest places.

    A bead of gold must not decide where the specimen is.
    """
    _, rows, columns = volume.shape
    r, c = int(rows * _EDGE_PART), int(columns * _EDGE_PART)
    inner = volume[:, r : rows - r, c : columns - c].reshape(len(volume), -1)
    limit = 4.0 * float(np.std(inner))
    return np.asarray(np.clip(inner, -limit, limit).var(axis=1), float)


def _fitted(
    z: np.ndarray, profile: np.ndarray, start: tuple[float, float, float, float, float]
) -> tuple[float, float] | None:
    from scipy import optimize, special

    def box(p: np.ndarray) -> np.ndarray:
        height, floor, middle, wide, soft = p
        up, down = (special.erf((z - middle + s * wide / 2) / max(soft, 1e-6)) for s in (1, -1))
        return np.asarray(floor + height * (up - down) / 2 - profile) / start[0]

    span = float(z[-1] - z[0])
    pixel = span / (len(z) - 1)
    low = (0.0, 0.0, z[0], pixel, 0.5 * pixel)
    high = (20 * start[0], float(profile.max()), z[-1], span, span)
    begin = np.clip(start, np.array(low) * 1.001 + 1e-12, np.array(high) * 0.999)
    try:
        found = optimize.least_squares(box, begin, bounds=(low, high), loss="soft_l1", f_scale=0.1)
    except ValueError:
        return None
    return (float(found.x[2]), float(found.x[3])) if found.success else None
