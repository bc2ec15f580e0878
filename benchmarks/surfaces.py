"""Surfaces of bodies whose volume, area and form are known, and of real ones.

bodies
    Balls, rings, shells and two balls that touch, on grids of equal and of unequal sides, wherever
    they lie between voxels and however they are turned: how far volume and area are off, whether
    meshes are closed and have the right Euler number.

real (--labels)
    A volume of labelled bodies: how many surfaces, whether all are closed, how much of the voxels'
    volume they hold, and what it takes.

    python -m benchmarks.surfaces
    python -m benchmarks.surfaces --labels fibsem_10nm_bodies.tif --voxel-nm 10
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import report
from space.surfaces import SurfaceOptions, draw, surfaces_of
from space.volumes import Frame, read_volume

Inside = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
_SMALLEST_VOXELS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12, help="bodies of each kind")
    parser.add_argument("--labels", type=Path, help="volume of labels")
    parser.add_argument("--voxel-nm", type=float, default=10.0, help="of that volume")
    parser.add_argument("--picture", type=Path, help="draw its surfaces into this file")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    result: dict[str, Any] = {kind: _of_kind(kind, args.n) for kind in _KINDS}
    if args.labels:
        result["real"] = _real(args.labels, args.voxel_nm, args.picture)
    report(result, args.json)


def _ball(r: float) -> Inside:
    return lambda a, b, c: a * a + b * b + c * c < r * r


def _balls() -> Iterator[tuple[Inside, float, float, float, float, int, int]]:
    for r in (7, 10, 14):
        yield _ball(r), r, 4 / 3 * np.pi * r**3, 4 * np.pi * r**2, 2 * r, 2, 1


def _rings() -> Iterator[tuple[Inside, float, float, float, float, int, int]]:
    for large, small in ((12, 5), (15, 6)):
        volume, area = 2 * np.pi**2 * large * small**2, 4 * np.pi**2 * large * small

        def inside(a, b, c, large=large, small=small):
            return (np.hypot(a, b) - large) ** 2 + c * c < small**2

        yield inside, large + small, volume, area, 2 * small, 0, 1


def _shells() -> Iterator[tuple[Inside, float, float, float, float, int, int]]:
    for outer, inner in ((14, 8), (16, 11)):
        volume, area = 4 / 3 * np.pi * (outer**3 - inner**3), 4 * np.pi * (outer**2 + inner**2)

        def inside(a, b, c, outer=outer, inner=inner):
            return _ball(outer)(a, b, c) & ~_ball(inner)(a, b, c)

        yield inside, outer, volume, area, outer - inner, 4, 1


def _touching() -> Iterator[tuple[Inside, float, float, float, float, int, int]]:
    """Two balls with a neck of 0.65 of their radius, which are cut there."""
    for r in (9, 12):
        half = r * np.cos(np.arcsin(0.325))
        cap = r - half
        volume = 2 * (4 / 3 * np.pi * r**3 - np.pi * cap**2 * (3 * r - cap) / 3)
        area = 2 * (4 * np.pi * r**2 - 2 * np.pi * r * cap + np.pi * (0.325 * r) ** 2)

        def inside(a, b, c, r=r, half=half):
            return _ball(r)(a - half, b, c) | _ball(r)(a + half, b, c)

        yield inside, r + half, volume, area, 2 * r, 2, 2


_KINDS = {"balls": _balls, "rings": _rings, "shells": _shells, "two that touch": _touching}


def _of_kind(kind: str, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    shapes = list(_KINDS[kind]())
    rows = []
    for number in range(count):
        inside, reach, volume, area, thick, euler, parts = shapes[number % len(shapes)]
        finer = (1.0, 1.5, 2.5)[number % 3]
        voxel_nm = (1.0, 1 / finer, 1 / finer)
        mask = _voxels(inside, reach, voxel_nm, rng)
        start_s = time.process_time()
        neck_nm = thick * 0.6 if parts == 2 else 0.0
        found = list(surfaces_of(mask, Frame(voxel_nm), SurfaceOptions(neck_nm=neck_nm)))
        rows.append(
            {
                "voxels": mask.sum() * np.prod(voxel_nm) / volume - 1,
                "volume": sum(one.form.volume_nm3 for one in found) / volume - 1,
                "area": sum(one.form.area_nm2 for one in found) / area - 1,
                "thickness": float(np.mean([one.thickness.median_nm for one in found])) / thick - 1,
                "right": len(found) == parts
                and all(one.form.watertight and one.form.euler == euler for one in found),
                "cpu_s": time.process_time() - start_s,
            }
        )
    worst = {
        f"{name}_off_worst_percent": round(100 * max(abs(row[name]) for row in rows), 2)
        for name in ("voxels", "volume", "area", "thickness")
    }
    return {
        "bodies": count,
        "closed_and_right_euler": int(sum(row["right"] for row in rows)),
        **worst,
        "volume_off_mean_percent": round(100 * float(np.mean([row["volume"] for row in rows])), 2),
        "area_off_mean_percent": round(100 * float(np.mean([row["area"] for row in rows])), 2),
        "within_1_percent": int(sum(max(abs(r["volume"]), abs(r["area"])) <= 0.01 for r in rows)),
        "cpu_s": round(sum(row["cpu_s"] for row in rows), 1),
    }


def _voxels(
    inside: Inside, reach: float, voxel_nm: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    axes = []
    for side in voxel_nm:
        half = int(np.ceil(reach / side)) + 2
        axes.append((np.arange(-half, half + 1) - rng.uniform(-0.5, 0.5)) * side)
    z, y, x = np.meshgrid(*axes, indexing="ij")
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    at = (turn[row, 0] * x + turn[row, 1] * y + turn[row, 2] * z for row in range(3))
    return inside(*at).astype(np.uint8)


def _real(path: Path, voxel_nm: float, picture: Path | None) -> dict[str, Any]:
    volume = read_volume(path, (voxel_nm,) * 3)
    start_s = time.process_time()
    asked = SurfaceOptions(smallest_nm3=_SMALLEST_VOXELS * voxel_nm**3)
    found = list(surfaces_of(volume.data, volume.frame, asked))
    cpu_s = time.process_time() - start_s
    if picture:
        draw(found).save(picture)
    voxels = np.array([np.count_nonzero(volume.data == one) for one in {s.label for s in found}])
    return {
        "surfaces": len(found),
        "closed": sum(one.form.watertight for one in found),
        "whole": sum(not one.at_border for one in found),
        "faces": sum(len(one.faces) for one in found),
        "volume_of_voxels": round(
            sum(one.form.volume_nm3 for one in found) / (voxels.sum() * voxel_nm**3), 4
        ),
        "cpu_s": round(cpu_s, 1),
    }


if __name__ == "__main__":
    main()
