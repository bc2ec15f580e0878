"""The camera: which piece of the specimen it sees, and the counts it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.column.instrument import LINEAR, ONE_MODE, CameraModel, CameraSet, ReadMode
from space.simulator.column.letters import SET_LETTERS, SetLetter, set_named
from space.simulator.column.lying import AS_DRAWN, Lying
from space.simulator.column.optics import ColumnOptics
from space.simulator.specimen.interface import slope_at

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from space.simulator.specimen.interface import Specimen

AREA_FRACTIONS = {
    "F": (1.0, 1.0),
    "H": (0.5, 0.5),
    "Q": (0.25, 0.25),
    "WH": (1.0, 0.5),
    "WQ": (1.0, 0.25),
}


STEEPEST = 0.05  # of the cosine between beam and specimen, compared with zero tilt
_LARGEST_ROUNDS = 8


class SetChanges(TypedDict, total=False):
    """What can be changed of a `CameraSet`."""

    binning: float
    exposure_s: float
    drift_s: float
    window_px: tuple[int, int, int, int]
    read_mode: int
    frame_s: float
    fractionate: bool
    save_frames: bool
    align_frames: bool
    processing: int


@dataclass(frozen=True)
class View:
    """Everything that decides which specimen point falls on which pixel.

    Attributes
    ----------
    stage_um : tuple of float
        True stage position.
    shift_um : tuple of float
        Image shift in specimen µm from neutral, the shift to the tilt axis not included.
    height_um : float
        Height of the specimen above the tilt axis at zero tilt, at the anchor.
    slope : (dz/dx, dz/dy)
        Of the specimen there, grid frame; the picture shows its plane.
    anchor_um : (x, y)
        Point of the plane, grid frame.
    lying : Lying
        How the grid lies on the stage.
    axis_shift_um : float
        Image shift along specimen Y that brings the tilt axis to the centre, 0 if unused.
    """

    mag_index: int
    binning: float
    shape: tuple[int, int]
    stage_um: tuple[float, float]
    shift_um: tuple[float, float] = (0.0, 0.0)
    axis_shift_um: float = 0.0
    tilt_deg: float = 0.0
    height_um: float = 0.0
    slope: tuple[float, float] = (0.0, 0.0)
    anchor_um: tuple[float, float] = (0.0, 0.0)
    lying: Lying = AS_DRAWN


def px_to_grid(optics: ColumnOptics, view: View) -> np.ndarray:
    """Affine (2, 3) from pixel centres (col + 0.5, row + 0.5, 1) to grid µm.

    A specimen point at y0 across and z0 above the tilt axis is seen at
    y0 cos(tilt) - z0 sin(tilt); this is the inverse of it for the plane in which the specimen
    lies.
    """
    rows, columns = view.shape
    to_camera_px = view.binning * np.array([[1.0, 0.0, -columns / 2.0], [0.0, -1.0, rows / 2.0]])
    seen = optics.camera_to_specimen(view.mag_index) @ to_camera_px
    aside = optics.entry(view.mag_index).center_um
    axis = optics.tilt_axis_offset_um
    seen[0, 2] += view.shift_um[0] + aside[0]
    seen[1, 2] += view.shift_um[1] + aside[1] + view.axis_shift_um - axis
    zero_um = np.asarray(view.stage_um, dtype=float)  # stage position on the optical axis
    if optics.entry(view.mag_index).low_mag:
        zero_um = zero_um + np.asarray(optics.low_mag_offset_um)
    anchor_um = view.lying.to_stage(np.asarray(view.anchor_um))
    anchor = optics.stage_to_specimen() @ (anchor_um - zero_um) - (0.0, axis)
    on_axis_um = view.height_um - _specimen_slope(optics, view) @ anchor
    flat = onto_specimen(optics, view) @ seen
    flat[1, 2] += on_axis_um * math.sin(math.radians(view.tilt_deg)) * path(optics, view) + axis
    stage = optics.specimen_to_stage() @ flat
    stage[:, 2] += zero_um - np.asarray(view.lying.moved_um)
    return np.asarray(view.lying.rows.T @ stage)


def projection(optics: ColumnOptics, view: View, stage_z_um: float) -> np.ndarray:
    """Affine (2, 4) from (x, y, height, 1) to pixel centres (col + 0.5, row + 0.5).

    x, y and height in µm on the grid at zero tilt, heights above the eucentric plane when stage Z
    is 0. A point of the plane that the picture shows falls where `px_to_grid` has it; what lies
    above the plane falls where a plane that stands as much higher would show it.
    """
    plane = px_to_grid(optics, view)
    higher = px_to_grid(optics, replace(view, height_um=view.height_um + 1.0))
    to_px = np.linalg.inv(plane[:, :2])
    up = -to_px @ (higher[:, 2] - plane[:, 2])
    slope = np.asarray(view.slope, dtype=float)
    level = view.height_um - stage_z_um - slope @ view.anchor_um  # of the plane at (0, 0)
    return np.column_stack([to_px - np.outer(up, slope), up, -to_px @ plane[:, 2] - up * level])


def onto_specimen(optics: ColumnOptics, view: View) -> np.ndarray:
    """(2, 2) matrix from distances as seen to distances on the specimen, both specimen µm.

    The latter are measured at zero tilt. What rises along the tilt axis is seen sheared.
    """
    along, _ = _specimen_slope(optics, view)
    longer = path(optics, view)
    return np.array([[1.0, 0.0], [along * math.sin(math.radians(view.tilt_deg)) * longer, longer]])


def path(optics: ColumnOptics, view: View) -> float:
    """Length of the beam's path through the specimen as a multiple of that at zero tilt.

    Distances across the tilt axis are seen as much shorter. A specimen that is all but seen edge
    on counts as seen from `STEEPEST` on.
    """
    angle = math.radians(view.tilt_deg)
    _, across = _specimen_slope(optics, view)
    return 1.0 / max(math.cos(angle) - float(across) * math.sin(angle), STEEPEST)


def lean(optics: ColumnOptics, view: View) -> tuple[float, float]:
    """(dx, dy) in the grid frame by which the beam's path goes sideways while it rises by 1."""
    aside = optics.specimen_to_stage() @ (0.0, math.tan(math.radians(view.tilt_deg)))
    x, y = view.lying.rows.T @ aside
    return float(x), float(y)


def _specimen_slope(optics: ColumnOptics, view: View) -> np.ndarray:
    """Slope along and across the tilt axis."""
    return optics.specimen_to_stage().T @ view.lying.rows @ np.asarray(view.slope, dtype=float)


def center_um(optics: ColumnOptics, view: View) -> tuple[float, float]:
    """Grid point in the centre of the image."""
    rows, columns = view.shape
    x, y = px_to_grid(optics, view) @ np.array([columns / 2.0, rows / 2.0, 1.0])
    return float(x), float(y)


def with_height(optics: ColumnOptics, view: View, grid: Specimen | None, stage_z_um: float) -> View:
    """View with height and slope that the specimen has in the image centre.

    Where the line of sight meets the specimen more than once, as at the edge of a lamella, it is
    the point near the tilt axis that counts.
    """
    current = replace(view, height_um=0.0, slope=(0.0, 0.0))
    for _ in range(_LARGEST_ROUNDS if abs(view.tilt_deg) > 0.01 else 1):
        x, y = center_um(optics, current)
        height = float(grid.height_um(x, y)) if grid is not None else 0.0
        before_um = current.anchor_um
        current = replace(
            current,
            height_um=stage_z_um + height,
            slope=slope_at(grid, x, y),
            anchor_um=(x, y),
        )
        if np.allclose(before_um, current.anchor_um, rtol=0.0, atol=1e-7):
            break
    return current


def expose(
    transmission: np.ndarray,
    electrons_per_px: float,
    rng: np.random.Generator | None,
    model: CameraModel,
    mode: ReadMode = ONE_MODE[0],
) -> np.ndarray:
    """Counts (int16) for a transmission image; without noise when `rng` is None.

    Shot noise is drawn as a normal deviate of the same variance, which is quick and, at the
    doses of interest (tens of electrons per pixel), indistinguishable from a Poisson one.
    """
    electrons = np.maximum(np.asarray(transmission, dtype=np.float32), np.float32(0.0))
    electrons *= np.float32(electrons_per_px)
    gain = np.float32(model.counts_per_electron * mode.gain)
    if electrons_per_px * gain > model.saturation_counts:
        gain = np.float32(model.saturation_counts / electrons_per_px)
    counts = electrons * gain
    if rng is not None:
        sigma = np.sqrt(electrons, out=electrons)
        sigma *= gain * np.float32(mode.spread)
        sigma += np.float32(model.readout_noise_counts * mode.noise)
        sigma *= rng.standard_normal(counts.shape, dtype=np.float32)
        counts += sigma
    np.rint(counts, out=counts)
    return np.clip(counts, -32768, 32767, out=counts).astype(np.int16)


class Camera:
    """A camera and its parameter sets, named V F T R P S M as in scripts.

    Attributes
    ----------
    next_frames : int or None
        Frames of which the next picture is the sum; None for all.
    """

    def __init__(self, model: CameraModel) -> None:
        self.model = model
        self.sets: dict[SetLetter, CameraSet] = dict(model.sets)
        self._changed: dict[SetLetter, CameraSet] = {}
        self.next_frames: int | None = None

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self.model.name

    @property
    def size_px(self) -> tuple[int, int]:
        """Columns and rows of the chip, unbinned."""
        return self.model.size_px

    @property
    def counted_per_px(self) -> float:
        """Unbinned pixels that SerialEM counts per real one (see `CameraKind`)."""
        return float(self.model.kind.counted_per_px)

    def letter(self, text: str) -> SetLetter:
        """Letter of a camera set given as letter or number text.

        Raises
        ------
        SEMerror
            If it names no set.
        """
        name = str(text).strip().upper()
        if name.isdigit() and int(name) < len(SET_LETTERS):
            return SET_LETTERS[int(name)]
        letter = set_named(name)
        if letter is None:
            raise SEMerror(f"{text!r} is not a camera parameter set")
        return letter

    def read_mode(self, set_letter: str) -> int:
        """Number of the read mode of a set, 0 for a camera that has no choice of them."""
        return min(self.sets[self.letter(set_letter)].read_mode, len(self.model.kind.modes) - 1)

    def mode(self, set_letter: str) -> ReadMode:
        """Read mode of a set."""
        return self.model.kind.modes[self.read_mode(set_letter)]

    def counts_per_electron(self, set_letter: str) -> float:
        """Counts that an electron gives in the read mode of a set."""
        return self.model.counts_per_electron * self.mode(set_letter).gain

    def returned_fraction(self, set_letter: str, exposure_s: float) -> float:
        """Part of an exposure that the picture taken now shows; the next one shows all again."""
        frames, self.next_frames = self.next_frames, None
        parameters = self.sets[self.letter(set_letter)]
        if frames is None or not parameters.fractionate or exposure_s <= 0:
            return 1.0
        return min(1.0, frames * parameters.frame_s / exposure_s)

    def counts_electrons(self, set_letter: str) -> bool:
        """Whether the frames of a set hold numbers of electrons, as those of a K2 or K3 do."""
        return self.model.kind.k2_type > 0 and self.read_mode(set_letter) != LINEAR

    def set_read_mode(self, set_letter: str, number: int) -> None:
        """Change the read mode until it is restored; half pixels become whole ones without it."""
        self.change(set_letter, read_mode=number)
        if self.binning(set_letter) not in self.binnings(set_letter):
            self.change(set_letter, binning=1)

    def binnings(self, set_letter: str) -> tuple[float, ...]:
        """Binnings that a set can have: that of half pixels only in a mode that reads them."""
        halves = self.read_mode(set_letter) in self.model.kind.half_modes
        return (0.5, *self.model.binnings) if halves else self.model.binnings

    def binning(self, set_letter: str) -> float:
        """Binning of a set."""
        return self.sets[self.letter(set_letter)].binning

    def exposure_s(self, set_letter: str) -> float:
        """Exposure time of a set."""
        return self.sets[self.letter(set_letter)].exposure_s

    def frame_px(self, set_letter: str, binning: float | None = None) -> tuple[int, int]:
        """Binned frame size (columns, rows) of a set."""
        camera_set = self.sets[self.letter(set_letter)]
        factor = camera_set.binning if binning is None else binning
        width, height = self.size_px
        if camera_set.window_px is not None:
            left, right, top, bottom = camera_set.window_px
            width, height = right - left, bottom - top
        return int(width // factor), int(height // factor)

    def change(self, set_letter: str, **values: Unpack[SetChanges]) -> None:
        """Change a set until it is restored."""
        key = self.letter(set_letter)
        self._changed.setdefault(key, self.sets[key])
        self.sets[key] = replace(self.sets[key], **values)

    def set_exposure(self, set_letter: str, exposure_s: float) -> None:
        """Change the exposure of a set for good, as an imaging state does."""
        key = self.letter(set_letter)
        self._changed.pop(key, None)
        self.sets[key] = replace(self.sets[key], exposure_s=exposure_s)

    def restore(self, set_letter: str | None = None) -> bool:
        """Undo changes of one set or all; False when there were none."""
        keys = list(self._changed) if set_letter is None else [self.letter(set_letter)]
        keys = [key for key in keys if key in self._changed]
        for key in keys:
            self.sets[key] = self._changed.pop(key)
        return bool(keys)

    def keep_changes(self, set_letter: str | None = None) -> None:
        """Make the changes made so far to one set or all permanent."""
        for key in list(self._changed) if set_letter is None else [self.letter(set_letter)]:
            self._changed.pop(key, None)
