"""How much disk a session needs, and what folders are like."""

from __future__ import annotations

from dataclasses import dataclass

_STEP_DEG = 3.0
_BYTES_PER_PIXEL = 2
_WHOLE_GRID_PICTURES = 64
_MAP_PICTURES = 25


@dataclass(frozen=True)
class Expected:
    """What a session is expected to take.

    Attributes
    ----------
    grids, lamellae, targets : int
        Grids, lamellae of each grid, targets of each lamella.
    camera_px : tuple of int
        Width and height of a picture.
    max_tilt_deg : float
        Series tilt to this angle on either side.
    level : int
        Tilt series are taken at level 5 only.
    """

    grids: int = 1
    lamellae: int = 8
    targets: int = 8
    camera_px: tuple[int, int] = (5760, 4092)
    max_tilt_deg: float = 60.0
    level: int = 5

    @property
    def bytes(self) -> int:
        """Bytes of all image files, without movies: they go where the camera saves them."""
        picture = self.camera_px[0] * self.camera_px[1] * _BYTES_PER_PIXEL
        pictures = self.grids * (_WHOLE_GRID_PICTURES + self.lamellae * self._of_a_lamella())
        return pictures * picture

    def _of_a_lamella(self) -> int:
        tilts = 2 * int(self.max_tilt_deg / _STEP_DEG) + 1
        views = self.targets if self.level >= 4 else 0
        series = self.targets * tilts if self.level >= 5 else 0
        return _MAP_PICTURES + views + series

    def __str__(self) -> str:
        grids = "1 grid" if self.grids == 1 else f"{self.grids} grids"
        return (
            f"{gigabytes(self.bytes)} for {grids} with {self.lamellae} lamellae of {self.targets} "
            f"targets ({self.camera_px[0]} x {self.camera_px[1]} pixels, tilts to "
            f"{self.max_tilt_deg:g} degrees by {_STEP_DEG:g}, without movies)"
        )


def gigabytes(count: float) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count < 1e11 else f"{count / 1e9:.0f} GB"
