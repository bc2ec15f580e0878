"""Series of two magnifications: one kind is marked at a time, and Record is set for it."""

from __future__ import annotations

import json

from benchmarks import magnifications
from space import pacetomo
from space.simulation import with_settings, without_plots
from space.simulator import Script
from space.targeting import read_choice

LOOKS = """#!Python
import serialem as sem
sem.ReportNavItem()
sem.GoToLowDoseArea("R")
sem.Echo(f"Record is at {int(sem.ReportMag()[0])} for {sem.GetVariable('navNote')}")
"""


def test_each_kind_is_acquired_with_its_own_magnification(tmp_path):
    case = magnifications.Case(900_001, "before", 1.0, max_targets=3, max_broad=2)
    simulation, text, worker = magnifications.simulated(case, tmp_path, noise=False)
    simulation.scripts[magnifications.PRIMARY] = Script("primary", LOOKS)
    text = with_settings(text, {"WG_offset_via_IM": False})
    out = tmp_path / "session"
    seen = []
    with without_plots(), worker.instead_of_models():
        for _ in range(2):
            known = len(simulation.log)
            assert simulation.run(text, "SPACEtomo").ok
            told = [line for line in simulation.log[known:] if line.startswith("Record is at")]
            seen += [(line.split()[3], pacetomo.is_broad(line.split()[-1])) for line in told]
    assert seen == [("15000", True), ("53000", False)]
    waits = json.loads((out / "G1_groups.json").read_text(encoding="utf-8"))
    assert waits == {"held": [], "broad_now": False}
    broad = pacetomo.read(out / "G1_L01_broad_tgts.txt")
    assert [dict(target.other) for target in broad.targets] == [{"SPACEarea": "Search"}] * 2
    assert broad.targets[1].tsfile == "G1_L01_broad_ts_002.mrc"
    assert not any(target.other for target in pacetomo.read(out / "G1_L01_tgts.txt").targets)
    shape = json.loads((out / "G1_L01_choice.json").read_text(encoding="utf-8"))["map_shape_px"]
    (area,) = read_choice(out / "G1_L01_broad_choice.json", tuple(shape)).areas
    assert len(area.targets) == 2
