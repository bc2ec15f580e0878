"""What is in a lamella: painted once, then read at any magnification and tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

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


class _Canvas:
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
        return (self.corner[0] + (np.arange(self.shape[1], dtype=np.float32) + 0.5) * self.px)[None]

    @property
    def t(self) -> np.ndarray:
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
class _Ellipse:
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


def _ellipse(
    rng: np.random.Generator, s: float, t: float, a: float, b: float, wobble: float = 0.04
) -> _Ellipse:
    harmonics = tuple(
        (order, rng.normal(0, wobble / order), rng.uniform(0, 2 * np.pi)) for order in (2, 3, 5)
    )
    return _Ellipse(s, t, a, b, rng.uniform(0, np.pi), harmonics)


def _segment_distance(ds: np.ndarray, dt: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance from a chain of points (n, 2)."""
    best: np.ndarray | float = np.inf
    for (s0, t0), (s1, t1) in zip(points[:-1], points[1:]):
        es, et = s1 - s0, t1 - t0
        length2 = es * es + et * et + 1e-9
        along = np.clip(((ds - s0) * es + (dt - t0) * et) / length2, 0, 1)
        d = np.hypot(ds - (s0 + along * es), dt - (t0 + along * et))
        best = np.minimum(best, d)
    return np.asarray(best, np.float32)


def _bent(rng: np.random.Generator, length: float, bend: float, n: int = 5) -> np.ndarray:
    """A gently curved chain of points around the origin."""
    angle = rng.uniform(0, np.pi)
    along = np.linspace(-length / 2, length / 2, n)
    across = bend * (1 - (2 * along / length) ** 2)
    ca, sa = np.cos(angle), np.sin(angle)
    return np.column_stack([along * ca - across * sa, along * sa + across * ca])


def _place_inside(
    rng: np.random.Generator,
    cell: _Ellipse,
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


def _mitochondrion(canvas: _Canvas, rng: np.random.Generator, s: float, t: float) -> None:
    length, half = rng.uniform(0.5, 1.6), rng.uniform(0.15, 0.24)
    spine = _bent(rng, length, rng.uniform(-0.2, 0.2))
    found = canvas.window(s, t, length / 2 + half + 0.3)
    if found is None:
        return
    at, ds, dt = found
    d = _segment_distance(ds, dt, spine)
    cristae = 1 + 0.06 * np.sign(np.sin((ds + 0.6 * dt) * np.float32(2 * np.pi / 0.09)))
    canvas.put(at, d < half, np.float32(rng.uniform(1.18, 1.32)) * cristae, "mitos")
    canvas.put(at, (d < half) & (d > half - 0.03), 1.12, None)


def _number(rng: np.random.Generator, low: int, high: int, abundance: float) -> int:
    """How many of a thing: low..high-1 in nature, `abundance` times as many where it is set."""
    n = int(rng.integers(low, high))
    return n if abundance == 1 else max(n, int(rng.integers(1, 1 + round(high * abundance))))


def _organelles(
    canvas: _Canvas,
    rng: np.random.Generator,
    cell: _Ellipse,
    textures: tuple[np.ndarray, np.ndarray],
    abundance: float,
) -> None:
    taken: list[tuple[float, float, float]] = []
    granules, chromatin = textures
    if rng.random() < 0.75:
        radius = min(rng.uniform(0.8, 1.05), 0.42 * min(cell.a, cell.b) + 0.2)
        where = _place_inside(rng, cell, 0.5, taken, radius)
        if where and (found := canvas.window(*where, 1.3 * radius)):
            shape = _ellipse(rng, *where, radius, radius * rng.uniform(0.85, 1.0))
            at, ds, dt = found
            r = shape.radius(ds, dt)
            # Smoother than the cytoplasm at the scale of ribosomes, mottled at that of chromatin.
            inside = 0.94 * (1 + 0.035 * chromatin[at]) / (1 + 0.04 * granules[at])
            canvas.put(at, r < 1, inside, "nucleus")
            canvas.put(at, (r < 1) & (r > 1 - 0.05 / radius), 1.2, None)
    for _ in range(rng.integers(0, 3)):
        radius = rng.uniform(0.5, 1.2)
        where = _place_inside(rng, cell, 0.35, taken, radius)
        if where and (found := canvas.window(*where, 1.3 * radius)):
            shape = _ellipse(rng, *where, radius, radius * rng.uniform(0.85, 1.0), 0.02)
            at, ds, dt = found
            r = shape.radius(ds, dt)
            canvas.put(at, r < 1, rng.uniform(0.82, 0.88) / (1 + 0.045 * granules[at]), "vacuole")
            canvas.put(at, (r < 1) & (r > 1 - 0.03 / radius), 1.25, None)
    for _ in range(rng.integers(3, 9) if abundance == 1 else rng.integers(1, 6)):
        where = _place_inside(rng, cell, 0.15, taken, 0.45)
        if where:
            _mitochondrion(canvas, rng, *where)
    for _ in range(rng.integers(1, 6)):
        radius = rng.uniform(0.1, 0.2)
        where = _place_inside(rng, cell, 0.12, taken, radius)
        if where and (found := canvas.window(*where, radius)):
            at, ds, dt = found
            canvas.put(at, np.hypot(ds, dt) < radius, rng.uniform(1.55, 1.85), "lipiddroplets")
    for _ in range(_number(rng, 0, 3, abundance)):
        radius = rng.uniform(0.18, 0.3)
        where = _place_inside(rng, cell, 0.15, taken, radius)
        if where and (found := canvas.window(*where, radius)):
            at, ds, dt = found
            r = np.hypot(ds, dt)
            canvas.put(at, r < radius, 0.95, "multivesicles")
            canvas.put(at, (r < radius) & (r > radius - 0.03), 1.35, None)
            for _ in range(rng.integers(4, 9)):
                p = rng.uniform(-0.6, 0.6, 2) * radius
                inner = np.hypot(ds - p[0], dt - p[1])
                canvas.put(at, (inner < 0.05) & (r < radius), 1.4, None)
    for _ in range(_number(rng, 0, 3, abundance)):
        where = _place_inside(rng, cell, 0.15, taken, 0.3)
        if where:
            n = rng.integers(5, 14)
            for p in rng.normal(0, 0.16, (n, 2)):
                radius = rng.uniform(0.04, 0.075)
                found = canvas.window(where[0] + p[0], where[1] + p[1], radius)
                if found is None:
                    continue
                at, ds, dt = found
                r = np.hypot(ds, dt)
                canvas.put(at, r < radius, 1.22, "vesicles")
    for _ in range(_number(rng, 0, 3, abundance)):
        where = _place_inside(rng, cell, 0.15, taken, 0.3)
        if where:
            spine = _bent(rng, rng.uniform(0.6, 1.4), rng.uniform(-0.25, 0.25), 7)
            half = rng.uniform(0.06, 0.13)
            found = canvas.window(*where, 1.1)
            if found is None:
                continue
            at, ds, dt = found
            d = _segment_distance(ds, dt, spine)
            lines = 1 + 0.25 * np.cos(d * np.float32(2 * np.pi / 0.05))
            canvas.put(at, d < half, lines.astype(np.float32) * np.float32(1.1), "membranes")


def _cells(canvas: _Canvas, rng: np.random.Generator, site: Site) -> None:
    half_s, half_t = site.length_um / 2, site.width_um / 2
    cells: list[_Ellipse] = []
    wanted = rng.integers(9, 16)
    for _ in range(1200):
        if len(cells) >= wanted:
            break
        a, b = rng.uniform(2.0, 3.0), rng.uniform(1.7, 2.5)
        s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t - 1, half_t + 1)
        if any(np.hypot(s - c.s, t - c.t) < 0.49 * (a + b + c.a + c.b) for c in cells):
            continue
        cells.append(_ellipse(rng, s, t, a, b))
    granules = canvas.noise(0.045, site.seed + 11)
    chromatin = canvas.noise(0.14, site.seed + 12)
    for cell in cells:
        reach = 1.15 * max(cell.a, cell.b)
        found = canvas.window(cell.s, cell.t, reach)
        if found is None:
            continue
        at, ds, dt = found
        r = cell.radius(ds, dt)
        wall = rng.uniform(0.18, 0.28) / min(cell.a, cell.b)
        body = rng.uniform(1.05, 1.10) * (1 + 0.05 * granules[at])
        canvas.put(at, r < 1 - wall, body, "cell")
        _organelles(canvas, rng, _shrunk(cell, 1 - wall), (granules, chromatin), site.abundance)
        ring = (r < 1) & (r >= 1 - wall)
        canvas.put(at, ring, rng.uniform(1.16, 1.26), "cellwall")
        canvas.put(at, ring & (r < 1 - 0.75 * wall), 1.18, None)


def _shrunk(cell: _Ellipse, factor: float) -> _Ellipse:
    return _Ellipse(cell.s, cell.t, cell.a * factor, cell.b * factor, cell.angle, cell.harmonics)


def _optical_depth(canvas: _Canvas, rng: np.random.Generator, site: Site) -> np.ndarray:
    """-ln(transmission) of the bare lamella: thin at the front edge, thick at the back."""
    front, back = {
        "good": (rng.uniform(0.45, 0.7), rng.uniform(1.0, 1.45)),
        "thick": (rng.uniform(2.3, 2.8), rng.uniform(3.0, 3.6)),
        "wedge": (rng.uniform(0.5, 0.8), rng.uniform(2.6, 3.4)),
        "contaminated": (rng.uniform(0.5, 0.8), rng.uniform(1.1, 1.5)),
        "broken": (rng.uniform(0.5, 0.8), rng.uniform(1.0, 1.5)),
        "gone": (0.6, 1.2),
    }[site.kind]
    depth = np.clip((canvas.s + site.length_um / 2) / site.length_um, 0, 1)
    tau = front + (back - front) * depth ** rng.uniform(0.7, 1.1)
    if site.kind == "wedge":
        side = rng.choice([-1.0, 1.0])
        tilt = np.clip(0.5 + side * canvas.t / site.width_um, 0, 1)
        tau = tau * (0.65 + 0.7 * tilt)
    # Curtaining: streaks along the milling direction that fan slightly.
    curtains = 0.035 * canvas.noise(0.25, site.seed + 21, stretch=60)
    curtains += 0.04 * canvas.noise(1.2, site.seed + 22, stretch=25)
    curtains += 0.02 * canvas.noise(4.0, site.seed + 23)
    tau = (tau * (1 + curtains)).astype(np.float32)
    _steps(canvas, np.random.default_rng([18, site.seed]), site, tau)
    return tau


def _steps(canvas: _Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    """Bands with sharp sides that start somewhere and run on to the back, and folded sheets."""
    for _ in range(rng.integers(0, 6)):
        t0 = rng.uniform(-0.5, 0.5) * site.width_um
        wide = rng.uniform(0.15, 1.2)
        start = rng.uniform(-0.7, 0.4) * site.length_um
        fan = rng.normal(0, 0.006)
        across = np.abs(canvas.t - t0 - fan * (canvas.s - start))
        band = texture.smooth_step(wide / 2 - across, 0.06) * (canvas.s > start)
        tau *= 1 + np.float32(rng.uniform(-0.08, 0.14)) * band
    if rng.random() < 0.25:
        ragged = canvas.noise(1.6, site.seed + 24)
        angle = rng.normal(0, 0.5)
        s0 = rng.uniform(-0.45, -0.2) * site.length_um
        ahead = (canvas.s - s0) * np.float32(np.cos(angle)) + canvas.t * np.float32(np.sin(angle))
        sheet = (ahead + 0.7 * ragged < 0) & (ahead > -rng.uniform(2.0, 5.0))
        tau[sheet] *= np.float32(rng.uniform(1.12, 1.35))


def _ice(canvas: _Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    many = site.kind == "contaminated"
    n = rng.integers(60, 110) if many else rng.integers(8, 33)
    sizes = np.clip(rng.lognormal(np.log(0.22), 0.45, n), 0.1, 0.6)
    big = rng.integers(8, 16) if many else rng.integers(0, 4)
    sizes = np.concatenate([sizes, rng.uniform(0.5, 1.6 if many else 0.9, big)])
    half_s, half_t = site.length_um / 2, site.width_um / 2
    s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t, half_t)
    for radius in sizes:
        if rng.random() < 0.6:
            s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t, half_t)
        else:
            s, t = s + rng.normal(0, 2.5 * radius), t + rng.normal(0, 2.5 * radius)
        found = canvas.window(s, t, 1.3 * radius)
        if found is None:
            continue
        at, ds, dt = found
        corners = 6 if rng.random() < 0.4 else 3
        harmonics = ((corners, rng.uniform(0.0, 0.07), rng.uniform(0, 6)),)
        shape = _Ellipse(s, t, radius, radius * rng.uniform(0.8, 1.0), rng.uniform(0, 3), harmonics)
        r = shape.radius(ds, dt)
        mask = r < 1
        thick = rng.uniform(0.7, 1.6) * (0.5 + min(radius, 1.0))
        tau[at][mask] += (thick * np.sqrt(np.clip(1.1 - r[mask] ** 2, 0, 1))).astype(np.float32)
        # On something opaque it cannot be told.
        canvas.labels[at][mask & (canvas.labels[at] != LABEL["dynabeads"])] = LABEL["ice"]


def _wall_ice(
    canvas: _Canvas, rng: np.random.Generator, site: Site, transmission: np.ndarray
) -> np.ndarray:
    """Chains of ice on the walls of the milled windows; returns where it can be seen."""
    seen = np.zeros(canvas.shape, bool)
    for _ in range(rng.integers(0, 6)):
        s = rng.uniform(canvas.s[0, 0], canvas.s[0, -1])
        side = rng.choice([-1.0, 1.0])
        for _ in range(rng.integers(1, 8)):
            radius = float(np.clip(rng.lognormal(np.log(0.25), 0.5), 0.1, 1.1))
            s += rng.normal(0, 2 * radius)
            t = side * (site.width_um / 2 - rng.uniform(-0.2, 0.9) * radius)
            found = canvas.window(s, t, 1.2 * radius)
            if found is None:
                continue
            at, ds, dt = found
            r = _ellipse(rng, s, t, radius, radius * rng.uniform(0.85, 1.0)).radius(ds, dt)
            inside = (r < 1) & (transmission[at] > 0.1)
            thick = rng.uniform(1.2, 2.2) * (0.6 + min(radius, 1.0))
            lens = np.sqrt(np.clip(1.05 - r[inside] ** 2, 0, 1))
            transmission[at][inside] *= np.exp(-thick * lens)
            seen[at] |= inside
    return seen


def _crystals(canvas: _Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    half_s, half_t = site.length_um / 2, site.width_um / 2
    for _ in range(_number(rng, 0, 3, site.abundance)):
        s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t, half_t)
        radius = rng.uniform(0.5, 1.3)
        found = canvas.window(s, t, 1.5 * radius)
        if found is None:
            continue
        at, ds, dt = found
        turn = rng.uniform(0, np.pi)
        sides = []
        for k in range(rng.integers(4, 7)):
            a = turn + k * np.pi / 2.6
            away = np.abs(ds * np.float32(np.cos(a)) + dt * np.float32(np.sin(a)))
            sides.append(rng.uniform(0.6, 1.0) * radius - away)
        mask = np.minimum.reduce(sides) > 0
        # Bands of a bent lattice run through it; the lens shape of ice does not.
        along = ds * np.float32(np.cos(turn + 0.6)) + dt * np.float32(np.sin(turn + 0.6))
        bands = 1 + 0.3 * np.cos(along * np.float32(2 * np.pi / 0.28))
        tau[at][mask] += (np.float32(rng.uniform(1.0, 1.8)) * bands)[mask]
        canvas.labels[at][mask] = LABEL["cryst"]


def _beads(canvas: _Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    if rng.random() > 0.35 * site.abundance:
        return
    for _ in range(_number(rng, 1, 4, site.abundance)):
        radius = rng.uniform(0.5, 0.75)
        s = rng.uniform(-site.length_um / 2, site.length_um / 2)
        t = rng.uniform(-site.width_um / 2, site.width_um / 2)
        found = canvas.window(s, t, radius)
        if found is None:
            continue
        at, ds, dt = found
        r = np.hypot(ds, dt) / np.float32(radius)
        mask = r < 1
        # Iron oxide in polymer: almost opaque, grainy, with a steep rim.
        grain = 1 + 0.15 * canvas.noise_in(at, 0.05, site.seed + 15)
        tau[at][mask] += (2.6 * grain * (1.02 - np.minimum(r, 1) ** 2) ** 0.25)[mask]
        canvas.labels[at][mask] = LABEL["dynabeads"]


def _holes(canvas: _Canvas, rng: np.random.Generator, site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Where the lamella is cracked, and where it is not there at all."""
    shape = canvas.shape
    ragged = canvas.noise(0.5, site.seed + 31)
    coarse = canvas.noise(2.2, site.seed + 32)
    front = canvas.s + site.length_um / 2
    missing = front < 1.2 + 0.5 * np.maximum(ragged, -1) + 0.9 * coarse
    missing |= np.abs(canvas.t) > site.width_um / 2
    behind = canvas.s - site.length_um / 2
    missing |= behind > 0.6 + 0.5 * coarse + 0.15 * ragged
    crack = np.zeros(shape, bool)
    cracks = rng.integers(0, 2) if site.kind != "broken" else rng.integers(1, 4)
    for _ in range(cracks):
        s = rng.uniform(-0.35, 0.35) * site.length_um
        t = rng.uniform(-0.35, 0.35) * site.width_um
        length = rng.uniform(4, 11)
        spine = _bent(rng, length, rng.uniform(-2.0, 2.0), 9)
        spine[1:-1] += rng.normal(0, 0.25, (7, 2))
        found = canvas.window(s, t, length / 2 + 3)
        if found is None:
            continue
        at, ds, dt = found
        half = rng.uniform(0.12, 0.3)
        crack[at] |= _segment_distance(ds, dt, spine) < half * (1 + 0.4 * ragged[at])
    _combs(canvas, np.random.default_rng([19, site.seed]), site, crack)
    if site.kind == "broken":
        s0 = rng.uniform(-0.25, 0.25) * site.length_um
        t0 = rng.choice([-1, 1]) * rng.uniform(0.0, 0.5) * site.width_um
        radius = rng.uniform(0.30, 0.42) * site.length_um
        missing |= np.hypot(canvas.s - s0, 1.1 * (canvas.t - t0)) < radius + 1.2 * coarse
    if site.kind == "gone":
        edge = np.minimum(
            site.width_um / 2 - np.abs(canvas.t), site.length_um / 2 - np.abs(canvas.s)
        )
        missing |= edge > 0.4 + 0.5 * coarse
    return crack & ~missing, missing


def _combs(canvas: _Canvas, rng: np.random.Generator, site: Site, crack: np.ndarray) -> None:
    """Rows of slits where the thin front is torn, drawn out along the milling direction."""
    if rng.random() > 0.4 * site.abundance:
        return
    for _ in range(rng.integers(1, 4)):
        s = -site.length_um / 2 + rng.uniform(2.0, 7.0)
        t = rng.uniform(-0.45, 0.45) * site.width_um
        reach = rng.uniform(0.8, 2.2)
        found = canvas.window(s, t, reach)
        if found is None:
            continue
        at, ds, dt = found
        wave = canvas.noise_in(at, 0.35, site.seed + 33)
        slits = np.abs(np.sin(np.pi * (dt + 0.08 * wave) / np.float32(rng.uniform(0.25, 0.5))))
        inside = np.hypot(ds, dt) / np.float32(reach) < 0.75 + 0.2 * wave
        crack[at] |= inside & (slits > 0.82) & (wave > -0.4)


def _coating(
    canvas: _Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, missing: np.ndarray
) -> None:
    """The dark wall at the back edge with its cauliflower outline."""
    if site.kind == "gone":
        return
    coarse = canvas.noise(1.5, site.seed + 41)
    fine = canvas.noise(0.25, site.seed + 42)
    bow = rng.uniform(-0.012, 0.012) * canvas.t**2
    back = site.length_um / 2 - rng.uniform(1.0, 2.6)
    wall = canvas.s - (back + bow) + 0.35 * coarse + 0.12 * fine
    mask = (wall > 0) & ~missing
    grain = 1 + 0.15 * fine
    tau[mask] = (rng.uniform(1.9, 2.5) * grain)[mask]
    canvas.labels[mask] = LABEL["coating"]
    canvas.density[mask] = 1.0


def _surroundings(canvas: _Canvas, site: Site) -> np.ndarray:
    """Bulk and slits on the canvas; their edges need no more than 40 nm."""
    step = max(1, round(0.04 / canvas.px))
    m = canvas.px_to_site.copy()
    m[:, :2] *= step
    lattice = texture.lattice_shape(canvas.shape, step)
    around, _ = site.surroundings(m, lattice, step * canvas.px)
    return texture.enlarge(around, step, canvas.shape)


def paint(site: Site, pixel_um: float) -> Raster:
    """Paint the inside of a lamella.

    Objects and textures are fixed by `site.seed` in µm, so that rasters of different pixel
    size show the same lamella.
    """
    canvas = _Canvas(site, pixel_um)
    rng = np.random.default_rng([11, site.seed])
    tau = _optical_depth(canvas, rng, site)
    _cells(canvas, np.random.default_rng([12, site.seed]), site)
    crack, missing = _holes(canvas, np.random.default_rng([13, site.seed]), site)
    if site.contrast != 1:
        canvas.density += np.float32(1 - site.contrast) * (1 - canvas.density)
    canvas.density *= 1 + 0.02 * canvas.noise(0.06, site.seed + 51)
    _crystals(canvas, np.random.default_rng([14, site.seed]), site, tau)
    _beads(canvas, np.random.default_rng([15, site.seed]), site, tau)
    _ice(canvas, np.random.default_rng([16, site.seed]), site, tau)
    _coating(canvas, np.random.default_rng([17, site.seed]), site, tau, missing)

    transmission = np.exp(-tau * canvas.density)
    # The torn rim of a hole curls up and looks darker than the film behind it.
    gap = crack | missing
    rim = ndimage.binary_dilation(gap, iterations=max(1, round(0.08 / pixel_um))) & ~gap
    transmission[rim] *= 0.8
    around = _surroundings(canvas, site)
    transmission[gap] = 1.0
    outside = np.abs(canvas.t) > site.width_um / 2
    outside = np.broadcast_to(outside, canvas.shape) | (missing & (around < 0.5))
    transmission[outside] = around[outside]
    wall_ice = _wall_ice(canvas, np.random.default_rng([20, site.seed]), site, transmission)
    canvas.labels[crack] = LABEL["crack"]
    canvas.labels[missing] = LABEL["white"]
    canvas.labels[outside] = np.where(around[outside] > 0.5, LABEL["white"], LABEL["black"])
    canvas.labels[wall_ice] = LABEL["ice"]
    seen = np.clip(transmission, 0.003, 1.0, dtype=np.float32)
    return Raster(seen, canvas.labels, pixel_um, canvas.corner)
