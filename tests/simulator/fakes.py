"""A specimen of bright spots at known places, in place of a painted grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from space.simulator import Session


@dataclass(frozen=True)
class SpotGrid:
    """Dark plane with Gaussian spots; flat, at one height."""

    spots_um: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    sigma_um: float = 0.3
    height: float = 0.0
    name: str = "spots"
    lamellae: tuple = ()

    def transmission(self, px_to_grid, shape, pixel_um):
        cols = np.arange(shape[1]) + 0.5
        rows = np.arange(shape[0]) + 0.5
        x = px_to_grid[0, 0] * cols[None, :] + px_to_grid[0, 1] * rows[:, None] + px_to_grid[0, 2]
        y = px_to_grid[1, 0] * cols[None, :] + px_to_grid[1, 1] * rows[:, None] + px_to_grid[1, 2]
        image = np.full(shape, 0.1)
        for sx, sy in self.spots_um:
            squared = (x - sx) ** 2 + (y - sy) ** 2
            image += 0.8 * np.exp(-squared / (2.0 * self.sigma_um**2))
        return np.clip(image, 0.0, 1.0).astype(np.float32)

    def height_um(self, x, y):
        return self.height


@dataclass(frozen=True)
class TextureGrid:
    """Random texture without repeats near the origin, for alignments."""

    texture: np.ndarray
    pixel_um: float
    name: str = "texture"
    lamellae: tuple = ()
    height: float = 0.0

    def transmission(self, px_to_grid, shape, pixel_um):
        from scipy.ndimage import affine_transform

        m = px_to_grid / self.pixel_um
        half = (np.array(self.texture.shape) - 1) / 2.0
        matrix = np.array([[m[1, 1], m[1, 0]], [m[0, 1], m[0, 0]]])
        center = np.array([m[1, 2], m[0, 2]]) + 0.5 * matrix.sum(axis=1)
        return affine_transform(
            self.texture,
            matrix,
            offset=center + half,
            output_shape=shape,
            order=1,
            mode="mirror",
        )

    def height_um(self, x, y):
        return self.height


def textured(seed: int = 3, pixel_um: float = 0.03, size: int = 1000, **changes) -> TextureGrid:
    """Texture with detail at several scales."""
    return TextureGrid(_texture(seed, size), pixel_um, **changes)


@lru_cache(maxsize=6)
def _texture(seed: int, size: int) -> np.ndarray:
    """Smoothing takes longer than most tests that look at it, so they share it."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for sigma in (1.5, 4.0, 12.0):
        part = gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), sigma)
        total += part / part.std()
    texture = np.clip(0.5 + 0.12 * total, 0.0, 1.0).astype(np.float32)
    texture.setflags(write=False)
    return texture


def brightest(data) -> tuple[float, float]:
    """Centre of mass (col, row) of what is bright, in pixel coordinates (centres at +0.5)."""
    weight = np.asarray(data, dtype=float)
    weight = weight - np.percentile(weight, 50)
    weight[weight < 0.25 * weight.max()] = 0.0
    rows, cols = np.indices(weight.shape)
    total = weight.sum()
    return float((weight * (cols + 0.5)).sum() / total), float(
        (weight * (rows + 0.5)).sum() / total
    )


def without_frame_files(session: Session) -> Session:
    """Save no frames of Record pictures, where nobody looks: that takes longer than the picture."""
    session.camera.sets["R"] = replace(session.camera.sets["R"], save_frames=False)
    return session
