"""The truth about a simulated tilt series, in the voxels of the tomogram that was made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from space.volumes import Frame

PARTICLE = "ribosome"


@dataclass(frozen=True)
class TomogramTruth:
    """What is true in a tomogram.

    Attributes
    ----------
    particles_px : dict of str to ndarray (n, 3)
        Centres by kind, in voxels (z, y, x).
    membranes : ndarray (z, y, x)
        Whether a voxel is membrane.
    inside : ndarray (z, y, x)
        Whether a voxel lies in the lamella.
    """

    particles_px: Mapping[str, np.ndarray]
    membranes: np.ndarray
    inside: np.ndarray

    def centres_px(self, kind: str) -> np.ndarray:
        """Centres of particles of a kind, (n, 3), in voxels (z, y, x)."""
        return self.particles_px.get(kind, np.zeros((0, 3)))

    @property
    def layers(self) -> tuple[int, int]:
        """First layer that holds some of the lamella, and the one after the last."""
        there = np.flatnonzero(self.inside.any(axis=(1, 2)))
        return (int(there[0]), int(there[-1]) + 1) if there.size else (0, len(self.inside))


def truth_of(
    path: Path, frame: Frame, shape: tuple[int, int, int], offset_deg: float
) -> TomogramTruth:
    """Return the truth of a series in the voxels of its tomogram.

    The truth is told in the frame of the stage at zero tilt; a tomogram is turned against it about
    the tilt axis by the tilt offset that its alignment found, and by nothing else.

    Parameters
    ----------
    path : Path
        The JSON file; its arrays lie beside it.
    frame : Frame
        Of the tomogram.
    shape : tuple of int
        Of the tomogram.
    offset_deg : float
        Tilt offset of the tomogram.
    """
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    to_tomogram = _turn(offset_deg)
    by_kind: dict[str, list[Any]] = {}
    for one in told["particles"]:
        by_kind.setdefault(one["kind"], []).append(one["center_nm"])
    particles = {
        kind: in_voxels(np.array(places, float) @ to_tomogram.T, frame, shape)
        for kind, places in by_kind.items()
    }
    with np.load(Path(path).with_name(told["arrays"]), allow_pickle=False) as arrays:
        membranes, labels = arrays["membranes"], arrays["labels"]
    about = told["volumes"]
    low_nm, side_nm = np.array(about["low_nm"], float), float(about["voxel_nm"])
    sampled = [
        _sampled(one, low_nm, side_nm, frame, shape, to_tomogram) for one in (membranes, labels)
    ]
    return TomogramTruth(particles, sampled[0] > 0, sampled[1] > 0)


def in_voxels(places_nm: np.ndarray, frame: Frame, shape: tuple[int, int, int]) -> np.ndarray:
    """Return places (x, y, z) as voxels (z, y, x), those outside left out."""
    places = (places_nm.reshape(-1, 3)[:, ::-1] - frame.origin_nm) / frame.voxel_nm
    inside = ((places >= 0) & (places <= np.array(shape) - 1)).all(axis=1)
    return places[inside]


def _turn(offset_deg: float) -> np.ndarray:
    """Return the matrix (3, 3) that leads from places of the stage to those of the tomogram."""
    c, s = math.cos(math.radians(offset_deg)), math.sin(math.radians(offset_deg))
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def _sampled(
    volume: np.ndarray,
    low_nm: np.ndarray,
    side_nm: float,
    frame: Frame,
    shape: tuple[int, int, int],
    to_tomogram: np.ndarray,
) -> np.ndarray:
    """Return a volume of truth at the voxels of a tomogram."""
    # Voxel (z, y, x) of the tomogram -> nm of the tomogram -> nm of the stage -> voxel of truth.
    back = to_tomogram.T[::-1, ::-1]
    matrix = back * np.array(frame.voxel_nm) / side_nm
    begin = (back @ frame.origin_nm - low_nm[::-1]) / side_nm - 0.5
    return ndimage.affine_transform(volume, matrix, begin, shape, order=0, mode="constant")
