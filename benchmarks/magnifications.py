"""Series of two magnifications on the same lamellae: whole simulated sessions, judged by dose.

python -m benchmarks.magnifications [--n 4] [--tilt-step 10] [--json FILE]

Every session runs SPACEtomo.py twice: from the whole grid to the series of one kind, then to those
of the other, for which Record gets the magnification and beam of Search. The true labels answer in
place of models, and the stand-in for PACEtomo takes the series. The orders "after" and "before"
take turns; with "before", every second session allows a target as much as one broad series gives,
the others nothing.

What is counted, for each session:

* `fine`, `broad`: tilt series with a picture at every tilt, of as many targets of each kind;
* `contained`: fine targets whose field a broad beam has reached at any tilt;
* `prior_e_A2`: most dose of broad series that a pixel of a fine field has had before the first
  picture there, `stated_e_A2` what the log says of it, `allowed_e_A2` the setting; `over_px`:
  pixels with more than is stated, or than is allowed;
* `total_over_px`: pixels anywhere with more than one fine and one broad series give together;
* `seen_um`: farthest that any picture shows its place from where the first one did, by kind.

Pixels are those of the simulator's maps of dose, 0.1 µm wide.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space import pacetomo
from space.simulation import (
    TruthWorker,
    by_series,
    judge_simulation,
    make_project,
    with_settings,
    without_plots,
)
from space.simulator import Exposure, Policy, Script, Simulation
from space.simulator.column import INSTRUMENT_FOLDER
from space.simulator.imaging import DoseMap
from space.simulator.specimen import PRETILT_DEG, Grid

from .common import PROJECT, parser, report

PRIMARY, AFTER_ITEM = 2, 3
INSTRUMENT = "krios_k3"
PIXEL_UM = 0.1
SLACK_E_A2 = 1e-3
BROAD = """[low_dose.S]
magnification = 15000
beam_um = 4.4
dose_rate_e_A2_s = 0.15
spot_size = 8
intensity = 0.47
defocus_offset_um = 0.0
"""
RECORD = """[[states]]
name = "Record"
low_dose_area = "R"
magnification = 53000
exposure_s = 1.0
spot_size = 7
intensity = 0.45

[apertures]
"""


@dataclass(frozen=True)
class Case:
    """A session.

    Attributes
    ----------
    seed : int
    order : str
        Value of broad_order.
    share : float
        Of the dose of a broad series, how much a target may have had before.
    tilt_step_deg : float
    max_targets, max_broad : int
        Of a lamella.
    """

    seed: int
    order: str = "after"
    share: float = 0.0
    tilt_step_deg: float = 10.0
    max_targets: int = 8
    max_broad: int = 4
    max_tilt_deg: float = 50.0

    @property
    def tilts(self) -> int:
        """Number of tilts of a series."""
        return 2 * int(self.max_tilt_deg / self.tilt_step_deg) + 1

    @property
    def broad_dose_e_A2(self) -> float:
        """Of a broad series, by the instrument."""
        return 0.15 * self.tilts


def cases(seed_start: int, n: int, tilt_step_deg: float) -> list[Case]:
    """Orders and budgets in turn."""
    kinds = (("after", 0.0), ("before", 1.0), ("after", 0.0), ("before", 0.0))
    return [Case(seed_start + k, *kinds[k % len(kinds)], tilt_step_deg) for k in range(n)]


def instrument(folder: Path, binning: int = 16) -> Path:
    """Write the microscope with a Search area for broad series and a state that sets Record."""
    text = (INSTRUMENT_FOLDER / f"{INSTRUMENT}.toml").read_text(encoding="utf-8")
    for name in "RF":
        text = text.replace(f"{name} = {{ binning = 4", f"{name} = {{ binning = {binning}")
    text = text.replace("binnings = [1, 2, 4, 8]", "binnings = [1, 2, 4, 8, 16]")
    text = re.sub(r'(?m)^frame_folder = "\w*"', 'frame_folder = ""', text)
    text = re.sub(r"\[low_dose\.S\][^\[]*?(?=image_shift_um)", BROAD, text)
    text = text.replace("[apertures]\n", RECORD, 1)
    path = folder / f"{INSTRUMENT}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def simulated(case: Case, folder: Path, noise: bool = True) -> tuple[Simulation, str, TruthWorker]:
    """Make a session that waits for its script; the script's text; who answers for models."""
    project = make_project(folder / "project")
    simulation = Simulation(
        folder / "session",
        seed=case.seed,
        grids={1: Grid.make(case.seed, 1, name="G1", kinds=["good"], within_um=150.0)},
        noise=noise,
        time_scale=0.0,
        loaded=None,
        stage_limit_um=240.0,
        instrument=instrument(folder),
        policy=Policy(key_after_s=5.0),
    )
    primary = (PROJECT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
    tilts = {"max_tilt": case.max_tilt_deg, "step": case.tilt_step_deg, "track_limit": 0.6}
    after = (PROJECT / "SPACEtomo_postAction.py").read_text(encoding="utf-8")
    simulation.scripts[PRIMARY] = Script("primary", with_settings(primary, tilts))
    simulation.scripts[AFTER_ITEM] = Script(
        "after", with_settings(after, {"SPACE_DIR": str(project)})
    )
    simulation.acquire_params(primary=PRIMARY, after=AFTER_ITEM)
    values = {
        "SPACE_DIR": str(project),
        "automation_level": 5,
        "pretilt": PRETILT_DEG[1],
        "max_tilt": case.max_tilt_deg,
        "MM_image_state": [2, "Record"],
        "target_list": ["mitos"],
        "max_targets": case.max_targets,
        "broad_area": "Search",
        "broad_targets": {"mitos": 1, "cell": 0.2},
        "max_broad_targets": case.max_broad,
        "broad_order": case.order,
        "broad_dose": case.broad_dose_e_A2,
        "max_prior_dose": case.share * case.broad_dose_e_A2,
    }
    text = with_settings((PROJECT / "SPACEtomo.py").read_text(encoding="utf-8"), values)
    return simulation, text, TruthWorker(simulation)


def run(case: Case, folder: Path) -> dict[str, Any]:
    """Run a session in an empty folder and judge it by the numbers named above."""
    began = time.process_time()
    simulation, text, worker = simulated(case, folder)
    with without_plots(), worker.instead_of_models():
        results = [simulation.run(text, "SPACEtomo") for _ in range(2)]
    return {
        "session": f"{case.order}, {case.share:g} of a broad series allowed",
        "seed": case.seed,
        "ok": all(result.ok for result in results),
        "error": " ".join(filter(None, (result.error for result in results))),
        **judged(case, simulation, folder / "session"),
        "cpu_s": round(time.process_time() - began, 1),
    }


def judged(case: Case, simulation: Simulation, out: Path) -> dict[str, Any]:
    """Judge the series of both kinds that a session has taken."""
    series = by_series(simulation.exposures)
    broad = {name: taken for name, taken in series.items() if "_broad_" in name}
    fine = {name: taken for name, taken in series.items() if name not in broad}
    stated = [float(found) for found in re.findall(
        r"has at most ([\d.]+) e/A2", "\n".join(simulation.log)
    )]  # fmt: skip
    allowed = case.share * case.broad_dose_e_A2 if case.order == "before" else 0.0
    most = min(max(stated, default=0.0) + 0.005, allowed + SLACK_E_A2)  # it is rounded in the log
    fields = [prior_dose(taken, broad, simulation) for taken in fine.values()]
    truth = judge_simulation(simulation)
    whole = {True: broad, False: fine}
    return {
        "targets": {
            kind: sum(
                len(pacetomo.read(path).targets)
                for path in out.glob("G1_L??*_tgts.txt")
                if pacetomo.is_broad(path.name) == is_broad and path.stat().st_size
            )
            for kind, is_broad in (("fine", False), ("broad", True))
        },
        **{
            kind: sum(len(taken) == case.tilts for taken in whole[is_broad].values())
            for kind, is_broad in (("fine", False), ("broad", True))
        },
        "contained": sum(bool(reached) for _, reached in fields),
        "prior_e_A2": round(max((float(dose.max()) for dose, _ in fields), default=0.0), 3),
        "stated_e_A2": max(stated, default=0.0),
        "allowed_e_A2": round(allowed, 3),
        "over_px": int(sum((dose > most).sum() for dose, _ in fields)),
        "total_over_px": total_over_px([*fine.values()], [*broad.values()]),
        "seen_um": {
            kind: round(max((one.worst_seen_nm for one in truth.series
                             if one.name in whole[is_broad]), default=0.0) / 1000, 3)
            for kind, is_broad in (("fine", False), ("broad", True))
        },
    }  # fmt: skip


def prior_dose(
    taken: Sequence[Exposure], broad: Mapping[str, Sequence[Exposure]], simulation: Simulation
) -> tuple[np.ndarray, bool]:
    """Dose of broad series on the pixels of a fine field before its series; whether one reaches it.

    The field is that of the first picture of the series, where that was.
    """
    first = taken[0]
    before, at_all = DoseMap(), DoseMap()
    for exposures in broad.values():
        for one in exposures:
            values = (one.beam_center_um, one.beam_axes_um, one.dose_e_A2)
            at_all.add(*values)
            if one.index < first.index:
                before.add(*values)
    columns, rows = simulation.session.instrument.camera.size_px
    pixel_um = 0.000150
    width, height = columns * pixel_um, rows * pixel_um
    count = int(np.ceil(max(width, height) / PIXEL_UM))
    x, y = np.array(first.center_um) - count * PIXEL_UM / 2
    to_grid = np.array([[PIXEL_UM, 0.0, x], [0.0, PIXEL_UM, y]])
    found = [one.sample(to_grid, (count, count)) for one in (before, at_all)]
    empty = np.zeros((count, count))
    return (empty if found[0] is None else found[0]), found[1] is not None and found[1].max() > 0


def total_over_px(fine: Sequence[Sequence[Exposure]], broad: Sequence[Sequence[Exposure]]) -> int:
    """Pixels with more than one series of each kind gives, in all pictures of series."""
    limit = sum(
        max((sum(one.dose_e_A2 for one in taken) for taken in kind), default=0.0)
        for kind in (fine, broad)
    )
    everything = DoseMap()
    exposures = [one for kind in (fine, broad) for taken in kind for one in taken]
    if not exposures:
        return 0
    for one in exposures:
        everything.add(one.beam_center_um, one.beam_axes_um, one.dose_e_A2)
    centers = np.array([one.beam_center_um for one in exposures])
    low, high = centers.min(axis=0) - 15, centers.max(axis=0) + 15
    columns, rows = np.ceil((high - low) / PIXEL_UM).astype(int)
    to_grid = np.array([[PIXEL_UM, 0.0, low[0]], [0.0, PIXEL_UM, low[1]]])
    dose = everything.sample(to_grid, (rows, columns))
    return 0 if dose is None else int((dose > limit + SLACK_E_A2 * limit).sum())


def summary(sessions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of all sessions together."""
    return {
        "sessions": len(sessions),
        "sessions_well": sum(one["ok"] for one in sessions),
        "targets_fine": sum(one["targets"]["fine"] for one in sessions),
        "targets_broad": sum(one["targets"]["broad"] for one in sessions),
        **{
            key: sum(one[key] for one in sessions)
            for key in ("fine", "broad", "contained", "over_px", "total_over_px")
        },
        "seen_um_fine": max((one["seen_um"]["fine"] for one in sessions), default=0.0),
        "seen_um_broad": max((one["seen_um"]["broad"] for one in sessions), default=0.0),
    }


def main() -> None:
    """Run the sessions one after another."""
    options = parser("series of two magnifications on the same lamellae", 4)
    options.add_argument("--tilt-step", type=float, default=10.0, help="degrees")
    args = options.parse_args()
    sessions = []
    for case in cases(args.seed_start, args.n, args.tilt_step):
        folder = Path(tempfile.mkdtemp(prefix="magnifications_"))
        try:
            sessions.append(run(case, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(sessions[-1], flush=True)
    report(summary(sessions) | {f"session_{n}": s for n, s in enumerate(sessions, 1)}, args.json)


if __name__ == "__main__":
    main()
