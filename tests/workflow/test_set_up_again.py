"""A lamella that is set up again, after PACEtomo has been started on it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from space import pacetomo
from space.errors import SpaceError
from space.simulator import Script
from tests.workflow.bench import ROOT

STAND_IN = re.sub(
    r"(?m)^max_tilt = .*$",
    "max_tilt = 0",
    (ROOT / "examples/parallel_tilt_series.py").read_text("utf-8"),
)


def targets_of(session, name="G1_L01_tgts.txt"):
    return pacetomo.read(session.directory / name)


def contents(session, pattern):
    return {path.name: path.read_bytes() for path in session.directory.glob(pattern)}


def test_geometry_points_are_switched_on_when_pacetomo_can_use_them(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    text = (session.directory / "G1_L01_tgts.txt").read_text("utf-8")
    count = len(pacetomo.parse(text).geo_points)
    assert count >= 3 and text.count("_geo = ") == count
    assert text.startswith("_bset measureGeo = True\n")


def test_run_files_and_views_are_put_aside_and_tilt_series_stay(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4, extra_tracking=True).ok
    # As PACEtomo leaves it, with a view that a person has exchanged, and files of others.
    theirs = {
        "G1_L01_tgts_run01.txt": b"_spos = 3,1\n",
        "G1_L01_tgts_run02.txt": b"_spos = 4,1\n",
        "G1_L01_tgts_settings.txt": b"startTilt = 0\n",
        "G1_L01_area2_tgts.txt": b"_tgt = 001\n",
        "G1_L01_area2_tgts_run01.txt": b"_spos = 5,1\n",
        "G1_L01_tgt_001_view.mrc": b"a better view",
        "G1_L01_tgt_001_view.mrc.mdoc": b"of their own",
    }
    stay = {
        "G1_L01_ts_001.mrc": b"a tilt series",
        "G1_L01_ts_001.mrc.mdoc": b"its notes",
        "G1_L01.log": b"log",
        "G1_L011_tgts_run01.txt": b"of another lamella",
        "G1_L01_tgts_run01_mine.txt": b"mine",
    }
    for name, content in {**theirs, **stay}.items():
        (session.directory / name).write_bytes(content)
    (session.directory / "G1_L01_tgts.txt").unlink()
    assert session.run(4).ok
    for name, content in stay.items():
        assert (session.directory / name).read_bytes() == content, name
    assert session.names("G1_L01_*tgts_run??.txt") == []
    kept = set(contents(session, "*_earlier*").values())
    assert set(theirs.values()) <= kept
    assert (session.directory / "G1_L01_tgt_001_view_earlier.mrc.mdoc").is_file()
    # New tilt series take nobody's name, and the Navigator has the lamella's items once.
    assert {target.tsfile for target in targets_of(session).targets}.isdisjoint(stay)
    notes = [item.note for item in session.items() if "_tgt" in item.note]
    assert len(notes) == len(set(notes)) == len(targets_of(session).targets)
    assert [item.note for item in session.items() if item.acquire] == ["G1_L01_tgts.txt"]
    assert "files are kept as G1_L01_area2_tgts_earlier.txt and so on" in session.log()
    # Once more: what was kept before is kept still.
    (session.directory / "G1_L01_tgts_run01.txt").write_bytes(b"_spos = 6,1\n")
    (session.directory / "G1_L01_tgts.txt").unlink()
    assert session.run(4).ok
    assert kept | {b"_spos = 6,1\n"} <= set(contents(session, "*_earlier*").values())


def test_a_lamella_that_has_no_targets_any_more_is_not_acquired_from_its_run_file(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    (session.directory / "G1_L01_tgts.txt").rename(session.directory / "G1_L01_tgts_run01.txt")
    assert session.run(4, target_list=["cryst"], target_score_threshold=0.9).ok
    assert session.names("G1_L01_tgts*.txt") == ["G1_L01_tgts.txt", "G1_L01_tgts_run01_earlier.txt"]
    assert not any(item.acquire for item in session.items())


def test_the_stand_in_takes_targets_of_which_only_stage_positions_are_told(bench):
    session = bench(stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(4, target_list=["lamella"]).ok
    path = session.directory / "G1_L01_tgts.txt"
    targets = targets_of(session).targets[:3]
    lines = [
        line
        for line in path.read_text("utf-8").split("_geo")[0].split("\n")
        if not line.startswith("SS")
    ]
    (session.directory / "G1_L01_tgts_run07.txt").write_text("\n".join(lines), "utf-8")
    path.write_text("what PACEtomo does not look at", "utf-8")
    session.simulation.scripts[2] = Script("stand-in", STAND_IN)
    session.simulation.acquire_params(primary=2)
    session.do("sem.NavAcqAtEndUseParams('F')", "sem.StartNavAcquireAtEnd()")
    taken = {}
    for exposure in session.simulation.exposures:
        if exposure.file and exposure.file.endswith("mrc") and "_ts_" in exposure.file:
            taken[exposure.file.replace("\\", "/").rsplit("/", 1)[1]] = exposure.center_um
    assert len(taken) >= 3
    first = taken[targets[0].tsfile]
    for target in targets[1:]:
        wanted = [a - b for a, b in zip(target.stage_um, targets[0].stage_um)]
        found = [a - b for a, b in zip(taken[target.tsfile], first)]
        assert max(abs(a - b) for a, b in zip(wanted, found)) < 0.05


def test_previews_for_pacetomo_show_the_targets(bench):
    session = bench(instrument="krios_k3")  # with its pictures whole
    session.place_lamellae()
    before = session.count_exposures()
    assert session.run(4, take_previews=True, max_targets=3).ok
    targets = targets_of(session).targets
    assert 2 <= len(targets) <= 3
    taken = [one for one in session.simulation.exposures[before:] if one.file]
    session.do("sem.EchoBreakLines('OFFSET %g %g' % tuple(sem.AdjustStagePosForNav(0, 0)[:2]))")
    told = next(line for line in reversed(session.simulation.log) if line.startswith("OFFSET"))
    offset_um = [float(word) for word in told.split()[1:]]  # of the Navigator from stage readings
    shots = []
    for number, target in enumerate(targets, start=1):
        assert target.tgtfile == f"G1_L01_tgt_{number:03d}.mrc"
        assert (session.directory / target.tgtfile).is_file()
        (shot,) = [one for one in taken if one.file.endswith(target.tgtfile)]
        shots.append(shot.center_um)
        assert np.hypot(*(np.subtract(shot.center_um, target.stage_um) - offset_um)) < 0.3
    steps = np.diff(shots, axis=0) - np.diff([target.stage_um for target in targets], axis=0)
    assert np.hypot(*steps.T).max() < 0.05
    assert session.simulation.session.scope.image_shift == pytest.approx((0, 0), abs=1e-6)
    assert session.run(4, take_previews=True, max_targets=3).ok
    assert len(session.names("G1_L01_tgt_00?.mrc")) == len(targets)


def test_targets_go_without_previews_when_these_fail(bench, monkeypatch):
    session = bench()
    session.place_lamellae()

    def fail(name):
        raise SpaceError(f"the camera is away for {name}")

    monkeypatch.setattr("space.microscope.scope.take_preview", fail)
    assert session.run(4, take_previews=True, max_targets=3).ok
    assert "Preview pictures failed: the camera is away for G1_L01_tgt_001.mrc" in session.log()
    assert not any(target.tgtfile for target in targets_of(session).targets)
    assert sum(item.acquire for item in session.items()) == 1
