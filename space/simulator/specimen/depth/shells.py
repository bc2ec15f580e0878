"""Membranes: the outlines of the painted labels, drawn out through the thickness of the slab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .cloud import Cloud
from .ground import IN_CELL, Ground
from .slab import Slab

ALONG_NM, _UP_NM = 2.5, 3.0  # distances of elements on a membrane
_LEAFLET_NM = 1.9  # of each leaflet from the middle of the membrane
_LEAFLET_V_NM = 2.4
"""Potential of a leaflet above its surroundings times its thickness: heads of lipids, 1.8 nm of
some 1.4 g/cm³, in a cell whose proteins raise what is around them as well."""
_SMOOTH_NM = 15.0  # of the steps of the painted labels
_FINER = 2
_FEWEST = 8  # points of an outline that is drawn

NUCLEUS_GAP_NM = 28.0
MITO_GAP_NM = 14.0
_CRISTA_NM, _CRISTA_APART_NM = 18.0, 75.0
_STACK_APART_NM = 50.0
_ROUND = 0.8  # part of the disc around it that a round thing covers


@dataclass(frozen=True)
class Outline:
    """A line on the middle plane along which a membrane stands.

    Attributes
    ----------
    what : str
        Kind of membrane.
    points_nm, normals : (n, 2)
        Places (s, t), evenly apart, and unit vectors inwards.
    """

    what: str
    points_nm: np.ndarray
    normals: np.ndarray


def _lines(field: np.ndarray, level: float, ground: Ground, what: str) -> Iterator[Outline]:
    """Lines on which a smooth field has a value; inwards is where it is larger."""
    from skimage.measure import find_contours

    if min(field.shape) < 2:
        return
    slopes = np.gradient(field)
    for line in find_contours(field, level):
        lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        count = int(lengths[-1] * ground.pixel_nm / ALONG_NM)
        if count < _FEWEST:
            continue
        even = np.linspace(0, lengths[-1], count, endpoint=False)
        rows, columns = (np.interp(even, lengths, line[:, k]) for k in (0, 1))
        down, right = (ndimage.map_coordinates(part, [rows, columns], order=1) for part in slopes)
        size = np.hypot(down, right) + 1e-9
        places = np.column_stack([columns, rows]) + 0.5
        yield Outline(
            what,
            places * ground.pixel_nm + ground.corner_nm,
            np.column_stack([right / size, down / size]),
        )


def _inset(outline: Outline, by_nm: float) -> Outline:
    return Outline(outline.what, outline.points_nm + by_nm * outline.normals, outline.normals)


def _smooth(mask: np.ndarray, ground: Ground) -> np.ndarray:
    sigma = _SMOOTH_NM / ground.pixel_nm
    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma))


def outlines(ground: Ground, seed: int) -> list[Outline]:
    """All lines along which membranes stand in a part of a lamella."""
    ground = ground.finer(_FINER)
    found: list[Outline] = []
    for names, what in (
        (IN_CELL, "plasma"),
        (("vacuole",), "vacuole"),
        (("lipiddroplets",), "droplet"),
        (("multivesicles",), "multivesicle"),
    ):
        mask = ground.mask(*names)
        if mask.any() and not mask.all():
            found += _lines(_smooth(mask, ground), 0.5, ground, what)
    for name, gap_nm in (("nucleus", NUCLEUS_GAP_NM), ("mitos", MITO_GAP_NM)):
        mask = ground.mask(name)
        if not mask.any():
            continue
        if not mask.all():
            for line in _lines(_smooth(mask, ground), 0.5, ground, name):
                found += [line, _inset(line, gap_nm)]
        if name == "mitos":
            found += _cristae(mask, ground, seed)
    found += _stacks(ground)
    return found


def _depth_in(mask: np.ndarray, ground: Ground) -> np.ndarray:
    """Distance (nm) from the edge of a mask, smooth."""
    inside = np.asarray(ndimage.distance_transform_edt(mask), np.float32) * ground.pixel_nm
    return np.asarray(ndimage.gaussian_filter(inside, 10.0 / ground.pixel_nm), np.float32)


def _cristae(mask: np.ndarray, ground: Ground, seed: int) -> Iterator[Outline]:
    """Folds of the inner membrane: pairs of lines, each pair closed at its ends."""
    rng = np.random.default_rng([43, seed])
    s, t = _coordinates(ground)
    waves = _waves(rng, s, t, 900.0, 3)
    angle = rng.uniform(0, 2 * np.pi)
    phase = (s * np.cos(angle) + t * np.sin(angle)) / _CRISTA_APART_NM + 1.6 * waves
    fold_nm = _CRISTA_APART_NM * np.abs(phase - np.round(phase))
    # They begin near the edge and end where another slow field says so.
    reach = 22.0 * np.clip(_waves(rng, s, t, 260.0, 3), -1.0, 1.0)
    body = np.minimum(_CRISTA_NM / 2 - fold_nm, (_depth_in(mask, ground) - 34.0 + reach) / 3.0)
    body = ndimage.gaussian_filter(body.astype(np.float32), 1.0)
    yield from _lines(body, 0.0, ground, "crista")


def _stacks(ground: Ground) -> Iterator[Outline]:
    """Sheets of a stack of membranes: lines at equal depths in it."""
    mask = ground.mask("membranes")
    if mask.any():
        depth = _depth_in(mask, ground)
        for level in np.arange(0.4 * _STACK_APART_NM, float(depth.max()), _STACK_APART_NM / 2):
            yield from _lines(depth, float(level), ground, "stack")


def _coordinates(ground: Ground) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = ground.labels.shape
    s = ground.corner_nm[0] + (np.arange(columns, dtype=np.float32) + 0.5) * ground.pixel_nm
    t = ground.corner_nm[1] + (np.arange(rows, dtype=np.float32) + 0.5) * ground.pixel_nm
    return s[None, :], t[:, None]


def _waves(
    rng: np.random.Generator, s: np.ndarray, t: np.ndarray, wave_nm: float, count: int
) -> np.ndarray:
    """A slow field of about unit size; the same numbers are drawn wherever it is looked at."""
    total = np.zeros(np.broadcast_shapes(s.shape, t.shape), np.float32)
    for _ in range(count):
        k = 2 * np.pi / (wave_nm * rng.uniform(0.7, 1.4))
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        total += np.sin(k * (np.cos(angle) * s + np.sin(angle) * t) + phase).astype(np.float32)
    return total / np.float32(np.sqrt(count / 2.0))


def curtain(outline: Outline, slab: Slab, rng: np.random.Generator) -> Cloud:
    """The membrane that stands on an outline, from face to face."""
    layers = max(1, int(slab.thickness_nm / _UP_NM))
    up_nm = slab.thickness_nm / layers
    n = len(outline.points_nm)
    w = (np.arange(layers)[:, None] + rng.random((1, n), np.float32)) * up_nm - slab.half_nm
    lean = slab.lean(outline.points_nm)
    clouds = []
    for side in _sides(outline.what):
        st = outline.points_nm + side * _LEAFLET_NM * outline.normals
        points = np.empty((layers, n, 3), np.float32)
        points[..., :2] = st[None] + lean[None] * w[..., None]
        points[..., 2] = w
        stretched = np.sqrt(1.0 + (np.sum(lean * outline.normals, axis=1)) ** 2)
        weight = _LEAFLET_V_NM * ALONG_NM * up_nm * stretched
        clouds.append(Cloud.of(points.reshape(-1, 3), np.tile(weight, layers), 0))
    return Cloud.joined(clouds)


def _sides(what: str) -> tuple[int, ...]:
    return (-1,) if what == "droplet" else (-1, 1)  # fat has one leaflet around it


def sphere(radius_nm: float) -> Cloud:
    """The membrane of a round vesicle around the origin."""
    clouds = []
    for side in (-1, 1):
        r = radius_nm + side * _LEAFLET_NM
        n = max(12, int(4 * np.pi * r**2 / (ALONG_NM * _UP_NM)))
        # Evenly on a spiral, with the golden angle from point to point.
        k = np.arange(n) + 0.5
        z, angle = 1.0 - 2.0 * k / n, np.pi * (1.0 + np.sqrt(5.0)) * k
        flat = np.sqrt(1.0 - z**2)
        points = r * np.column_stack([flat * np.cos(angle), flat * np.sin(angle), z])
        clouds.append(Cloud.of(points, _LEAFLET_V_NM * 4 * np.pi * r**2 / n, 0))
    return Cloud.joined(clouds)


def round_things(ground: Ground, name: str) -> list[tuple[float, float, float]]:
    """(s, t, radius) in nm of the round parts of a label that lie wholly in the cut."""
    parts, _ = ndimage.label(ground.mask(name))
    found = []
    for number, at in enumerate(ndimage.find_objects(parts), start=1):
        own = parts[at] == number
        rows, columns = own.shape
        touches = any(a.start == 0 or a.stop == n for a, n in zip(at, parts.shape))
        radius_px = np.sqrt(own.sum() / np.pi)
        if touches or radius_px < 1.5 or max(rows, columns) > 2 * radius_px / np.sqrt(_ROUND):
            continue
        row, column = ndimage.center_of_mass(own)
        s = ground.corner_nm[0] + (at[1].start + column + 0.5) * ground.pixel_nm
        t = ground.corner_nm[1] + (at[0].start + row + 0.5) * ground.pixel_nm
        found.append((float(s), float(t), float(radius_px * ground.pixel_nm)))
    return found
