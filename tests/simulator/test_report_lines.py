"""What commands that report something print in the log."""

from __future__ import annotations

import pytest

from space.simulator.python.report_lines import _PHRASES, report_line
from tests.simulator.fakes import textured

HEAD = "#!Python\nimport serialem as sem\n"
SET_UP = """
sem.OpenNavigator()
sem.AddStagePosAsNavPoint(10, 20, 0.5)
sem.MoveStageTo(1, -2, 3)
sem.SetDefocus(-1.5)
sem.SuppressReports(0)
"""


@pytest.fixture
def simulation(make_simulation):
    simulation = make_simulation(textured(pixel_um=0.004, size=1000))
    simulation.session.scope.set_low_dose(True)
    simulation.session.camera.change("F", binning=8)
    return simulation


def printed(simulation, body):
    simulation.log.clear()
    result = simulation.run(HEAD + body)
    assert result.ok, result.error
    return [line for line in simulation.log if not line.startswith("[")]


def test_reports_are_printed_with_their_values(simulation):
    lines = printed(
        simulation,
        SET_UP + "sem.ReportStageXYZ()\nsem.ReportDefocus()\nsem.ReportMagIndex()\n"
        "sem.ReportLowDose()\nsem.ReportDirectory()\nsem.CameraToSpecimenMatrix(0)\n",
    )
    session = simulation.session
    assert lines[0] == "Stage at X 1, Y -2, Z 3" and lines[1] == "Defocus = -1.5 um"
    assert lines[2] == f"Magnification index {session.scope.mag_index}"
    assert lines[3] == "LowDose: 1 3"
    assert lines[4] == f"Current directory: {session.directory}"
    name, _, numbers = lines[5].partition(": ")
    assert name == "CameraToSpecimenMatrix" and len(numbers.split()) == 4 and len(lines) == 6


def test_nothing_is_printed_while_reports_are_suppressed(simulation):
    quiet = "sem.ReportStageXYZ()\nsem.ReportDefocus()\n"
    lines = printed(
        simulation,
        "sem.SuppressReports()\n"
        + quiet
        + "assert sem.ReportDefocus() is not None\nsem.Echo('x')\n"
        "sem.SuppressReports(0)\nsem.ReportTargetDefocus()\nsem.SuppressReports(1)\n" + quiet,
    )
    assert lines == ["x", "Target defocus = -4 um"]
    # A script begins with its reports printed.
    assert printed(simulation, "sem.ReportTargetDefocus()") == ["Target defocus = -4 um"]


def test_commands_that_act_or_refuse_print_no_report(simulation):
    body = "sem.SetDefocus(-2)\nsem.SetVariable('a', 'b')\nassert sem.GetVariable('a') == 'b'\n"
    body += "assert sem.SetImageShift(0, 0) == 0 and sem.ReportAlignShift() is None\n"
    body += (
        "sem.NoMessageBoxOnError(1)\ntry:\n    sem.ReportNavItem()\nexcept SEMerror:\n    pass\n"
    )
    lines = printed(simulation, body)
    assert len(lines) == 1 and lines[0].startswith("SCRIPT ERROR")


@pytest.mark.parametrize("name", _PHRASES)
def test_each_phrase_takes_what_its_command_reports(simulation, name):
    calls = {
        "ReportExposure": "'R'",
        "ReportOtherItem": "1",
    }
    body = "sem.V()\n" if name == "ReportAlignShift" else ""
    if name == "ReportFocusDrift":
        body = "sem.SetUserSetting('DriftProtection', 1)\nsem.G(-1)\n"
    lines = printed(simulation, SET_UP + body + f"sem.{name}({calls.get(name, '')})")
    assert lines[-1] and "{" not in lines[-1]
    assert not lines[-1].startswith(name.replace("Report", "", 1) + ":")


def test_names_that_are_no_reports_have_no_line():
    assert report_line("GetVariable", (1.0,)) is None
    assert report_line("LoadCartridge", (0.0, 0.0)) is None
    assert report_line("ReportMag", ()) is None
    assert report_line("ReportSomethingNew", (1.0, "x y")) == "SomethingNew: 1 x y"
    assert report_line("ImageProperties", (64.0, 32.5)) == "ImageProperties: 64 32.5"
