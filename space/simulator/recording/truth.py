"""The truth about a tilt series of a specimen with depth, in files that a program never reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.formats.atomic import whole_file, write_text_atomic
from space.simulator.recording.frame import IN_WORDS, frame_at, projection_of, rows_up
from space.simulator.specimen import LABELS
from space.simulator.specimen.depth import Slab, labels_in, particles_in, volumes_in

if TYPE_CHECKING:
    from space.simulator.column.optics import ColumnOptics
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.specimen import Grid

FORMAT = 1
SUFFIX = ".truth.json"
VOLUMES = ".truth.npz"
VOXEL_NM = 4.0
MEMBRANE_V = 0.3
"""Mean potential of a voxel above which it counts as membrane."""

_SPARE_NM = 20.0  # beyond the faces, where gold and ice lie


@dataclass(frozen=True)
class Camera:
    """How the pictures of a series were read out.

    Attributes
    ----------
    binning : float
    shape : (rows, columns)
    pixel_nm, rotation_deg : float
        Of the binned pictures.
    """

    binning: float
    shape: tuple[int, int]
    pixel_nm: float
    rotation_deg: float


def series_truth(
    exposures: Sequence[Exposure],
    camera: Camera,
    optics: ColumnOptics,
    grid: Grid,
    voxel_nm: float = VOXEL_NM,
) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """What is true about a series: values for JSON, and volumes by name.

    The target's centre is what the picture nearest to zero tilt shows in its centre.

    Parameters
    ----------
    exposures : sequence of Exposure
        Of one series, in the order of the file's sections.
    camera : Camera
    optics : ColumnOptics
    grid : Grid
    voxel_nm : float
        Of the volumes.

    Returns
    -------
    values, volumes or None
        None where the target lies on no lamella. Volumes: 'labels' (as in `values["labels"]`)
        and 'membranes' (0 or 1), (z, y, x) uint8.
    """
    level = min(exposures, key=lambda exposure: abs(exposure.tilt_deg))
    to_px = projection_of(level, optics, grid, camera.binning, camera.shape)
    sight = grid.sight(to_px, camera.shape, 1e-3 * camera.pixel_nm)
    if sight is None:
        return None
    frame = frame_at(level, optics, grid)
    slab_to_grid = np.vstack([sight.slab.tangent(tuple(sight.center_nm)), [0.0, 0.0, 0.0, 1.0]])
    to_frame = frame.from_grid @ slab_to_grid
    frame_to_grid = np.vstack([frame.to_grid, [0.0, 0.0, 0.0, 1.0]])
    low, shape = _box(sight.slab, to_frame, to_px @ frame_to_grid, camera.shape, voxel_nm)
    high = low + voxel_nm * np.array(shape[::-1])
    particles = particles_in(sight.slab, to_frame, low, high)
    centers = np.column_stack([particles["center_nm"], np.ones(len(particles))])
    px = centers @ (to_px @ frame_to_grid).T
    particles = particles[((px >= 0) & (px < camera.shape[::-1])).all(axis=1)]
    _, membranes = volumes_in(sight.slab, to_frame, low, shape, voxel_nm)
    volumes = {
        "labels": labels_in(sight.slab, to_frame, low, shape, voxel_nm),
        "membranes": (membranes > MEMBRANE_V).astype(np.uint8),
    }
    normal = to_frame[:, 2] / np.linalg.norm(to_frame[:, 2])
    values = {
        "format": FORMAT,
        "frame": IN_WORDS,
        "handedness": "right",
        "particles_are_mirrored": bool(np.linalg.det(to_frame[:, :3]) < 0),
        "grid": level.grid,
        "center_um": list(frame.origin_um),
        "shape": list(camera.shape),
        "pixel_nm": camera.pixel_nm,
        "rotation_deg": camera.rotation_deg,
        "thickness_nm": sight.slab.thickness_nm,
        "normal": normal.tolist(),
        "pictures": [
            {
                "section": exposure.section if exposure.section >= 0 else number,
                "tilt_deg": exposure.tilt_deg,
                "dose_e_A2": exposure.dose_e_A2,
                "defocus_um": exposure.defocus_um,
                "to_image": rows_up(
                    projection_of(exposure, optics, grid, camera.binning, camera.shape)
                    @ frame_to_grid,
                    camera.shape[0],
                ).tolist(),
            }
            for number, exposure in enumerate(exposures)
        ],
        "particles": as_list(particles),
        "labels": {name: value for value, name in enumerate(LABELS)},
        "volumes": {"voxel_nm": voxel_nm, "low_nm": low.tolist(), "shape": list(shape)},
    }
    return values, volumes


def as_list(particles: np.ndarray) -> list[dict[str, Any]]:
    """Particles for JSON."""
    return [
        {
            "kind": str(one["kind"]),
            "center_nm": np.round(one["center_nm"], 3).tolist(),
            "rotation": np.round(one["rotation"], 6).tolist(),
            "radius_nm": round(float(one["radius_nm"]), 2),
        }
        for one in particles
    ]


def _box(
    slab: Slab,
    to_frame: np.ndarray,
    to_px: np.ndarray,
    shape: tuple[int, int],
    voxel_nm: float,
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Least corner (x, y, z) and shape (z, y, x) of a box around what a level picture shows."""
    rows, columns = shape
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], float)
    sides = []
    for w in (-slab.half_nm - _SPARE_NM, slab.half_nm + _SPARE_NM):
        # The face seen through the corners: (s, t) from (column, row).
        m = to_px @ np.vstack([to_frame, [0.0, 0.0, 0.0, 1.0]])
        st = (corners - m[:, 3] - m[:, 2] * w) @ np.linalg.inv(m[:, :2]).T
        sides.append(np.column_stack([st, np.full(4, w), np.ones(4)]) @ to_frame.T)
    every = np.concatenate(sides)
    low = np.floor(every.min(axis=0) / voxel_nm) * voxel_nm
    x, y, z = np.ceil((every.max(axis=0) - low) / voxel_nm).astype(int).tolist()
    return low, (z, y, x)


def write_truth(
    series: Path, values: dict[str, Any], volumes: dict[str, np.ndarray], folder: Path | None = None
) -> Path:
    """Write the truth about the series in a file, beside it or in a folder; give the JSON file."""
    home = series.parent if folder is None else folder
    home.mkdir(parents=True, exist_ok=True)
    path = home / (series.stem + SUFFIX)
    arrays = home / (series.stem + VOLUMES)
    packed = BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **volumes)
    with whole_file(arrays) as temporary:
        temporary.write_bytes(packed.getvalue())
    values = {**values, "series": series.name, "arrays": arrays.name}
    write_text_atomic(path, json.dumps(values) + "\n")
    return path
