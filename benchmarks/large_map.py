"""A lamella map of real size through a worker: time, peak memory, and that it comes out whole.

35 x 16 um at 2.283 nm/px is 15 000 x 7 000 px. It is segmented by the shipped model (which
rescales it), and once more as if the model had been trained at 2.283 nm/px, as published models
are: then the network sees every pixel. Memory is the highest of the whole process, torch included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from space.config import load_config
from space.images import read_png, write_png
from space.jobs import Job
from space.jobs.engine import Engine
from training.lamella_maps import lamella_map

from .common import PROJECT, parser, report

SHAPE = (7000, 15_000)
PIXEL_NM = 2.283


def peak_memory_gb() -> float:
    """Highest memory of this process so far."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def large_picture(seed: int) -> np.ndarray:
    """A simulated lamella enlarged to the size of a real map, with noise on every pixel."""
    small, _ = lamella_map(seed, 10.0, rotation_deg=90.0, noise=1.0)
    large = Image.fromarray(small).resize(SHAPE[::-1], Image.Resampling.BILINEAR)
    picture = np.array(large)
    rng = np.random.default_rng(seed)
    for row in range(0, SHAPE[0], 500):
        strip = picture[row : row + 500]
        noisy = strip + rng.normal(0, 12, strip.shape).astype(np.float32)
        picture[row : row + 500] = np.clip(noisy, 0, 255)
    return picture


def measure(folder: Path, model_nm: float) -> dict[str, float]:
    """Segment the map in a folder in this process."""
    config = replace(load_config(PROJECT), segmentation_pixel_nm=model_nm)
    engine = Engine(PROJECT, "cpu", load_config=lambda space_dir: config)
    start = time.perf_counter()
    result = engine.run(Job("large.png"), folder)
    seconds = time.perf_counter() - start
    labels, _ = read_png(result)
    assert labels.shape == SHAPE
    return {
        "seconds": round(seconds),
        "memory_gb": round(peak_memory_gb(), 2),
        "classes_found": int(np.unique(labels).size),
    }


def main() -> None:
    """Command line."""
    options = parser(__doc__.splitlines()[0], n=1)
    options.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure[0]), float(args.measure[1]))))
        return
    shipped_nm = load_config(PROJECT).segmentation_pixel_nm
    results = {}
    with tempfile.TemporaryDirectory() as name:
        write_png(Path(name) / "large.png", large_picture(args.seed_start), PIXEL_NM, "benchmark")
        for title, model_nm in (("shipped", shipped_nm), ("at_map_pixel", PIXEL_NM)):
            command = [sys.executable, "-m", "benchmarks.large_map", "--measure", name]
            run = subprocess.run(
                [*command, str(model_nm)], cwd=PROJECT, stdout=subprocess.PIPE, check=True
            )
            results[title] = json.loads(run.stdout.splitlines()[-1])
    report({"pixels": f"{SHAPE[1]} x {SHAPE[0]}", **results}, args.json)


if __name__ == "__main__":
    main()
