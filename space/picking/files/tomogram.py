"""A tomogram on disk, read by parts with its axes in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.picking.files.axes import order_axes, permuted
from space.volumes import Frame, OpenVolume, open_volume

_HASHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Tomogram:
    """A tomogram on disk; ``tomogram[z0:z1, y0:y1, x0:x1]`` reads a part as float32.

    Attributes
    ----------
    name : str
    volume : OpenVolume
    order : str
        Of the axes in its file.
    joined : bool
        Whether two sections are joined to one.
    """

    name: str
    volume: OpenVolume
    order: str = "xyz"
    joined: bool = False

    @property
    def whole_shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x in the file."""
        z, y, x = (int(side) for side in permuted(self.volume.shape, self.order))
        return z, y, x

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x as they are shown, two sections joined to one where asked."""
        z, y, x = self.whole_shape
        return (z // 2 if self.joined else z), y, x

    @property
    def size(self) -> int:
        """Count of voxels."""
        z, y, x = self.shape
        return z * y * x

    @property
    def frame(self) -> Frame:
        """Of the axes in order, with two sections joined where they are."""
        given = self.volume.frame
        z, y, x = permuted(given.voxel_nm, self.order)
        z_nm, y_nm, x_nm = permuted(given.origin_nm, self.order)
        # Exchanging two axes mirrors, turning all three does not.
        hand = given.handedness if self.order != "xzy" else _mirrored(given.handedness)
        origin_nm = (z_nm + z / 2 if self.joined else z_nm, y_nm, x_nm)
        return Frame(
            ((2 * z if self.joined else z), y, x), origin_nm, hand, given.stage_um, given.target
        )

    @property
    def voxel_nm(self) -> float:
        """Mean side of a voxel before sections are joined."""
        return float(np.mean(self.volume.frame.voxel_nm))

    def __getitem__(self, part: tuple[slice, slice, slice]) -> np.ndarray:
        wanted = [slice(*one.indices(side)[:2]) for one, side in zip(part, self.shape)]
        if self.joined:
            wanted[0] = slice(2 * wanted[0].start, 2 * wanted[0].stop)
        axes = order_axes(self.order)
        in_file = [slice(0)] * 3
        for at, one in zip(axes, wanted):
            in_file[at] = one
        found: np.ndarray = np.asarray(self.volume[in_file[0], in_file[1], in_file[2]], np.float32)
        found = found.transpose(axes)
        if self.joined:
            found = (found[::2] + found[1::2]) * np.float32(0.5)
        return np.ascontiguousarray(found)

    def to_shown(self, points_px: np.ndarray) -> np.ndarray:
        """Return points (n, 3) (z, y, x) of the file's voxels in those with sections joined."""
        given = np.array(points_px, float).reshape(-1, 3)
        if self.joined:
            given[:, 0] = (given[:, 0] - 0.5) / 2
        return given

    def to_file(self, points_px: np.ndarray) -> np.ndarray:
        """Return what `to_shown` was given."""
        given = np.array(points_px, float).reshape(-1, 3)
        if self.joined:
            given[:, 0] = 2 * given[:, 0] + 0.5
        return given

    def mark(self) -> str:
        """Return what changes when the tomogram becomes another: of its size and first voxels."""
        z, y, x = self.volume.shape
        deep = max(1, min(z, _HASHED_BYTES // (y * x * self.volume.dtype.itemsize)))
        first = self.volume[0:deep, 0:y, 0:x]
        about = f"{self.volume.shape} {self.order} {self.joined}".encode()
        return hashlib.sha256(about + first.tobytes()).hexdigest()


def open_tomogram(
    path: Path,
    name: str = "",
    order: str = "xyz",
    joined: bool = False,
    voxel_nm: float | None = None,
) -> Tomogram:
    """Open a tomogram.

    Raises
    ------
    SpaceError
        If it cannot be read, or is too thin for sections to be joined.
    """
    path = Path(path)
    given = None if voxel_nm is None else (voxel_nm, voxel_nm, voxel_nm)
    found = Tomogram(name or path.stem, open_volume(path, given), order, joined)
    order_axes(order)
    if joined and found.shape[0] < 1:
        raise SpaceError("It has one section, and two are to be joined.", str(path))
    return found


def _mirrored(hand: str) -> str:
    return {"right": "left", "left": "right"}.get(hand, hand)
