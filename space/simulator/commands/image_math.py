"""Image arithmetic, filters and spectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.buffers import derived
from space.simulator.imaging.images import Image

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

SMALLEST_FFT_PX = 16
# Brightness of a spectrum is spread over a byte between these percentiles of its logarithm.
SPECTRUM_RANGE = (0.5, 99.9)


def _place(session: Session, image: Image, target: str | None) -> None:
    """Put a result into a named buffer, else into A after rolling."""
    image = replace(image, processed=True)
    if target:
        session.buffers.set(target, image)
    else:
        session.buffers.push(image)


def _combined(
    session: Session,
    first: str,
    second: str,
    target: str | None,
    operation: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Combine two images pixel by pixel.

    Products and quotients, and everything made of an image of floating point numbers, are such
    an image; sums and differences of integers stay 16-bit integers, clipped to their range.
    """
    image, other = session.buffers.require(first), session.buffers.require(second)
    if image.data.shape != other.data.shape:
        raise SEMerror("The two images must have the same size")
    result = operation(image.data.astype(np.float32), other.data.astype(np.float32))
    floating = operation in (np.multiply, _quotient)
    if not floating and all(np.issubdtype(i.data.dtype, np.integer) for i in (image, other)):
        result = np.clip(result, -32768, 32767).astype(np.int16)
    _place(session, derived(session, image, result), target)


def _quotient(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, 0 where it is not defined."""
    zero = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=zero, where=denominator != 0)


def add_images(session: Session, first: str, second: str, target: str | None = None) -> None:
    """Sum of two images of the same size, in A or a named buffer."""
    _combined(session, first, second, target, np.add)


def subtract_images(session: Session, first: str, second: str, target: str | None = None) -> None:
    """Difference of two images, the first minus the second."""
    _combined(session, first, second, target, np.subtract)


def multiply_images(session: Session, first: str, second: str, target: str | None = None) -> None:
    """Product of two images, floating point."""
    _combined(session, first, second, target, np.multiply)


def divide_images(session: Session, first: str, second: str, target: str | None = None) -> None:
    """Quotient of two images, floating point; 0 where the second is 0."""
    _combined(session, first, second, target, _quotient)


def scale_image(
    session: Session,
    letter: str,
    factor: float,
    offset: float,
    target: str | None = None,
    keep_type: int | None = None,
) -> None:
    """Image times a factor plus an offset; floating point unless the type is to be kept."""
    image = session.buffers.require(letter)
    result = image.data.astype(np.float32) * np.float32(factor) + np.float32(offset)
    if keep_type and np.issubdtype(image.data.dtype, np.integer):
        limits = np.iinfo(image.data.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max).astype(image.data.dtype)
    _place(session, derived(session, image, result), target)


def crop_image(session: Session, letter: str, left: int, right: int, top: int, bottom: int) -> None:
    """Part of an image from column left to right and row top to bottom, both included, in A."""
    image = session.buffers.require(letter)
    rows, columns = image.data.shape
    if not (0 <= left < right < columns and 0 <= top < bottom < rows):
        raise SEMerror(f"The part to crop is not inside the image of {columns} x {rows}")
    result = derived(session, image, image.data[top : bottom + 1, left : right + 1].copy())
    away = (left + right + 1 - columns) / 2.0, (top + bottom + 1 - rows) / 2.0
    shifted = image.align_shift_px != (0.0, 0.0)
    middle = max(abs(away[0]), abs(away[1])) <= 0.5
    session.buffers.push(
        replace(
            result,
            cropped=True,
            processed=image.processed or shifted or not middle,
            off_center=image.off_center or not middle,
        )
    )


def _rotated(session: Session, letter: str, turns: int) -> None:
    """Turn an image by quarters; positions in it still go to the right place."""
    image = session.buffers.require(letter)
    result = derived(session, image, np.rot90(image.data, turns).copy())
    (a, b), (c, d) = result.stage_to_px
    # Pixels have Y down: a quarter counter-clockwise takes (x, y) to (y, -x).
    matrix = ((c, d), (-a, -b)) if turns == 1 else ((-c, -d), (a, b))
    _place(session, replace(result, stage_to_px=matrix), None)


def rotate_90_cw(session: Session, letter: str) -> None:
    """Image turned by 90 degrees clockwise, in A."""
    _rotated(session, letter, -1)


def rotate_90_ccw(session: Session, letter: str) -> None:
    """Image turned by 90 degrees counter-clockwise, in A."""
    _rotated(session, letter, 1)


def filter_image(
    session: Session,
    letter: str,
    sigma1: float,
    sigma2: float,
    radius1: float,
    radius2: float,
    target: str | None = None,
) -> None:
    """Image filtered in Fourier space, floating point.

    Frequencies in cycles per pixel. `sigma1` takes low frequencies out, as 1 minus a Gaussian;
    up to `radius2` everything passes, above it a Gaussian of `sigma2` falls off, and below
    `radius1` one of `sigma2` too when `radius1` is positive.
    """
    image = session.buffers.require(letter)
    rows, columns = image.data.shape
    if min(sigma1, radius1, radius2) < 0:
        raise SEMerror("The radii and the first sigma of a filter cannot be negative")
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    passed = np.ones_like(frequency)
    if radius2 > 0 and sigma2:
        above = np.maximum(frequency - radius2, 0.0)
        passed *= np.exp(-(above**2) / (2.0 * sigma2**2))
    if radius1 > 0 and sigma2:
        below = np.maximum(radius1 - frequency, 0.0)
        passed *= np.exp(-(below**2) / (2.0 * sigma2**2))
    if sigma1 > 0:
        passed *= 1.0 - np.exp(-(frequency**2) / (2.0 * sigma1**2))
    spectrum = np.fft.rfft2(image.data.astype(np.float32)) * passed
    result = np.fft.irfft2(spectrum, s=(rows, columns)).astype(np.float32)
    _place(session, derived(session, image, result), target)


def spectrum_bytes(data: np.ndarray) -> np.ndarray:
    """Picture of the power spectrum of an image.

    Parameters
    ----------
    data : (rows, columns) array

    Returns
    -------
    (n, n) uint8 array
        Logarithm of the amplitude, zero frequency in the middle; n is the longer side, even.
    """
    rows, columns = data.shape
    size = max(rows, columns) // 2 * 2
    window = np.outer(np.hanning(rows), np.hanning(columns)).astype(np.float32)
    flat = (data - data.mean(dtype=np.float64)).astype(np.float32) * window
    amplitude = np.abs(np.fft.fftshift(np.fft.fft2(flat, s=(size, size))))
    logarithm = np.log(amplitude + 1e-6 * float(amplitude.max()) + 1e-12)
    low, high = np.percentile(logarithm, SPECTRUM_RANGE)
    grey = (logarithm - low) / max(float(high - low), 1e-12)
    return np.clip(255.0 * grey, 0.0, 255.0).astype(np.uint8)


def fft(session: Session, letter: str, binning: int | None = None) -> None:
    """Power spectrum of an image (binned before), in FFT buffer A: `bufferImage("AF")`."""
    image = session.buffers.require(letter)
    factor = max(1, int(binning or 1))
    rows, columns = (n // factor for n in image.data.shape)
    if min(rows, columns) < SMALLEST_FFT_PX:
        raise SEMerror(f"The image is too small to be binned by {factor} for an FFT")
    blocks = image.data[: rows * factor, : columns * factor].astype(np.float32)
    small = blocks.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    spectrum = derived(session, image, spectrum_bytes(small), float(factor))
    session.workbench.fft.push(replace(spectrum, processed=True, stage_um=None))


COMMANDS: Commands = {
    "AddImages": add_images,
    "SubtractImages": subtract_images,
    "MultiplyImages": multiply_images,
    "DivideImages": divide_images,
    "ScaleImage": scale_image,
    "CropImage": crop_image,
    "Rotate90CW": rotate_90_cw,
    "Rotate90CCW": rotate_90_ccw,
    "FilterImage": filter_image,
    "FFT": fft,
}
