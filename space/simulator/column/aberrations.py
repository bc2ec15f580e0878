"""Astigmatism and coma: what a lens that is not round, and a beam that is not on its axis, do.

Astigmatism is a vector here: its length is the difference between the largest and the smallest
underfocus, and it points at twice the angle of the direction with the largest. Astigmatisms add
up as vectors. A beam tilted by t against the coma-free axis meets the lens where spherical
aberration changes focus and astigmatism; L. Reimer and H. Kohl, Transmission Electron
Microscopy, 5th edition, section 6.3, for the phase of the lens, of which the formulas below are
the even and the odd part around the tilted beam; F. Zemlin et al., Ultramicroscopy 3 (1978), for
what that does to diffractograms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float]


@dataclass(frozen=True)
class AberrationModel:
    """What is imperfect in the optics, and what corrects it.

    Attributes
    ----------
    astigmatism_um : float
        Each session begins with an astigmatism of half this length to all of it.
    astigmatism_rows : Matrix
        Astigmatism (µm) per unit of image shift; zeros where nobody has calibrated it.
    stigmator_rows : Matrix
        Astigmatism (µm) per unit of the objective stigmator.
    coma_tilt_mrad : float
        Each session begins with the beam tilted against the coma-free axis by half of this to
        all of it.
    """

    astigmatism_um: float
    astigmatism_rows: tuple[Vector, Vector]
    stigmator_rows: tuple[Vector, Vector]
    coma_tilt_mrad: float


def drawn_vector(rng: np.random.Generator, length: float) -> Vector:
    """Vector of any direction, from half a length to all of it."""
    radius, angle = length * rng.uniform(0.5, 1.0), rng.uniform(0.0, 2.0 * math.pi)
    return radius * math.cos(angle), radius * math.sin(angle)


def astigmatism_tensor(astigmatism_um: Vector) -> np.ndarray:
    """Matrix A of an astigmatism: the underfocus along a unit vector g is g A g more."""
    along, across = astigmatism_um
    return 0.5 * np.array([[along, across], [across, -along]])


def astigmatism_in(astigmatism_um: Vector, axes: np.ndarray) -> Vector:
    """Astigmatism in other axes.

    Parameters
    ----------
    astigmatism_um : tuple of float
    axes : (2, 2) array
        Its columns are the unit vectors of the other axes; they may be mirrored.
    """
    tensor = axes.T @ astigmatism_tensor(astigmatism_um) @ axes
    return float(tensor[0, 0] - tensor[1, 1]), float(2.0 * tensor[0, 1])


def apparent_focus(
    defocus_um: float, astigmatism_um: Vector, tilt_mrad: Vector, cs_mm: float
) -> tuple[float, Vector]:
    """Defocus and astigmatism that a picture with a tilted beam shows.

    The underfocus along a direction at the angle a to the tilt becomes less by
    ``Cs t^2 (1 + 2 cos^2 a)``.

    Parameters
    ----------
    defocus_um : float
        As SerialEM counts it: negative is under focus.
    astigmatism_um : tuple of float
    tilt_mrad : tuple of float
        Tilt against the coma-free axis, in the axes of the astigmatism.
    cs_mm : float
    """
    x, y = tilt_mrad
    unit_um = 2e-3 * cs_mm
    (along, across) = astigmatism_um
    return (
        defocus_um + unit_um * (x * x + y * y),
        (along - unit_um * (x * x - y * y), across - unit_um * 2.0 * x * y),
    )


def tilt_displacement_um(
    defocus_um: float, astigmatism_um: Vector, tilt_mrad: Vector | np.ndarray, cs_mm: float
) -> np.ndarray:
    """How far a tilted beam displaces the place that a picture shows, (x, y).

    ``(defocus - A) t + Cs t^2 t`` with the matrix A of the astigmatism; parameters as for
    `apparent_focus`.
    """
    tilt = np.asarray(tilt_mrad)
    focus_um = defocus_um * np.eye(2) - astigmatism_tensor(astigmatism_um)
    return 1e-3 * focus_um @ tilt + 1e-6 * cs_mm * float(tilt @ tilt) * tilt
