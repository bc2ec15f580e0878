"""How near the measuring routines of the simulated microscope come to the truth.

All of them measure in pictures, with the noise that these have. On simulated lamellae:

autofocus
    Focus pictures with the beam tilted to both sides, at several defoci.
ctf
    Fits to Records of 3 electrons per Å², at defoci from -2 to -6 µm, by tilt. `fitted` is the
    fraction of Records that showed rings.
eucentricity
    Height left after the rough routine from heights within 50 µm, and after the fine one; on
    lamellae, and (rough only) anywhere on the grid, where there may be nothing to see.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from space.simulator import Simulation
from space.simulator.measuring import ctf_fit, eucentricity, focusing
from space.simulator.specimen import Grid

from .common import parser, report
from .simulator_tracking import choose_places

DEFOCI_UM = (-2.0, -3.0, -4.0, -6.0)
TILTS_DEG = (0.0, 30.0, 60.0)
PLACES = 3
SETTLING_S = 60.0
GRID_RADIUS_UM = 600.0


def _simulation(folder: str, seed: int) -> Simulation:
    grid = Grid.make(seed, 1, kinds=("good",))
    simulation = Simulation(Path(folder), seed=seed, grids={1: grid}, time_scale=0.0)
    simulation.session.scope.set_low_dose(True)
    return simulation


def _go(session, place, z_um: float = 0.0) -> None:
    """Move to a place, `z_um` above the right height, and wait until the stage stands still."""
    session.scope.tilt_to(0.0)
    session.scope.set_image_shift(0.0, 0.0)
    session.scope.stage.move_to(*place, z_um - session.grid.height_um(*place))
    session.clock.advance(SETTLING_S)


def focus_and_ctf(session, places, errors: dict[str, list[float]]) -> None:
    """Measure the defocus at places of a lamella at the height of the tilt axis."""
    scope = session.scope
    for place in places:
        _go(session, place)
        for tilt in TILTS_DEG:
            scope.tilt_to(tilt)
            scope.go_to_area("R")
            for defocus_um in DEFOCI_UM:
                scope.defocus_um = defocus_um + scope.focus_zero_um
                image = session.take("R")
                truth_um = session.exposures[-1].defocus_um
                spectrum = ctf_fit.rotational_spectrum(image.data, 1e3 * image.pixel_um)
                fit = ctf_fit.fit_defocus(spectrum, -10.0, -0.5)
                error_um = np.nan if fit is None else fit.defocus_um - truth_um
                errors.setdefault(f"ctf_{tilt:.0f}_deg", []).append(error_um)
                if tilt == 0.0:
                    measured = focusing.measure(session, "F", with_drift=True)
                    error_um = np.nan if measured is None else measured.defocus_um - truth_um
                    errors.setdefault("autofocus", []).append(error_um)


def heights(session, places, rng, errors: dict[str, list[float]]) -> None:
    """Find the height from a wrong one."""
    for place in places:
        _go(session, place, float(rng.uniform(-50.0, 50.0)))
        for name, routine in (("rough", eucentricity.rough), ("fine", eucentricity.fine)):
            found = routine(session).z_um is not None
            left_um = session.height_um() if found else np.nan
            errors.setdefault(f"eucentricity_{name}", []).append(left_um)
    for _ in range(PLACES):
        angle, radius = rng.uniform(0.0, 2.0 * np.pi), GRID_RADIUS_UM * np.sqrt(rng.random())
        place = (radius * np.cos(angle), radius * np.sin(angle))
        _go(session, place, float(rng.uniform(-50.0, 50.0)))
        found = eucentricity.rough(session).z_um is not None
        left_um = session.height_um() if found else np.nan
        errors.setdefault("eucentricity_rough_anywhere", []).append(left_um)


def main() -> None:
    """Command line."""
    args = parser(__doc__, n=3).parse_args()
    errors: dict[str, list[float]] = {}
    for seed in range(args.seed_start, args.seed_start + args.n):
        with tempfile.TemporaryDirectory() as folder:
            session = _simulation(folder, seed).session
            places = choose_places(session.grid, PLACES)
            focus_and_ctf(session, places, errors)
            heights(session, places, np.random.default_rng(seed), errors)
    result = {}
    for name, values in errors.items():
        there = np.abs([value for value in values if np.isfinite(value)])
        result[name] = {
            "measurements": len(values),
            "succeeded": round(len(there) / len(values), 3),
            "error_um_median": round(float(np.median(there)), 3) if there.size else None,
            "error_um_max": round(float(there.max()), 3) if there.size else None,
        }
    report(result, args.json)


if __name__ == "__main__":
    main()
