"""Tomograms against the truth: alignment, frame, hand, planes, slabs, time and memory.

Three kinds of series, of which two are not made by this project's own geometry:

* phantom: balls by a formula (`tilt_phantom`), with tracking errors, noise, a tilt axis that is
  noted wrongly and a lamella that leans;
* acryo: particles of a density (`--density`, an MRC file) projected by the package acryo;
* simulated: a lamella of the simulated microscope (`--simulated`); its particles are judged by
  their mean, since single ones are hardly seen in noise.

Truth is compared as it is: moved by nothing, turned only by the tilt offset that the tomogram's
facts name. Where the specimen is along z, a series without fiducials tells by the specimen alone;
`plane_off_in_frame_nm` is the error of a particle's plane besides that of the frame. `--large`
measures time and memory of 41 pictures of 4092 x 5760 pixels at bin 4 in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, report
from benchmarks.tilt_phantom import Phantom, phantom, write_series
from space.tomograms import (
    Alignment,
    Options,
    Plan,
    Reconstruction,
    Stack,
    read_imod_alignment,
    tomogram_of,
)
from space.volumes import read_volume

MOST_RESIDUAL_PX, MOST_FRAME_NM, MOST_PLANE_NM = 1.0, 10.0, 5.0
MOST_CPU_S, MOST_MB, MOST_SLAB = 60.0, 2000.0, 1e-4
REACH_NM = 24.0
MIRRORED_PART = 0.5


def found_nm(
    volume: np.ndarray, voxel_nm: float, places_nm: np.ndarray, radius_nm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return where particles (x, y, z) are found, as errors, and how dark they are.

    The darkest place within `REACH_NM`, of the volume smoothed to the size of a particle, and the
    centre of mass about it.
    """
    from scipy import ndimage

    smooth = -ndimage.gaussian_filter(volume.astype(np.float32), 0.5 * radius_nm / voxel_nm)
    smooth = (smooth - smooth.mean()) / smooth.std()
    middle = (np.array(volume.shape) - 1) / 2
    reach, near = math.ceil(REACH_NM / voxel_nm), max(1, round(radius_nm / voxel_nm))
    errors, heights = [], []
    for place in places_nm:
        at = place[::-1] / voxel_nm + middle
        first = np.rint(at).astype(int)
        edge = reach + near + 1
        if (first < edge).any() or (first >= np.array(volume.shape) - edge).any():
            continue
        box = smooth[tuple(slice(n - reach, n + reach + 1) for n in first)]
        peak = np.array(np.unravel_index(box.argmax(), box.shape)) - reach + first
        part = smooth[tuple(slice(n - near, n + near + 1) for n in peak)]
        weight = np.clip(part - 0.5 * part.max(), 0, None)
        mass = np.array([(np.indices(part.shape)[k] * weight).sum() for k in range(3)])
        errors.append((peak - near + mass / weight.sum() - at)[::-1] * voxel_nm)
        heights.append(smooth[tuple(first)])
    return np.array(errors).reshape(-1, 3), np.array(heights)


def in_tomogram(places_nm: np.ndarray, offset_deg: float) -> np.ndarray:
    """Return places (x, y, z) of the stage's frame in that of a tomogram with a tilt offset."""
    c, s = math.cos(math.radians(offset_deg)), math.sin(math.radians(offset_deg))
    x, y, z = places_nm.T
    return np.stack([x * c - z * s, y, x * s + z * c], axis=1)


def shift_errors_px(made: Phantom, folder: Path, name: str, voxel_nm: float) -> float:
    """Root mean square error of shifts, but for a movement of the specimen as a whole."""
    found = read_imod_alignment(folder / f"{name}.xf", folder / f"{name}.tlt", made.pixel_nm)
    tilt = np.radians(found.tilts_deg)
    # Turned as it was found: an error of the axis is seen in places, not here.
    off = found.shifts_nm + made.shifts_nm @ found.turn.T
    model = np.stack([np.cos(tilt), np.sin(tilt)], axis=1)
    across = off[:, 0] - model @ np.linalg.lstsq(model, off[:, 0], rcond=None)[0]
    along = off[:, 1] - off[:, 1].mean()
    return float(np.sqrt(np.mean(across**2 + along**2))) / voxel_nm


def judged(facts: dict[str, Any], out: Path, places_nm: np.ndarray, radius_nm: float) -> dict:
    """Compare a tomogram with the truth, and its mirror image, which must fail."""
    volume = read_volume(out / facts["files"]["mrc"])
    voxel = volume.frame.voxel_nm[0]
    places = in_tomogram(places_nm, facts["offset_deg"])
    errors, heights = found_nm(volume.data, voxel, places, radius_nm)
    _, mirrored = found_nm(volume.data[::-1], voxel, places, radius_nm)
    frame = np.median(errors, axis=0)
    return {
        "particles": len(errors),
        "frame_off_nm": [round(float(one), 2) for one in frame],
        "frame_far_nm": round(float(np.linalg.norm(frame)), 2),
        "plane_off_nm": round(float(np.median(np.abs(errors[:, 2]))), 2),
        "plane_off_in_frame_nm": round(float(np.median(np.abs(errors[:, 2] - frame[2]))), 2),
        "darkness": round(float(np.median(heights)), 2),
        "darkness_mirrored": round(float(np.median(mirrored)), 2),
        "mirrored_fails": bool(np.median(mirrored) < MIRRORED_PART * np.median(heights)),
    }


def one_phantom(folder: Path, name: str, binning: int, **how: Any) -> dict[str, Any]:
    noted = how.pop("axis_off_deg", 1.0)
    made = phantom(shape=(480, 512), pixel_nm=2.0, n=500, radii_nm=(6.0, 12.0), **how)
    path = write_series(folder, made, name, axis_off_deg=noted)
    options = Options(binning, 320.0)
    facts = tomogram_of(path, options, folder / "out") or {}
    voxel = facts["voxel_nm"][0]
    balls = made.balls_nm[made.balls_nm[:, 3] > 9]
    result = judged(facts, folder / "out", balls[:, :3], 10.0)
    return {
        "residual_px": round(shift_errors_px(made, folder / "out", name, voxel), 3),
        "residual_measured_px": facts["residual_px"],
        "axis_off_deg": round(facts["axis_deg"] - made.axis_deg, 3),
        "offset_deg": facts["offset_deg"],
        "quality": facts["quality"]["score"],
        **result,
    }


def acryo_series(
    density: Path,
    seed: int,
    noise: float,
    n: int = 140,
    shape: tuple[int, int, int] = (100, 320, 384),
) -> tuple[Phantom, np.ndarray]:
    """Return a series of the package acryo: ribosomes at random places and turns."""
    import mrcfile
    from acryo import Molecules, TomogramSimulator
    from scipy import ndimage
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    scale, thick = 2.0, 1.4 * shape[0]
    with mrcfile.open(density, permissive=True) as opened:
        particle = np.asarray(opened.data, np.float32)
        particle = ndimage.zoom(particle, float(opened.voxel_size.x) / 10 / scale, order=1)
    particle *= 1.0 / particle.max()
    middle = (np.array(shape) - 1) / 2 * scale
    places = rng.uniform(-1, 1, (n, 3)) * np.array(
        [thick / 2 - 14, 0.94 * shape[1], 1.1 * shape[2]]
    )
    molecules = Molecules(places + middle, Rotation.random(n, random_state=seed))
    simulator = TomogramSimulator(order=1, scale=scale)
    simulator.add_molecules(molecules, particle)
    tilts = np.arange(-60.0, 60.1, 3.0)
    dense = np.asarray(simulator.simulate_tilt_series(tilts, shape))
    most_nm = min(40.0, 0.06 * scale * shape[1])
    shifts = rng.uniform(-most_nm, most_nm, (len(tilts), 2))
    shifts[len(tilts) // 2] = 0
    moved = np.stack(
        [ndimage.shift(one, s[::-1] / scale, order=3) for one, s in zip(dense, shifts)]
    )
    counts = 1000 * np.exp(-0.25 * moved / np.percentile(dense, 99.9))
    counts += rng.normal(0, noise * 1000, counts.shape)
    made = Phantom(np.empty((0, 4)), tilts, 0.0, shifts, scale, counts.astype(np.float32))
    centre = ndimage.center_of_mass(np.clip(particle, 0.2, None) - 0.2)
    inner = (np.array(centre) - (np.array(particle.shape) - 1) / 2) * scale
    return made, (places + molecules.rotator.apply(inner))[:, ::-1]


def one_acryo(folder: Path, density: Path, seed: int) -> dict[str, Any]:
    made, places = acryo_series(density, seed, 0.06)
    path = write_series(folder, made, "acryo", axis_off_deg=1.0)
    facts = tomogram_of(path, Options(2, 280.0), folder / "out") or {}
    voxel = facts["voxel_nm"][0]
    return {
        "residual_px": round(shift_errors_px(made, folder / "out", "acryo", voxel), 3),
        "residual_measured_px": facts["residual_px"],
        "axis_off_deg": round(facts["axis_deg"], 3),
        "offset_deg": facts["offset_deg"],
        "quality": facts["quality"]["score"],
        **judged(facts, folder / "out", places, 13.0),
    }


def averaged(
    volume: np.ndarray, voxel_nm: float, places_nm: np.ndarray, radius_nm: float
) -> tuple[np.ndarray, float, int]:
    """Return where the mean of all particles (x, y, z) is off, how clear it is, and of how many.

    In noise and among other things a single particle is not found with certainty; their mean is.
    """
    from scipy import ndimage

    reach = math.ceil((REACH_NM + radius_nm) / voxel_nm)
    middle = (np.array(volume.shape) - 1) / 2
    boxes = []
    for place in places_nm:
        at = place[::-1] / voxel_nm + middle
        first = np.rint(at).astype(int)
        if (first < reach + 2).any() or (first >= np.array(volume.shape) - reach - 2).any():
            continue
        box = volume[tuple(slice(n - reach - 1, n + reach + 2) for n in first)].astype(float)
        boxes.append(ndimage.shift(box, first - at, order=1)[1:-1, 1:-1, 1:-1])
    mean = -ndimage.gaussian_filter(np.mean(boxes, axis=0), 0.5 * radius_nm / voxel_nm)
    mean = mean - np.median(mean)
    peak = np.array(np.unravel_index(mean.argmax(), mean.shape))
    far = np.linalg.norm(np.indices(mean.shape).T - peak, axis=-1).T > 1.5 * radius_nm / voxel_nm
    near = max(1, round(radius_nm / voxel_nm))
    low = np.maximum(peak - near, 0)
    part = mean[tuple(slice(a, b + near + 1) for a, b in zip(low, peak))]
    weight = np.clip(part - 0.5 * part.max(), 0, None)
    at = np.array([(np.indices(part.shape)[k] * weight).sum() for k in range(3)]) / weight.sum()
    clear = float(mean.max() / mean[far].std())
    return (at + low - reach)[::-1] * voxel_nm, clear, len(boxes)


def one_simulated(folder: Path, seed: int) -> dict[str, Any]:
    """Judge a series of the simulated microscope, by the truth beside it."""
    from space.simulation import simulated_series

    made = simulated_series(
        folder / f"simulated{seed}",
        seed=seed,
        shape=(511, 720),
        binning=8,
        holds=("cell",),
        tracking_error_nm=30,
    )
    truth = json.loads(made.truth.read_text(encoding="utf-8"))
    facts = tomogram_of(made.stack, Options(2, 320.0), folder / f"out{seed}") or {}
    voxel, angle = facts["voxel_nm"][0], math.radians(facts["axis_deg"])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    seen = {one["section"]: np.array(one["to_image"])[:, 3] for one in truth["pictures"]}
    middle = np.array([720, 511]) / 2
    true = [-turn @ (seen[v["section"]] - middle) * truth["pixel_nm"] for v in facts["views"]]
    off = np.array([view["shift_nm"] for view in facts["views"]]) - np.array(true)
    tilt = np.radians([view["tilt_deg"] + facts["offset_deg"] for view in facts["views"]])
    model = np.stack([np.cos(tilt), np.sin(tilt)], axis=1)
    across = off[:, 0] - model @ np.linalg.lstsq(model, off[:, 0], rcond=None)[0]
    along = off[:, 1] - off[:, 1].mean()
    places = [one["center_nm"] for one in truth["particles"] if one["kind"] == "ribosome"]
    at = in_tomogram(np.array(places), facts["offset_deg"])
    data = read_volume(folder / f"out{seed}" / facts["files"]["mrc"]).data
    frame, clear, count = averaged(data, voxel, at, 12.0)
    _, mirrored, _ = averaged(data[::-1], voxel, at, 12.0)
    return {
        "residual_px": round(float(np.sqrt(np.mean(across**2 + along**2))) / voxel, 3),
        "residual_measured_px": facts["residual_px"],
        "axis_off_deg": round(facts["axis_deg"] - (truth["rotation_deg"] + 270) % 360, 3),
        "offset_deg": facts["offset_deg"],
        "lean_deg": round(math.degrees(math.atan2(*truth["normal"][::2])), 3),
        "thickness_nm": round(truth["thickness_nm"], 1),
        "thickness_found_nm": facts["specimen_nm"],
        "quality": facts["quality"]["score"],
        "particles": count,
        "frame_off_nm": [round(float(one), 2) for one in frame],
        "frame_far_nm": round(float(np.linalg.norm(frame)), 2),
        "plane_off_in_frame_nm": round(abs(float(frame[2])), 2),
        "clear": round(clear, 2),
        "clear_mirrored": round(mirrored, 2),
        "mirrored_fails": bool(mirrored < MIRRORED_PART * clear),
    }


def slabs_off(folder: Path) -> float:
    """Largest difference of slabs and whole, over the largest value."""
    made = phantom(shape=(160, 192), n=60, noise=0.02)
    data = made.pictures / made.pictures.mean(axis=(1, 2), keepdims=True) - 1
    stack = Stack(data.astype(np.float32), 4.0, (79.5, 95.5))
    alignment = Alignment(4.0, made.tilts_deg, np.zeros((len(made.tilts_deg), 2)))
    work = Reconstruction(stack, alignment, Plan((60, 160, 192)))
    whole = work.slab(slice(0, 160))
    parts = [work.slab(slice(first, min(first + 23, 160))) for first in range(0, 160, 23)]
    return float(np.abs(np.concatenate(parts, axis=1) - whole).max() / np.abs(whole).max())


def large_series(folder: Path) -> Path:
    """Write 41 pictures of 4092 x 5760 pixels, with noise in each pixel."""
    import mrcfile

    small = phantom(
        shape=(1023, 1440), pixel_nm=1.0652, n=700, radii_nm=(8.0, 14.0), shift_nm=40.0,
        thickness_nm=180.0, axis_deg=85.0,
    )  # fmt: skip
    path = write_series(folder, small, "large", axis_off_deg=0.5)
    order = np.argsort(np.abs(small.tilts_deg), kind="stable")
    rng = np.random.default_rng(1)
    grain = rng.normal(0, 100, (4092, 5760 + 512)).astype(np.float32)
    with mrcfile.new_mmap(path, (41, 4092, 5760), mrc_mode=1, overwrite=True) as opened:
        for section, index in enumerate(order):
            picture = np.repeat(np.repeat(small.pictures[index], 4, axis=0), 4, axis=1)
            at = int(rng.integers(0, 512))
            picture = picture + np.roll(grain[:, at : at + 5760], int(rng.integers(4092)), axis=0)
            opened.data[section] = picture.astype(np.int16)
        opened.voxel_size = 2.663
    notes = path.with_name(path.name + ".mdoc")
    text = notes.read_text(encoding="utf-8").replace("= 1440 1023", "= 5760 4092")
    notes.write_text(
        text.replace("PixelSpacing = 10.652", "PixelSpacing = 2.663"), encoding="utf-8"
    )
    return path


MEASURED = """
import resource, sys
from space.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
most_kb = used.ru_maxrss
if sys.platform == "linux":  # where a process begins with the maximum of the one that started it
    lines = open("/proc/self/status").read().splitlines()
    most_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print("MEASURED", used.ru_utime + used.ru_stime, most_kb / 1024)
sys.exit(code)
"""


def large(folder: Path) -> dict[str, Any]:
    """Measure the whole command on 41 x 4092 x 5760 pixels at bin 4, in a process of its own."""
    path = large_series(folder)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "tomogram", str(path), "--bin", "4", "--thickness", "300"],
        env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith("MEASURED"))
    cpu_s, most_mb = (float(word) for word in line.split()[1:])
    facts = json.loads((folder / "tomograms" / "large_tomogram.json").read_text("utf-8"))
    return {
        "shape": facts["shape"],
        "cpu_s": round(cpu_s, 1),
        "most_mb": round(most_mb),
        "residual_measured_px": facts["residual_px"],
        "axis_off_deg": round(facts["axis_deg"] - 85.0, 3),
    }


def is_good(one: dict[str, Any]) -> bool:
    return bool(
        one["residual_px"] <= MOST_RESIDUAL_PX
        and one["frame_far_nm"] <= MOST_FRAME_NM
        and one["plane_off_in_frame_nm"] <= MOST_PLANE_NM
        and one["mirrored_fails"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--density", type=Path, help="MRC file of a particle, for acryo")
    parser.add_argument("--simulated", action="store_true", help="also the simulated microscope")
    parser.add_argument("--large", action="store_true", help="also time and memory")
    parser.add_argument("--seeds", type=int, default=2, help="0 for --large alone")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    result: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="tomograms"))
    try:
        for seed in range(args.seeds):
            result[f"phantom, seed {seed}"] = one_phantom(
                folder, f"flat{seed}", 2, seed=seed, noise=0.05, shift_nm=50.0
            )
            result[f"phantom that leans by 8 degrees, axis across, seed {seed}"] = one_phantom(
                folder, f"lean{seed}", 2,
                seed=50 + seed, noise=0.05, shift_nm=50.0, pretilt_deg=8.0, axis_deg=94.0,
            )  # fmt: skip
            if args.simulated:
                result[f"simulated, seed {2 + seed}"] = one_simulated(folder, 2 + seed)
            if args.density:
                result[f"acryo, seed {seed}"] = one_acryo(folder, args.density, seed)
        for one in result.values():
            one["good"] = is_good(one)
        result["slabs against the whole"] = slabs_off(folder)
        if args.large:
            result["41 x 4092 x 5760 at bin 4"] = large(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(result, args.json)


if __name__ == "__main__":
    main()
