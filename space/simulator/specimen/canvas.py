"""The canvas on which a lamella is painted, and the outlines that are drawn on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import texture
from .labels import LABEL
from .site import MARGIN_ACROSS_UM, MARGIN_ALONG_UM, Site

Window = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


@dataclass(frozen=True)
class Raster:
    """A lamella on pixels: columns along s, rows along t.

    Attributes
    ----------
    transmission : (rows, columns) float32
    labels : (rows, columns) uint8
    pixel_um : float
    corner_um : (s, t) of the outer corner of pixel (0, 0)
    """

    transmission: np.ndarray
    labels: np.ndarray
    pixel_um: float
    corner_um: tuple[float, float]


class Canvas:
    """Density (relative to the medium) and labels, with windows cut out around objects."""

    def __init__(self, site: Site, pixel_um: float) -> None:
        self.px = pixel_um
        half_s = site.length_um / 2 + MARGIN_ALONG_UM
        half_t = site.width_um / 2 + MARGIN_ACROSS_UM
        self.shape = (int(2 * half_t / pixel_um), int(2 * half_s / pixel_um))
        self.corner = (-half_s, -half_t)
        self.density = np.ones(self.shape, np.float32)
        self.labels = np.full(self.shape, LABEL["lamella"], np.uint8)
        self.px_to_site = np.array(
            [
                [pixel_um, 0, self.corner[0] + pixel_um / 2],
                [0, pixel_um, self.corner[1] + pixel_um / 2],
            ]
        )

    @property
    def s(self) -> np.ndarray:
        """Along the milling direction, µm: (1, columns)."""
        return (self.corner[0] + (np.arange(self.shape[1], dtype=np.float32) + 0.5) * self.px)[None]

    @property
    def t(self) -> np.ndarray:
        """Across it, µm: (rows, 1)."""
        rows = np.arange(self.shape[0], dtype=np.float32)
        return (self.corner[1] + (rows + 0.5) * self.px)[:, None]

    def noise(self, scale_um: float, seed: int, stretch: float = 1.0) -> np.ndarray:
        """Texture on the whole canvas; `stretch` > 1 draws it out along s."""
        m = self.px_to_site.copy()
        m[0] /= stretch
        return texture.sample(m, self.shape, scale_um, seed)

    def noise_in(self, at: Window, scale_um: float, seed: int) -> np.ndarray:
        """The same texture in a window only."""
        m = self.px_to_site.copy()
        m[:, 2] += m[:, :2] @ (at[1].start, at[0].start)
        size = (at[0].stop - at[0].start, at[1].stop - at[1].start)
        return texture.sample(m, size, scale_um, seed)

    def window(
        self, s: float, t: float, radius: float
    ) -> tuple[Window, np.ndarray, np.ndarray] | None:
        """Slices around a point with coordinates relative to it, or None outside."""
        c0 = int((s - radius - self.corner[0]) / self.px)
        c1 = int((s + radius - self.corner[0]) / self.px) + 2
        r0 = int((t - radius - self.corner[1]) / self.px)
        r1 = int((t + radius - self.corner[1]) / self.px) + 2
        c0, r0 = max(c0, 0), max(r0, 0)
        c1, r1 = min(c1, self.shape[1]), min(r1, self.shape[0])
        if c0 >= c1 or r0 >= r1:
            return None
        at = (slice(r0, r1), slice(c0, c1))
        return at, self.s[:, c0:c1] - np.float32(s), self.t[r0:r1] - np.float32(t)

    def put(
        self, at: Window, mask: np.ndarray, factor: float | np.ndarray, label: str | None
    ) -> None:
        """Multiply the density and set the label where `mask` holds."""
        self.density[at][mask] *= factor[mask] if isinstance(factor, np.ndarray) else factor
        if label is not None:
            self.labels[at][mask] = LABEL[label]


@dataclass(frozen=True)
class Ellipse:
    """A closed outline: an ellipse with a few harmonics."""

    s: float
    t: float
    a: float
    b: float
    angle: float
    harmonics: tuple[tuple[int, float, float], ...] = ()

    def radius(self, ds: np.ndarray, dt: np.ndarray) -> np.ndarray:
        """Relative distance from the centre: 1 on the outline."""
        ca, sa = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u, v = (ds * ca + dt * sa) / self.a, (dt * ca - ds * sa) / self.b
        r = np.hypot(u, v)
        if self.harmonics:
            phi = np.arctan2(v, u)
            wobble = np.ones_like(r)
            for order, size, phase in self.harmonics:
                wobble += np.float32(size) * np.cos(order * phi + np.float32(phase))
            r = r / wobble
        return r


def drawn_ellipse(
    rng: np.random.Generator, s: float, t: float, a: float, b: float, wobble: float = 0.04
) -> Ellipse:
    """Draw an ellipse turned anyhow with a little wobble."""
    harmonics = tuple(
        (order, rng.normal(0, wobble / order), rng.uniform(0, 2 * np.pi)) for order in (2, 3, 5)
    )
    return Ellipse(s, t, a, b, rng.uniform(0, np.pi), harmonics)


def chain_distance(ds: np.ndarray, dt: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance from a chain of points (n, 2)."""
    best: np.ndarray | float = np.inf
    for (s0, t0), (s1, t1) in zip(points[:-1], points[1:]):
        es, et = s1 - s0, t1 - t0
        length2 = es * es + et * et + 1e-9
        along = np.clip(((ds - s0) * es + (dt - t0) * et) / length2, 0, 1)
        d = np.hypot(ds - (s0 + along * es), dt - (t0 + along * et))
        best = np.minimum(best, d)
    return np.asarray(best, np.float32)


def bent_chain(rng: np.random.Generator, length: float, bend: float, n: int = 5) -> np.ndarray:
    """A gently curved chain of points around the origin."""
    angle = rng.uniform(0, np.pi)
    along = np.linspace(-length / 2, length / 2, n)
    across = bend * (1 - (2 * along / length) ** 2)
    ca, sa = np.cos(angle), np.sin(angle)
    return np.column_stack([along * ca - across * sa, along * sa + across * ca])


def place_inside(
    rng: np.random.Generator,
    cell: Ellipse,
    margin: float,
    taken: list[tuple[float, float, float]],
    radius: float,
) -> tuple[float, float] | None:
    """A place in the cell that keeps off what is there already, or None."""
    for _ in range(12):
        r = np.sqrt(rng.random()) * (1 - margin)
        phi = rng.uniform(0, 2 * np.pi)
        u, v = cell.a * r * np.cos(phi), cell.b * r * np.sin(phi)
        s = cell.s + u * np.cos(cell.angle) - v * np.sin(cell.angle)
        t = cell.t + u * np.sin(cell.angle) + v * np.cos(cell.angle)
        if all(np.hypot(s - p, t - q) > radius + w for p, q, w in taken):
            taken.append((s, t, radius))
            return s, t
    return None


def drawn_number(rng: np.random.Generator, low: int, high: int, abundance: float) -> int:
    """How many of a thing: low..high-1 in nature, `abundance` times as many where it is set."""
    n = int(rng.integers(low, high))
    return n if abundance == 1 else max(n, int(rng.integers(1, 1 + round(high * abundance))))


def shrunk(cell: Ellipse, factor: float) -> Ellipse:
    """Return the same outline, smaller by `factor`."""
    return Ellipse(cell.s, cell.t, cell.a * factor, cell.b * factor, cell.angle, cell.harmonics)
