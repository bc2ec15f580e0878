"""A dose-symmetric tilt series run by Acquire at Items on two points of a lamella."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import mrcfile
import numpy as np
import pytest

from space.simulator import Script, Simulation
from space.simulator.column import load_instrument
from space.simulator.commands import nav_changes, nav_points
from space.simulator.formats.mdoc import read as read_mdoc
from space.simulator.specimen import Grid
from tests.simulator.third_party.places import binned_more

SCRIPT = (Path(__file__).parent / "scripts" / "tilt_series.py").read_text(encoding="utf-8")
ORDER = [0, 10, -10, -20, 20, 30, -30, -40, 40]


def with_frames(folder: str):
    """The usual microscope with a camera that saves frames."""
    usual = load_instrument()
    return replace(usual, camera=replace(usual.camera, frame_folder=folder))


@pytest.fixture(scope="module")
def acquired(tmp_path_factory):
    simulation = Simulation(
        tmp_path_factory.mktemp("series"),
        seed=9,
        grids={1: Grid.make(21, 2, kinds=("good", "thick"), within_um=300.0)},
        instrument=with_frames("D:/frames"),
        time_scale=0.0,
    )
    session = simulation.session
    session.scope.set_low_dose(True)
    binned_more(session, "RTFV")
    session.navigator.open()
    lamella = session.grid.lamellae[0]
    x, y = lamella.center_um
    for dx, dy in ((-3.0, 1.0), (3.0, -2.0)):
        nav_points.add_stage_pos_as_nav_point(session, x + dx, y + dy, -lamella.height_um + 2.0)
        nav_changes.set_item_acquire(session, -1)
    simulation.scripts[1] = Script("series", SCRIPT)
    simulation.acquire_params(primary=1)
    result = simulation.run_acquire()
    assert result.ok, result.error
    return simulation


def series(simulation, label):
    return [e for e in simulation.exposures if Path(e.file).name == f"{label}.mrc"]


@pytest.mark.parametrize("label", ["1", "2"])
def test_every_tilt_is_there_in_the_order_of_dose(acquired, label):
    tilts = [e.tilt_deg for e in series(acquired, label)]
    assert tilts == pytest.approx(ORDER, abs=0.05)
    assert [e.section for e in series(acquired, label)] == list(range(len(ORDER)))


@pytest.mark.parametrize("label", ["1", "2"])
def test_the_target_stays_in_the_middle(acquired, label):
    centers = np.array([e.center_um for e in series(acquired, label)])
    away = np.hypot(*(centers - centers[0]).T)
    assert np.median(away) < 0.06 and away.max() < 0.2


@pytest.mark.parametrize("label", ["1", "2"])
def test_the_defocus_stays_near_the_target(acquired, label):
    values = np.array([e.defocus_um for e in series(acquired, label)])
    assert values[0] == pytest.approx(-3.0, abs=0.1)
    assert np.abs(values + 3.0).max() < 0.5


def test_files_are_whole_and_say_what_was_taken(acquired):
    folder = acquired.session.directory / "tilts"
    for label in ("1", "2"):
        with mrcfile.open(folder / f"{label}.mrc") as stack:
            assert stack.data.shape[0] == len(ORDER)
        notes = read_mdoc(folder / f"{label}.mrc.mdoc")
        tilts = [section.number("TiltAngle") for section in notes.images]
        assert tilts == pytest.approx(ORDER, abs=0.05)
        doses = [section.number("PriorRecordDose") for section in notes.images]
        each = notes.images[0].number("ExposureDose")
        assert doses == pytest.approx([each * n for n in range(len(ORDER))], rel=0.01)
        sides = [section.values["TrackedSide"] for section in notes.images]
        assert sides == ["plus" if tilt >= 0 else "minus" for tilt in ORDER]
        labels = {section.values["NavigatorLabel"] for section in notes.images}
        assert labels == {label}


def test_what_the_series_leaves_behind(acquired):
    session = acquired.session
    assert not any(item.acquire for item in session.navigator.items)
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    assert len(session.files) == 0
    assert sum(bool(re.search(r"^9 images in \d", line)) for line in acquired.log) == 2


def test_frames_are_named_for_item_and_tilt(acquired):
    names = [
        line.split()[-1]
        for line in acquired.log
        if line.startswith("frames ") and line.endswith(".tif")
    ]
    assert len(names) == len(set(names)) == 2 * len(ORDER)
    notes = read_mdoc(acquired.session.directory / "tilts" / "1.mrc.mdoc")
    for section, name, tilt in zip(notes.images, names, ORDER):
        found = re.fullmatch(r"1_.*?(-?\d+\.\d)\.tif", name)
        assert found, name
        assert float(found[1]) == pytest.approx(tilt, abs=0.06)
        assert PureWindowsPath(section.values["SubFramePath"]).name == name
