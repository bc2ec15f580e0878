"""How well an acquisition script keeps tilt series on their targets, judged by the truth.

`examples/set_targets.py` sets up a tracking target and others on a simulated lamella, and
`examples/predicted_tilt_series.py` records dose-symmetric series of them. What is measured, for
each Record, is how far the specimen point in the centre of the picture (which the simulator knows)
is from the target's place: the specimen point in the centre of the Preview with which the target
was chosen. Distances are those that the picture shows: across the tilt axis they are foreshortened
by the cosine of the tilt.

recorded
    As the Record was taken. At each tilt the stage throws the specimen by an amount that nobody
    can predict (30 nm standard deviation per axis and move on the microscope of the benchmark;
    tilts on the minus side take three moves). The tracking target is recorded first and shows all
    of it. The other targets follow at the same tilt, with what was seen of the throw taken into
    account.
predicted
    For the tracking target: the same without the throw, which the simulator knows too. This is
    what the script is responsible for: matrices, prediction from the tilt geometry, and the
    corrections made at earlier tilts.
aligned
    After the script's correction by what it saw in the Record, that is where the next picture at
    the same tilt is centred. For the tracking target, this is how well it is kept in its place.
    Corrections go from picture to picture: their errors add up over the series.

`recorded` of the tracking target stays below 50 nm only on a stage that throws it by less
(`--throw-nm`); the other numbers do not depend on that.
"""

from __future__ import annotations

import math
import re
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from space.simulator import Exposure, Script, Simulation
from space.simulator.column import load_instrument
from space.simulator.specimen import Grid
from space.simulator.specimen.labels import LABEL

from .common import PROJECT, parser, report

ROOT = "lamella"
WANTED = ("lamella", "cell", "cellwall", "nucleus", "vacuole", "mitos", "membranes", "vesicles")
PATCH_UM = 1.0
SPACING_UM = 1.6


@dataclass(frozen=True)
class Shot:
    """One Record.

    Attributes
    ----------
    target : int
        From 1 on; 1 tracks.
    recorded_nm, predicted_nm, aligned_nm : float
        Distances from the target's place (see above).
    defocus_error_um : float
        What Ctfplotter reported, less the truth; NaN where it gave up.
    """

    target: int
    tilt_deg: float
    recorded_nm: float
    predicted_nm: float
    aligned_nm: float
    defocus_error_um: float


def example(name: str, **settings: object) -> str:
    """Text of an example script with other settings at its top."""
    text = (PROJECT / "examples" / name).read_text(encoding="utf-8")
    for key, value in settings.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value!r}", text, count=1, flags=re.M)
        if count != 1:
            raise ValueError(f"{name} has no setting {key}")
    return text


def clean_places(grid: Grid) -> np.ndarray:
    """Places (n, 2) on the first lamella without ice, cracks or its edges, the middle ones first.

    They are in the grid frame.
    """
    lamella = grid.lamellae[0]
    pixel_um = 0.1
    shape = (240, 240)
    middle = np.array(lamella.center_um)
    m = np.column_stack([pixel_um * np.eye(2), middle - pixel_um * 120.0])
    good = np.isin(lamella.label_map(m, shape), [LABEL[name] for name in WANTED])
    half = round(PATCH_UM / 2 / pixel_um)
    rows, cols = np.mgrid[half : shape[0] - half : 4, half : shape[1] - half : 4]
    places = np.column_stack([cols.ravel(), rows.ravel()]) + 0.5
    places = places[np.argsort(np.hypot(*(places - 120.0).T), kind="stable")]
    is_clean = [
        good[int(row) - half : int(row) + half, int(col) - half : int(col) + half].all()
        for col, row in places
    ]
    return places[is_clean] @ m[:, :2].T + m[:, 2]


def choose_places(grid: Grid, count: int) -> list[tuple[float, float]]:
    """Clean places near the middle of the first lamella, that in the middle first."""
    chosen: list[np.ndarray] = []
    for place in clean_places(grid):
        if all(np.hypot(*(place - one)) > SPACING_UM for one in chosen):
            chosen.append(place)
            if len(chosen) == count:
                return [(float(x), float(y)) for x, y in chosen]
    raise ValueError(f"no {count} clean places on the lamella")


def set_up(
    directory: Path, seed: int, targets: int, binning: int = 4, **options: object
) -> Simulation:
    """Set up targets on a lamella.

    Parameters
    ----------
    binning : int
        Of View, Focus, Record and Preview pictures.
    **options
        Passed to `Simulation`.
    """
    grid = Grid.make(seed, 1, kinds=("good",))
    simulation = Simulation(directory, seed=seed, grids={1: grid}, time_scale=0.0, **options)
    session = simulation.session
    session.scope.set_low_dose(True)
    for letter in "VFRP":
        session.camera.change(letter, binning=binning)
    session.camera.keep_changes()
    places = choose_places(grid, targets)
    result = simulation.run(example("set_targets.py", root=ROOT, places=places), "set targets")
    if not result.ok:
        raise RuntimeError(result.error)
    return simulation


def acquire(simulation: Simulation, step_deg: float, max_tilt_deg: float = 60.0) -> None:
    """Record tilt series at the targets, as Acquire at Items does.

    The script is told how the lamella stands, to a degree, as one knows from milling it.
    """
    lamella = simulation.session.grid.lamellae[0]
    text = example(
        "predicted_tilt_series.py",
        step=step_deg,
        max_tilt=max_tilt_deg,
        pretilt=round(lamella.pretilt_deg),
        rotation=round(lamella.rotation_deg),
    )
    simulation.scripts[2] = Script("tilt series", text)
    simulation.acquire_params(primary=2)
    result = simulation.run_acquire()
    if not result.ok:
        raise RuntimeError(result.error)


def sections(path: Path) -> list[dict[str, str]]:
    """Keys and values of each image section of an mdoc."""
    blocks = path.read_text(encoding="utf-8").split("[ZValue = ")[1:]
    pairs = [[line.partition(" = ") for line in block.splitlines()] for block in blocks]
    return [{key: value for key, _, value in block if value} for block in pairs]


def judge(simulation: Simulation, directory: Path) -> list[Shot]:
    """Compare every Record of the series with the truth."""
    tracking = _series(simulation, 1)
    stages = {round(one.tilt_deg): np.array(one.true_stage_um) + one.drift_um for one in tracking}
    start = stages[round(tracking[0].tilt_deg)]
    shots = []
    for path in sorted(directory.glob(f"{ROOT}_ts_???.mrc")):
        number = int(path.stem[-3:])
        place = np.array(_preview(simulation, number).center_um)
        notes = sections(directory / f"{path.stem}_unsorted.mrc.mdoc")
        last = {1: start, -1: start}  # where the stage stood when each side was last seen
        for exposure in _series(simulation, number):
            note = notes[exposure.section]
            side = 1 if exposure.tilt_deg > 0 else -1
            here = np.array(exposure.true_stage_um) + exposure.drift_um
            # What became known of the throw with the tracking target's Record does not count.
            known = last[side] if number == 1 else stages[round(exposure.tilt_deg)]
            last[side] = here
            off = np.array(exposure.center_um) - place
            seen = _in_picture(simulation, off, exposure.tilt_deg, exposure.slope)
            thrown = _in_picture(simulation, here - known, exposure.tilt_deg)
            corrected = seen + np.array([float(v) for v in note["WasOffBy"].split()])
            fitted = float(note["CtfDefocus"])
            lengths_nm = (1e3 * float(np.hypot(*one)) for one in (seen, seen - thrown, corrected))
            error_um = fitted - exposure.defocus_um if fitted < 0 else math.nan
            shots.append(Shot(number, exposure.tilt_deg, *lengths_nm, error_um))
    return shots


def _series(simulation: Simulation, number: int) -> list[Exposure]:
    name = f"{ROOT}_ts_{number:03d}.mrc"
    return [one for one in simulation.exposures if Path(one.file).name == name]


def _preview(simulation: Simulation, number: int) -> Exposure:
    name = f"{ROOT}_tgt_{number:03d}.mrc"
    return next(one for one in simulation.exposures if Path(one.file).name == name)


def _in_picture(
    simulation: Simulation,
    stage_um: np.ndarray,
    tilt_deg: float,
    slope: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """A distance on a plane of the grid as specimen coordinates of a picture at a tilt."""
    x, y = simulation.session.scope.optics.stage_to_specimen() @ stage_um
    angle = math.radians(tilt_deg)
    return np.array([x, y * math.cos(angle) - np.dot(slope, stage_um) * math.sin(angle)])


def summary(shots: list[Shot]) -> dict[str, float]:
    """Largest and median errors of the tracking target and of the others."""
    result: dict[str, float] = {}
    for name, group in (
        ("tracking", [shot for shot in shots if shot.target == 1]),
        ("others", [shot for shot in shots if shot.target > 1]),
    ):
        for what in ("recorded_nm", "predicted_nm", "aligned_nm"):
            values = [getattr(shot, what) for shot in group]
            result[f"{name}_{what}_median"] = round(float(np.median(values)), 1)
            result[f"{name}_{what}_max"] = round(max(values), 1)
    errors = [abs(shot.defocus_error_um) for shot in shots]
    fitted = [error for error in errors if not math.isnan(error)]
    result["ctf_fitted_fraction"] = round(len(fitted) / len(errors), 3)
    result["ctf_error_um_median"] = round(float(np.median(fitted)), 3) if fitted else math.nan
    return result


def main() -> None:
    """Command line."""
    options = parser(__doc__, n=2)
    options.add_argument("--step", type=float, default=3.0, help="degrees between tilts")
    options.add_argument("--targets", type=int, default=4)
    options.add_argument("--instrument", default="krios_k3")
    options.add_argument("--throw-nm", type=float, help="of the stage, in place of its own")
    args = options.parse_args()
    instrument = load_instrument(args.instrument)
    if args.throw_nm is not None:
        stage = replace(instrument.stage, tilt_error_um=1e-3 * args.throw_nm)
        instrument = replace(instrument, stage=stage)
    shots: list[Shot] = []
    seconds = time.process_time()
    for seed in range(args.seed_start, args.seed_start + args.n):
        with tempfile.TemporaryDirectory() as folder:
            simulation = set_up(Path(folder), seed, args.targets, instrument=instrument)
            acquire(simulation, args.step)
            shots += judge(simulation, simulation.session.directory)
    result = {
        "lamellae": args.n,
        "targets": args.targets,
        "step_deg": args.step,
        "throw_nm": round(1e3 * instrument.stage.tilt_error_um, 1),
        "records": len(shots),
        **summary(shots),
        "cpu_s_per_lamella": round((time.process_time() - seconds) / args.n, 0),
    }
    report(result, args.json)


if __name__ == "__main__":
    main()
