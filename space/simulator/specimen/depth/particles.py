"""Shapes of particles, made of ellipsoids that are filled with blobs.

They are drawings after published sizes, not structures: what a tomogram shows of a ribosome at
some nanometres. Each has its own size, outline and, but for the gold, a hand.

Weights follow mass. The mean inner potential of matter of light elements is about in proportion to
its density; that of vitreous ice (0.93 g/cm³) is some 4.5 V, which leaves 2.1 V for protein
(1.35 g/cm³) and 4 V for nucleic acid (1.75 g/cm³) above the ice around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .cloud import Cloud

_NM3_PER_MDA = {"protein": 1230.0, "rna": 949.0}  # 1.6605 / density, in nm³ for 1 MDa
_ABOVE_ICE_V = {"protein": 2.1, "rna": 4.0}
_GOLD_V = 22.0  # above ice; only the phase counts here
_PITCH_NM = 3.4  # of blobs with a standard deviation of 2 nm, which leaves no gaps

Ellipsoid = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Centre and half axes along x, y, z (nm)."""


@dataclass(frozen=True)
class Shape:
    """A kind of particle.

    Attributes
    ----------
    kind : str
    cloud : Cloud
        Around its centre of mass.
    radius_nm : float
        Of a ball around the centre that others keep out of.
    """

    kind: str
    cloud: Cloud
    radius_nm: float


# 80S ribosome of yeast: 3.3 MDa, three fifths of it RNA, 25 to 30 nm across (A. Ben-Shem et al.,
# Science 334 (2011)). The large subunit is a half ball with three knobs (central protuberance,
# L1 stalk, P stalk); the small one lies on its flat side, longer than wide, with head, platform
# and foot.
_LARGE_SUBUNIT: tuple[Ellipsoid, ...] = (
    ((0.0, 0.0, -4.0), (12.5, 11.5, 8.0)),
    ((0.0, 10.0, 0.5), (3.5, 4.0, 3.5)),
    ((-12.5, 6.0, 0.5), (3.6, 2.6, 2.6)),
    ((12.0, 5.0, 2.0), (4.2, 1.9, 1.9)),
)
_SMALL_SUBUNIT: tuple[Ellipsoid, ...] = (
    ((0.5, -2.0, 8.0), (6.5, 9.0, 3.6)),
    ((-1.0, 9.5, 8.5), (5.5, 4.0, 3.4)),
    ((-6.5, 2.0, 7.0), (3.0, 4.0, 3.0)),
    ((3.0, -11.5, 8.5), (2.6, 3.4, 2.6)),
)
# 26S proteasome: a barrel of 15 x 11 nm with two caps, 45 nm long and 20 nm wide, 2.5 MDa
# (S. Asano et al., Science 347 (2015)). Each cap leans to one side, as a dragon's head does.
_PROTEASOME: tuple[Ellipsoid, ...] = (
    ((0.0, 0.0, 0.0), (5.8, 5.8, 8.5)),
    ((0.0, 0.0, 9.5), (6.0, 6.0, 3.0)),
    ((4.0, 1.5, 15.5), (7.0, 4.5, 5.0)),
    ((-1.0, 4.0, 19.5), (3.2, 2.6, 3.0)),
    ((0.0, 0.0, -9.5), (6.0, 6.0, 3.0)),
    ((-4.0, 1.5, -15.5), (7.0, 4.5, 5.0)),
    ((1.0, 4.0, -19.5), (3.2, 2.6, 3.0)),
)
# Fatty acid synthase of yeast: a hollow barrel of 27 x 23 nm with a wheel across, 2.6 MDa
# (S. Jenni et al., Science 316 (2007)).
_SYNTHASE_OUTER: Ellipsoid = ((0.0, 0.0, 0.0), (11.5, 11.5, 13.5))
_SYNTHASE_INNER: Ellipsoid = ((0.0, 0.0, 0.0), (7.5, 7.5, 10.0))
# ATP synthase: a head of 10 nm on a stalk, with a foot in the membrane and a side stalk, 0.6 MDa.
_ATP_SYNTHASE: tuple[Ellipsoid, ...] = (
    ((0.0, 0.0, 9.0), (5.0, 5.0, 4.5)),
    ((0.0, 0.0, 2.0), (1.5, 1.5, 4.0)),
    ((0.0, 0.0, -4.0), (4.0, 3.0, 2.5)),
    ((4.5, 1.5, 3.0), (1.2, 1.2, 6.0)),
)
# Nucleosome: a disc of 11 x 5.5 nm, 0.2 MDa, half of it DNA.
_NUCLEOSOME: tuple[Ellipsoid, ...] = (
    ((0.0, 0.0, 0.0), (5.5, 5.5, 2.8)),
    ((4.0, 3.5, 2.5), (2, 2, 1.5)),
)


def _inside(points: np.ndarray, shapes: tuple[Ellipsoid, ...]) -> np.ndarray:
    inside = np.zeros(len(points), bool)
    for center, axes in shapes:
        inside |= (((points - center) / axes) ** 2).sum(axis=1) < 1.0
    return inside


def _lattice(pitch_nm: float) -> np.ndarray:
    """Points of a face-centred lattice within 28 nm of the origin, in the density of pitch^-3."""
    cell = pitch_nm * 4.0 ** (1.0 / 3.0)
    n = int(28.0 / cell) + 1
    corners = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    # Off the origin, so that no shape of a symmetry of its own gets one of the lattice.
    return cell * (corners[:, None, :] + basis).reshape(-1, 3) + (0.37, 0.61, 0.23)


def _strength(mda: float, rna: float) -> float:
    """Integral (V nm³) of a particle of which the part `rna` of the mass is nucleic acid."""
    shares = {"protein": 1.0 - rna, "rna": rna}
    return sum(mda * shares[m] * _NM3_PER_MDA[m] * _ABOVE_ICE_V[m] for m in shares)


def _shape(kind: str, points: np.ndarray, shares: np.ndarray, strength: float, grade: int) -> Shape:
    weights = shares * (strength / shares.sum())
    center = weights @ points / weights.sum()
    cloud = Cloud.of(points - center, weights.astype(np.float32), grade)
    radius = float(np.percentile(np.linalg.norm(cloud.points_nm, axis=1), 90)) + 1.5
    return Shape(kind, cloud, radius)


def _filled(
    kind: str, ellipsoids: tuple[Ellipsoid, ...], mda: float, rna: float, grade: int = 1
) -> Shape:
    points = _lattice(_PITCH_NM if grade else _PITCH_NM / 1.7)
    points = points[_inside(points, ellipsoids)]
    return _shape(kind, points, np.ones(len(points)), _strength(mda, rna), grade)


def _ribosome() -> Shape:
    points = _lattice(_PITCH_NM)
    large, small = _inside(points, _LARGE_SUBUNIT), _inside(points, _SMALL_SUBUNIT)
    points, is_large = points[large | small], large[large | small]
    # Two thirds of the mass are in the large subunit.
    shares = np.where(is_large, 2.0 / is_large.sum(), 1.0 / (~is_large).sum())
    return _shape("ribosome", points, shares, _strength(3.3, 0.6), 1)


def _synthase() -> Shape:
    points = _lattice(_PITCH_NM)
    wall = _inside(points, (_SYNTHASE_OUTER,)) & ~_inside(points, (_SYNTHASE_INNER,))
    wheel = _inside(points, (_SYNTHASE_OUTER,)) & (np.abs(points[:, 2]) < 2.5)
    # Openings in the wall, three above and three below, turned against each other.
    angle = np.arctan2(points[:, 1], points[:, 0]) + 0.5 * np.sign(points[:, 2])
    opening = (np.cos(3 * angle) > 0.7) & (np.abs(np.abs(points[:, 2]) - 7.0) < 3.0)
    points = points[(wall & ~opening) | wheel]
    return _shape("fas", points, np.ones(len(points)), _strength(2.6, 0.0), 1)


def _gold() -> Shape:
    points = _lattice(2.0)
    points = points[np.linalg.norm(points, axis=1) < 5.0]
    strength = 4.0 / 3.0 * np.pi * 5.0**3 * _GOLD_V
    return _shape("gold", points, np.ones(len(points)), strength, 0)


@lru_cache(maxsize=1)
def shapes() -> dict[str, Shape]:
    """All kinds of particles by name."""
    every = (
        _ribosome(),
        _filled("proteasome", _PROTEASOME, 2.5, 0.0),
        _synthase(),
        _filled("atp_synthase", _ATP_SYNTHASE, 0.6, 0.0, 0),
        _filled("nucleosome", _NUCLEOSOME, 0.2, 0.5),
        _gold(),
    )
    return {shape.kind: shape for shape in every}
