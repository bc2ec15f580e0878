"""Round things of a known size in a picture: beads, and the holes of a film.

A difference of two Gaussians answers most to discs of the diameter asked for. Its peaks that stand
out of what the rest of the picture does are the spots, each with its place within the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from space.pictures import block_means, without_gaps

_INNER, _OUTER = 0.32, 0.55  # of the diameter: the Gaussians
_FINEST = 5.0  # pixels for a diameter that are worked on
_SHARPEST = 5.0  # times the usual spread
_MOST = 4000
_SCALES = 0.2  # sizes of pixels in files are right to this share
_UNKNOWN = (0.02, 50.0)
_LOUDEST = 12.0
_AROUND = 4.0  # diameters


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of either microscope.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
    pixel_um : float or None
        None if it is not known.
    seen : dict
        Spots that were found in it, which several channels ask for.
    """

    values: np.ndarray
    pixel_um: float | None
    seen: dict[tuple[float, bool, float, int], Spots] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Spots:
    """Spots in a picture.

    Attributes
    ----------
    points_px : ndarray, shape (n, 2)
        (row, column), the clearest first.
    clearness : ndarray, shape (n,)
        Answer of the filter, in units of its spread over the picture.
    """

    points_px: np.ndarray
    clearness: np.ndarray

    def first(self, count: int) -> Spots:
        """Return the clearest ones."""
        return Spots(self.points_px[:count], self.clearness[:count])


def find_spots(
    picture: np.ndarray,
    diameter_px: float,
    is_bright: bool = True,
    least: float = _SHARPEST,
    most: int = _MOST,
) -> Spots:
    """Find round things of a size.

    Parameters
    ----------
    picture : ndarray, shape (rows, columns)
    diameter_px : float
    is_bright : bool
        Whether they are brighter than their surroundings.
    least : float
        How far they must stand out, in robust standard deviations of the filtered picture.
    most : int
    """
    from scipy import ndimage

    factor = max(1, int(diameter_px / _FINEST))
    values = without_gaps(np.asarray(picture)).astype(np.float32)
    rows, columns = (side // factor * factor for side in values.shape)
    if min(rows, columns) < 4 * diameter_px:
        return Spots(np.empty((0, 2)), np.empty(0))
    # Whole blocks only, so that each pixel has the same number of samples.
    small = block_means(values[:rows, :columns], factor) if factor > 1 else values
    size = diameter_px / factor
    answer = ndimage.gaussian_filter(small, _INNER * size) - ndimage.gaussian_filter(
        small, _OUTER * size
    )
    if not is_bright:
        answer = -answer
    height = _height(answer, size)
    if height is None:
        return Spots(np.empty((0, 2)), np.empty(0))
    around = max(3, 2 * int(0.5 * size) + 1)
    peaks = (height == ndimage.maximum_filter(height, around)) & (height >= least)
    rim = max(1, round(0.5 * size))
    peaks[:rim] = peaks[-rim:] = False
    peaks[:, :rim] = peaks[:, -rim:] = False
    at = np.argwhere(peaks)
    order = np.argsort(-height[peaks])[:most]
    at, clearness = at[order], height[peaks][order]
    exact = np.array([_within(answer, row, column) for row, column in at]).reshape(-1, 2)
    return Spots((exact + 0.5) * factor, np.asarray(clearness))


def likely_scales(channel: Picture, map_: Picture) -> tuple[float, float]:
    """Return the smallest and the largest scale that the sizes of pixels in files allow."""
    if channel.pixel_um is None or map_.pixel_um is None:
        return _UNKNOWN
    scale = channel.pixel_um / map_.pixel_um
    return scale * (1 - _SCALES), scale * (1 + _SCALES)


def spots_in(
    picture: Picture, diameter_um: float, other: Picture, is_bright: bool, least: float, most: int
) -> Spots:
    """Find round things of a size in µm; where a pixel size is not known, the other one serves."""
    pixel_um = picture.pixel_um or other.pixel_um or 1.0
    key = (diameter_um / pixel_um, is_bright, least, most)
    if key not in picture.seen:
        picture.seen[key] = find_spots(picture.values, *key)
    return picture.seen[key]


def _height(answer: np.ndarray, size: float) -> np.ndarray | None:
    """Return how far each place stands out of what is around it, in standard deviations.

    What is dim varies less than what is bright, and a lattice of holes answers to any size: the
    spread is that of the surroundings, but at least the usual one of the whole picture.
    """
    from scipy import ndimage

    middle = np.median(answer)
    usual = 1.4826 * float(np.median(np.abs(answer - middle)))
    if usual <= 0:
        usual = float(answer.std()) * 0.1
        if usual <= 0:
            return None
    # One strong spot must not hide itself.
    cut = np.minimum((answer - middle) ** 2, (_LOUDEST * usual) ** 2)
    spread = np.sqrt(ndimage.uniform_filter(cut, max(5, 2 * int(_AROUND * size) + 1)))
    return np.asarray((answer - middle) / np.maximum(spread, usual))


def _within(answer: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Return the place of a peak within its pixel, by parabolas."""
    found = []
    for line, at in ((answer[:, column], row), (answer[row], column)):
        low, top, high = (float(value) for value in line[at - 1 : at + 2])
        bend = low - 2 * top + high
        found.append(at + (0.5 * (low - high) / bend if bend < 0 else 0.0))
    return found[0], found[1]
