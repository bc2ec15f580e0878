"""Interactive selection of targets on a lamella: what the user wants against what is written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from space.simulator import Policy, Simulation
from space.simulator.commands import nav_points
from space.simulator.specimen import Grid

SCRIPT = (Path(__file__).parent / "scripts" / "select_targets.py").read_text(encoding="utf-8")
TRACKING = (0.4, -0.3)  # µm from the middle of the lamella
WANTED = ((-2.6, 1.1), (2.2, 0.9), (1.6, -2.4), (-1.5, -1.8))
GROUP = 4711


class User:
    """Wants certain places of the lamella, and sees what the pictures show."""

    def __init__(self, targets=WANTED) -> None:
        self.session = None
        self.left = [TRACKING, *targets]
        self.points = targets

    @property
    def lamella(self):
        return self.session.grid.lamellae[0]

    def place(self, offset):
        return np.add(self.lamella.center_um, offset)

    def respond(self, kind: str, text: str):
        if kind == "key":
            self.drag(self.place(self.left.pop(0)))
            return True
        if "Add another target" in text:
            return bool(self.left)
        if "Start over" in text:
            return False
        if "group of points" in text:
            self.pick()
        if "rootname" in text or "another one" in text:
            return "L01"
        if "Group ID" in text:
            return GROUP
        if "geometry points" in text:
            return 3
        return None

    def drag(self, wanted) -> None:
        """Bring a place into the middle with the mouse, as far as a pixel lets see."""
        scope = self.session.scope
        away = wanted - np.array(self.session.exposures[-1].center_um)
        scope.shift_image_by_um(*(scope.optics.stage_to_specimen() @ away))

    def pick(self) -> None:
        """Click on the places in the View map; the stage error shows in what is seen there."""
        view = next(e for e in reversed(self.session.exposures) if e.area == "V")
        image = self.session.buffers.require("O")
        error = np.array(view.center_um) - image.nav_xy_um
        for offset in self.points:
            x, y = self.place(offset) - error
            nav_points.add_stage_pos_as_nav_point(self.session, x, y, 0.0, GROUP)


def run(folder, script=SCRIPT, targets=WANTED, **options):
    user = User(targets)
    simulation = Simulation(
        folder,
        seed=12,
        grids={1: Grid.make(21, 1, kinds=("good",), within_um=300.0)},
        policy=Policy(respond=user.respond),
        time_scale=0.0,
        **options,
    )
    user.session = session = simulation.session
    session.scope.set_low_dose(True)
    lamella = user.lamella
    x, y = lamella.center_um
    session.scope.stage.move_to(x + 1.0, y - 0.5, -lamella.height_um)
    result = simulation.run(script, "select_targets.py")
    assert result.ok, result.error
    return simulation, user


def targets_of(folder) -> tuple[list[dict], list[dict]]:
    """Read a targets file as the acquisition script does."""
    targets, geometry, current = [], [], {}
    for line in (Path(folder) / "L01_tgts.txt").read_text(encoding="utf-8").splitlines():
        words = line.split(" ")
        if line.startswith("_tgt"):
            targets.append(current := {})
        elif line.startswith("_geo"):
            geometry.append(current := {})
        elif line and not line.startswith("_"):
            assert words[1] == "="
            current[words[0]] = words[2]
    return targets, geometry


def previews(simulation):
    return [e for e in simulation.exposures if re.search(r"_tgt_\d+\.mrc$", e.file)]


@pytest.fixture(scope="module")
def picked(tmp_path_factory):
    return run(tmp_path_factory.mktemp("picked"))


@pytest.fixture(scope="module")
def dragged(tmp_path_factory):
    script = SCRIPT.replace("drag = False", "drag = True")
    return run(tmp_path_factory.mktemp("dragged"), script, WANTED[:2], instrument="talos_ceta")


def off_um(simulation, user):
    """From the wanted places to what the Previews show."""
    shown = [e.center_um for e in previews(simulation)]
    return np.subtract(shown, [user.place(p) for p in (TRACKING, *user.points)])


def test_previews_show_what_the_user_wants(picked):
    off = off_um(*picked)
    # The stage takes over the first drag, with its error.
    assert np.hypot(*off[0]) < 1.5
    assert np.hypot(*off[1:].T).max() < 0.12


def test_dragged_targets_miss_by_what_view_and_record_differ(dragged):
    off = off_um(*dragged)
    assert np.hypot(*(off[1:] - off[1]).T).max() < 0.02
    assert 0.05 < np.hypot(*off[1]) < 0.3


@pytest.mark.parametrize("session", ["picked", "dragged"])
def test_specimen_shifts_in_the_file_are_those_of_the_previews(request, session):
    simulation, user = request.getfixturevalue(session)
    targets, _ = targets_of(simulation.session.directory)
    assert len(targets) == 1 + len(user.points)
    optics = simulation.session.scope.optics
    centers = np.array([e.center_um for e in previews(simulation)])
    expected = (centers - centers[0]) @ optics.stage_to_specimen().T
    written = np.array([(float(t["SSX"]), float(t["SSY"])) for t in targets])
    assert written == pytest.approx(expected, abs=0.03)
    assert {t["skip"] for t in targets} == {"False"}


def test_files_named_in_the_targets_file_exist(picked):
    folder = picked[0].session.directory
    targets, geometry = targets_of(folder)
    for number, target in enumerate(targets, start=1):
        assert target["tsfile"] == f"L01_ts_{number:03d}.mrc"
        assert (folder / target["tgtfile"]).is_file() and (folder / target["viewfile"]).is_file()
    assert len(geometry) == 3
    assert (folder / "L01_targets.jpg").is_file() and (folder / "L01.log").is_file()


def test_navigator_is_ready_for_the_acquisition(picked):
    session = picked[0].session
    ready = [item for item in session.navigator.items if item.acquire]
    assert [item.note for item in ready] == ["L01_tgts.txt"]
    assert ready[0].label == "001" and ready[0].integer("MapLDConSet") == 4
    notes = [item.note for item in session.navigator.items]
    assert "L01_tgt_001_view.mrc" in notes and "L01_tgt_005.mrc" in notes
    assert session.variables.get("lastTargetsRoot") == "L01"
    assert not session.scope.shift_to_tilt_axis


def test_stage_position_of_the_tracking_target_leads_there_again(picked):
    simulation, _ = picked
    target = targets_of(simulation.session.directory)[0][0]
    session = simulation.session
    session.scope.set_image_shift(0.0, 0.0)
    session.scope.stage.move_to(float(target["stageX"]), float(target["stageY"]))
    assert (
        np.hypot(*np.subtract(session.scope.stage.true_um, previews(simulation)[0].center_um)) < 2.5
    )


def test_beam_is_read_from_the_microscope_or_not_known(picked, dragged):
    lines = [next(x for x in s.log if " targets for " in x) for s, _ in (picked, dragged)]
    diameter = picked[0].session.scope.areas["R"].beam_um
    assert lines[0].endswith(f"beam {diameter:.2f} um.")
    assert lines[1].endswith("beam 0.00 um.")  # two condensers: nothing to read
