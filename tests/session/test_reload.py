"""A grid that is taken out between levels: its lamellae and targets are found where it lies now."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reload import take_out
from space import pacetomo
from space.geometry import MapFrame
from space.images import read_json_beside
from space.simulation import Bench, by_series, double_exposed, make_project, with_settings
from space.simulator import Policy, Script
from space.simulator.specimen import Grid
from tests.session.small_session import AFTER, PRIMARY, ROOT, TILTS, small_camera
from tests.workflow.bench import let_truth_answer, without_lamella_pictures

SETTINGS = {"target_score_threshold": 0.25, "image_shift_limit": 19}
LEVELS = (3, 4, 5)
AFTER_SCRIPT = "SPACEtomo_postAction.py"
WITHIN_UM = 0.8
"""Two lamellae: four stage errors of 0.35 um per axis come together."""


class Reloaded:
    """A session between whose levels the grid is taken out, and where it lay."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.away_um: list[float] = []
        for number, level in enumerate(LEVELS):
            before, lay = self.frames(), bench.simulation.session.lying
            if number:
                take_out(bench)
            result = bench.run(level, **SETTINGS)
            assert result.ok, bench.log()
            lies = bench.simulation.session.lying
            for name, frame in before.items():
                corners = np.array([(0, 0), frame.shape, (0, frame.shape[1])], float)
                true = lies.to_stage(lay.to_grid(frame.to_stage(corners)))
                away = np.hypot(*(self.frames()[name].to_stage(corners) - true).T)
                self.away_um.append(float(away.max()))
                assert abs(lies.turned_deg - lay.turned_deg) > 0.1  # else nothing is shown

    def frames(self) -> dict[str, MapFrame]:
        """Where the notes beside the maps say that they lie."""
        paths = sorted(self.bench.directory.glob("G1_L??.png"))
        return {path.stem: MapFrame.from_dict(read_json_beside(path)["frame"]) for path in paths}

    def targets(self) -> dict[str, tuple[float, float]]:
        """Points of the grid at which the tilt series were to be taken."""
        lies, place = self.bench.simulation.session.lying, self.bench.place_um
        return {
            target.tsfile: tuple(lies.to_grid(np.array(place(target))))
            for path in sorted(self.bench.directory.glob("G1_L??_tgts.txt"))
            for target in pacetomo.read(path).targets
        }


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reload")
    grid = Grid.make(7, 2, name="G1", kinds=["good", "good"], within_um=150.0, level=True)
    bench = Bench(
        folder / "session", make_project(folder / "project", 32), grid,
        instrument=small_camera(folder), stage_limit_um=240.0, loaded=None,
        policy=Policy(key_after_s=5.0),
    )  # fmt: skip
    session = bench.simulation.session
    session.camera.sets["R"] = replace(session.camera.sets["R"], binning=8)
    for number, path in ((PRIMARY, "examples/parallel_tilt_series.py"), (AFTER, AFTER_SCRIPT)):
        text = (ROOT / path).read_text(encoding="utf-8")
        own = {"max_tilt": max(TILTS), "step": max(TILTS)}
        own = own if number == PRIMARY else {"SPACE_DIR": str(bench.space_dir)}
        bench.simulation.scripts[number] = Script(path, with_settings(text, own))
    bench.simulation.acquire_params(primary=PRIMARY, after=AFTER)
    with pytest.MonkeyPatch.context() as patch:
        without_lamella_pictures(patch)
        let_truth_answer(patch, bench.worker)
        yield Reloaded(bench)


def test_maps_are_where_the_grid_lies(reloaded):
    assert len(reloaded.away_um) == 4 and max(reloaded.away_um) < WITHIN_UM, reloaded.away_um


def test_targets_of_the_grid_as_it_lay_are_put_aside(reloaded):
    assert reloaded.bench.names("*_tgts_earlier.txt") == [
        "G1_L01_tgts_earlier.txt", "G1_L02_tgts_earlier.txt",
    ]  # fmt: skip


def test_targets_are_imaged_where_they_were_chosen(reloaded):
    series, targets = by_series(reloaded.bench.simulation.exposures), reloaded.targets()
    assert len(targets) >= 4 and set(series) == set(targets)
    for name, place in targets.items():
        assert [round(one.tilt_deg) for one in series[name]] == list(TILTS)
        assert np.hypot(*np.subtract(series[name][0].center_um, place)) < WITHIN_UM
    for stem in ("G1_L01", "G1_L02"):  # among each other they are off by nothing
        own = [np.subtract(series[n][0].center_um, p) for n, p in targets.items() if stem in n]
        assert np.ptp(own, axis=0).max() < 0.05


def test_nothing_is_exposed_twice(reloaded):
    exposures = reloaded.bench.simulation.exposures
    taken = Counter((Path(one.file).name, one.section) for one in exposures if "_ts_" in one.file)
    assert max(taken.values()) == 1
    maps = [one for one in exposures if re.fullmatch(r"G1_L\d\d\.mrc", Path(one.file).name)]
    assert len({one.lying for one in maps}) == 1, "a map was collected after a reload"
    assert double_exposed(exposures).at_one_tilt == 0
    take_out(reloaded.bench)
    assert reloaded.bench.run(5, **SETTINGS).ok  # acquired: it is not even loaded
    assert reloaded.bench.count_exposures() == len(exposures)
