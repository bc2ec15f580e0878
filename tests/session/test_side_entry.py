"""A whole session on a microscope that has hardly anything that scripts could drive."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from space.simulation import Bench, Plan, judged, make_project, with_settings
from space.simulator import Policy, Script
from space.simulator.specimen import Grid
from tests.side_entry import side_entry_microscope
from tests.workflow.bench import ROOT, make_bench

pytestmark = pytest.mark.session
TILTS = (0.0, 30.0, -30.0)
PRIMARY, AFTER = 2, 3
SETTINGS = {
    "grid_list": ["stage"],
    "grid_default_name": "G1",
    "target_list": ["mitos"],
    "max_targets": 3,
    "max_tilt": 45,
}


@dataclass
class Session:
    """How the session ended, its folder and what the truth says of it."""

    bench: Bench
    summary: dict

    @property
    def warnings(self) -> list[str]:
        """What it warned of."""
        return [line for line in self.bench.simulation.log if line.startswith("WARNING")]


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Session:
    """One lamella, from the stage to tilt series, with the truth in place of the models."""
    folder = tmp_path_factory.mktemp("side_entry")
    space_dir = make_project(folder / "project", segmentation_pixel_nm=24)
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = make_bench(
            folder / "session",
            space_dir,
            monkeypatch,
            Grid.make(7, 1, name="G1", kinds=["good"], within_um=150.0),
            instrument=side_entry_microscope(folder, binning=8),
            stage_limit_um=240.0,
            policy=Policy(key_after_s=5.0),
        )
        primary = (ROOT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
        after = (ROOT / "SPACEtomo_postAction.py").read_text(encoding="utf-8")
        tilts = {"max_tilt": max(TILTS), "step": max(TILTS)}
        bench.simulation.scripts[PRIMARY] = Script("primary", with_settings(primary, tilts))
        bench.simulation.scripts[AFTER] = Script(
            "after", with_settings(after, {"SPACE_DIR": str(space_dir)})
        )
        bench.simulation.acquire_params(primary=PRIMARY, after=AFTER)
        result = bench.run(5, **SETTINGS)
        assert result.ok, bench.log()[-3000:]
    plan = Plan(bench.directory, space_dir)
    return Session(bench, judged(plan, bench.simulation, {}))


def test_the_lamella_is_found_and_its_targets_recorded_in_focus(session):
    summary = session.summary
    assert summary["recall"] == summary["precision"] == 1.0
    assert summary["position_error_um_median"] <= 1.5
    assert summary["maps"] == summary["segmentations"] == 1
    assert summary["targets"] == summary["targets_on_wanted"] == summary["tilt_series"] >= 2
    assert summary["beam_conflicts"] == summary["double_exposed_px"] == 0
    assert summary["targets_off_lamella"] == 0
    assert summary["defocus_error_um_median"] <= 0.3


@pytest.mark.parametrize("told", ["column valves", "drive the apertures", "illuminated area"])
def test_what_the_microscope_lacks_is_told_once(session, told):
    assert len([line for line in session.warnings if told in line]) == 1, session.warnings


def test_the_height_was_found_by_tilting(session):
    assert not [line for line in session.warnings if "eucentric" in line]
    recorded = [
        one.height_um
        for one in session.bench.simulation.exposures
        if one.area == "R" and abs(one.tilt_deg) < 1
    ]
    assert recorded and max(map(abs, recorded)) < 3.0
