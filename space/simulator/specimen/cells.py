"""Yeast cells and what is in them, painted on a lamella."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import (
    Canvas,
    Ellipse,
    bent_chain,
    chain_distance,
    drawn_ellipse,
    drawn_number,
    place_inside,
    shrunk,
)
from .site import Site


def _mitochondrion(canvas: Canvas, rng: np.random.Generator, s: float, t: float) -> None:
    length, half = rng.uniform(0.5, 1.6), rng.uniform(0.15, 0.24)
    spine = bent_chain(rng, length, rng.uniform(-0.2, 0.2))
    found = canvas.window(s, t, length / 2 + half + 0.3)
    if found is None:
        return
    at, ds, dt = found
    d = chain_distance(ds, dt, spine)
    cristae = 1 + 0.06 * np.sign(np.sin((ds + 0.6 * dt) * np.float32(2 * np.pi / 0.09)))
    canvas.put(at, d < half, np.float32(rng.uniform(1.18, 1.32)) * cristae, "mitos")
    canvas.put(at, (d < half) & (d > half - 0.03), 1.12, None)


@dataclass(frozen=True)
class _Inside:
    """A cell that organelles are painted into.

    Attributes
    ----------
    outline : Ellipse
        Inner side of the wall.
    granules, chromatin : (rows, columns) float32 arrays
        Textures of the whole canvas.
    taken : list of (s, t, radius)
        What is there already; painting adds to it.
    """

    canvas: Canvas
    rng: np.random.Generator
    outline: Ellipse
    granules: np.ndarray
    chromatin: np.ndarray
    taken: list[tuple[float, float, float]]

    def place(self, margin: float, radius: float) -> tuple[float, float] | None:
        """Take a free place for a thing of `radius`, or None."""
        return place_inside(self.rng, self.outline, margin, self.taken, radius)


def _paint_nucleus(cell: _Inside) -> None:
    canvas, rng, outline = cell.canvas, cell.rng, cell.outline
    radius = min(rng.uniform(0.8, 1.05), 0.42 * min(outline.a, outline.b) + 0.2)
    where = cell.place(0.5, radius)
    if where and (found := canvas.window(*where, 1.3 * radius)):
        shape = drawn_ellipse(rng, *where, radius, radius * rng.uniform(0.85, 1.0))
        at, ds, dt = found
        r = shape.radius(ds, dt)
        # Smoother than the cytoplasm at the scale of ribosomes, mottled at that of chromatin.
        inside = 0.94 * (1 + 0.035 * cell.chromatin[at]) / (1 + 0.04 * cell.granules[at])
        canvas.put(at, r < 1, inside, "nucleus")
        canvas.put(at, (r < 1) & (r > 1 - 0.05 / radius), 1.2, None)


def _paint_vacuole(cell: _Inside) -> None:
    canvas, rng = cell.canvas, cell.rng
    radius = rng.uniform(0.5, 1.2)
    where = cell.place(0.35, radius)
    if where and (found := canvas.window(*where, 1.3 * radius)):
        shape = drawn_ellipse(rng, *where, radius, radius * rng.uniform(0.85, 1.0), 0.02)
        at, ds, dt = found
        r = shape.radius(ds, dt)
        inside = rng.uniform(0.82, 0.88) / (1 + 0.045 * cell.granules[at])
        canvas.put(at, r < 1, inside, "vacuole")
        canvas.put(at, (r < 1) & (r > 1 - 0.03 / radius), 1.25, None)


def _paint_lipid_droplet(cell: _Inside) -> None:
    radius = cell.rng.uniform(0.1, 0.2)
    where = cell.place(0.12, radius)
    if where and (found := cell.canvas.window(*where, radius)):
        at, ds, dt = found
        dark = cell.rng.uniform(1.55, 1.85)
        cell.canvas.put(at, np.hypot(ds, dt) < radius, dark, "lipiddroplets")


def _paint_multivesicle(cell: _Inside) -> None:
    canvas, rng = cell.canvas, cell.rng
    radius = rng.uniform(0.18, 0.3)
    where = cell.place(0.15, radius)
    if where and (found := canvas.window(*where, radius)):
        at, ds, dt = found
        r = np.hypot(ds, dt)
        canvas.put(at, r < radius, 0.95, "multivesicles")
        canvas.put(at, (r < radius) & (r > radius - 0.03), 1.35, None)
        for _ in range(rng.integers(4, 9)):
            p = rng.uniform(-0.6, 0.6, 2) * radius
            inner = np.hypot(ds - p[0], dt - p[1])
            canvas.put(at, (inner < 0.05) & (r < radius), 1.4, None)


def _paint_vesicles(cell: _Inside) -> None:
    rng = cell.rng
    where = cell.place(0.15, 0.3)
    if not where:
        return
    n = rng.integers(5, 14)
    for p in rng.normal(0, 0.16, (n, 2)):
        radius = rng.uniform(0.04, 0.075)
        found = cell.canvas.window(where[0] + p[0], where[1] + p[1], radius)
        if found is None:
            continue
        at, ds, dt = found
        cell.canvas.put(at, np.hypot(ds, dt) < radius, 1.22, "vesicles")


def _paint_membranes(cell: _Inside) -> None:
    rng = cell.rng
    where = cell.place(0.15, 0.3)
    if not where:
        return
    spine = bent_chain(rng, rng.uniform(0.6, 1.4), rng.uniform(-0.25, 0.25), 7)
    half = rng.uniform(0.06, 0.13)
    found = cell.canvas.window(*where, 1.1)
    if found is None:
        return
    at, ds, dt = found
    d = chain_distance(ds, dt, spine)
    lines = 1 + 0.25 * np.cos(d * np.float32(2 * np.pi / 0.05))
    cell.canvas.put(at, d < half, lines.astype(np.float32) * np.float32(1.1), "membranes")


def _paint_organelles(cell: _Inside, abundance: float) -> None:
    rng = cell.rng
    if rng.random() < 0.75:
        _paint_nucleus(cell)
    for _ in range(rng.integers(0, 3)):
        _paint_vacuole(cell)
    for _ in range(rng.integers(3, 9) if abundance == 1 else rng.integers(1, 6)):
        where = cell.place(0.15, 0.45)
        if where:
            _mitochondrion(cell.canvas, rng, *where)
    for _ in range(rng.integers(1, 6)):
        _paint_lipid_droplet(cell)
    for paint_rare in (_paint_multivesicle, _paint_vesicles, _paint_membranes):
        for _ in range(drawn_number(rng, 0, 3, abundance)):
            paint_rare(cell)


def paint_cells(canvas: Canvas, rng: np.random.Generator, site: Site) -> None:
    """Paint yeast cells, from 9 to 15 where they fit, with their walls and organelles."""
    half_s, half_t = site.length_um / 2, site.width_um / 2
    cells: list[Ellipse] = []
    wanted = rng.integers(9, 16)
    for _ in range(1200):
        if len(cells) >= wanted:
            break
        a, b = rng.uniform(2.0, 3.0), rng.uniform(1.7, 2.5)
        s, t = rng.uniform(-half_s, half_s), rng.uniform(-half_t - 1, half_t + 1)
        if any(np.hypot(s - c.s, t - c.t) < 0.49 * (a + b + c.a + c.b) for c in cells):
            continue
        cells.append(drawn_ellipse(rng, s, t, a, b))
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
        inner = shrunk(cell, 1 - wall)
        _paint_organelles(_Inside(canvas, rng, inner, granules, chromatin, []), site.abundance)
        ring = (r < 1) & (r >= 1 - wall)
        canvas.put(at, ring, rng.uniform(1.16, 1.26), "cellwall")
        canvas.put(at, ring & (r < 1 - 0.75 * wall), 1.18, None)
