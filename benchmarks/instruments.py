"""A whole session on every microscope that comes with the simulator, judged by the truth.

python -m benchmarks.instruments [--lamellae 3] [--seed-start 900001] [--json FILE]

SPACEtomo.py from the loaded grid to finished tilt series, with the shipped models, the stand-in for
PACEtomo and the post action, once for each instrument file. Settings are those of the script but
for what a microscope needs: the grid on the stage where there is no autoloader, an intermediate
magnification above the low range, the beam's diameter where it is not reported.

The keys are those of a simulated session's summary (docs/simulator.md).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from space.simulation import Plan, run_plan
from space.simulator.column import INSTRUMENT_FOLDER

from .common import PROJECT, parser, report

SETTINGS: dict[str, dict[str, Any]] = {
    "talos_ceta": {"IM_mag_index": 1300, "beam_diameter": 1.8},
    "glacios_k2": {"beam_diameter": 1.6},
    "jeol_cryoarm_k3": {"beam_diameter": 1.6},
}
KEYS = (
    "ok", "recall", "precision", "class_accuracy", "position_error_um_median", "mean_dice",
    "targets", "targets_on_wanted", "targets_off_lamella", "tilt_series", "beam_conflicts",
    "double_exposed_px", "defocus_error_um_median", "defocus_error_um_max",
)  # fmt: skip


def measure(name: str, seed: int, lamellae: int, tilt_step_deg: float) -> dict[str, Any]:
    """Run and judge a session on one microscope."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            out=Path(folder) / "session",
            space_dir=PROJECT,
            seed=seed,
            lamellae=lamellae,
            level=5,
            settings=SETTINGS.get(name, {}),
            tilt_step_deg=tilt_step_deg,
            instrument=name,
        )
        summary = run_plan(plan, show=lambda line: None)
    found = {key: summary[key] for key in KEYS}
    return {**found, "minutes": round((time.monotonic() - start) / 60, 1)}


def main() -> None:
    """Command line."""
    options = parser(__doc__.splitlines()[0], n=0)
    options.add_argument("--lamellae", type=int, default=3)
    options.add_argument("--tilt-step", type=float, default=15.0)
    options.add_argument("--only", nargs="+", help="names of instruments")
    args = options.parse_args()
    names = args.only or sorted(path.stem for path in INSTRUMENT_FOLDER.glob("*.toml"))
    result = {name: measure(name, args.seed_start, args.lamellae, args.tilt_step) for name in names}
    report(result, args.json)


if __name__ == "__main__":
    main()
