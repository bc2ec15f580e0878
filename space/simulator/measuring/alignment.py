"""Shifts between images by cross-correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from space.simulator.column.optics import ColumnOptics
from space.simulator.imaging.images import Image

LARGEST_CORRELATED_PX = 800
SMALLEST_STRETCH = 0.01
SMALLEST_OVERLAP = 0.3  # below this part of a side, a shift is not measured again
REFINED_PX = 6
MOST_PEAKS = 10  # among which one within a limit must be
TAPER_FRACTION = 0.08
PADDING = 0.25
DARK_LINE = 0.5  # a line of a border is darker than this part of the median line
MOST_TRIMMED = 0.25
BAND_LOW, BAND_HIGH = 0.006, 0.12  # cycles per pixel


@dataclass(frozen=True)
class Shift:
    """Shift (x, y) in pixels, Y down, to apply to an image to lie on the reference.

    Attributes
    ----------
    peak : float
        Height of the peak, 1 for equal images.
    prominence : float
        Height of the peak over the spread of the correlation; noise stays below about 5.
    """

    x_px: float
    y_px: float
    peak: float
    prominence: float = 0.0


def _taper(length: int) -> np.ndarray:
    edge = max(1, int(length * TAPER_FRACTION))
    ramp = np.ones(length, dtype=np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    ramp[:edge] = rise
    ramp[-edge:] = rise[::-1]
    return ramp


def prepare(data: np.ndarray) -> np.ndarray:
    """Clip outliers, take off the mean, divide by the deviation and taper the edges."""
    values = data.astype(np.float32)
    mean, deviation = float(values.mean()), float(values.std())
    if deviation <= 0:
        return np.zeros_like(values)
    values = np.clip((values - mean) / deviation, -4.0, 4.0)
    values -= values.mean()
    rows, columns = values.shape
    return values * _taper(rows)[:, None] * _taper(columns)[None, :]


def bin_by(data: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of pixels; a rest at the right and bottom is dropped."""
    if factor <= 1:
        return data.astype(np.float32)
    rows, columns = data.shape[0] // factor, data.shape[1] // factor
    part = data[: rows * factor, : columns * factor].astype(np.float32)
    return part.reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def _band_pass(shape: tuple[int, int], low: float, high: float) -> np.ndarray:
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None, :]
    squared = (fx * fx + fy * fy).astype(np.float32)
    high_pass = 1.0 - np.exp(-squared / (2.0 * low * low))
    return high_pass * np.exp(-squared / (2.0 * high * high))


def _subpixel(before: float, at: float, after: float) -> float:
    curvature = before - 2.0 * at + after
    return 0.0 if curvature == 0 else 0.5 * (before - after) / curvature


def correlate(
    image: np.ndarray,
    reference: np.ndarray,
    expected_px: tuple[float, float] = (0.0, 0.0),
    limit_px: float | None = None,
    sigma_px: float | None = None,
    padding: float = PADDING,
    low: float = BAND_LOW,
    high: float = BAND_HIGH,
) -> Shift | None:
    """Shift of `image` that lays it on `reference`.

    Parameters
    ----------
    image, reference : ndarray
        Of the same pixel size; sizes may differ, centres are compared.
    expected_px : tuple of float
        Where the peak is expected, (x, y).
    limit_px : float, optional
        Only peaks this near to the expected one count.
    sigma_px : float, optional
        Peaks count less with their distance from the expected one, as a Gaussian of this width.
    padding : float
        Part of the larger size that is added around the images.
    low, high : float
        Band in cycles per pixel.

    Returns
    -------
    Shift or None
        None when there is nothing to correlate or no peak within the limit.
    """
    ny, nx = _padded(image, reference, padding)
    surface, norm, (left, top) = _surface(image, reference, (ny, nx), low, high)
    y = (np.arange(ny) + ny // 2) % ny - ny // 2
    x = (np.arange(nx) + nx // 2) % nx - nx // 2
    search = surface
    if limit_px is not None or sigma_px:
        squared = (x[None, :] - expected_px[0]) ** 2 + (y[:, None] - expected_px[1]) ** 2
        if sigma_px:
            search = search * np.exp(-squared / (2.0 * sigma_px * sigma_px))
        if limit_px is not None:
            search = np.where(squared <= limit_px * limit_px, search, -np.inf)
    row, col = np.unravel_index(int(np.argmax(search)), surface.shape)
    if not math.isfinite(search[row, col]) or search[row, col] <= 0:
        return None
    peak = float(surface[row, col])
    around = surface.take([row - 1, row, row + 1], axis=0, mode="wrap")
    around = around.take([col - 1, col, col + 1], axis=1, mode="wrap")
    if limit_px is not None and not _stands_out(surface, peak, float(around.max())):
        return None
    found = Shift(
        float(x[col]) + _subpixel(*around[1]) + left,
        float(y[row]) + _subpixel(*around[:, 1]) + top,
        peak / max(norm, 1e-12),
        peak / max(float(surface.std()), 1e-12),
    )
    return _refined(image, reference, found, low, high)


def _padded(image: np.ndarray, reference: np.ndarray, padding: float) -> tuple[int, int]:
    """Rows and columns of a frame that holds either image with a part of its size around it."""
    from scipy import fft

    reach = 1.0 + max(0.0, padding)
    rows, columns = (
        fft.next_fast_len(int(reach * max(sizes)), real=True)
        for sizes in zip(image.shape, reference.shape)
    )
    return rows, columns


def _stands_out(surface: np.ndarray, peak: float, highest_around: float) -> bool:
    """Whether a place is a peak, not the slope of one, and one of the few highest."""
    from scipy import ndimage

    if highest_around > peak:
        return False
    if peak == float(surface.max()):
        return True
    higher = surface > peak
    tops = higher & (surface == ndimage.maximum_filter(surface, 5, mode="wrap"))
    return int(tops.sum()) < MOST_PEAKS


def _surface(
    image: np.ndarray, reference: np.ndarray, shape: tuple[int, int], low: float, high: float
) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Cross-correlation in a frame of a given shape, for shifts from 0 on and, wrapped, below.

    Returns
    -------
    surface : ndarray
    norm : float
        What the peak of equal images would be.
    rest : (x, y)
        To add to shifts, since odd and even sizes do not share a centre in the frame.
    """
    from scipy import fft

    spectra, centers = [], []
    for data in (image, reference):
        padded = np.zeros(shape, dtype=np.float32)
        top, left = (shape[0] - data.shape[0]) // 2, (shape[1] - data.shape[1]) // 2
        padded[top : top + data.shape[0], left : left + data.shape[1]] = prepare(data)
        spectra.append(fft.rfft2(padded))
        centers.append((left + data.shape[1] / 2.0, top + data.shape[0] / 2.0))
    product = spectra[1] * np.conj(spectra[0]) * _band_pass(shape, low, high)
    norm = float(np.sqrt((np.abs(spectra[0]) ** 2).sum() * (np.abs(spectra[1]) ** 2).sum()))
    rest = (centers[0][0] - centers[1][0], centers[0][1] - centers[1][1])
    return fft.irfft2(product, s=shape), norm, rest


def _refined(
    image: np.ndarray, reference: np.ndarray, found: Shift, low: float, high: float
) -> Shift:
    """Measure a shift again in what both images show.

    Where pictures overlap only in part, a peak is drawn towards no shift, the more the broader
    it is. Between the parts that show the same, next to no shift is left and nothing is drawn.
    """
    from scipy import fft

    shift_px = (found.y_px, found.x_px)
    parts_image, parts_reference, offsets = [], [], []
    for length, other, shift in zip(image.shape, reference.shape, shift_px):
        offset = round((other - length) / 2.0 + shift)
        start, stop = max(0, -offset), min(length, other - offset)
        if stop - start < SMALLEST_OVERLAP * min(length, other):
            return found
        parts_image.append(slice(start, stop))
        parts_reference.append(slice(start + offset, stop + offset))
        offsets.append(offset - (other - length) / 2.0)
    part, other = image[tuple(parts_image)], reference[tuple(parts_reference)]
    rows, columns = (fft.next_fast_len(n + 2 * REFINED_PX, real=True) for n in part.shape)
    surface, _, _ = _surface(part, other, (rows, columns), low, high)
    near = np.roll(surface, (REFINED_PX, REFINED_PX), (0, 1))
    near = near[: 2 * REFINED_PX + 1, : 2 * REFINED_PX + 1]
    row, col = np.unravel_index(int(np.argmax(near)), near.shape)
    if not (0 < row < 2 * REFINED_PX and 0 < col < 2 * REFINED_PX):
        return found
    y = row - REFINED_PX + _subpixel(*near[row - 1 : row + 2, col])
    x = col - REFINED_PX + _subpixel(*near[row, col - 1 : col + 2])
    return replace(found, x_px=float(offsets[1] + x), y_px=float(offsets[0] + y))


def stretch(data: np.ndarray, factor: float, direction: tuple[float, float]) -> np.ndarray:
    """Draw an image out about its centre along one direction.

    Parameters
    ----------
    factor : float
        Distances along the direction become this much longer.
    direction : tuple of float
        Unit vector (x, y), Y down.
    """
    from scipy import ndimage

    across = np.array([direction[1], direction[0]])  # rows first
    matrix = np.eye(2) + (1.0 / factor - 1.0) * np.outer(across, across)
    center = (np.array(data.shape) - 1.0) / 2.0
    values = data.astype(np.float32)
    return ndimage.affine_transform(
        values,
        matrix,
        offset=center - matrix @ center,
        order=1,
        mode="constant",
        cval=float(values.mean()),
    )


def rescale(data: np.ndarray, factor: float, rotation_deg: float = 0.0) -> np.ndarray:
    """Resample about the centre so that pixels become `factor` times larger.

    Parameters
    ----------
    factor : float
        New pixel size over the old one.
    rotation_deg : float
        Content turns by this angle, counter-clockwise as displayed (Y up).
    """
    from scipy import ndimage

    rows, columns = data.shape
    values = data.astype(np.float32)
    whole = int(factor)
    if whole >= 2:
        values = bin_by(values, whole)
    rest = factor / max(whole, 1)
    angle = math.radians(rotation_deg)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = rest * turn
    new = (max(8, int(rows / factor)), max(8, int(columns / factor)))
    if abs(rotation_deg) > 45.0:
        new = new[::-1] if abs(abs(rotation_deg) - 90.0) < 45.0 else new
    center_out = (np.array(new) - 1.0) / 2.0
    center_in = np.array([rows, columns]) / (2.0 * max(whole, 1)) - 0.5
    return ndimage.affine_transform(
        values,
        matrix,
        offset=center_in - matrix @ center_out,
        output_shape=new,
        order=1,
        mode="constant",
        cval=float(values.mean()),
    )


def trimmed(image: Image) -> Image:
    """Image without dark borders; as much is cut off on opposite sides, so its middle stays."""
    rows, columns = image.data.shape
    top = _dark_lines(image.data.mean(axis=1, dtype=np.float64))
    left = _dark_lines(image.data.mean(axis=0, dtype=np.float64))
    return replace(image, data=image.data[top : rows - top, left : columns - left])


def _dark_lines(means: np.ndarray) -> int:
    """Number of lines to cut off at both ends; at most `MOST_TRIMMED` of them all at each."""
    most = int(MOST_TRIMMED * len(means))
    dark = means < DARK_LINE * np.median(means)
    ends = [next((n for n, is_dark in enumerate(end) if not is_dark), len(end)) for end in
            (dark, dark[::-1])]  # fmt: skip
    return min(max(ends), most)


def working_factor(*shapes: tuple[int, int]) -> int:
    """Whole binning that keeps correlations quick."""
    longest = max(max(shape) for shape in shapes)
    return max(1, math.ceil(longest / LARGEST_CORRELATED_PX))


def _scaled_pair(image: Image, reference: Image) -> tuple[np.ndarray, np.ndarray, float]:
    """Both images at a common pixel, quick to correlate, and that pixel over A's."""
    factor = working_factor(image.data.shape, reference.data.shape)
    ratio = reference.pixel_um / image.pixel_um
    if abs(ratio - 1.0) < 0.002:
        return (
            bin_by(image.data, factor),
            bin_by(reference.data, factor),
            float(factor),
        )
    common = max(ratio, 1.0) * factor
    return (
        rescale(image.data, common),
        rescale(reference.data, common / ratio),
        common,
    )


def _at_the_lower_tilt(
    optics: ColumnOptics, image: Image, reference: Image, moving: np.ndarray, fixed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both images as if taken at the lower of their tilts.

    What lies across the tilt axis is foreshortened more in the image of the higher tilt, which
    is drawn out.

    Returns
    -------
    moving, fixed : ndarray
    undo : (2, 2) array
        Takes a shift of the drawn out image to one of the image itself.
    """
    cosines = [math.cos(math.radians(picture.tilt_deg)) for picture in (image, reference)]
    factor = cosines[1] / cosines[0]
    if abs(factor - 1.0) < SMALLEST_STRETCH:
        return moving, fixed, np.eye(2)
    across = optics.specimen_to_camera(image.mag_index)[:, 1] * (1.0, -1.0)
    across = across / np.hypot(*across)
    if factor < 1.0:
        return moving, stretch(fixed, 1.0 / factor, tuple(across)), np.eye(2)
    undo = np.eye(2) + (1.0 / factor - 1.0) * np.outer(across, across)
    return stretch(moving, factor, tuple(across)), fixed, undo


def shift_between(
    optics: ColumnOptics,
    image: Image,
    reference: Image,
    limit_um: float = 0.0,
    expected_px: tuple[float, float] = (0.0, 0.0),
    sigma_um: float | None = None,
    padding: float = PADDING,
) -> Shift | None:
    """Correlate two images that may differ in binning, magnification and tilt.

    Parameters
    ----------
    optics : ColumnOptics
    image, reference : Image
    limit_um : float
        Only peaks this near to the expected one count; 0 for no limit.
    expected_px : tuple of float
        Expected shift in pixels of `image`, Y down.
    sigma_um, padding : float
        As for `correlate`.

    Returns
    -------
    Shift or None
        In pixels of `image`.
    """
    moving, fixed, factor = _scaled_pair(image, reference)
    moving, fixed, undo = _at_the_lower_tilt(optics, image, reference, moving, fixed)
    pixel_um = image.pixel_um * factor
    found = correlate(
        moving,
        fixed,
        expected_px=tuple(np.linalg.solve(undo, expected_px) / factor),
        limit_px=limit_um / pixel_um if limit_um else None,
        sigma_px=sigma_um / pixel_um if sigma_um else None,
        padding=padding,
    )
    if found is None:
        return None
    x, y = undo @ (found.x_px * factor, found.y_px * factor)
    return replace(found, x_px=float(x), y_px=float(y))


def correlation_picture(
    optics: ColumnOptics, image: Image, reference: Image, padding: float = PADDING
) -> tuple[np.ndarray, float]:
    """Cross-correlation of two images as a picture.

    Returns
    -------
    surface : ndarray
        float32; no shift is in the middle, and the peak lies from there where the image has to
        be shifted to lie on the reference (columns to the right, rows down).
    factor : float
        Its pixel in pixels of `image`.
    """
    moving, fixed, factor = _scaled_pair(image, reference)
    moving, fixed, _ = _at_the_lower_tilt(optics, image, reference, moving, fixed)
    shape = _padded(moving, fixed, padding)
    surface, norm, _ = _surface(moving, fixed, shape, BAND_LOW, BAND_HIGH)
    picture = np.fft.fftshift(surface) / max(norm, 1e-12)
    return picture.astype(np.float32), factor


def movement_um(
    optics: ColumnOptics, image: Image, before: Image, least_prominence: float
) -> np.ndarray | None:
    """How far the specimen moved between two pictures, in specimen coordinates (x, y).

    What image shift did between the two does not count. None when the peak is not prominent.
    """
    found = shift_between(optics, image, before)
    if found is None or found.prominence < least_prominence:
        return None
    return movement(optics, image, before, found)


def movement(optics: ColumnOptics, image: Image, before: Image, found: Shift) -> np.ndarray:
    """How far the specimen moved, as `movement_um`, by the shift found between two pictures."""
    content_px = image.binning * np.array([-found.x_px, found.y_px])
    shift = np.subtract(image.image_shift, before.image_shift)
    in_picture = optics.camera_to_specimen(image.mag_index) @ content_px
    return in_picture + optics.is_to_specimen(image.mag_index) @ shift


def find_template(template: np.ndarray, region: np.ndarray, limit_px: float) -> Shift | None:
    """Where the centre of a small image lies from the centre of a larger one.

    Normalised correlation, so that bright places do not draw the peak.

    Returns
    -------
    Shift or None
        (x, y) from the centre of `region`; None when nothing is found within the limit.
    """
    from scipy import ndimage
    from skimage.feature import match_template

    smooth = [ndimage.gaussian_filter(data.astype(np.float32), 1.2) for data in (template, region)]
    if smooth[0].std() <= 0 or smooth[1].std() <= 0:
        return None
    surface = match_template(smooth[1], smooth[0])
    middle = [(region.shape[axis] - template.shape[axis]) / 2.0 for axis in (0, 1)]
    y = np.arange(surface.shape[0]) - middle[0]
    x = np.arange(surface.shape[1]) - middle[1]
    inside = y[:, None] ** 2 + x[None, :] ** 2 <= limit_px * limit_px
    if not inside.any():
        return None
    row, col = np.unravel_index(int(np.argmax(np.where(inside, surface, -2.0))), surface.shape)
    dy = dx = 0.0
    if 0 < row < surface.shape[0] - 1:
        dy = _subpixel(*surface[row - 1 : row + 2, col])
    if 0 < col < surface.shape[1] - 1:
        dx = _subpixel(*surface[row, col - 1 : col + 2])
    return Shift(float(x[col] + dx), float(y[row] + dy), float(surface[row, col]))
