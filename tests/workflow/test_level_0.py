"""Level 0: SPACEtomo.py asks the microscope what could stop a session, and moves nothing."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from space.checkup import folders

QUIET = {
    "NoMessageBoxOnError", "SuppressReports", "EchoBreakLines", "Exit", "IsVersionAtLeast",
    "CameraProperties", "ImagingStateProperties", "OpenNewFile", "AddToAutodoc", "CloseFile",
    "IsVariableDefined", "GetVariable",
}  # fmt: skip
"""What level 0 calls besides commands that only report (Report..., Are...)."""


class Watcher:
    """What a session calls while a script runs."""

    def __init__(self) -> None:
        self.commands: set[str] = set()

    def command(self, name: str, simulated: bool):
        self.commands.add(name)
        return nullcontext()

    def picture(self, *taken: object) -> None:
        raise AssertionError("a picture was taken")

    def script(self, *ended: object) -> None:
        pass


@pytest.fixture(autouse=True)
def large_disk(monkeypatch):
    """Whether there is room here is no matter of these tests."""
    monkeypatch.setattr(folders, "_PROBE_BYTES", 100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**13))


def test_nothing_is_moved_exposed_or_left(bench):
    made = bench()
    scope = made.simulation.session.scope
    before = (scope.stage.position_um, scope.mag_index, made.count_exposures(), made.names("*"))
    watcher = made.simulation.session.watcher = Watcher()
    result = made.run(0)
    assert result.ok, result.error
    assert {"ReportLowDose", "ReportSlotStatus"} <= watcher.commands
    others = {name for name in watcher.commands if not name.startswith(("Report", "Are"))} - QUIET
    assert not others
    assert before == (
        scope.stage.position_um, scope.mag_index, made.count_exposures(), made.names("*"),
    )  # fmt: skip
    log = made.log()
    for text in ("WG_image_state = 1: ", "MM_image_state = 2: ", "made in View", "slot 1: ",
                 "camera: ", "disk: ", "models: ", "must be corrected"):  # fmt: skip
        assert text in log
    assert "fail " not in log


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WG_image_state": 9}, "fail  WG_image_state = 9: SerialEM has no such imaging state"),
        ({"WG_image_state": 2}, "fail  WG_image_state = 2: "),
        ({"MM_image_state": 1}, "Set a low dose state: set up View"),
        ({"MM_image_state": [2, "nowhere"]}, "fail  MM_image_state = 'nowhere'"),
        ({"IM_image_state": 2}, "fail  IM_image_state = 2: "),
        ({"grid_list": [1, 5]}, "fail  slot 5: "),
        ({"max_tilt": 79}, "warn  tilt series: max_tilt is 79 degrees"),
        ({"max_tilt": "x"}, "fail  settings: max_tilt = 'x'"),
        ({"external_map_dir": "/no/such/folder"}, "fail  shared folder: "),
    ],
)
def test_what_does_not_fit_is_told(bench, settings, words):
    made = bench()
    result = made.run(0, **settings)
    assert words in made.log()
    assert result.ok == words.startswith("warn")
    assert made.log().count("must be corrected") == 1
    assert made.count_exposures() == 0


def test_devices_that_the_microscope_lacks_are_told(tmp_path, bench):
    made = bench(instrument="talos_ceta")
    made.run(0)
    log = made.log()
    assert "fail  autoloader" in log or "slot 1" in log
    assert "warn  beam: the microscope does not report its illuminated area" in log


def test_an_old_serialem_is_told(bench):
    made = bench(serialem="4.1.25")
    result = made.run(0)
    assert not result.ok and "fail  SerialEM: This SerialEM is older" in made.log()
