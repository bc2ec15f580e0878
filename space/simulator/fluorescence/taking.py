"""A picture by a light microscope: what glows, blurred by the lens, counted by the camera.

The point spread is a Gaussian of the width that fits that of a lens (B. Zhang, J. Zerubia and J.-C.
Olivo-Marin, Applied Optics 46 (2007): 0.21 wavelengths / NA), and wider out of focus by the cone of
light. Everything on one lamella, and everything on the film, has one height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from space.simulator.fluorescence.beads import Beads
from space.simulator.fluorescence.field import Field
from space.simulator.fluorescence.staining import Stain, stained
from space.simulator.specimen import Grid

CHANNELS = ("mCherry", "autofluorescence", "transmitted")

_OFFSET, _READ = 100.0, 2.0
_GAUSSIAN, _CONE = 0.21, 0.25


@dataclass(frozen=True)
class Light:
    """How a picture is taken.

    Attributes
    ----------
    photons : float
        Of the brightest label in a pixel.
    background : float
        The same everywhere, as a share of these.
    glow : float
        Of cells on the film and in lamellae by themselves, as a share of these.
    beads : float
        As a share of these.
    na : float
        Numerical aperture, in air.
    wavelength_um : float
    focus_um : float
        Height of the focal plane, of the middle plane of several.
    planes : int
    step_um : float
    """

    photons: float = 400.0
    background: float = 0.1
    glow: float = 0.3
    beads: float = 3.0
    na: float = 0.9
    wavelength_um: float = 0.61
    focus_um: float = 0.0
    planes: int = 1
    step_um: float = 0.5

    def blur_um(self, height_um: float, plane_um: float) -> float:
        """Width of the point spread for what is at a height."""
        sharp = _GAUSSIAN * self.wavelength_um / self.na
        return float(np.hypot(sharp, _CONE * self.na * abs(height_um - plane_um)))

    def heights_um(self) -> np.ndarray:
        """Of the planes."""
        return self.focus_um + (np.arange(self.planes) - (self.planes - 1) / 2) * self.step_um


@dataclass(frozen=True, eq=False)
class Taken:
    """A picture and what it was taken of.

    Attributes
    ----------
    channels : dict of str to (planes, rows, columns) uint16
    field : Field
    beads : Beads
    stain : Stain
    light : Light
    """

    channels: dict[str, np.ndarray]
    field: Field
    beads: Beads
    stain: Stain
    light: Light


def take(
    grid: Grid, field: Field, beads: Beads, stain: Stain, light: Light, seed: int = 0
) -> Taken:
    """Take the picture of a field of a grid.

    Parameters
    ----------
    grid : Grid
    field : Field
    beads : Beads
    stain : Stain
    light : Light
    seed : int
        Of the noise.
    """
    rng = np.random.default_rng([34, seed])
    matrix, shape, pixel_um = field.matrix, field.shape, field.pixel_um
    through = grid.transmission(matrix, shape, pixel_um) * beads.shadow(matrix, shape)
    middle = field.to_grid(np.array([[shape[1] / 2, shape[0] / 2]]))[0]
    film_um = grid.film_height_um(float(middle[0]), float(middle[1]))
    strength = rng.uniform(0.5, 1.0, len(beads.places_um))
    balls = light.beads * beads.drawn(matrix, shape, strength)
    film = light.glow * 0.3 * (1 - np.minimum(through, 1.0))
    signal, other = [(film_um, balls)], [(film_um, balls * 0.7 + film)]
    for lamella in grid.lamellae:
        if lamella.kind == "gone" or not field.holds(np.array([lamella.center_um]), -200)[0]:
            continue
        labelled, glowing, _ = stained(lamella, stain, matrix, shape)
        signal.append((lamella.height_um, labelled + 0.2 * light.glow * glowing))
        other.append((lamella.height_um, light.glow * glowing))
    layers = {
        "mCherry": signal,
        "autofluorescence": other,
        "transmitted": [(film_um, through)],
    }
    channels = {
        name: np.stack([_plane(found, field, light, plane_um, rng)
                        for plane_um in light.heights_um()])
        for name, found in layers.items()
    }  # fmt: skip
    return Taken(channels, field, beads, stain, light)


def _plane(
    layers: list[tuple[float, np.ndarray]],
    field: Field,
    light: Light,
    plane_um: float,
    rng: np.random.Generator,
) -> np.ndarray:
    seen = np.zeros(field.shape, np.float32)
    for height_um, values in layers:
        blur_px = light.blur_um(height_um, plane_um) / field.pixel_um
        seen += ndimage.gaussian_filter(values.astype(np.float32), blur_px)
    if field.waves:
        seen = _distorted(seen, field)
    rows, columns = np.indices(field.shape, np.float32) / np.float32(max(field.shape))
    uneven = 1 + rng.uniform(-0.3, 0.3) * (rows - 0.5) + rng.uniform(-0.3, 0.3) * (columns - 0.5)
    photons = light.photons * (np.maximum(seen, 0) + light.background * uneven)
    counts = _OFFSET + rng.poisson(photons) + rng.normal(0, _READ, field.shape)
    return np.asarray(np.clip(np.rint(counts), 0, 65535), np.uint16)


def _distorted(seen: np.ndarray, field: Field) -> np.ndarray:
    rows, columns = np.indices(field.shape)
    points = np.stack([columns + 0.5, rows + 0.5], -1)
    column, row = np.moveaxis(points - field.displaced(points) - 0.5, -1, 0)
    return np.asarray(ndimage.map_coordinates(seen, [row, column], order=1, mode="nearest"))
