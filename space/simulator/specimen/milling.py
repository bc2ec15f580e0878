"""What milling leaves: thickness, curtains, holes and the coating at the back edge."""

from __future__ import annotations

import numpy as np

from . import texture
from .canvas import Canvas, bent_chain, chain_distance
from .labels import LABEL
from .site import Site


def optical_depth(canvas: Canvas, rng: np.random.Generator, site: Site) -> np.ndarray:
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


def _steps(canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray) -> None:
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


def holes(canvas: Canvas, rng: np.random.Generator, site: Site) -> tuple[np.ndarray, np.ndarray]:
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
        spine = bent_chain(rng, length, rng.uniform(-2.0, 2.0), 9)
        spine[1:-1] += rng.normal(0, 0.25, (7, 2))
        found = canvas.window(s, t, length / 2 + 3)
        if found is None:
            continue
        at, ds, dt = found
        half = rng.uniform(0.12, 0.3)
        crack[at] |= chain_distance(ds, dt, spine) < half * (1 + 0.4 * ragged[at])
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


def _combs(canvas: Canvas, rng: np.random.Generator, site: Site, crack: np.ndarray) -> None:
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


def paint_coating(
    canvas: Canvas, rng: np.random.Generator, site: Site, tau: np.ndarray, missing: np.ndarray
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


def surroundings(canvas: Canvas, site: Site) -> np.ndarray:
    """Bulk and slits on the canvas; their edges need no more than 40 nm."""
    step = max(1, round(0.04 / canvas.px))
    m = canvas.px_to_site.copy()
    m[:, :2] *= step
    lattice = texture.lattice_shape(canvas.shape, step)
    around, _ = site.surroundings(m, lattice, step * canvas.px)
    return texture.enlarge(around, step, canvas.shape)
