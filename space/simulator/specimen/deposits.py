"""What lies on a lamella: ice, crystals and beads."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Ellipse, drawn_ellipse, drawn_number
from .labels import LABEL
from .site import Site


def paint_ice(canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    """Paint ice on the lamella, alone and in chains; it adds to `tau`."""
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
        shape = Ellipse(s, t, radius, radius * rng.uniform(0.8, 1.0), rng.uniform(0, 3), harmonics)
        r = shape.radius(ds, dt)
        mask = r < 1
        thick = rng.uniform(0.7, 1.6) * (0.5 + min(radius, 1.0))
        tau[at][mask] += (thick * np.sqrt(np.clip(1.1 - r[mask] ** 2, 0, 1))).astype(np.float32)
        # On something opaque it cannot be told.
        canvas.labels[at][mask & (canvas.labels[at] != LABEL["dynabeads"])] = LABEL["ice"]


def paint_wall_ice(
    canvas: Canvas, rng: np.random.Generator, site: Site, transmission: np.ndarray
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
            r = drawn_ellipse(rng, s, t, radius, radius * rng.uniform(0.85, 1.0)).radius(ds, dt)
            inside = (r < 1) & (transmission[at] > 0.1)
            thick = rng.uniform(1.2, 2.2) * (0.6 + min(radius, 1.0))
            lens = np.sqrt(np.clip(1.05 - r[inside] ** 2, 0, 1))
            transmission[at][inside] *= np.exp(-thick * lens)
            seen[at] |= inside
    return seen


def paint_crystals(canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    """Paint crystalline ice with the bands of its bent lattice."""
    half_s, half_t = site.length_um / 2, site.width_um / 2
    for _ in range(drawn_number(rng, 0, 3, site.abundance)):
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


def paint_beads(canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    """Paint magnetic beads: almost opaque, with a steep rim."""
    if rng.random() > 0.35 * site.abundance:
        return
    for _ in range(drawn_number(rng, 1, 4, site.abundance)):
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
