"""Buffers and what is known about the images in them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.imaging.images import Image

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

SMALLEST_REDUCED_PX = 10


def copy(session: Session, source: str, target: str) -> None:
    """Copy an image with what is known about it; nothing rolls."""
    session.buffers.set(target, session.buffers.require(source))


def _read_only(data: np.ndarray) -> np.ndarray:
    data = np.ascontiguousarray(data)
    data.setflags(write=False)
    return data


def derived(session: Session, image: Image, data: np.ndarray, factor: float = 1.0) -> Image:
    """What a processed image keeps: position, magnification, camera, tilt.

    Its relation to the stage follows from magnification and the ROUNDED binning, and the image
    shift is lost, so positions picked on it are exact only for whole factors and no shift.
    """
    binning = float(max(1, round(image.binning * factor)))
    more = binning / image.binning
    (a, b), (c, d) = image.stage_to_px
    center = image.nav_xy_um
    if image.stage_um is not None:
        center = session.scope.adjust_stage_for_nav(*image.stage_um, tilt_deg=image.tilt_deg)
    return replace(
        image,
        data=_read_only(data),
        binning=binning,
        pixel_um=image.pixel_um * factor,
        stage_to_px=((a / more, b / more), (c / more, d / more)),
        nav_xy_um=center,
        image_shift=(0.0, 0.0),
        map_id=0,
        pieces=None,
        file="",
        section=-1,
        from_current_file=False,
        align_shift_px=(0.0, 0.0),
        align_is_shift=(0.0, 0.0),
    )


def crop_center_to_size(session: Session, letter: str, nx: int, ny: int) -> None:
    """Centre crop into A."""
    image = session.buffers.require(letter)
    rows, columns = image.data.shape
    if not (0 < nx <= columns and 0 < ny <= rows):
        raise SEMerror(f"A size of {nx} x {ny} does not fit in an image of {columns} x {rows}")
    top, left = (rows - ny) // 2, (columns - nx) // 2
    shifted = image.align_shift_px != (0.0, 0.0)
    result = derived(session, image, image.data[top : top + ny, left : left + nx].copy())
    result = replace(result, cropped=True, processed=image.processed or shifted)
    session.buffers.push(result)


def reduce_array(data: np.ndarray, factor: float) -> np.ndarray:
    """Antialiased shrink about the centre, to even columns.

    Whole factors average blocks; others are resampled after a Gaussian filter.
    """
    rows, columns = data.shape
    new_cols = 2 * math.floor(columns / (2.0 * factor))
    new_rows = math.floor(rows / factor)
    whole = round(factor)
    if abs(whole - factor) < 1e-6:
        top = (rows - new_rows * whole) // 2
        left = (columns - new_cols * whole) // 2
        part = data[top : top + new_rows * whole, left : left + new_cols * whole]
        blocks = part.reshape(new_rows, whole, new_cols, whole).astype(np.float32)
        shrunk = blocks.mean(axis=(1, 3))
    else:
        from scipy import ndimage

        smooth = ndimage.gaussian_filter(
            data.astype(np.float32), 0.45 * math.sqrt(factor * factor - 1.0), mode="nearest"
        )
        row = (np.arange(new_rows) + 0.5 - new_rows / 2.0) * factor + rows / 2.0 - 0.5
        col = (np.arange(new_cols) + 0.5 - new_cols / 2.0) * factor + columns / 2.0 - 0.5
        grid = np.meshgrid(row, col, indexing="ij")
        shrunk = ndimage.map_coordinates(smooth, grid, order=1, mode="nearest")
    if np.issubdtype(data.dtype, np.integer):
        limits = np.iinfo(data.dtype)
        shrunk = np.clip(np.rint(shrunk), limits.min, limits.max)
    return shrunk.astype(data.dtype)


def reduce_image(session: Session, letter: str, factor: float) -> None:
    """Antialiased shrink into A."""
    image = session.buffers.require(letter)
    rows, columns = image.data.shape
    small = (
        min(2 * math.floor(columns / (2.0 * factor)), math.floor(rows / factor)) if factor else 0
    )
    if factor <= 1.0 or small < SMALLEST_REDUCED_PX:
        raise SEMerror(f"A reduction by {factor:g} is not possible for this image")
    result = derived(session, image, reduce_array(image.data, factor), factor)
    session.buffers.push(replace(result, processed=True))


def report_current_buffer(session: Session) -> tuple[str, float]:
    """Displayed buffer and whether it holds an image."""
    letter = session.buffers.displayed
    return (letter, float(session.buffers.get(letter) is not None))


def show(session: Session, letter: str) -> None:
    """Display a buffer."""
    session.buffers.require(letter)
    session.buffers.displayed = letter.upper()


def image_properties(
    session: Session, letter: str | None = None
) -> tuple[float, float, float, float, float, float]:
    """Size, binning, exposure, pixel in nm and camera set."""
    image = session.buffers.require(letter or "A")
    rows, columns = image.data.shape
    session.variables.report("imageTickTime", image.tick_s)
    elsewhere = bool(image.file) and not image.from_current_file
    return (
        float(columns),
        float(rows),
        float(image.binning),
        float(image.exposure_s),
        image.pixel_um * 1000.0,
        -1.0 if elsewhere else float(image.camera_set),
    )


def image_conditions(session: Session, letter: str) -> tuple[float, float]:
    """Dose in e/Å² and nominal magnification."""
    image = session.buffers.require(letter)
    mag = image.magnification or session.scope.magnification(image.mag_index)
    return (image.dose_e_A2 if image.dose_e_A2 > 0 else -1.0, mag)


def report_mean_counts(
    session: Session, letter: str | None = None, option: int | None = None
) -> float | tuple[float, ...]:
    """Mean; with 1 per unbinned pixel and second; with 2 mean, SD, min, max."""
    image = session.buffers.require(letter or "A")
    mean = float(image.data.mean(dtype=np.float64))
    if option == 1:
        return mean / (image.binning**2 * max(image.exposure_s, 1e-6))
    if option == 2:
        return (mean, float(image.data.std()), float(image.data.min()), float(image.data.max()))
    return mean


def add_buf_to_stack_window(session: Session, letter: str, *args: str | float | None) -> None:
    """Display only."""
    session.buffers.require(letter)


COMMANDS: Commands = {
    "Copy": copy,
    "CropCenterToSize": crop_center_to_size,
    "ReduceImage": reduce_image,
    "ReportCurrentBuffer": report_current_buffer,
    "Show": show,
    "ImageProperties": image_properties,
    "ImageConditions": image_conditions,
    "ReportMeanCounts": report_mean_counts,
    "AddBufToStackWindow": add_buf_to_stack_window,
}
