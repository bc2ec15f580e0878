"""How closely a grid that is loaded again is found, held against the simulator's truth.

    python -m benchmarks.reload [--seeds N] [--first SEED] [--lamellae N] [--maps]

For each seed: the map of the grid and its lamellae (with --maps also a map of each lamella) are
collected, the grid is taken out and loaded again, turned and shifted as the instrument file says,
and SPACEtomo is run once more. Each place in the Navigator is then compared with where the same
point of the specimen lies now. A part of the grid (350 µm around its middle) and pictures binned
by 8 keep it short; the truth answers in place of the models. At last another grid is put into the
slot.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from space.simulation import Bench, make_project, without_plots
from space.simulator.specimen import Grid

REACH_UM = 350.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--lamellae", type=int, default=3)
    parser.add_argument("--maps", action="store_true")
    options = parser.parse_args()
    errors: list[float] = []
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found = one_reload(Path(folder), seed, options.lamellae, options.maps)
        errors += found["errors_um"]
        print(json.dumps(found), flush=True)
    print(
        f"{options.seeds} grids, {len(errors)} places: median {np.median(errors):.2f} um, "
        f"90 % within {np.percentile(errors, 90):.2f} um, largest {max(errors):.2f} um"
    )


def one_reload(folder: Path, seed: int, lamellae: int, maps: bool) -> dict[str, object]:
    """Load a grid twice, then another one in its place; say how far places are off."""
    grid = Grid.make(seed, lamellae, kinds=["good"] * lamellae, within_um=170.0)
    bench = Bench(folder / "session", make_project(folder / "project"), grid, seed=seed)
    session = bench.simulation.session
    session.scope.stage.limits_um = (-REACH_UM, REACH_UM, -REACH_UM, REACH_UM)
    session.camera.sets["R"] = replace(session.camera.sets["R"], binning=8)
    level = 2 if maps else 1
    with bench.worker.instead_of_models(), without_plots():
        _ran(bench, level)
        before = {item.label: np.array(item.stage_um[:2]) for item in bench.items()}
        lay = session.lying
        take_out(bench)
        began = time.process_time()
        _ran(bench, level)
        seconds = time.process_time() - began
        lies = session.lying
        now = {item.label: np.array(item.stage_um[:2]) for item in bench.items()}
        true = {label: lies.to_stage(lay.to_grid(place)) for label, place in before.items()}
        errors = [float(np.hypot(*(now[label] - place))) for label, place in true.items()]
        pictures = len(bench.simulation.exposures)
        take_out(bench)
        session.grids[1] = Grid.make(seed + 5000, lamellae, kinds=["good"] * lamellae)
        other = bench.run(level)
        shots = bench.simulation.exposures[pictures:]
    return {
        "seed": seed,
        "turned_deg": round(lies.turned_deg, 2),
        "moved_um": round(float(np.hypot(*lies.moved_um)), 1),
        "errors_um": [round(error, 3) for error in errors],
        "cpu_s": round(seconds, 1),
        "other_grid": "refused" if not other.ok else "ACCEPTED",
        "low_dose_pictures_of_it": sum(shot.area != "LM" for shot in shots),
    }


def take_out(bench: Bench) -> None:
    """Bring the grid back to the cassette, as a program other than ours does it."""
    bench.do("sem.UnloadCartridge()", "sem.SetPersistentVar('SPACE_LOADED_SLOT', 'none')")


def _ran(bench: Bench, level: int) -> None:
    result = bench.run(level)
    if not result.ok:
        raise RuntimeError("\n".join(bench.simulation.log[-20:]))


if __name__ == "__main__":
    main()
