"""Speed and memory of the simulated microscope, as CPU seconds of one process.

Painting a lamella is what its first picture costs beyond the later ones; it is listed apart.
Memory is what Python and numpy hold at most during each part, as `tracemalloc` counts it (on all
systems alike, without the interpreter and its libraries, some 150 MB); that part runs once
more for it, because counting takes time. Run it with one thread, for example OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from space.simulator import Simulation
from space.simulator.commands import all_commands
from space.simulator.specimen import rasters

LIMITS_S = {"record": 0.8, "view_piece": 0.5, "full_montage": 60.0}
MEMORY_LIMIT_MB = 2000.0
FIRST_TEST_SEED = 900_000
OVERLAP = 0.15


class Microscope:
    """A session on a grid of its own, and what is measured on it."""

    def __init__(self, seed: int, lamellae: int, folder: Path) -> None:
        self.folder = folder
        self.session = Simulation(folder, seed=seed, lamellae=lamellae, time_scale=0.0).session
        self.commands = all_commands()
        kinds = {lamella.kind: lamella for lamella in self.session.grid.lamellae}
        self.lamella = kinds.get("good") or self.session.grid.lamellae[0]

    def low_mag(self) -> None:
        """Go to the state for whole grids."""
        self.session.scope.apply_state(self.session.scope.states[0])

    def low_dose(self) -> None:
        """Go to low dose."""
        self.session.scope.apply_state(self.session.scope.states[1])

    def picture(self, set_letter: str, x_um: float, y_um: float) -> None:
        """Move, relative to the lamella, and take a picture."""
        x, y = self.lamella.center_um
        self.session.scope.stage.move_to(x + x_um, y + y_um)
        self.session.take(set_letter)

    def tilt_series_picture(self, tilt_deg: float) -> None:
        """Tilt and take a Record."""
        self.session.scope.tilt_to(tilt_deg)
        self.session.take("R")

    def full_montage(self, name: str = "grid.mrc") -> None:
        """Take the montage of the whole grid into a file."""
        self.commands["SetupFullMontage"](self.session, OVERLAP, str(self.folder / name))
        self.commands["M"](self.session)
        self.commands["CloseFile"](self.session)


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU seconds that a call takes."""
    start = time.process_time()
    act()
    return time.process_time() - start


def measure(seed: int, lamellae: int, repeats: int) -> dict[str, Any]:
    """Take pictures of all kinds and time them."""
    with tempfile.TemporaryDirectory() as name:
        scope = Microscope(seed, lamellae, Path(name))
        result: dict[str, Any] = {}
        scope.low_mag()
        scope.picture("R", 0.0, 0.0)
        low_mag = [cpu_seconds(lambda n=n: scope.picture("R", 9.0 * n, 50.0)) for n in range(1, 4)]
        result["low_mag_piece_s"] = median(low_mag)
        result["full_montage_s"] = cpu_seconds(scope.full_montage)
        pixel_nm = 1e3 * scope.session.buffers.require("B").pixel_um
        result["full_montage_pieces"] = len(scope.session.exposures) - 4
        result["full_montage_pixel_nm"] = round(pixel_nm, 1)

        scope.low_dose()
        first = cpu_seconds(lambda: scope.picture("V", 0.0, 0.0))
        inside = [cpu_seconds(lambda n=n: scope.picture("V", n, 0.5)) for n in range(1, repeats)]
        edge = [cpu_seconds(lambda n=n: scope.picture("V", n, 16.0)) for n in range(1, repeats)]
        scope.session.clock.advance(200.0)
        scope.session.take("V")
        same = [cpu_seconds(lambda: scope.session.take("V")) for _ in range(repeats)]
        result["view_piece_s"] = max(median(inside), median(edge))
        result["view_piece_inside_s"] = median(inside)
        result["view_piece_at_the_edge_s"] = median(edge)
        result["view_again_s"] = median(same)
        result["painting_a_lamella_s"] = first - median(inside)

        scope.picture("R", 0.0, 0.0)
        flat = [
            cpu_seconds(lambda n=n: scope.picture("R", 0.3 * n, 1.0)) for n in range(1, repeats)
        ]
        scope.picture("R", 0.0, 0.0)
        tilted = [
            cpu_seconds(lambda n=n: scope.tilt_series_picture(3.0 * n)) for n in range(1, repeats)
        ]
        result["record_s"] = median(flat)
        result["record_tilted_s"] = median(tilted)
        result["record_px"] = list(scope.session.buffers.require("A").data.shape[::-1])
    return {key: round(v, 3) if isinstance(v, float) else v for key, v in result.items()}


def peak_memory_mb(seed: int, lamellae: int) -> dict[str, float]:
    """Most memory held during a montage of the grid and a visit to all its lamellae."""
    rasters.forget()
    tracemalloc.start()
    peaks = {}
    try:
        with tempfile.TemporaryDirectory() as name:
            scope = Microscope(seed, lamellae, Path(name))
            scope.low_mag()
            scope.full_montage()
            peaks["full_montage"] = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.reset_peak()
            scope.low_dose()
            for lamella in scope.session.grid.lamellae:
                scope.lamella = lamella
                scope.picture("V", 0.0, 0.0)
                scope.picture("R", 0.0, 0.0)
            peaks["all_lamellae"] = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    return {key: round(value) for key, value in peaks.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=FIRST_TEST_SEED)
    parser.add_argument("--lamellae", type=int, default=12, help="on the grid")
    parser.add_argument("--repeats", type=int, default=8, help="pictures of each kind")
    parser.add_argument("--no-memory", action="store_true", help="measure times only")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    result = measure(args.seed, args.lamellae, args.repeats)
    if not args.no_memory:
        result["peak_memory_mb"] = peak_memory_mb(args.seed, args.lamellae)
    print(f"{'what':28s} {'measured':>12s} {'limit':>8s}")
    for name, value in result.items():
        if isinstance(value, dict):
            for part, number in value.items():
                print(f"{f'{name}.{part}':28s} {number:>12} {MEMORY_LIMIT_MB:>8g}")
        else:
            limit = LIMITS_S.get(name.removesuffix("_s"), "")
            print(f"{name:28s} {value!s:>12s} {limit!s:>8s}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
