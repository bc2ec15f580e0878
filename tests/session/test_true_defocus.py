"""True defocus over the tilt range, on every microscope that comes with the simulator.

Tilt axis and optical axis of a microscope lie a micrometre or two apart. Unless image shift is
centred on the tilt axis while places are chosen and while they are recorded, a series runs
through a linear ramp of defocus.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from space.simulation import (
    Bench,
    by_series,
    defocus_errors_um,
    make_project,
    off_lamella,
    with_settings,
)
from space.simulator import Exposure, Script
from space.simulator.column import INSTRUMENT_FOLDER
from space.simulator.specimen import LABELS, inclination_deg
from tests.workflow.bench import (
    ROOT,
    cached_grid,
    make_bench,
    without_frames,
    without_lamella_pictures,
)

STAND_IN = (ROOT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
SETTING = 'sem.SetUserSetting("ShiftToTiltAxis", 1)'
STAGE_TAKES_OVER = "        if attempt == 0:\n            sem.ResetImageShift()\n"
PRIMARIES = {
    "sets it": STAND_IN,
    "does not set it": STAND_IN.replace(SETTING, "pass"),
    # PACEtomo leaves the stage at the place in the targets file and corrects by image shift.
    "sets it, and the stage stays": STAND_IN.replace(STAGE_TAKES_OVER, ""),
}
TILTS_DEG, DEFOCUS_UM = (0.0, 45.0, -45.0), -5.0


@dataclass(frozen=True)
class Taken:
    """Targets that were set up once, and what each primary action made of them.

    Attributes
    ----------
    bench : Bench
    series : dict
        Pictures of the tilt series.
    geometry : dict
        What was said about the lamella's geometry.
    """

    bench: Bench
    series: dict[str, list[Exposure]]
    geometry: dict[str, list[str]]

    def errors_um(self, primary: str) -> tuple[float, ...]:
        rows = self.bench.simulation.session.scope.optics.stage_to_specimen()
        return defocus_errors_um(self.series[primary], rows)


def small_pictures(path: Path, folder: Path) -> Path:
    """Write a microscope with pictures of fewer pixels of the same field, without frames."""
    text = re.sub(r"\{ binning = [\d.]+", "{ binning = 16", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^binnings = \[(?!.*\b16\b)(.*?)\]", r"binnings = [\1, 16]", text)
    small = folder / path.name
    small.write_text(without_frames(text), encoding="utf-8")
    return small


def primary_action(text: str) -> Script:
    values = {"max_tilt": max(TILTS_DEG), "step": max(TILTS_DEG), "defocus": DEFOCUS_UM}
    return Script("primary", with_settings(text, values))


@pytest.fixture(
    scope="module", params=sorted(path.name for path in INSTRUMENT_FOLDER.glob("*.toml"))
)
def taken(request, tmp_path_factory) -> Taken:
    """A lamella set up by SPACEtomo and acquired by one primary action after the other."""
    folder = tmp_path_factory.mktemp("defocus")
    project = make_project(folder / "project", segmentation_pixel_nm=32)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_lamella_pictures(monkeypatch)
        bench = make_bench(
            folder / "session",
            project,
            monkeypatch,
            cached_grid(("good",), 11),
            instrument=small_pictures(INSTRUMENT_FOLDER / request.param, folder),
            stage_error_um=0.1,
        )
        bench.place_lamellae()
        # Not all of them have an autoloader or tell how wide their beam is.
        there = {"grid_list": ["stage"], "grid_default_name": "G1", "beam_diameter": 2.0}
        result = bench.run(4, max_targets=3, max_tilt=max(TILTS_DEG), **there)
        assert result.ok, result.error
        simulation, series, geometry = bench.simulation, {}, {}
        (target,) = (k for k, item in enumerate(bench.items(), 1) if item.acquire)
        for name, text in PRIMARIES.items():
            bench.do(f"sem.SetItemAcquire({target}, 1)")
            simulation.scripts[1] = primary_action(text)
            simulation.acquire_params(primary=1)
            before, lines = bench.count_exposures(), len(simulation.log)
            result = simulation.run_acquire()
            assert result.ok, result.error
            series[name] = simulation.exposures[before:]
            said = simulation.log[lines:]
            geometry[name] = [line for line in said if line.startswith("Geometry of the lamella")]
    return Taken(bench, series, geometry)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_pictures_are_as_far_out_of_focus_as_was_asked_for_at_all_tilts(taken, primary):
    exposures = by_series(taken.series[primary])
    assert len(exposures) == 3
    for pictures in exposures.values():
        assert [round(one.tilt_deg) for one in pictures] == list(TILTS_DEG)
        assert {one.target_defocus_um for one in pictures} == {DEFOCUS_UM}
    errors = taken.errors_um(primary)
    assert np.median(errors) <= 0.3, np.round(errors, 2)
    assert max(errors) <= 0.6, np.round(errors, 2)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_tilt_series_lie_on_the_lamella(taken, primary):
    centers = [pictures[0].center_um for pictures in by_series(taken.series[primary]).values()]
    assert off_lamella(centers, taken.bench.grid.lamellae, LABELS) == 0


@pytest.mark.parametrize("primary", PRIMARIES)
def test_the_lamella_s_geometry_is_measured(taken, primary):
    lines = taken.geometry[primary]
    assert len(lines) == 1
    measured = np.array([float(number) for number in re.findall(r"-?[\d.]+\d", lines[0])])
    optics = taken.bench.simulation.session.scope.optics
    lamella = taken.bench.grid.lamellae[0]
    true = inclination_deg(lamella.slope, optics.stage_to_specimen().tolist())
    assert abs(measured - true) == pytest.approx((0.0, 0.0), abs=3.0)
    assert abs(measured - true)[0] < 1.0


def test_it_is_told_once_that_the_setting_was_switched_on(taken):
    assert taken.bench.log().count("user setting ShiftToTiltAxis was off") == 1
    assert taken.bench.simulation.session.scope.shift_to_tilt_axis
