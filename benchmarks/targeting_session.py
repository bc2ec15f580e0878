"""Target selection end to end: whole sessions in the simulated microscope, judged by the truth.

python -m benchmarks.targeting_session [--n 6] [--json FILE]

Every session runs SPACEtomo.py from the whole grid to finished tilt series on one lamella. Instead
of models, the simulator's true labels of what a map shows answer, so that what is left is the way
from the label map to where beam and camera really were: choice, geometry, targets file, stage,
realignment, image shift, tilting. Microscopes, wanted classes and modes take turns.

What is counted:

* `on_wanted`: share of the tilt series with the wanted class inside the true Record field of
  their first picture;
* `targets_off_lamella`, `defocus_error_um_median`, `defocus_error_um_max`: as in the summary of a
  simulated session, see docs/simulator.md;
* `double_exposed_px`: pixels of 20 nm that the beams of two targets hit at one and the same tilt,
  summed over the tilts up to the highest; `double_exposed_px_all_tilts`: at whatever tilts;
  `double_exposed_px_placed`: at one tilt, if every beam had stayed at all tilts where it was at the
  first, so that what is left is the placing. The others grow with how far the series wander:
  `wander_um_max` is the farthest that a beam was from where it was at the first tilt,
  `apart_um_max` the same without what all beams at that tilt had in common;
* `shift_um_max`: largest image shift that was asked for (the limit is 15 µm), `skipped`: targets
  that the microscope could not reach;
* `distance_um_median`, `distance_um_max`: from the place that was chosen on the specimen to the
  centre of the first picture; `own`: the same without what all targets of an area have in common.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from space import pacetomo
from space.simulation import (
    Plan,
    TruthWorker,
    by_series,
    double_exposed,
    judged,
    make_project,
    with_settings,
    without_plots,
)
from space.simulator import Exposure, Policy, Script, Simulation
from space.simulator.column import INSTRUMENT_FOLDER
from space.simulator.specimen import PRETILT_DEG, Grid

from .common import PROJECT, parser, report

PRIMARY, AFTER = 2, 3
WITHIN_UM, STAGE_LIMIT_UM = 150.0, 240.0
IMAGE_SHIFT_LIMIT_UM = 15.0
KRIOS, TALOS = "krios_k3", "talos_ceta"
RECORD_BINNING = {KRIOS: 16, TALOS: 8}
TRACK_LIMIT_UM = 0.6  # more than usual, for tilt steps larger than usual
TALOS_SETTINGS = {"IM_mag_index": 15, "beam_diameter": 1.8}


@dataclass(frozen=True)
class Case:
    """A session.

    Attributes
    ----------
    seed : int
        Of specimen, stage errors and noise.
    instrument : str
        Name of the microscope.
    settings : mapping
        What is changed at the top of SPACEtomo.py.
    tilt_step_deg : float
    noise : bool
        Whether pictures have noise.
    binning : int
        Of all pictures; 0 leaves all but Records and Focus pictures as they are.
    beam_um : float
        Width of the beam; 0 leaves it as it is.
    map_pixel_nm : float
        Pixel size of the label maps.
    """

    seed: int
    instrument: str = KRIOS
    settings: Mapping[str, Any] = field(default_factory=dict)
    tilt_step_deg: float = 10.0
    noise: bool = True
    binning: int = 0
    beam_um: float = 0.0
    map_pixel_nm: float = 16.0

    @property
    def name(self) -> str:
        """Microscope, wanted classes and mode, in words."""
        mode = "sparse" if self.settings.get("sparse_targets", True) else "dense"
        classes = ",".join(self.settings.get("target_list", ("mitos",)))
        return f"{self.instrument} {mode} {classes}"


def cases(seed_start: int, n: int) -> list[Case]:
    """Microscopes and modes in turn."""
    kinds: tuple[tuple[str, dict], ...] = (
        (KRIOS, {"target_list": ["mitos"]}),
        (TALOS, {"target_list": ["cell"], "sparse_targets": False, **TALOS_SETTINGS}),
        (KRIOS, {"target_list": ["lamella"], "sparse_targets": False}),
        (TALOS, {"target_list": ["mitos"], **TALOS_SETTINGS}),
        (KRIOS, {"target_list": ["cell"], "sparse_targets": False}),
        (TALOS, {"target_list": ["lamella"], "sparse_targets": False, **TALOS_SETTINGS}),
    )
    return [Case(seed_start + k, *kinds[k % len(kinds)]) for k in range(n)]


def run(case: Case, folder: Path) -> dict[str, Any]:
    """Run a session in an empty folder and judge it.

    Parameters
    ----------
    case : Case
    folder : Path
        Gets the project with models that only seem to be there, and the session.

    Returns
    -------
    dict
        The numbers named above, and ``ok`` and ``error`` of the script.
    """
    began = time.process_time()
    project, out = make_project(folder / "project", case.map_pixel_nm), folder / "session"
    grid = Grid.make(case.seed, 1, name="G1", kinds=["good"], within_um=WITHIN_UM)
    simulation = Simulation(
        out,
        seed=case.seed,
        grids={1: grid},
        noise=case.noise,
        time_scale=0.0,
        loaded=None,
        stage_limit_um=STAGE_LIMIT_UM,
        instrument=_instrument(case, folder),
        policy=Policy(key_after_s=5.0),
    )
    worker = TruthWorker(simulation)
    _choose_scripts(simulation, case, project)
    values = {
        "SPACE_DIR": str(project),
        "automation_level": 5,
        "pretilt": PRETILT_DEG[1],  # tilts are counted from the stage
        "image_shift_limit": IMAGE_SHIFT_LIMIT_UM,
        **case.settings,
    }
    text = with_settings((PROJECT / "SPACEtomo.py").read_text(encoding="utf-8"), values)
    with without_plots(), worker.instead_of_models():
        result = simulation.run(text, "SPACEtomo")
    verdict = judged(Plan(out, project, instrument=case.instrument), simulation, {})
    planned, imaged = places(out, simulation, worker)
    return {
        "session": case.name,
        "seed": case.seed,
        "ok": result.ok,
        "error": result.error,
        "targets": verdict["targets"],
        "tilt_series": verdict["tilt_series"],
        "on_wanted": verdict["targets_on_wanted"],
        **{
            key: verdict[key] or 0
            for key in ("targets_off_lamella", "defocus_error_um_median", "defocus_error_um_max")
        },
        "beam_conflicts": verdict["beam_conflicts"],
        "double_exposed_px": verdict["double_exposed_px"] or 0,
        "double_exposed_px_all_tilts": verdict["double_exposed_px_all_tilts"] or 0,
        "double_exposed_px_placed": double_exposed(still(simulation.exposures)).at_one_tilt,
        **wander_um(simulation.exposures),
        "areas": len(planned),
        "shift_um_max": _largest_shift_um(out),
        "skipped": sum("beyond the image-shift limit" in line for line in simulation.log),
        "distance_um": _distances_um(planned, imaged),
        "distance_own_um": _distances_um(*_without_common(planned, imaged)),
        "cpu_s": round(time.process_time() - began, 1),
    }


def _instrument(case: Case, folder: Path) -> Path:
    """Write the microscope with pictures of fewer pixels, which is quicker, of the same field."""
    text = (INSTRUMENT_FOLDER / f"{case.instrument}.toml").read_text(encoding="utf-8")
    sets = "VFTRPSM" if case.binning else "RF"
    for name in sets:
        binning = case.binning or RECORD_BINNING[case.instrument]
        text = text.replace(f"{name} = {{ binning = 4", f"{name} = {{ binning = {binning}")
    text = text.replace("binnings = [1, 2, 4, 8]", "binnings = [1, 2, 4, 8, 16]")
    if case.beam_um:
        text = re.sub(
            r"(?m)(\[low_dose\.[FTR]\][^\[]*?^beam_um = )[\d.]+", rf"\g<1>{case.beam_um}", text
        )
    path = folder / f"{case.instrument}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _choose_scripts(simulation: Simulation, case: Case, project: Path) -> None:
    primary = (PROJECT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
    tilts = {
        "max_tilt": case.settings.get("max_tilt", 60),
        "step": case.tilt_step_deg,
        "track_limit": TRACK_LIMIT_UM,
    }
    after = (PROJECT / "SPACEtomo_postAction.py").read_text(encoding="utf-8")
    simulation.scripts[PRIMARY] = Script("primary", with_settings(primary, tilts))
    simulation.scripts[AFTER] = Script("after", with_settings(after, {"SPACE_DIR": str(project)}))
    simulation.acquire_params(primary=PRIMARY, after=AFTER)


def places(
    out: Path, simulation: Simulation, worker: TruthWorker
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Places chosen on the specimen and places imaged, (n, 2) in µm for each targets file."""
    centers: dict[str, tuple[float, float]] = {}
    for exposure in simulation.exposures:
        if exposure.file:
            centers.setdefault(Path(exposure.file).name, exposure.center_um)
    place_of = simulation.session.scope.adjust_stage_for_nav
    planned, imaged = [], []
    for path in sorted(out.glob("G1_L??*_tgts.txt")):
        displaced = worker.displaced_um.get(f"{path.name[:6]}.png", (0.0, 0.0))
        pairs = [
            (np.add(place_of(*target.stage_um), displaced), centers[target.tsfile])
            for target in pacetomo.read(path).targets
            if target.tsfile in centers and target.stage_um is not None
        ]
        if pairs:
            chosen, seen = zip(*pairs)
            planned.append(np.array(chosen))
            imaged.append(np.array(seen))
    return planned, imaged


def still(exposures: Sequence[Exposure]) -> list[Exposure]:
    """Tilt series as if every beam had stayed where it was at the first tilt."""
    return [
        replace(one, beam_center_um=taken[0].beam_center_um)
        for taken in by_series(exposures).values()
        for one in taken
    ]


def wander_um(exposures: Sequence[Exposure]) -> dict[str, float]:
    """How far beams went at most: from their first places, and apart from one another."""
    moved: dict[tuple[str, int], list[np.ndarray]] = {}
    for name, taken in by_series(exposures).items():
        for one in taken:
            key = (name.rpartition("_ts_")[0], round(one.tilt_deg))
            away = np.subtract(one.beam_center_um, taken[0].beam_center_um)
            moved.setdefault(key, []).append(away)
    far = [np.hypot(*np.transpose(away)).max() for away in moved.values()]
    apart = [np.hypot(*(away - np.median(away, axis=0)).T).max() for away in moved.values()]
    return {
        "wander_um_max": round(float(max(far, default=0.0)), 3),
        "apart_um_max": round(float(max(apart, default=0.0)), 3),
    }


def _without_common(planned: list[np.ndarray], imaged: list[np.ndarray]) -> tuple[list, list]:
    common = [np.median(b - a, axis=0) for a, b in zip(planned, imaged)]
    return [a + shift for a, shift in zip(planned, common)], imaged


def _distances_um(planned: list[np.ndarray], imaged: list[np.ndarray]) -> list[float]:
    return [round(float(away), 4) for a, b in zip(planned, imaged) for away in np.hypot(*(b - a).T)]


def _largest_shift_um(out: Path) -> float:
    files = [pacetomo.read(p) for p in out.glob("*_tgts.txt")]
    shifts = [np.hypot(*target.shift_um) for file in files for target in file.targets]
    return round(float(max(shifts, default=0.0)), 3)


def summary(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of all sessions together."""
    series = sum(one["tilt_series"] for one in sessions)
    on_wanted = sum(one["on_wanted"] for one in sessions)

    def of_all(key: str) -> list[float]:
        return [away for one in sessions for away in one[key]] or [float("nan")]

    return {
        "sessions": len(sessions),
        "sessions_well": sum(one["ok"] for one in sessions),
        "targets": sum(one["targets"] for one in sessions),
        "tilt_series": series,
        "on_wanted": round(on_wanted / max(series, 1), 4),
        "on_wanted_min": min(one["on_wanted"] / max(one["targets"], 1) for one in sessions),
        **{
            key: sum(one[key] for one in sessions)
            for key in ("targets_off_lamella", "beam_conflicts", "double_exposed_px",
                        "double_exposed_px_all_tilts", "double_exposed_px_placed", "skipped")
        },
        **{
            key: max(one[key] for one in sessions)
            for key in ("defocus_error_um_median", "defocus_error_um_max", "shift_um_max",
                        "wander_um_max", "apart_um_max")
        },
        **{
            f"{key}_{name}": round(float(function(of_all(key))), 3)
            for key in ("distance_um", "distance_own_um")
            for name, function in (("median", np.median), ("max", np.max))
        },
    }  # fmt: skip


def main() -> None:
    """Run the sessions one after another."""
    args = parser("target selection, from labels to the beam", 6).parse_args()
    sessions = []
    for case in cases(args.seed_start, args.n):
        folder = Path(tempfile.mkdtemp(prefix="targeting_session_"))
        try:
            sessions.append(run(case, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        short = {k: v for k, v in sessions[-1].items() if not k.startswith("distance")}
        print(short, flush=True)
    report(summary(sessions) | {f"session_{n}": s for n, s in enumerate(sessions, 1)}, args.json)


if __name__ == "__main__":
    main()
