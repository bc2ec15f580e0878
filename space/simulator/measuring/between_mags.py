"""Finds a picture in one of another magnification, or of the same one that shows more.

The picture that shows less stays as it is. The other is resampled to its pixels and turned to its
orientation, at all scalings and rotations that are tried, and the place is searched there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.measuring.alignment import Shift, bin_by, find_template
from space.simulator.measuring.searching import steps, top

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image

# Sizes of the picture that shows less: for the place, and while scaling and rotation are sought.
LARGEST_TEMPLATE_PX, REFINING_TEMPLATE_PX, SEARCHING_TEMPLATE_PX = 400, 256, 128
STEPS = {"scaling": 0.02, "turn_deg": 1.5}
REFINING_PARTS = (0.5, 0.25)  # of these steps
EDGE_FRACTION = 0.02  # of the picture that shows less, whose edges may be dark


@dataclass(frozen=True)
class Search:
    """Where to look, and how much of scaling and rotation to try.

    Attributes
    ----------
    center_px : tuple of float
        Place (x, y) in the reference that is expected in the middle of the image.
    turn_deg : float
        Rotation that takes the reference to the orientation of the image, counter-clockwise.
    limit_um : float
        Largest distance from the expected place; 0 for no limit, negative in fields of the
        picture that shows less.
    scaling, rotation_deg : float
        Largest changes of size (a fraction) and of rotation that are tried; 0 for none.
    """

    center_px: tuple[float, float]
    turn_deg: float
    limit_um: float = 0.0
    scaling: float = 0.0
    rotation_deg: float = 0.0


@dataclass(frozen=True)
class Match:
    """Where an image was found.

    Attributes
    ----------
    shift_px : tuple of float
        Shift (x, y) in pixels of the image, Y down, that lays it on the reference.
    scaling : float
        Factor by which the reference had to be enlarged beyond what the pixel sizes say.
    rotation_deg : float
        Angle by which the reference had to be turned beyond the known one, counter-clockwise.
    peak : float
        Height of the correlation, 1 for equal pictures.
    """

    shift_px: tuple[float, float]
    scaling: float
    rotation_deg: float
    peak: float


def resampled(
    data: np.ndarray,
    center_px: tuple[float, float],
    step: float,
    turn_deg: float,
    shape: tuple[int, int],
) -> np.ndarray:
    """Part of a picture as one with other pixels, and turned, would show it.

    Parameters
    ----------
    data : (rows, columns) array
    center_px : tuple of float
        What comes to the middle, (x, y) from the upper left corner.
    step : float
        New pixel size over the old one.
    turn_deg : float
        Content turns by this angle, counter-clockwise as displayed.
    shape : (rows, columns)
        Of the result.

    Returns
    -------
    (rows, columns) float32
        The mean of what is used where the picture shows nothing.
    """
    from scipy import ndimage

    reach = step * (math.hypot(*shape) / 2.0 + 2.0)
    low = [max(0, math.floor(center - reach)) for center in center_px]
    high = [math.ceil(center + reach) for center in center_px]
    part = data[low[1] : max(high[1], low[1]), low[0] : max(high[0], low[0])]
    whole = max(1, int(step))
    if min(part.shape) < whole:
        return np.zeros(shape, dtype=np.float32)
    part = bin_by(part, whole)
    angle = math.radians(turn_deg)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = step / whole * turn
    middle = np.array([(center_px[axis] - low[axis]) / whole - 0.5 for axis in (1, 0)])
    return ndimage.affine_transform(
        part,
        matrix,
        offset=middle - matrix @ ((np.array(shape) - 1.0) / 2.0),
        output_shape=shape,
        order=1,
        mode="constant",
        cval=float(part.mean()),
    )


def find(image: Image, reference: Image, search: Search) -> Match | None:
    """Find an image in a reference that shows more, or a reference in an image that does.

    Parameters
    ----------
    image, reference : Image
    search : Search

    Returns
    -------
    Match or None
        None where nothing is found within the limit.

    Raises
    ------
    ValueError
        If neither shows more than the other to all sides.
    """
    image_um, reference_um = (
        tuple(n * picture.pixel_um for n in picture.data.shape) for picture in (image, reference)
    )
    if image.pixel_um <= reference.pixel_um and _less(image_um, reference_um):
        within = _Within(image, reference, search.center_px, search.turn_deg, search.limit_um)
        found = _best(within, search)
        if found is None:
            return None
        scaling, turn_deg, shift = found
        return Match((shift.x_px, shift.y_px), scaling, turn_deg, shift.peak)
    if reference.pixel_um > image.pixel_um or not _less(reference_um, image_um):
        raise ValueError("One of the two images must show more than the other")
    rows, columns = image.data.shape
    middle = (columns / 2.0, rows / 2.0)
    within = _Within(reference, image, middle, -search.turn_deg, search.limit_um)
    found = _best(within, search)
    if found is None:
        return None
    scaling, turn_deg, shift = found
    # What was searched is in the middle of the reference; what is wanted may lie beside it.
    reference_rows, reference_columns = reference.data.shape
    away = (
        shift.x_px + search.center_px[0] - reference_columns / 2.0,
        shift.y_px + search.center_px[1] - reference_rows / 2.0,
    )
    x, y = _turned(away, search.turn_deg - turn_deg)
    ratio = reference.pixel_um / image.pixel_um / scaling
    return Match((-x * ratio, -y * ratio), 1.0 / scaling, -turn_deg, shift.peak)


def _less(one_um: tuple[float, ...], other_um: tuple[float, ...]) -> bool:
    """Whether a field is smaller than another, whichever way the two are turned."""
    return min(one_um) < min(other_um) and max(one_um) < max(other_um)


def _turned(vector: tuple[float, float], angle_deg: float) -> tuple[float, float]:
    """Turn a vector with Y down counter-clockwise as displayed."""
    angle = math.radians(angle_deg)
    x, y = vector
    return (
        math.cos(angle) * x + math.sin(angle) * y,
        -math.sin(angle) * x + math.cos(angle) * y,
    )


class _Within:
    """A picture to find in a larger one.

    Parameters
    ----------
    small, large : Image
    center_px : tuple of float
        Place in the large one that is expected in the middle of the small one.
    turn_deg : float
        Rotation that takes the large one to the orientation of the small one.
    limit_um : float
        As in `Search`.
    """

    def __init__(
        self,
        small: Image,
        large: Image,
        center_px: tuple[float, float],
        turn_deg: float,
        limit_um: float,
    ) -> None:
        self._small, self._large = small, large
        self._center_px, self._turn_deg, self._limit_um = center_px, turn_deg, limit_um
        self._templates: dict[int, np.ndarray] = {}

    def find(self, largest_px: int, scaling: float = 1.0, turn_deg: float = 0.0) -> Shift | None:
        """Place of the small picture's middle from the expected one, in its pixels."""
        small, large = self._small, self._large
        rows, columns = small.data.shape
        factor = max(1, math.ceil(max(rows, columns) / largest_px))
        factor = max(factor, int(large.pixel_um / small.pixel_um))
        template = self._template(factor)
        pixel_um = factor * small.pixel_um
        step = pixel_um / large.pixel_um / scaling
        farthest = math.hypot(*large.data.shape) / step
        limit_px = self._limit_um / pixel_um if self._limit_um > 0 else farthest
        if self._limit_um < 0:
            limit_px = -self._limit_um * math.hypot(*template.shape)
        reach = math.ceil(min(limit_px, farthest)) + 2
        shape = (template.shape[0] + 2 * reach, template.shape[1] + 2 * reach)
        turned = self._turn_deg + turn_deg
        region = resampled(large.data, self._center_px, step, turned, shape)
        found = find_template(template, region, limit_px)
        if found is None:
            return None
        # Pixels that did not fill a block move the middle of the template.
        x = found.x_px * factor + (columns % factor) / 2.0
        y = found.y_px * factor + (rows % factor) / 2.0
        return Shift(x, y, found.peak)

    def _template(self, factor: int) -> np.ndarray:
        if factor not in self._templates:
            template = bin_by(self._small.data, factor)
            edge = max(1, round(EDGE_FRACTION * min(template.shape)))
            self._templates[factor] = template[edge:-edge, edge:-edge]
        return self._templates[factor]


def _best(within: _Within, search: Search) -> tuple[float, float, Shift] | None:
    """Best scaling, rotation and place: among coarse steps, then at the top of a parabola."""
    reach = {"scaling": search.scaling, "turn_deg": search.rotation_deg}
    best = {"scaling": 1.0, "turn_deg": 0.0}

    def peak(largest_px: int, **values: float) -> float:
        found = within.find(largest_px, **values)
        return found.peak if found is not None else -1.0

    if any(reach.values()):
        tried = [
            {"scaling": 1.0 + change, "turn_deg": angle}
            for change in steps(reach["scaling"], STEPS["scaling"])
            for angle in steps(reach["turn_deg"], STEPS["turn_deg"])
        ]
        best = max(tried, key=lambda values: peak(SEARCHING_TEMPLATE_PX, **values))
    for part in REFINING_PARTS:
        for name in (name for name, limit in reach.items() if limit):
            step = STEPS[name] * part
            around = [
                peak(REFINING_TEMPLATE_PX, **{**best, name: best[name] + place * step})
                for place in (-1, 0, 1)
            ]
            best[name] += step * top(*around)
    shift = within.find(LARGEST_TEMPLATE_PX, **best)
    return None if shift is None else (best["scaling"], best["turn_deg"], shift)
