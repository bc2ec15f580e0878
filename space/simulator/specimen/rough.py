"""Milling as it is: uneven thickness, thick long edges, torn fronts, lumps and sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import texture
from .canvas import chain_distance, drawn_ellipse
from .labels import LABEL

if TYPE_CHECKING:
    from .appearance import Appearance
    from .canvas import Canvas
    from .site import Site

#: A strip along an edge is called bulk where it adds this much optical depth.
_BULK_DEPTH = 2.2


def rough_depth(
    canvas: Canvas, rng: np.random.Generator, site: Site, looks: Appearance
) -> np.ndarray:
    """-ln(transmission) of the bare lamella, with all that milling leaves.

    Parameters
    ----------
    canvas : Canvas
        Its labels become ``black`` where a long edge was hardly milled.
    rng : numpy.random.Generator
    site : Site
    looks : Appearance

    Returns
    -------
    (rows, columns) float32 array
    """
    depth = np.clip((canvas.s + site.length_um / 2) / site.length_um, 0, 1)
    tau = looks.front + (looks.back - looks.front) * depth**looks.profile
    if rng.random() < 0.5:  # the last part is thinner again
        tau = tau * (1 - rng.uniform(0.1, 0.5) * np.clip((depth - 0.93) / 0.07, 0, 1))
    half_t = site.width_um / 2
    tau = tau * np.clip(1 + np.float32(looks.slope_across) * canvas.t / half_t, 0.35, 1.8)
    uneven = canvas.noise(5.0, site.seed + 23) + 0.5 * canvas.noise(1.8, site.seed + 25)
    curtains = 0.5 * canvas.noise(0.25, site.seed + 21, stretch=60)
    curtains += 0.7 * canvas.noise(1.2, site.seed + 22, stretch=25)
    curtains += 0.4 * canvas.noise(0.08, site.seed + 26, stretch=90)
    factor = 1 + np.float32(looks.unevenness) * uneven + np.float32(looks.curtains) * curtains
    tau = (tau * np.clip(factor, 0.3, 2.0)).astype(np.float32)
    _bands(canvas, rng, site, looks.bands, tau)
    if rng.random() < 0.18:
        _sheets(canvas, rng, site, tau)
    for side, ramp_um in zip((-1, 1), looks.edge_ramps_um):
        if ramp_um:
            away = np.maximum(half_t - side * canvas.t + 0.05 * uneven, 0)
            added = np.float32(rng.uniform(0.5, 3.6)) * np.exp(-away / np.float32(ramp_um))
            tau += added
            canvas.labels[added > _BULK_DEPTH] = LABEL["black"]
    return tau


def _bands(
    canvas: Canvas, rng: np.random.Generator, site: Site, strength: float, tau: np.ndarray
) -> None:
    """Curtains with sharp sides that start somewhere, some of them at a blunt end."""
    if strength == 0:
        return
    for _ in range(rng.integers(1, 10)):
        t0 = rng.uniform(-0.5, 0.5) * site.width_um
        wide = rng.uniform(0.1, 1.6)
        start = rng.uniform(-0.7, 0.4) * site.length_um
        fan, opening = rng.normal(0, 0.006), max(rng.normal(0, 0.012), 0.0)
        behind = canvas.s - start
        across = np.abs(canvas.t - t0 - fan * behind)
        half = wide / 2 + opening * np.maximum(behind, 0)
        band = texture.smooth_step(half - across, rng.uniform(0.04, 0.2))
        band = band * texture.smooth_step(behind, rng.choice([0.08, 2.0]))
        tau *= 1 + np.float32(rng.uniform(-0.8, 1.0) * strength) * band


def _sheets(canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
    """Folded or doubled film with a ragged outline."""
    for k in range(rng.integers(1, 3)):
        ragged = canvas.noise(rng.uniform(0.6, 2.0), site.seed + 60 + k)
        angle = rng.uniform(0, 2 * np.pi)
        s0, t0 = rng.uniform(-0.5, 0.5, 2) * (site.length_um, site.width_um)
        ahead = (canvas.s - s0) * np.float32(np.cos(angle))
        ahead = ahead + (canvas.t - t0) * np.float32(np.sin(angle))
        sheet = (ahead + 0.7 * ragged < 0) & (ahead > -rng.uniform(0.8, 5.0) + 0.4 * ragged)
        tau[sheet] *= np.float32(rng.uniform(1.05, 1.45))


def torn_front(
    canvas: Canvas, rng: np.random.Generator, site: Site, looks: Appearance, missing: np.ndarray
) -> np.ndarray:
    """Tear the thin front: fingers of vacuum, and a net of slits and holes behind them.

    Parameters
    ----------
    missing : (rows, columns) bool array
        Where there is no lamella; fingers are added to it.

    Returns
    -------
    slits : (rows, columns) bool array
    """
    front = canvas.s + np.float32(site.length_um / 2)
    fingers = canvas.noise(rng.uniform(0.2, 0.5), site.seed + 34, stretch=rng.uniform(2, 8))
    reach = np.float32(rng.uniform(0.3, 2.0))
    missing |= front < 0.6 + reach * np.maximum(fingers, 0) + 0.2 * canvas.noise(
        0.12, site.seed + 35
    )
    slits = np.zeros(canvas.shape, bool)
    if looks.torn == 0:
        return slits
    ragged = canvas.noise(2.5, site.seed + 36)
    depth = np.float32(rng.uniform(1.0, 6.0)) * (1 + 0.6 * ragged) + np.float32(
        site.length_um * 0.02
    )
    threads = canvas.noise(rng.uniform(0.12, 0.3), site.seed + 37, stretch=rng.uniform(1.0, 6.0))
    open_share = np.float32(2.2 - 1.6 * looks.torn) + front / np.maximum(depth, 0.3)
    slits |= (threads > open_share) & (front < depth + 1.0)
    return slits


def paint_rough_coating(
    canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, missing: np.ndarray
) -> None:
    """The coating at the back edge: dark or wrinkled, straight or bent, with lobed outline."""
    if site.kind == "gone" or rng.random() < 0.1:
        return
    coarse, fine = canvas.noise(1.5, site.seed + 41), canvas.noise(0.22, site.seed + 42)
    bow = rng.normal(0, 0.02) * canvas.t**2 + rng.normal(0, 0.12) * canvas.t
    back = site.length_um / 2 - rng.uniform(0.3, 3.0)
    outline = (
        canvas.s - (back + bow) + rng.uniform(0.15, 0.6) * coarse + rng.uniform(0.05, 0.2) * fine
    )
    mask = (outline > 0) & ~missing
    thick = rng.uniform(1.0, 3.2)
    wrinkles = np.abs(canvas.noise(0.3, site.seed + 43))
    rough = rng.uniform(0.2, 0.7) if rng.random() < 0.5 else rng.uniform(0.0, 0.2)
    grain = 1 + 0.15 * fine + np.float32(rough) * (wrinkles - 0.8)
    tau[mask] = (thick * np.clip(grain, 0.25, 2))[mask]
    canvas.labels[mask] = LABEL["coating"]
    canvas.density[mask] = 1.0


def paint_lumps(
    canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, number: float
) -> None:
    """Lumps of platinum and redeposited material that lie on the lamella."""
    for k in range(int(number)):
        radius = float(np.exp(rng.uniform(np.log(0.3), np.log(2.0))))
        s = rng.uniform(-0.5, 0.5) * site.length_um
        t = rng.uniform(-0.5, 0.5) * site.width_um
        found = canvas.window(s, t, 1.8 * radius)
        if found is None:
            continue
        at, ds, dt = found
        r = drawn_ellipse(rng, s, t, radius, radius * rng.uniform(0.5, 1.0), 0.15).radius(ds, dt)
        fine = canvas.noise_in(at, 0.15, site.seed + 70 + k)
        coarse = canvas.noise_in(at, 0.5, site.seed + 80 + k)
        mask = r + 0.15 * coarse + 0.08 * fine < 1
        grain = np.clip(1 + 0.35 * fine + 0.3 * coarse, 0.2, 2)
        tau[at][mask] += (np.float32(rng.uniform(0.5, 2.2)) * grain)[mask]
        canvas.labels[at][mask] = LABEL["coating"]


def paint_frost(
    canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, looks: Appearance
) -> None:
    """Ice: round and black, angular, in chains along a line, and in grainy clusters."""
    many = site.kind == "contaminated"
    half_s, half_t = site.length_um / 2, site.width_um / 2
    for _ in range(int(looks.ice * (rng.integers(8, 22) if many else rng.integers(2, 9)))):
        s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t, half_t)
        direction = rng.uniform(0, 2 * np.pi)
        size = float(np.clip(rng.lognormal(np.log(0.2), 0.55), 0.09, 1.1))
        for _ in range(1 if rng.random() < 0.55 else rng.integers(2, 9)):
            radius = float(np.clip(size * rng.lognormal(0, 0.35), 0.08, 1.2))
            _paint_ball(canvas, rng, s, t, radius, tau, looks)
            direction += rng.normal(0, 0.5)
            step = radius * rng.uniform(1.2, 3.0)
            s, t = s + step * np.cos(direction), t + step * np.sin(direction)
    for k in range(rng.poisson(0.6 * looks.ice * (3 if many else 1))):
        _paint_cluster(canvas, rng, site, tau, k)


def _paint_ball(
    canvas: Canvas,
    rng: np.random.Generator,
    s: float,
    t: float,
    radius: float,
    tau: np.ndarray,
    looks: Appearance,
) -> None:
    found = canvas.window(s, t, 1.3 * radius)
    if found is None:
        return
    at, ds, dt = found
    shape = drawn_ellipse(
        rng, s, t, radius, radius * rng.uniform(0.85, 1.0), 0.02 if rng.random() < 0.65 else 0.12
    )
    r = shape.radius(ds, dt)
    mask = r < 1
    # A ball, or a plate with steep sides.
    lens = np.clip(1.02 - r[mask] ** 2, 0, 1) ** np.float32(rng.uniform(0.15, 0.6))
    thick = rng.uniform(*looks.ice_depth) * (0.55 + min(radius, 0.9))
    tau[at][mask] += np.float32(thick) * lens
    canvas.labels[at][mask & (canvas.labels[at] != LABEL["dynabeads"])] = LABEL["ice"]


def _paint_cluster(
    canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, k: int
) -> None:
    radius = rng.uniform(0.3, 1.3)
    s = rng.uniform(-0.5, 0.5) * site.length_um
    t = rng.uniform(-0.5, 0.5) * site.width_um
    found = canvas.window(s, t, 1.5 * radius)
    if found is None:
        return
    at, ds, dt = found
    grains = canvas.noise_in(at, rng.uniform(0.05, 0.12), site.seed + 90 + k)
    r = np.hypot(ds, dt) / np.float32(radius)
    mask = r + 0.35 * canvas.noise_in(at, 0.4, site.seed + 100 + k) < 1
    tau[at][mask] += (np.float32(rng.uniform(0.3, 0.9)) * np.clip(1 + 0.8 * grains, 0, 3))[mask]
    canvas.labels[at][mask] = LABEL["ice"]


def paint_shards(
    canvas: Canvas, rng: np.random.Generator, site: Site, transmission: np.ndarray
) -> np.ndarray:
    """Curled pieces of film that hang into the vacuum at the front; returns where they are."""
    seen = np.zeros(canvas.shape, bool)
    for _ in range(rng.integers(0, 7)):
        s = -site.length_um / 2 + rng.uniform(-2.0, 2.5)
        t = rng.uniform(-0.5, 0.5) * site.width_um
        n = int(rng.integers(3, 7))
        points = np.cumsum(rng.normal(0, rng.uniform(0.1, 0.5), (n, 2)), axis=0)
        found = canvas.window(s, t, float(np.abs(points).max()) + 0.3)
        if found is None:
            continue
        at, ds, dt = found
        d = chain_distance(ds, dt, points)
        mask = (d < rng.uniform(0.04, 0.22)) & (transmission[at] > 0.9)
        transmission[at][mask] *= np.float32(rng.uniform(0.15, 0.75))
        seen[at] |= mask
    return seen
