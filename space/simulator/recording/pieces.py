"""Volumes of a specimen with depth without a microscope: a tomogram as if nothing were lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.simulator.recording.taking import place_with
from space.simulator.specimen import Grid
from space.simulator.specimen.depth import labels_in, particles_in, slab_of, volumes_in

from .truth import MEMBRANE_V


@dataclass(frozen=True)
class Phantom:
    """A piece of a lamella.

    Attributes
    ----------
    density : (z, y, x) float32
        Potential above that of the surroundings, V: dense is positive.
    labels : (z, y, x) uint8
        Values of `space.simulator.specimen.LABELS`; 0 outside of the lamella.
    membranes : (z, y, x) bool
    particles : structured array
        'kind', 'center_nm' (x, y, z from the outer corner of the first voxel), 'rotation' (3, 3),
        'radius_nm'.
    voxel_nm, thickness_nm : float
    """

    density: np.ndarray
    labels: np.ndarray
    membranes: np.ndarray
    particles: np.ndarray
    voxel_nm: float
    thickness_nm: float


def phantom(
    seed: int = 1,
    shape: tuple[int, int, int] = (64, 256, 256),
    voxel_nm: float = 2.4,
    holds: Sequence[str] = ("cell",),
    kind: str = "good",
) -> Phantom:
    """A piece of a simulated lamella that lies level, its middle plane in the middle.

    Parameters
    ----------
    seed : int
    shape : (z, y, x)
    voxel_nm : float
    holds : sequence of str
        Labels that the piece shall hold.
    kind : str
        Category of the lamella.
    """
    site = Grid.make(seed, 1, kinds=(kind,)).lamellae[0].site  # type: ignore[arg-type]
    slab = slab_of(site)
    field_um = 1e-3 * voxel_nm * max(shape[1:])
    place = np.array([*place_with(site, holds, field_um, seed), 1.0])
    s, t = 1e3 * (site.site_from_grid @ (place[0], place[1], 1.0))
    middle = voxel_nm * np.array(shape[::-1]) / 2.0
    to_frame = np.column_stack([np.eye(3), middle - (s, t, 0.0)])
    low, high = np.zeros(3), 2.0 * middle
    density, membranes = volumes_in(slab, to_frame, low, shape, voxel_nm)
    return Phantom(
        density,
        labels_in(slab, to_frame, low, shape, voxel_nm),
        membranes > MEMBRANE_V,
        particles_in(slab, to_frame, low, high),
        voxel_nm,
        slab.thickness_nm,
    )
