"""Other ways to mill a grid than the simulator's own: what people bring, not what a recipe says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from space.simulator.specimen import Grid, Lamella, Site
from space.simulator.specimen.film import COVERED, FRAME, NORMAL, TORN, Film

from .lookalikes import Mark

#: How a grid was milled, and how often: one lamella to a square with windows that did not come
#: out alike; short or narrow strips; several to a square, side by side or one behind the other;
#: wide lamellae; thick ice with large trenches and notches (waffle).
GEOMETRIES = {"uneven": 0.45, "strips": 0.15, "row": 0.15, "wide": 0.1, "waffle": 0.15}
KIND_SHARES = {
    "good": 0.26, "wedge": 0.18, "broken": 0.2, "thick": 0.12, "contaminated": 0.1, "gone": 0.14
}  # fmt: skip


def draw_kinds(rng, n: int) -> list[str]:
    """Categories of n lamellae; broken and gone ones as often as on real grids."""
    return [str(kind) for kind in rng.choice(list(KIND_SHARES), n, p=list(KIND_SHARES.values()))]


def draw_geometry(rng) -> str:
    """One of `GEOMETRIES`."""
    return str(rng.choice(list(GEOMETRIES), p=list(GEOMETRIES.values())))


def milled_otherwise(rng, grid: Grid, geometry: str) -> tuple[Grid, list[Mark]]:
    """Mill the sites of a grid in another geometry.

    Returns
    -------
    grid : Grid
    marks : list of Mark
        What the simulator's sites have no words for: windows that are not in line, dirt in them,
        a slit that was not cut, a notch, a tear beside. They are drawn over the grid.
    """
    sites = []
    for lamella in grid.lamellae:
        sites += _sites(rng, lamella.site, geometry)
    marks = [mark for site in sites for mark in _marks(rng, site, geometry)]
    film = _film(rng, grid.film, [lamella.site for lamella in grid.lamellae], geometry)
    numbered = (replace(site, number=k) for k, site in enumerate(sites, 1))
    return replace(grid, film=film, lamellae=tuple(Lamella.at(site) for site in numbered)), marks


# --- sites --------------------------------------------------------------------------------------


def _sites(rng, site: Site, geometry: str) -> list[Site]:
    site = replace(
        site,
        angle_deg=site.angle_deg + rng.normal(0, 3),
        window_um=(_window(rng), _window(rng)),
        slit_gap_um=rng.uniform(1.0, 5.0),
        slit_width_um=rng.uniform(0.4, 1.6) if rng.random() < 0.8 else 0.0,
        slit_length_um=rng.uniform(8, 38),
    )
    if geometry == "strips":
        return [
            replace(site, length_um=rng.uniform(6, 16), width_um=rng.uniform(7, 16))
            if rng.random() < 0.7
            else replace(site, width_um=rng.uniform(5, 9))
        ]
    if geometry == "wide":
        return [replace(site, width_um=rng.uniform(19, 40), length_um=rng.uniform(9, 30))]
    if geometry == "waffle":
        large = (rng.uniform(15, 40), rng.uniform(15, 40))
        return [
            replace(site, width_um=rng.uniform(9, 24), length_um=rng.uniform(8, 28),
                    window_um=large, slit_width_um=0.0)
        ]  # fmt: skip
    if geometry == "row":
        return _row(rng, site)
    short = site.length_um * rng.uniform(0.72, 1.1)
    return [replace(site, length_um=short, width_um=rng.uniform(10.5, 17.5))]


def _window(rng) -> float:
    """Length of a window: some are hardly there."""
    low, high = ((0.5, 3.0), (3.0, 8.0), (8.0, 32.0))[rng.choice(3, p=[0.1, 0.2, 0.7])]
    return float(rng.uniform(low, high))


def _row(rng, site: Site) -> list[Site]:
    """Two to four lamellae in one square."""
    n = int(rng.integers(2, 5))
    if rng.random() < 0.3:  # one behind the other, with a window between
        length, window = rng.uniform(8, 16), rng.uniform(5, 12)
        pitch, along = (length + window, 0.0), True
        shape = {"length_um": length, "window_um": (window, window)}
        n = min(n, 3)
    else:
        width = rng.uniform(7, 13)
        pitch, along = (0.0, width + rng.uniform(4, 12)), False
        shape = {
            "width_um": width,
            "window_um": (rng.uniform(4, 18), rng.uniform(4, 18)),
            "slit_gap_um": 1.5,
            "slit_width_um": 0.0 if rng.random() < 0.7 else 0.6,
        }
    kinds = [site.kind, *draw_kinds(rng, n - 1)]
    back = np.linalg.inv(site.site_from_grid[:, :2])
    result = []
    for k, kind in enumerate(kinds):
        step = (k - (n - 1) / 2) * np.array(pitch) + (0 if along else 1) * np.array(
            [rng.normal(0, 1.5), 0.0]
        )
        center = np.asarray(site.center_um) + back @ step
        seed = int(rng.integers(1 << 30))
        result.append(
            replace(site, kind=kind, center_um=tuple(center.tolist()), seed=seed, **shape)
        )
    return result


# --- marks --------------------------------------------------------------------------------------


def _marks(rng, site: Site, geometry: str) -> list[Mark]:
    marks = []
    if geometry in ("uneven", "strips") and rng.random() < 0.4:
        marks.append(_second_window(rng, site))
    if rng.random() < 0.35:
        marks += [_dirt(rng, site) for _ in range(rng.integers(1, 4))]
    if site.slit_width_um and rng.random() < 0.3:
        marks.append(_missing_slit(rng, site))
    if geometry == "waffle" and rng.random() < 0.7:
        marks += _notch(rng, site)
    if geometry != "row" and rng.random() < 0.2:
        marks.append(_tear_beside(rng, site))
    return marks


def _mark(rng, site: Site, st, half_um: float, transmission: float, straight=False) -> Mark:
    """A mark along points in the site frame."""
    to_site = site.site_from_grid
    points = (np.asarray(st, float) - to_site[:, 2]) @ np.linalg.inv(to_site[:, :2]).T
    return Mark(points, half_um, transmission, int(rng.integers(1 << 30)), straight)


def _second_window(rng, site: Site) -> Mark:
    """A window that goes on beside its line, wider or narrower."""
    side = rng.choice([-1, 1])
    start = site.length_um / 2 + site.window_um[(side + 1) // 2] - 2.0
    end = start + rng.uniform(5, 22)
    t = rng.normal(0, 2.0)
    return _mark(
        rng,
        site,
        [(side * start, t), (side * end, t + rng.normal(0, 0.8))],
        site.width_um / 2 * rng.uniform(0.6, 1.15),
        1.0,
        straight=True,
    )


def _dirt(rng, site: Site) -> Mark:
    """Ice or redeposited matter in a window."""
    side = rng.choice([-1, 1])
    half_um = rng.uniform(0.5, 3.5)
    s = site.length_um / 2 + half_um + rng.uniform(0, max(site.window_um))
    t = rng.uniform(-0.5, 0.5) * site.width_um
    step = rng.normal(0, 2.0, 2)
    return _mark(
        rng, site, [(side * s, t), (side * s + step[0], t + step[1])], half_um,
        rng.uniform(0.02, 0.5),
    )  # fmt: skip


def _missing_slit(rng, site: Site) -> Mark:
    """Where a relief slit was not cut, or only in part."""
    t = rng.choice([-1, 1]) * (site.width_um / 2 + site.slit_gap_um + site.slit_width_um / 2)
    half = site.slit_length_um / 2
    from_s = -half - 3 if rng.random() < 0.6 else rng.uniform(-0.5, 0.5) * half
    return _mark(rng, site, [(from_s, t), (half + 3, t)], site.slit_width_um + 0.5, 0.03)


def _notch(rng, site: Site) -> list[Mark]:
    """A bracket of thin cuts beside the lamella, which lets it move."""
    side = rng.choice([-1, 1])
    near, depth = site.width_um / 2 + rng.uniform(0.5, 2.0), rng.uniform(2.0, 5.0)
    half_s = rng.uniform(0.15, 0.5) * site.length_um
    half_um = rng.uniform(0.3, 0.6)
    near, far = side * near, side * (near + depth)
    lines = [[(-half_s, near), (-half_s, far)], [(-half_s, far), (half_s, far)]]
    if rng.random() < 0.7:
        lines.append([(half_s, far), (half_s, near)])
    return [_mark(rng, site, line, half_um, 1.0, straight=True) for line in lines]


def _tear_beside(rng, site: Site) -> Mark:
    """A hole in the film of the same square, as bright as a window."""
    half_um = rng.uniform(3, 14)
    off = site.width_um / 2 + site.slit_gap_um + site.slit_width_um + 3.5 + half_um
    t = rng.choice([-1, 1]) * (off + rng.uniform(0, 10))
    s = rng.uniform(-30, 30)
    ends = [(s, t), (s + rng.normal(0, 15), t + np.sign(t) * abs(rng.normal(0, 6)))]
    return _mark(rng, site, ends, half_um, 1.0)


# --- film ---------------------------------------------------------------------------------------


def _film(rng, film: Film, sites: list[Site], geometry: str) -> Film:
    """What became of the squares of the sites and of those beside them."""
    states, tears = film.states.copy(), film.tears_um.copy()
    if geometry == "waffle":
        states[rng.random(states.shape) < 0.85] = COVERED
    own = [_square(film, site) for site in sites]
    for i, j in own:
        if geometry != "waffle":
            states[i, j] = rng.choice([NORMAL, FRAME, COVERED], p=[0.55, 0.2, 0.25])
    broken = rng.choice([0.0, 0.12, 0.35])
    for i, j in own:
        for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
            beside = (i + di, j + dj)
            if beside in own or rng.random() > broken:
                continue
            states[beside] = TORN
            tears[beside] = (*rng.uniform(-10, 10, 2), rng.uniform(20, 60))
    return replace(film, states=states, tears_um=tears)


def _square(film: Film, site: Site) -> tuple[int, int]:
    a = np.deg2rad(film.mesh_deg)
    x, y = site.center_um
    u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    return tuple(round(float(w) / film.mesh_pitch_um) + film.half for w in (u, v))
