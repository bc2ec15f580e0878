"""From labels to surfaces, one part after the other: memory is that of the largest part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from space.surfaces.field import smoothed, surface_at
from space.surfaces.meshes import (
    Form,
    form_of,
    mesh_of,
    refuse_missing,
    separate,
    simplified,
    vertex_areas_nm2,
)
from space.surfaces.options import SurfaceOptions
from space.surfaces.parts import Part, parts_of
from space.surfaces.thickness import Thickness, thickness_of
from space.volumes import Frame

if TYPE_CHECKING:
    import trimesh


@dataclass(frozen=True)
class Surface:
    """The surface of a part.

    Attributes
    ----------
    label : int
    name : str
        Of the label, and a number.
    vertices_nm : ndarray, shape (n, 3)
        (x, y, z), in the frame of the volume.
    faces : ndarray of int, shape (m, 3)
        Anticlockwise, seen from outside.
    form : Form
        Volume, area and what else is said of this mesh.
    thickness : Thickness
    at_border : bool
        Whether the part reaches the border of the volume, where its surface is closed flatly.
    """

    label: int
    name: str
    vertices_nm: np.ndarray
    faces: np.ndarray
    form: Form
    thickness: Thickness
    at_border: bool

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it, as plain values."""
        low, high = self.vertices_nm.min(0), self.vertices_nm.max(0)
        box = {
            f"{edge}_{axis}_nm": round(float(value), 3)
            for edge, values in (("low", low), ("high", high))
            for axis, value in zip("xyz", values)
        }
        return {
            "name": self.name,
            "label": self.label,
            "volume_nm3": _digits(self.form.volume_nm3),
            "area_nm2": _digits(self.form.area_nm2),
            **{f"thickness_{name}": _digits(value) for name, value in vars(self.thickness).items()},
            "euler": self.form.euler,
            "shells": self.form.shells,
            "handles": self.form.handles,
            "watertight": self.form.watertight,
            "at_border": self.at_border,
            "faces": len(self.faces),
            **box,
        }


def surfaces_of(
    labels: np.ndarray, frame: Frame, options: SurfaceOptions | None = None
) -> Iterator[Surface]:
    """Make the surfaces of all parts of a volume of labels.

    Parameters
    ----------
    labels : ndarray of whole numbers, shape (z, y, x)
        0 is nothing.
    frame : Frame
    options : SurfaceOptions, optional

    Yields
    ------
    Surface

    Raises
    ------
    SpaceError
        If these are no labels, a package is missing, or memory would not be enough.
    """
    refuse_missing()
    asked = options or SurfaceOptions()
    counts: dict[int, int] = {}
    found = parts_of(
        labels,
        frozenset(asked.labels),
        frame.voxel_nm,
        asked.smallest_nm3,
        asked.neck_nm,
        asked.memory_gb,
    )
    for part in found:
        for mesh in _meshes(part, frame, asked):
            counts[part.label] = counts.get(part.label, 0) + 1
            called = asked.labels.get(part.label, f"label_{part.label}")
            yield _surface(mesh, part, f"{called}_{counts[part.label]:03d}", frame, asked)


def _meshes(part: Part, frame: Frame, asked: SurfaceOptions) -> Iterator[trimesh.Trimesh]:
    """Return the bodies of a part; their vertices are told from the first voxel of the volume."""
    field, rim = smoothed(part.mask, _sigma_nm(frame, asked), frame.voxel_nm)
    vertices_nm, faces = surface_at(field, int(part.mask.sum()), frame.voxel_nm)
    begins = [(at - more) * side for at, more, side in zip(part.first, rim, frame.voxel_nm)]
    whole = mesh_of(vertices_nm + begins[::-1], faces)
    voxel_nm3 = float(np.prod(frame.voxel_nm))
    for mesh in separate(whole, voxel_nm3):
        # Voxels that are as many as asked for may come out smaller by a rounding error.
        if form_of(mesh).volume_nm3 >= asked.smallest_nm3 - _LEAST * voxel_nm3:
            yield mesh


_LEAST = 0.01
USUAL_SIGMA = 1.25
"""Of the longest side of a voxel: below, steps still add to areas; above, thin walls suffer."""


def _sigma_nm(frame: Frame, asked: SurfaceOptions) -> tuple[float, float, float]:
    along = USUAL_SIGMA * max(frame.voxel_nm) if asked.smooth_nm is None else asked.smooth_nm
    along_z = along if asked.smooth_z_nm is None else max(along, asked.smooth_z_nm)
    return along_z, along, along


def _surface(
    mesh: trimesh.Trimesh, part: Part, name: str, frame: Frame, asked: SurfaceOptions
) -> Surface:
    thickness = thickness_of(mesh.vertices, mesh.vertex_normals, vertex_areas_nm2(mesh))
    if asked.simplify:
        mesh = simplified(mesh)
    return Surface(
        part.label,
        name,
        np.asarray(mesh.vertices) + frame.origin_nm[::-1],
        np.asarray(mesh.faces),
        form_of(mesh),
        thickness,
        part.at_border,
    )


def _digits(value: float) -> float:
    return float(f"{value:.7g}")
