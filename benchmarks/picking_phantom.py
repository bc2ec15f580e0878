"""Phantom tomograms to pick particles in: ribosomes among proteasomes, gold, membranes and grain.

Densities are blobs and shells of about the right size, turned at random; the volume is then seen
as in a tomogram: contrast transfer at a defocus of some µm, tilts of ±60°, noise of the spectrum
that back-projection leaves. Nothing of it is shared with the program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

VOXEL_NM = 1.5
SHAPE = (80, 256, 256)
RIBOSOME, PROTEASOME, GOLD, GLOBULE = "ribosome", "proteasome", "gold", "globule"
DIAMETER_NM = {RIBOSOME: 25.0, PROTEASOME: 17.0, GOLD: 10.0, GLOBULE: 9.0}


@dataclass(frozen=True)
class Phantom:
    """A tomogram and its truth.

    Attributes
    ----------
    data : ndarray of float32 (z, y, x)
    points_px : dict of str to ndarray (n, 3)
        Centres (z, y, x) of each kind of particle.
    """

    data: np.ndarray
    points_px: dict[str, np.ndarray]


def phantom(seed: int, shape=SHAPE, ribosomes=45, proteasomes=25, gold=8, noise=4.5) -> Phantom:
    """Return a phantom; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    density = np.zeros(shape, np.float32)
    taken = _membranes(density, rng)
    points: dict[str, np.ndarray] = {}
    occupied: list[tuple[np.ndarray, float]] = []
    for kind, count in ((RIBOSOME, ribosomes), (PROTEASOME, proteasomes), (GOLD, gold),
                        (GLOBULE, ribosomes * 4)):  # fmt: skip
        radius = DIAMETER_NM[kind] / 2 / VOXEL_NM
        found = []
        for _ in range(40 * count):
            if len(found) == count:
                break
            edge = 4 if kind == GLOBULE else 7
            at = rng.uniform(edge, np.array(shape) - edge)
            if taken[tuple(at.astype(int))] < radius * 0.9:
                continue
            if any(np.linalg.norm(at - other) < 0.95 * (radius + far) for other, far in occupied):
                continue
            found.append(at)
            occupied.append((at, radius))
            _stamp(density, at, _KINDS[kind](rng))
        points[kind] = np.array(found).reshape(-1, 3)
    return Phantom(_seen(density, rng, noise), points)


# --- particles: (offsets in nm, width in nm, weight) of blobs -------------------------------------


def _blobs_of(seed: int, count: int, radius: float, width: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    way = rng.normal(size=(count, 3))
    way *= (rng.uniform(0, 1, count) ** (1 / 3) / np.linalg.norm(way, axis=1))[:, None]
    return np.column_stack([way * radius, np.full(count, width), rng.uniform(0.7, 1.3, count)])


_LARGE = _blobs_of(1, 26, 8.0, 2.3) + [[-2.5, 0, 0, 0, 0]]
_SMALL = _blobs_of(2, 14, 6.0, 2.1) * [[1, 1.2, 0.8, 1, 0.8]] + [[7.5, 0, 1.0, 0, 0]]
_RIBOSOME = np.vstack([_LARGE, _SMALL])
_around = np.arange(7) * 2 * np.pi / 7
_PROTEASOME = np.vstack([
    [[high, 4.2 * np.cos(a), 4.2 * np.sin(a), 1.5, 1.5] for a in _around]
    for high in (-6.2, -2.1, 2.1, 6.2)
])  # fmt: skip


def _turned(blobs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turn = Rotation.random(rng=rng).as_matrix()
    return np.column_stack([blobs[:, :3] @ turn.T, blobs[:, 3:]])


def _globule(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(1, 7))
    blobs = np.column_stack(
        [rng.normal(0, 2.2, (count, 3)), rng.uniform(1.4, 2.4, count), rng.uniform(0.5, 1.1, count)]
    )
    return blobs


_KINDS = {
    RIBOSOME: lambda rng: _turned(_RIBOSOME, rng),
    PROTEASOME: lambda rng: _turned(_PROTEASOME, rng),
    GOLD: lambda rng: np.array([[0, 0, 0, 3.2, 14.0]]),
    GLOBULE: _globule,
}


def _stamp(density: np.ndarray, at: np.ndarray, blobs: np.ndarray) -> None:
    for z, y, x, width, weight in blobs:
        centre = at + np.array([z, y, x]) / VOXEL_NM
        sigma = width / VOXEL_NM
        low = np.maximum(np.floor(centre - 3 * sigma).astype(int), 0)
        high = np.minimum(np.ceil(centre + 3 * sigma).astype(int) + 1, density.shape)
        if (low >= high).any():
            continue
        axes = [np.exp(-((np.arange(a, b) - c) ** 2) / (2 * sigma**2))
                for a, b, c in zip(low, high, centre)]  # fmt: skip
        density[tuple(map(slice, low, high))] += weight * (
            axes[0][:, None, None] * axes[1][:, None] * axes[2]
        )


def _membranes(density: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw two wavy sheets and some vesicles; return how far the next membrane is, in voxels."""
    z, y, x = np.ogrid[tuple(map(slice, density.shape))]
    free = np.full(density.shape, np.inf, np.float32)
    for _ in range(2):
        turn = rng.uniform(0, np.pi)
        side = (x - density.shape[2] / 2) * np.cos(turn) + (y - density.shape[1] / 2) * np.sin(turn)
        along = (y - density.shape[1] / 2) * np.cos(turn) - (x - density.shape[2] / 2) * np.sin(
            turn
        )
        wave = 12 * np.sin(along / rng.uniform(25, 50) + rng.uniform(0, 6))
        lean = rng.uniform(-0.5, 0.5) * (z - density.shape[0] / 2)
        far = np.abs(side - rng.uniform(-100, 100) - wave - lean)
        free = np.minimum(free, far)
    for _ in range(5):
        at = rng.uniform(0.1, 0.9, 3) * density.shape
        radius = rng.uniform(8, 26)
        way = np.sqrt((z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2)
        free = np.minimum(free, np.abs(way - radius))
    leaf = 1.9 / VOXEL_NM
    density += 1.6 * np.exp(-((free - leaf) ** 2) / (2 * 0.9**2)).astype(np.float32)
    return free


# --- how a tomogram sees it ----------------------------------------------------------------------


def _seen(density: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    kz, ky, kx = (
        np.fft.fftfreq(density.shape[0])[:, None, None],
        np.fft.fftfreq(density.shape[1])[None, :, None],
        np.fft.rfftfreq(density.shape[2])[None, None, :],
    )
    k_nm = np.sqrt(kz**2 + ky**2 + kx**2) / VOXEL_NM
    wavelength_nm, defocus_nm = 0.00197, rng.uniform(3500, 5000)
    phase = np.pi * wavelength_nm * defocus_nm * k_nm**2
    transfer = np.sin(phase + 0.1) * np.exp(-((k_nm / 0.45) ** 2))
    # Tilts turn about y: what is steeper than 60 degrees towards z was never seen.
    wedge = np.abs(kz) <= np.tan(np.radians(60)) * np.abs(kx) + 1.5 / min(density.shape)
    signal = np.fft.rfftn(density) * transfer * wedge
    grain = np.fft.rfftn(rng.normal(size=density.shape)) * wedge * np.exp(-((k_nm / 0.3) ** 2))
    seen = np.fft.irfftn(signal, density.shape)
    grain = np.fft.irfftn(grain, density.shape)
    return (noise * seen.std() * grain / grain.std() * 0.45 - seen).astype(np.float32)
