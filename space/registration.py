"""How one picture lies in another, and how a grid has moved between two loads.

Pictures are compared on a common lattice of stage positions: each is drawn there through its own
`MapFrame`, one of them turned. A normalized cross-correlation then says how far one is displaced in
the other, and how much alike they are. Pure functions of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.geometry import MapFrame

LEAST_COVERED = 0.6
"""Of a picture so much must lie on the other one at the place where it is compared."""

_EDGE_PX = 2
_FLAT = 1e-6
_NO_SPREAD = 1e-12
_BOXES = 3  # averages over a square, one after the other, are nearly a Gaussian


@dataclass(frozen=True)
class Movement:
    """How a grid has moved on the stage: now = R(turned) · before + offset.

    Attributes
    ----------
    turned_deg : float
        Counter-clockwise on the stage.
    offset_um : tuple of float
        Added after turning about the stage's centre.
    """

    turned_deg: float = 0.0
    offset_um: tuple[float, float] = (0.0, 0.0)

    @property
    def matrix(self) -> np.ndarray:
        """R, 2 x 2."""
        return turn(self.turned_deg)

    def apply(self, points_stage_um: np.ndarray) -> np.ndarray:
        """Return where points (n, 2) of before are now."""
        points = np.asarray(points_stage_um, dtype=float).reshape(-1, 2)
        return np.asarray(points @ self.matrix.T + self.offset_um)

    def frame(self, frame: MapFrame) -> MapFrame:
        """Return where a picture of before lies now."""
        (a, b), (c, d) = (np.array(frame.stage_to_px) @ self.matrix.T).tolist()
        x, y = self.apply(np.array([frame.center_stage_um]))[0]
        return replace(frame, stage_to_px=((a, b), (c, d)), center_stage_um=(float(x), float(y)))


@dataclass(frozen=True)
class Match:
    """Where one picture was found in another.

    Attributes
    ----------
    shift_um : tuple of float
        From the place where it was expected to where it was found, stage axes of the lattice.
    likeness : float
        Normalized correlation there, 1 for equal pictures.
    runner_up : float
        The same at the best other place.
    """

    shift_um: tuple[float, float]
    likeness: float
    runner_up: float


def turn(angle_deg: float) -> np.ndarray:
    """Return the matrix that turns (x, y) counter-clockwise."""
    angle = math.radians(angle_deg)
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def on_lattice(
    data: np.ndarray,
    frame: MapFrame,
    center_stage_um: Sequence[float] | np.ndarray,
    size_um: Sequence[float] | np.ndarray,
    pixel_um: float,
    turned_deg: float = 0.0,
) -> np.ndarray:
    """Draw a picture on a lattice of stage positions; NaN where the picture does not reach.

    Parameters
    ----------
    data : ndarray, shape (rows, columns)
        The picture.
    frame : MapFrame
        Where it lies.
    center_stage_um : sequence of 2 floats
        Stage position in the middle of the lattice.
    size_um : sequence of 2 floats
        Extent of the lattice along its axes x (columns) and y (rows).
    pixel_um : float
        Pitch of the lattice.
    turned_deg : float
        The lattice's axes are those of the stage turned by this angle.
    """
    from scipy import ndimage

    columns, rows = (max(8, round(side / pixel_um)) for side in size_um)
    # The picture is first averaged to the lattice's pitch, so that nothing is skipped.
    small, frame = reduced(data, frame, pixel_um)
    to_px = np.array(frame.stage_to_px) @ turn(turned_deg)
    middle = frame.to_map(np.array([center_stage_um]))[0] - 0.5
    # scipy works in (row, column): swap the axes of the matrix.
    matrix = pixel_um * to_px[::-1, ::-1]
    offset = middle - matrix @ np.array([(rows - 1) / 2, (columns - 1) / 2])
    return np.asarray(
        ndimage.affine_transform(
            small, matrix, offset, output_shape=(rows, columns), order=1, cval=np.nan
        )
    )


def reduced(data: np.ndarray, frame: MapFrame, pixel_um: float) -> tuple[np.ndarray, MapFrame]:
    """Return a picture averaged in whole blocks to about a pixel size, and where it lies."""
    step = min(max(1, int(pixel_um / frame.pixel_um)), *data.shape)
    values = np.asarray(data, dtype=np.float32)
    if step == 1:
        return values, frame
    rows, columns = (side // step for side in data.shape)
    cut = values[: rows * step, : columns * step]
    # What is cut off at the right and the lower edge moves the middle.
    middle = frame.to_stage(np.array([[cut.shape[0] / 2, cut.shape[1] / 2]]))[0]
    (a, b), (c, d) = (np.array(frame.stage_to_px) / step).tolist()
    small = MapFrame((rows, columns), ((a, b), (c, d)), (float(middle[0]), float(middle[1])))
    return np.asarray(cut.reshape(rows, step, columns, step).mean(axis=(1, 3))), small


def flattened(picture: np.ndarray, sigma_px: float) -> np.ndarray:
    """Take off what changes slowly (uneven beam), where a picture is known."""
    known = np.isfinite(picture)
    filled = np.where(known, picture, 0.0)
    weight = smoothed(known.astype(np.float32), sigma_px)
    smooth = smoothed(filled, sigma_px) / np.maximum(weight, _FLAT)
    return np.where(known, picture - smooth, np.nan)


def smoothed(values: np.ndarray, sigma_px: float) -> np.ndarray:
    """Smooth about as a Gaussian does, at a cost that does not grow with its width."""
    from scipy import ndimage

    half = round((math.sqrt(12 * sigma_px**2 / _BOXES + 1) - 1) / 2)
    for _ in range(_BOXES):
        values = ndimage.uniform_filter(values, 2 * half + 1)  # of an odd width: nothing is moved
    return values


class Template:
    """A picture that is looked for in several others: what is worked out of it is kept."""

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        self._spectra: dict[tuple[int, ...], tuple[np.ndarray, ...]] = {}

    def spectra(self, size: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Return the transforms of its values, of their squares and of where they are known."""
        if size not in self._spectra:
            self._spectra[size] = _spectra(self.picture, size)
        return self._spectra[size]


def _spectra(picture: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    from scipy import fft

    known, values = np.isfinite(picture), _from_mean(picture)
    # Numbers of 32 bits are exact to some millionths of the largest sum, and half the work.
    parts = (part.astype(np.float32) for part in (values, values**2, known))
    return tuple(np.asarray(fft.rfft2(part, size)) for part in parts)


def _from_mean(picture: np.ndarray) -> np.ndarray:
    """Return how far values are from their mean in units of their spread; 0 where unknown."""
    known = np.isfinite(picture)
    if not known.any():
        return np.zeros(picture.shape)
    values = np.where(known, picture - picture[known].mean(dtype=float), 0.0)
    return np.asarray(values / max(float(np.sqrt((values**2).mean())), _NO_SPREAD))


def find(
    template: np.ndarray | Template, picture: np.ndarray, pixel_um: float, apart_um: float
) -> Match:
    """Find a smaller picture in a larger one; both are on lattices of the same pitch.

    Parameters
    ----------
    template : ndarray or Template
        The smaller one; it is expected in the middle of `picture`. Both may hold NaN.
    picture : ndarray
        The larger one.
    pixel_um : float
        Pitch of the lattices.
    apart_um : float
        A place so far away from the best one counts as another one.
    """
    template = template if isinstance(template, Template) else Template(template)
    likeness = _likeness(template, picture)
    if not np.isfinite(likeness).any():
        return Match((0.0, 0.0), 0.0, 0.0)
    filled = np.where(np.isfinite(likeness), likeness, -1.0)
    row, column = (int(n) for n in np.unravel_index(np.argmax(filled), filled.shape))
    middle = (np.array(likeness.shape) - 1) / 2.0
    peak = np.array([row, column]) + _within_pixel(filled, row, column)
    rows, columns = np.indices(filled.shape)
    away = np.hypot(rows - row, columns - column) * pixel_um > apart_um
    runner_up = float(filled[away].max()) if away.any() else 0.0
    dy, dx = (peak - middle) * pixel_um
    return Match((float(dx), float(dy)), float(filled[row, column]), max(0.0, runner_up))


def _likeness(template: Template, picture: np.ndarray) -> np.ndarray:
    """Normalized correlation at each displacement at which the template lies in the picture.

    Only pixels known in both count; NaN where they are too few.
    """
    from scipy import fft

    sought = template.picture
    shape = tuple(a - b + 1 for a, b in zip(picture.shape, sought.shape))
    if min(shape) < 1:
        return np.full((1, 1), np.nan)
    size = tuple(fft.next_fast_len(int(n), real=True) for n in picture.shape)
    known = int(np.isfinite(sought).sum())
    if not known or not np.isfinite(picture).any():
        return np.full(shape, np.nan)
    ft, ft2, fm = (part.conj() for part in template.spectra(size))
    fp, fp2, fk = _spectra(picture, size)

    def correlated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        found = np.asarray(fft.irfft2(first * second, size))
        return found[: shape[0], : shape[1]].astype(float)

    count = np.maximum(correlated(fm, fk), 1e-3)
    sum_t, sum_p = correlated(ft, fk), correlated(fm, fp)
    both = correlated(ft, fp) - sum_t * sum_p / count
    var_t = correlated(ft2, fk) - sum_t**2 / count
    var_p = correlated(fm, fp2) - sum_p**2 / count
    least = _FLAT * count
    result = both / np.sqrt(np.maximum(var_t, least) * np.maximum(var_p, least))
    result[count < LEAST_COVERED * known] = np.nan
    return result


def _within_pixel(values: np.ndarray, row: int, column: int) -> np.ndarray:
    """Place of a peak within its pixel, by parabolas."""
    found = np.zeros(2)
    for axis, (index, length) in enumerate(zip((row, column), values.shape)):
        if not 0 < index < length - 1:
            continue
        line = values[:, column] if axis == 0 else values[row]
        low, top, high = (float(value) for value in line[index - 1 : index + 2])
        bend = low - 2 * top + high
        if bend < 0 and min(low, high) > -1.0:
            found[axis] = 0.5 * (low - high) / bend
    return found


def rigid_fit(
    groups: Sequence[tuple[np.ndarray, np.ndarray]], turned_deg: float | None = None
) -> Movement:
    """Return the movement that takes points of before to those of now, by least squares.

    Parameters
    ----------
    groups : sequence of (points before, points now), each (n, 2)
        Each group may be displaced as a whole (pictures of another magnification are); all turn
        alike. The offset is that of the first group.
    turned_deg : float, optional
        The rotation, where it is known better than these points tell.
    """
    dot = cross = 0.0
    for before, now in groups:
        b, n = (np.asarray(p, float) - np.mean(p, axis=0) for p in (before, now))
        dot += float((b * n).sum())
        cross += float((b[:, 0] * n[:, 1] - b[:, 1] * n[:, 0]).sum())
    angle = math.degrees(math.atan2(cross, dot)) if turned_deg is None else turned_deg
    before, now = (np.mean(points, axis=0) for points in groups[0])
    x, y = now - turn(angle) @ before
    return Movement(angle, (float(x), float(y)))


def distances_um(movement: Movement, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return how far each point lies from where a movement takes it."""
    return np.asarray(np.hypot(*(movement.apply(before) - np.asarray(now, float)).T))
