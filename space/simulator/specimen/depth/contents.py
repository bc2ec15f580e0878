"""What a slab holds, as volumes and lists: the truth that pictures are drawn from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .cloud import Cloud
from .layout import PARTICLE, label_at
from .projecting import volume
from .slab import Slab
from .tiles import Tile, tile, tiles_near


def _tiles_in(
    slab: Slab, to_frame: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Iterator[Tile]:
    corners = np.array(np.meshgrid(*zip(low, high), indexing="ij")).reshape(3, -1).T
    inside = (corners - to_frame[:, 3]) @ np.linalg.inv(to_frame[:, :3]).T
    # Only what lies between the faces counts, which a slanting box meets farther off.
    for i, j in tiles_near(inside[:, :2].min(axis=0), inside[:, :2].max(axis=0)):
        yield tile(slab, i, j)


def particles_in(
    slab: Slab, to_frame: np.ndarray, low_nm: np.ndarray, high_nm: np.ndarray
) -> np.ndarray:
    """Particles whose centres lie in a box.

    Parameters
    ----------
    slab : Slab
    to_frame : (3, 4) array
        From (s, t, w, 1) to the frame of the box, all in nm.
    low_nm, high_nm : (x, y, z)
        Corners of the box, in its frame.

    Returns
    -------
    (n,) array of `PARTICLE`, centres and rotations in the frame of the box
    """
    some = [part.particles for part in _tiles_in(slab, to_frame, low_nm, high_nm)]
    every = np.concatenate([*some, np.zeros(0, PARTICLE)])
    every["center_nm"] = every["center_nm"] @ to_frame[:, :3].T + to_frame[:, 3]
    every["rotation"] = to_frame[:, :3] @ every["rotation"]
    inside = (every["center_nm"] >= low_nm) & (every["center_nm"] < high_nm)
    return every[inside.all(axis=1)]


def volumes_in(
    slab: Slab,
    to_frame: np.ndarray,
    low_nm: np.ndarray,
    shape: tuple[int, int, int],
    voxel_nm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Potential of all contents and of the membranes alone, in voxels.

    Parameters
    ----------
    slab, to_frame, low_nm
        As for `particles_in`.
    shape : (z, y, x)
    voxel_nm : float

    Returns
    -------
    potential, membranes : (z, y, x) float32, V above the surroundings
    """
    high = np.asarray(low_nm) + voxel_nm * np.array(shape[::-1])
    found = list(_tiles_in(slab, to_frame, np.asarray(low_nm), high))
    everything, membranes = (
        _moved(Cloud.joined(clouds), to_frame)
        for clouds in ([part.cloud for part in found], [part.membranes for part in found])
    )
    return (
        volume(everything, low_nm, shape, voxel_nm),
        volume(membranes, low_nm, shape, voxel_nm),
    )


def _moved(cloud: Cloud, to_frame: np.ndarray) -> Cloud:
    points = cloud.points_nm.astype(np.float64) @ to_frame[:, :3].T + to_frame[:, 3]
    return Cloud(points.astype(np.float32), cloud.weights, cloud.grades)


def labels_in(
    slab: Slab,
    to_frame: np.ndarray,
    low_nm: np.ndarray,
    shape: tuple[int, int, int],
    voxel_nm: float,
) -> np.ndarray:
    """Labels in the middle of each voxel, (z, y, x) uint8; 0 outside of the slab.

    Parameters as for `volumes_in`; the values are those of `labels.LABELS`.
    """
    back = np.linalg.inv(to_frame[:, :3])
    x, y = (low_nm[k] + voxel_nm * (np.arange(shape[2 - k]) + 0.5) for k in (0, 1))
    result = np.zeros(shape, np.uint8)
    for k in range(shape[0]):
        z = low_nm[2] + voxel_nm * (k + 0.5)
        points = np.stack(np.broadcast_arrays(x[None, :], y[:, None], z), axis=-1).reshape(-1, 3)
        result[k] = label_at(slab, (points - to_frame[:, 3]) @ back.T).reshape(shape[1:])
    return result
