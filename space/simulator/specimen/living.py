"""Cells of several organisms, told by walls, textures and what lies in them, not by brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .appearance import ORGANISMS
from .canvas import bent_chain, chain_distance, drawn_ellipse, place_inside, shrunk

if TYPE_CHECKING:
    from .appearance import Appearance, Organism
    from .canvas import Canvas, Ellipse, Window
    from .site import Site

_MEMBRANE_UM = 0.024
_MOST_CELLS = 26


def paint_living(canvas: Canvas, rng: np.random.Generator, site: Site, looks: Appearance) -> None:
    """Paint the cells of a lamella with all that is in them.

    Parameters
    ----------
    canvas : Canvas
    rng : numpy.random.Generator
    site : Site
    looks : Appearance
    """
    speckle = canvas.noise(looks.speckle_um, site.seed + 11)
    # Ribosomes come in clusters: the grain is not as strong everywhere.
    speckle *= 1 + 0.35 * canvas.noise(0.25, site.seed + 13)
    mottle = canvas.noise(0.16, site.seed + 12)
    canvas.density *= 1 + np.float32(looks.medium_grain) * canvas.noise(0.1, site.seed + 14)
    canvas.density *= 1 + np.float32(0.4 * looks.medium_grain) * mottle
    for outline in _laid_out(rng, site, looks):
        _paint_cell(canvas, rng, site, looks, outline, speckle, mottle)


def _laid_out(rng: np.random.Generator, site: Site, looks: Appearance) -> list[Ellipse]:
    """Outlines of cells that may touch and flatten each other, and may be cut by the edges."""
    organism = ORGANISMS[looks.organism]
    half_s, half_t = site.length_um / 2, site.width_um / 2
    near = rng.uniform(0.42, 0.52)  # below 0.5 outlines overlap where cells press on each other
    cells: list[Ellipse] = []
    covered, wanted = 0.0, looks.crowding * 4 * half_s * half_t
    for _ in range(900):
        if covered >= wanted or len(cells) >= _MOST_CELLS:
            break
        a = rng.uniform(*organism.radius_um)
        b = a * rng.uniform(*organism.roundness)
        s, t = rng.uniform(-half_s - 1, half_s + 1), rng.uniform(-half_t - 1, half_t + 1)
        if any(np.hypot(s - c.s, t - c.t) < near * (a + b + c.a + c.b) for c in cells):
            continue
        cells.append(drawn_ellipse(rng, s, t, a, b, organism.wobble))
        covered += np.pi * a * b
    return cells


@dataclass(frozen=True)
class _Cell:
    """A cell while it is painted.

    Attributes
    ----------
    outline : Ellipse
        Inner side of the wall.
    looks : Appearance
    organism : Organism
    speckle, mottle : (rows, columns) float32
        Textures of the whole canvas.
    taken : list of (s, t, radius)
        What lies in it already.
    """

    canvas: Canvas
    rng: np.random.Generator
    outline: Ellipse
    looks: Appearance
    organism: Organism
    speckle: np.ndarray
    mottle: np.ndarray
    taken: list[tuple[float, float, float]]

    def place(self, margin: float, radius: float) -> tuple[float, float] | None:
        """Take a free place for a thing of `radius`, or None."""
        return place_inside(self.rng, self.outline, margin, self.taken, radius)

    def contrast(self, least: float = 0.0, dark: float = 0.5) -> float:
        """Draw a contrast; `dark` is the chance that it is darker than its surroundings."""
        size = least + abs(self.rng.normal(0, self.looks.organelles))
        return float(min(size, 0.3) * (1 if self.rng.random() < dark else -1))

    def without_speckle(self, at: Window, left: float) -> np.ndarray:
        """Density that takes the grain of the cytoplasm away, but for a share `left`."""
        grain = np.float32(self.looks.speckle) * self.speckle[at]
        return np.asarray((1 + left * grain) / np.maximum(1 + grain, 0.3), np.float32)

    def line(self, at: Window, r_um: np.ndarray, contrast: float) -> None:
        """Draw a membrane where the distance from it (µm) is small."""
        soft = _line(r_um, _membrane_um(self.canvas))
        self.canvas.density[at] *= 1 + np.float32(contrast) * soft


def _membrane_um(canvas: Canvas) -> float:
    """Width of a membrane: never thinner than what a pixel can show."""
    return max(_MEMBRANE_UM, 0.9 * canvas.px)


def _line(away_um: np.ndarray, width_um: float) -> np.ndarray:
    """Strength 0..1 of a soft line at a distance from its middle."""
    return np.asarray(np.clip(1.5 - np.abs(away_um) / np.float32(width_um / 2), 0, 1))


def _paint_cell(
    canvas: Canvas,
    rng: np.random.Generator,
    site: Site,
    looks: Appearance,
    outline: Ellipse,
    speckle: np.ndarray,
    mottle: np.ndarray,
) -> None:
    organism = ORGANISMS[looks.organism]
    found = canvas.window(outline.s, outline.t, 1.35 * max(outline.a, outline.b))
    if found is None:
        return
    at, ds, dt = found
    r = outline.radius(ds, dt)
    least = min(outline.a, outline.b)
    wall_um = rng.uniform(*organism.wall_um) if looks.walled else 0.0
    wall = wall_um / least
    body = 1 + np.clip(rng.normal(looks.cell, looks.cell_spread), -0.08, 0.12)
    grain = (
        1 + np.float32(looks.speckle) * speckle[at] + np.float32(0.25 * looks.speckle) * mottle[at]
    )
    canvas.density[at][r < 1] = 1.0  # a cell pushes away what was below it
    canvas.put(at, r < 1 - wall, np.float32(body) * grain, "cell")
    inner = shrunk(outline, 1 - wall)
    _paint_inside(_Cell(canvas, rng, inner, looks, organism, speckle, mottle, []), site.abundance)
    fading = _fading(rng, canvas, site, at, looks.wall_whole)
    if looks.walled:
        ring = (r < 1) & (r >= 1 - wall)
        strength = np.float32(looks.wall * rng.uniform(0.7, 1.3)) * fading
        canvas.put(at, ring, 1 + strength, "cellwall")
    # The membrane below the wall: a thin dark line, beside it often a bright one.
    width = _membrane_um(canvas)
    away_um = (r - (1 - wall)) * np.float32(least)
    line = _line(away_um, width)
    sharp = rng.random() < 0.7 or not looks.walled
    canvas.density[at] *= 1 + np.float32(looks.membrane if sharp else 0.0) * line * fading
    if rng.random() < 0.5:
        beside = _line(away_um - width, width)
        canvas.density[at] *= 1 - np.float32(0.5 * looks.membrane) * beside * fading


def _fading(
    rng: np.random.Generator, canvas: Canvas, site: Site, at: Window, whole: float
) -> np.ndarray:
    """Strength of a wall along its way: 1, or less where it is cut at a slant."""
    if whole >= 1:
        return np.ones((at[0].stop - at[0].start, at[1].stop - at[1].start), np.float32)
    waves = canvas.noise_in(at, 2.0, site.seed + int(rng.integers(1 << 20)))
    return np.clip(np.float32(whole) + 0.6 * waves, 0.25, 1.0).astype(np.float32)


def _paint_inside(cell: _Cell, abundance: float) -> None:
    rng, organism = cell.rng, cell.organism
    if rng.random() < 0.08:  # nothing to be seen in it
        return
    if rng.random() < 0.75:
        _paint_nucleus(cell)
    for _ in range(rng.integers(organism.vacuoles[0], organism.vacuoles[1] + 1)):
        _paint_vacuole(cell)
    for _ in range(rng.integers(organism.stacks[0], organism.stacks[1] + 1)):
        if rng.random() < 0.5:
            _paint_stack(cell)
    for _ in range(rng.integers(organism.mitochondria[0], organism.mitochondria[1] + 1)):
        _paint_mitochondrion(cell)
    for _ in range(rng.integers(organism.lipid_droplets[0], organism.lipid_droplets[1] + 1)):
        _paint_lipid_droplet(cell)
    rare = 1.0 if abundance == 1 else 1.6
    for _ in range(rng.poisson(0.8 * rare)):
        _paint_multivesicle(cell)
    for _ in range(rng.poisson(0.9 * rare)):
        _paint_vesicles(cell)


def _paint_nucleus(cell: _Cell) -> None:
    canvas, rng, outline = cell.canvas, cell.rng, cell.outline
    least = min(outline.a, outline.b)
    radius = least * rng.uniform(*cell.organism.nucleus)
    where = cell.place(0.55, radius)
    if not where or not (found := canvas.window(*where, 1.35 * radius)):
        return
    shape = drawn_ellipse(rng, *where, radius, radius * rng.uniform(0.75, 1.0), 0.05)
    at, ds, dt = found
    r = shape.radius(ds, dt)
    chromatin = np.float32(rng.uniform(0.01, 0.06)) * cell.mottle[at]
    inside = cell.without_speckle(at, rng.uniform(0.1, 0.6)) * (1 + chromatin)
    canvas.put(at, r < 1, np.float32(1 + 0.7 * cell.contrast(0.0, 0.45)) * inside, "nucleus")
    if rng.random() < 0.45:  # the nucleolus: dense and grainy
        size = radius * rng.uniform(0.25, 0.45)
        s, t = rng.uniform(-0.4, 0.4, 2) * radius
        spot = np.hypot(ds - s, dt - t) < size * (1 + 0.15 * cell.mottle[at])
        dense = (
            1 + abs(cell.contrast(0.01)) + np.float32(0.6 * cell.looks.speckle) * cell.speckle[at]
        )
        canvas.put(at, spot & (r < 1), dense.astype(np.float32), None)
    membrane = cell.looks.membrane * rng.uniform(0.4, 1.2)
    away = (r - 1) * np.float32(radius)
    cell.line(at, away, membrane)
    if rng.random() < 0.6:  # the envelope is double
        cell.line(at, away + 0.045, membrane)


def _paint_vacuole(cell: _Cell) -> None:
    canvas, rng = cell.canvas, cell.rng
    least = min(cell.outline.a, cell.outline.b)
    radius = min(rng.uniform(0.35, 1.4), 0.55 * least)
    where = cell.place(0.35, radius)
    if not where or not (found := canvas.window(*where, 1.3 * radius)):
        return
    shape = drawn_ellipse(rng, *where, radius, radius * rng.uniform(0.8, 1.0), 0.02)
    at, ds, dt = found
    r = shape.radius(ds, dt)
    smooth = cell.without_speckle(at, rng.uniform(0.0, 0.12))
    contrast = cell.contrast(0.0, 0.4)
    canvas.put(at, r < 1, np.float32(1 + contrast) * smooth, "vacuole")
    if rng.random() < 0.3:  # dense bodies in it
        for _ in range(rng.integers(1, 5)):
            s, t = rng.uniform(-0.55, 0.55, 2) * radius
            spot = np.hypot(ds - s, dt - t) < radius * rng.uniform(0.06, 0.25)
            canvas.put(at, spot & (r < 1), 1 + abs(cell.contrast(0.03)), None)
    cell.line(at, (r - 1) * np.float32(radius), cell.looks.membrane * rng.uniform(0.4, 1.2))


def _paint_mitochondrion(cell: _Cell) -> None:
    canvas, rng = cell.canvas, cell.rng
    half = rng.uniform(0.13, 0.3)
    length = rng.uniform(0.05, 0.5) if rng.random() < 0.3 else rng.uniform(0.5, 2.2)
    where = cell.place(0.15, 0.3 * length + half)
    if not where or not (found := canvas.window(*where, length / 2 + half + 0.35)):
        return
    at, ds, dt = found
    spine = bent_chain(rng, length, rng.uniform(-0.3, 0.3))
    d = chain_distance(ds, dt, spine) + np.float32(0.015) * cell.mottle[at]
    matrix = cell.without_speckle(at, rng.uniform(0.1, 0.7))
    contrast = cell.contrast(0.025, 0.85)
    angle = rng.uniform(0, np.pi)
    across = ds * np.float32(np.cos(angle)) + dt * np.float32(np.sin(angle))
    wave = np.sin(
        (across + 0.03 * cell.mottle[at]) * np.float32(2 * np.pi / rng.uniform(0.07, 0.14))
    )
    ridged = rng.uniform(0.0, 0.6) if rng.random() < 0.6 else 0.0
    cristae = 1 + np.float32(ridged * cell.looks.membrane) * np.clip(2 * wave, -1, 1)
    inside = d < half
    canvas.put(
        at, inside, (np.float32(1 + contrast) * matrix * cristae).astype(np.float32), "mitos"
    )
    membrane = cell.looks.membrane * rng.uniform(0.2, 1.3)
    cell.line(at, d - np.float32(half), membrane)
    if rng.random() < 0.6:
        cell.line(at, d - np.float32(half - 0.035), 0.8 * membrane)


def _paint_lipid_droplet(cell: _Cell) -> None:
    canvas, rng = cell.canvas, cell.rng
    radius = rng.uniform(0.08, 0.26)
    where = cell.place(0.12, radius)
    if where and (found := canvas.window(*where, radius + 0.05)):
        at, ds, dt = found
        r = np.hypot(ds, dt * np.float32(rng.uniform(0.9, 1.1)))
        dark = rng.uniform(0.15, 0.9) if rng.random() < 0.85 else -rng.uniform(0.15, 0.4)
        canvas.put(at, r < radius, cell.without_speckle(at, 0.05) * np.float32(1 + dark),
                   "lipiddroplets")  # fmt: skip


def _paint_multivesicle(cell: _Cell) -> None:
    canvas, rng = cell.canvas, cell.rng
    radius = rng.uniform(0.16, 0.4)
    where = cell.place(0.15, radius)
    if not where or not (found := canvas.window(*where, radius + 0.05)):
        return
    at, ds, dt = found
    r = np.hypot(ds, dt)
    body = cell.without_speckle(at, 0.3) * np.float32(1 + cell.contrast(0.01, 0.4))
    canvas.put(at, r < radius, body, "multivesicles")
    cell.line(at, r - np.float32(radius), cell.looks.membrane)
    for _ in range(rng.integers(3, 10)):
        s, t = rng.uniform(-0.6, 0.6, 2) * radius
        inner = np.hypot(ds - s, dt - t)
        cell.line(at, inner - np.float32(0.045), 0.8 * cell.looks.membrane)


def _paint_vesicles(cell: _Cell) -> None:
    rng = cell.rng
    where = cell.place(0.15, 0.3)
    if not where:
        return
    filled = abs(cell.contrast(0.05))
    for p in rng.normal(0, 0.2, (rng.integers(4, 14), 2)):
        radius = rng.uniform(0.035, 0.085)
        found = cell.canvas.window(where[0] + p[0], where[1] + p[1], radius + 0.05)
        if found is None:
            continue
        at, ds, dt = found
        r = np.hypot(ds, dt)
        body = cell.without_speckle(at, 0.2) * np.float32(1 + filled)
        cell.canvas.put(at, r < radius, body, "vesicles")
        cell.line(at, r - np.float32(radius), cell.looks.membrane)


def _paint_stack(cell: _Cell) -> None:
    """A pile of membranes: thylakoids, Golgi, a swirl of endoplasmic reticulum."""
    rng, looks = cell.rng, cell.looks
    where = cell.place(0.12, 0.35)
    if not where:
        return
    long = rng.uniform(0.6, 1.6) * (2.0 if looks.organism == "alga" else 1.0)
    spine = bent_chain(rng, long, rng.uniform(-0.4, 0.4), 7)
    half = rng.uniform(0.06, 0.3 if looks.organism == "alga" else 0.16)
    found = cell.canvas.window(*where, long / 2 + half + 0.3)
    if found is None:
        return
    at, ds, dt = found
    d = chain_distance(ds, dt, spine)
    lines = np.cos(d * np.float32(2 * np.pi / rng.uniform(0.04, 0.07)))
    body = cell.without_speckle(at, 0.3) * (1 + np.float32(looks.membrane) * lines)
    body = body * np.float32(1 + 0.5 * abs(cell.contrast(0.01)))
    cell.canvas.put(at, d < half, body.astype(np.float32), "membranes")
