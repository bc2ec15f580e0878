"""Whether simulated tilt series hold a third dimension, and what it costs.

For each seed a series without noise of a place in a cell is reconstructed by weighted
back-projection, with the matrices that the truth gives for each picture and nothing else of this
project. Then each ribosome is looked for along z where the truth has it in x and y. Run it with
one thread, for example OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from space.simulation import simulated_series

FIRST_TEST_SEED = 900_000
MOST_OFF_NM = 5.0
MOST_LIKE = 0.7
"""Correlation of the picture at -60 degrees with the one at 0, pressed together; it was 0.93."""

_SHAPE = (383, 384)
_VOXEL_NM = 2.4
_SIZE = (84, 180, 180)


def measured(seed: int, folder: Path) -> dict[str, Any]:
    """Facts about the series of a seed."""
    began = time.process_time()
    made = simulated_series(
        folder,
        seed,
        tuple(range(-60, 61, 3)),
        shape=_SHAPE,
        binning=8,
        noise=False,
        tracking_error_nm=20.0,
    )
    seconds = time.process_time() - began
    truth = json.loads(made.truth.read_text(encoding="utf-8"))
    pictures = _pictures(made.stack, len(truth["pictures"]))
    volume = back_projected(pictures, [p["to_image"] for p in truth["pictures"]])
    off = [
        off_nm
        for particle in truth["particles"]
        if particle["kind"] == "ribosome"
        and (off_nm := _off_along_z(volume, particle["center_nm"])) is not None
    ]
    return {
        "seed": seed,
        "thickness_nm": truth["thickness_nm"],
        "ribosomes": len(off),
        "off_nm_median": float(np.median(np.abs(off))),
        "off_nm_mean": float(np.mean(off)),
        "within_5_nm": float(np.mean(np.abs(off) <= MOST_OFF_NM)),
        "like_the_plane": pressed_likeness(pictures, truth["pictures"]),
        "cpu_s": seconds,
        "cpu_s_a_picture": seconds / len(pictures),
    }


def _pictures(stack: Path, count: int) -> np.ndarray:
    """(n, rows, columns) with row 0 at the bottom, read by another package than our own."""
    import mrcfile

    with mrcfile.open(stack) as file:
        assert len(file.data) == count
        return np.asarray(file.data, np.float32)


def pressed_likeness(pictures: np.ndarray, truths: list[dict[str, Any]]) -> float:
    """Correlation of the picture at -60 degrees with that at 0 as a plane would show it."""
    tilts = [truth["tilt_deg"] for truth in truths]
    level, steep = int(np.argmin(np.abs(tilts))), int(np.argmin(tilts))
    a, b = (np.array(truths[k]["to_image"]) for k in (level, steep))
    rows, columns = np.mgrid[60 : _SHAPE[0] - 60, 60 : _SHAPE[1] - 60] + 0.5
    # From a pixel of the steep picture to the place on the middle plane, and to the level one.
    places = np.linalg.solve(b[:, :2], np.stack([columns.ravel(), rows.ravel()]) - b[:, 3:])
    there = a[:, :2] @ places + a[:, 3:]
    inside = ((there > 1) & (there < np.array([_SHAPE[::-1]]).T - 1)).all(axis=0)
    values = ndimage.map_coordinates(pictures[level], there[::-1, inside] - 0.5, order=1)
    seen = pictures[steep][60:-60, 60:-60].ravel()[inside]
    return float(np.corrcoef(values, seen)[0, 1])


def back_projected(pictures: np.ndarray, to_image: list[list[list[float]]]) -> np.ndarray:
    """Weighted back-projection; dark matter is positive."""
    z, y, x = ((np.arange(n) - n / 2 + 0.5) * _VOXEL_NM for n in _SIZE)
    volume = np.zeros(_SIZE, np.float32)
    rows, columns = np.fft.fftfreq(_SHAPE[0])[:, None], np.fft.rfftfreq(_SHAPE[1])[None]
    for picture, matrix in zip(pictures, to_image):
        m = np.array(matrix)
        across = m[:, 0] / np.linalg.norm(m[:, 0])
        ramp = np.abs(columns * across[0] + rows * across[1])
        ramp *= np.exp(-(columns**2 + rows**2) / 0.25**2)
        waves = np.fft.rfft2(np.log(np.maximum(picture, 1.0))) * ramp
        filtered = np.fft.irfft2(waves, s=_SHAPE)
        plane = m[:, 0, None, None] * x[None, None, :] + m[:, 1, None, None] * y[None, :, None]
        for k, height in enumerate(z):
            column, row = plane + (m[:, 2] * height + m[:, 3])[:, None, None] - 0.5
            volume[k] -= ndimage.map_coordinates(filtered, [row, column], order=1, mode="nearest")
    return volume


def _off_along_z(volume: np.ndarray, center_nm: list[float]) -> float | None:
    """How far above its place a particle is densest, None too near to the edge."""
    at = np.array(center_nm)[::-1] / _VOXEL_NM + np.array(_SIZE) / 2 - 0.5
    if (at < 12).any() or (at > np.array(_SIZE) - 13).any():
        return None
    z, y, x = np.rint(at).astype(int)
    part = volume[z - 12 : z + 13, y - 8 : y + 9, x - 8 : x + 9]
    line = ndimage.gaussian_filter(part, 2.5)[:, 8, 8]
    return float((z - 12 + np.argmax(line) - at[0]) * _VOXEL_NM)


def main(argv: list[str] | None = None) -> int:
    """Measure, show and save; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    found = []
    print("seed      thick nm  ribosomes  off nm (median, mean)  within 5 nm  plane  CPU s/picture")
    for seed in range(FIRST_TEST_SEED, FIRST_TEST_SEED + args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            one = measured(seed, Path(folder))
        found.append(one)
        print(
            f"{seed:8} {one['thickness_nm']:9.0f} {one['ribosomes']:10} "
            f"{one['off_nm_median']:12.1f} {one['off_nm_mean']:+9.1f} {one['within_5_nm']:12.0%} "
            f"{one['like_the_plane']:6.2f} {one['cpu_s_a_picture']:14.2f}",
            flush=True,
        )
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    missed = [
        one
        for one in found
        if one["off_nm_median"] > MOST_OFF_NM or abs(one["like_the_plane"]) > MOST_LIKE
    ]
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
