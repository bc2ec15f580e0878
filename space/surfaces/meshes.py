"""Meshes of parts: made, mended, divided, measured, simplified. trimesh does what it can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.errors import SpaceError
from space.surfaces.field import volume_nm3

if TYPE_CHECKING:
    import trimesh

_TRIED = ((0.1, 7), (0.25, 7), (0.5, 7), (0.1, 5), (0.1, 3))
"""Parts of the faces that are left, and how boldly (from 0 to 10), tried in this order."""

MOST_CHANGE = 0.002
"""By how much volume and area may change, as a part of themselves, when faces are taken away."""

_SPECK = 0.5
"""Part of a voxel: smaller pieces come of the blurring."""


def refuse_missing() -> None:
    """Say so if a package is missing.

    Raises
    ------
    SpaceError
    """
    try:
        import fast_simplification  # noqa: F401
        import skimage.measure  # noqa: F401
        import trimesh  # noqa: F401
    except ImportError as error:
        raise SpaceError(
            f"{error.name or 'trimesh'} is missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[tomo]"',
        ) from error


@dataclass(frozen=True)
class Form:
    """What a mesh is like.

    Attributes
    ----------
    volume_nm3, area_nm2 : float
    euler : int
        Vertices less edges plus faces: 2 for each closed surface, less 2 for each handle.
    shells : int
        Closed surfaces: one, and one more for each hollow inside.
    watertight : bool
        Whether each edge belongs to two faces that look to the same side.
    """

    volume_nm3: float
    area_nm2: float
    euler: int
    shells: int
    watertight: bool

    @property
    def handles(self) -> int:
        """How many holes go through it: none for a ball, one for a ring."""
        return self.shells - self.euler // 2

    def is_like(self, other: Form) -> bool:
        """Whether another one differs in nothing but roughness."""
        near = all(
            abs(mine - its) <= MOST_CHANGE * abs(its)
            for mine, its in (
                (self.volume_nm3, other.volume_nm3),
                (self.area_nm2, other.area_nm2),
            )
        )
        same = (self.euler, self.shells) == (other.euler, other.shells)
        return near and same and self.watertight == other.watertight


def form_of(mesh: trimesh.Trimesh) -> Form:
    """Measure a mesh."""
    return Form(
        volume_nm3(mesh.vertices, mesh.faces),
        float(mesh.area),
        int(mesh.euler_number),
        int(_pieces(mesh).max(initial=-1)) + 1,
        bool(mesh.is_watertight and mesh.is_winding_consistent),
    )


def mesh_of(vertices_nm: np.ndarray, faces: np.ndarray) -> trimesh.Trimesh:
    """Return a closed mesh whose faces look outwards; what is wrong with it is mended.

    Holes of more than four edges stay, and `Form.watertight` says so.
    """
    import trimesh

    mesh = trimesh.Trimesh(vertices_nm, faces, process=False)
    if not (mesh.is_watertight and mesh.is_winding_consistent):
        mesh.merge_vertices()
        mesh.update_faces(mesh.unique_faces() & mesh.nondegenerate_faces())
        mesh.remove_unreferenced_vertices()
        trimesh.repair.fill_holes(mesh)
        trimesh.repair.fix_winding(mesh)
    if volume_nm3(mesh.vertices, mesh.faces) < 0:
        mesh.invert()
    return mesh


def separate(mesh: trimesh.Trimesh, voxel_nm3: float) -> Iterator[trimesh.Trimesh]:
    """Divide a mesh into bodies: each an outer surface with the hollows inside it.

    Specks of less than half a voxel are left out if there is anything larger.
    """
    import trimesh

    pieces = _pieces(mesh)
    count = int(pieces.max(initial=-1)) + 1
    if count < 2:
        yield mesh
        return
    faces = [mesh.faces[pieces == number] for number in range(count)]
    volumes = [volume_nm3(mesh.vertices, one) for one in faces]
    outer = [number for number in range(count) if volumes[number] > _SPECK * voxel_nm3]
    outer = outer or [int(np.argmax(volumes))]
    inside: dict[int, list[int]] = {number: [] for number in outer}
    for number in range(count):
        if volumes[number] < -_SPECK * voxel_nm3:
            point = mesh.vertices[faces[number][0, 0]]
            around = [one for one in outer if _goes_round(mesh.vertices[faces[one]], point)]
            if around:
                inside[min(around, key=lambda one: volumes[one])].append(number)
    for number, hollows in inside.items():
        own = np.concatenate([faces[one] for one in (number, *hollows)])
        body = trimesh.Trimesh(mesh.vertices, own, process=False)
        body.remove_unreferenced_vertices()
        yield body


def simplified(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Take faces away as long as volume and area stay within `MOST_CHANGE`, and the form stays."""
    before = form_of(mesh)
    for share, boldness in _TRIED:
        count = int(len(mesh.faces) * share)
        if count < 4:
            continue
        fewer = mesh.simplify_quadric_decimation(face_count=count, aggression=boldness)
        fewer.remove_unreferenced_vertices()
        if form_of(fewer).is_like(before):
            return fewer
    return mesh


def vertex_areas_nm2(mesh: trimesh.Trimesh) -> np.ndarray:
    """Return the area that each vertex stands for: a third of the faces around it."""
    weights = np.repeat(mesh.area_faces / 3, 3)
    return np.bincount(mesh.faces.ravel(), weights, minlength=len(mesh.vertices))


def _pieces(mesh: trimesh.Trimesh) -> np.ndarray:
    """Return for each face the number of the piece that it belongs to."""
    import trimesh

    if not len(mesh.faces):
        return np.zeros(0, int)
    found: np.ndarray = trimesh.graph.connected_component_labels(
        mesh.face_adjacency, node_count=len(mesh.faces)
    )
    return found


def _goes_round(triangles: np.ndarray, point: np.ndarray) -> bool:
    """Tell whether a closed surface goes round a point: it fills the whole sphere seen from there.

    Solid angles of triangles by van Oosterom and Strackee, IEEE Trans. Biomed. Eng. 30 (1983) 125.
    """
    one, two, three = np.moveaxis(triangles - point, 1, 0)
    a, b, c = (np.linalg.norm(each, axis=1) for each in (one, two, three))
    above = np.einsum("ij,ij->i", one, np.cross(two, three))
    below = (
        a * b * c
        + np.einsum("ij,ij->i", one, two) * c
        + np.einsum("ij,ij->i", one, three) * b
        + np.einsum("ij,ij->i", two, three) * a
    )
    return bool(abs(2 * np.arctan2(above, below).sum()) > 2 * np.pi)
