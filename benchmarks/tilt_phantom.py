"""Tilt series of balls, by a formula: a ball is seen as a disc of known thickness.

Written without any code of the product. A ball at (x, y, z), z towards the electron source and y
along the tilt axis, is seen at tilt t at x cos t + z sin t across the axis and at y along it. The
axis stands at an angle from the vertical of the picture, counterclockwise, rows counted upwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Phantom:
    balls_nm: np.ndarray  # (m, 4): x, y, z, radius
    tilts_deg: np.ndarray
    axis_deg: float
    shifts_nm: np.ndarray  # (n, 2): (x, y) in the picture, added to all places
    pixel_nm: float
    pictures: np.ndarray  # (n, rows, columns), counts


def phantom(
    shape=(160, 192),
    pixel_nm=4.0,
    tilts_deg=None,
    axis_deg=4.0,
    n=60,
    thickness_nm=160.0,
    pretilt_deg=0.0,
    shift_nm=0.0,
    noise=0.0,
    contrast=0.004,
    radii_nm=(8.0, 14.0),
    seed=0,
    balls_nm=None,
):
    rng = np.random.default_rng(seed)
    tilts = np.arange(-60.0, 60.1, 3.0) if tilts_deg is None else np.asarray(tilts_deg, float)
    reach = max(shape) * pixel_nm * 1.1
    if balls_nm is None:
        x, y = rng.uniform(-reach, reach, (2, 4 * n)) * 0.9
        z = rng.uniform(-0.5, 0.5, 4 * n) * (thickness_nm - 2 * radii_nm[1])
        lean = math.radians(pretilt_deg)
        x, z = x * math.cos(lean) - z * math.sin(lean), x * math.sin(lean) + z * math.cos(lean)
        balls_nm = np.stack([x, y, z, rng.uniform(*radii_nm, 4 * n)], axis=1)
    shifts = rng.uniform(-shift_nm, shift_nm, (len(tilts), 2))
    shifts[np.argmin(np.abs(tilts))] = 0.0
    pictures = np.stack(
        [
            1000.0 * np.exp(-contrast * thick(balls_nm, tilt, axis_deg, shift, shape, pixel_nm))
            for tilt, shift in zip(tilts, shifts)
        ]
    )
    pictures += rng.normal(0.0, 1.0, pictures.shape) * noise * 1000.0
    return Phantom(balls_nm, tilts, axis_deg, shifts, pixel_nm, pictures.astype(np.float32))


def thick(balls_nm, tilt_deg, axis_deg, shift_nm, shape, pixel_nm):
    """Way through the balls at each pixel, in nm."""
    t, a = math.radians(tilt_deg), math.radians(axis_deg)
    found = np.zeros(shape)
    rows, columns = shape
    for x, y, z, radius in balls_nm:
        across, along = x * math.cos(t) + z * math.sin(t), y
        px = across * math.cos(a) - along * math.sin(a) + shift_nm[0]
        py = across * math.sin(a) + along * math.cos(a) + shift_nm[1]
        column, row = px / pixel_nm + (columns - 1) / 2, py / pixel_nm + (rows - 1) / 2
        reach = radius / pixel_nm + 2
        c0, c1 = max(0, math.floor(column - reach)), min(columns, math.ceil(column + reach) + 1)
        r0, r1 = max(0, math.floor(row - reach)), min(rows, math.ceil(row + reach) + 1)
        if c0 >= c1 or r0 >= r1:
            continue
        # Four points in each pixel and direction.
        fine = (np.arange(4) - 1.5) / 4
        down = (np.arange(r0, r1)[:, None] + fine).ravel() - row
        right = (np.arange(c0, c1)[:, None] + fine).ravel() - column
        away = (down[:, None] ** 2 + right[None, :] ** 2) * pixel_nm**2
        chord = 2 * np.sqrt(np.maximum(radius**2 - away, 0.0))
        found[r0:r1, c0:c1] += chord.reshape(r1 - r0, 4, c1 - c0, 4).mean(axis=(1, 3))
    return found


def write_series(folder, made: Phantom, name="ts", dtype=np.int16, order=None, **changes):
    """Write a phantom as SerialEM writes a series: sections in the order of acquisition."""
    import mrcfile

    order = np.argsort(np.abs(made.tilts_deg), kind="stable") if order is None else order
    path = folder / f"{name}.mrc"
    data = (
        np.rint(made.pictures[order]).astype(dtype) if dtype != np.float32 else made.pictures[order]
    )
    with mrcfile.new(path, overwrite=True) as opened:
        opened.set_data(data)
        opened.voxel_size = made.pixel_nm * 10
    noted_deg = made.axis_deg + changes.get("axis_off_deg", 0.0)
    rows, columns = made.pictures.shape[1:]
    lines = [
        f"PixelSpacing = {made.pixel_nm * 10}",
        "Voltage = 300",
        f"ImageFile = {path.name}",
        f"ImageSize = {columns} {rows}",
        "DataMode = 1",
        "",
        "[T = SerialEM: Acquired on a phantom]",
        "",
        f"[T =     Tilt axis angle = {noted_deg:.1f}, binning = 1]",
        "",
    ]
    for section, index in enumerate(order):
        lines += [
            f"[ZValue = {section}]",
            f"TiltAngle = {made.tilts_deg[index]:.4f}",
            "StagePosition = 12.5 -34.25",
            f"MinMaxMean = 0 3000 {data[section].mean():.3f}",
            f"ExposureDose = {changes.get('dose', 3.0)}",
            "ExposureTime = 1",
            f"DateTime = 11-Aug-23  17:{section // 60:02d}:{section % 60:02d}",
            *changes.get("lines", []),
            "",
        ]
    path.with_name(path.name + ".mdoc").write_text("\n".join(lines), encoding="utf-8")
    return path
