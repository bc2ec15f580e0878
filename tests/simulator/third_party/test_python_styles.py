"""A script that leans on the Python side of SerialEM, and one that runs outside of it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from space.simulator import Script
from space.simulator.commands import all_commands
from space.simulator.external import external_python
from tests.simulator.fakes import textured

FOLDER = Path(__file__).parent / "scripts"
REPORT = (FOLDER / "session_report.py").read_text(encoding="utf-8")

SHARED = """#!Python
def shared_heading(number):
    return f"report number {number}"
"""
HELPER = """#!Python
import serialem as sem
sem.SetVariable("noteOfHelper", "saw " + str(sem.GetVariable("position")))
"""
THIRD = """#!Python
import serialem as sem
sem.SetFloatVariable("third", 3)
sem.Return()
sem.SetFloatVariable("third", 4)
"""


@pytest.fixture
def simulation(make_simulation):
    simulation = make_simulation(textured())
    for number, (name, text) in enumerate(
        (("SharedFunctions", SHARED), ("Helper", HELPER), ("Other", THIRD)), start=1
    ):
        simulation.scripts[number] = Script(name, text)
    simulation.session.scope.set_low_dose(True)
    simulation.session.navigator.open()
    return simulation


def test_report(simulation):
    session = simulation.session
    session.scope.stage.move_to(12.25, 3.0)
    for number in (1, 2):
        result = simulation.run(REPORT, "report")
        assert result.ok and result.exited, result.error
        assert f"report number {number}" in simulation.log
    assert "report done" in simulation.log and "nobody hears this" not in simulation.log
    assert "helper: saw 7.5, third: 3, x = 12.25, angle = 0.0" in simulation.log
    assert simulation.log.count("two") == simulation.log.count("lines") == 2
    problems = [line[3:] for line in simulation.log if line.startswith(" - ")][:7]
    assert problems[4] == "ZemlinTableau: not simulated"
    assert problems[5:] == ["[]", "TypeError"]
    for text, word in zip(problems, ("mag", "limits", "no_such_file", "item")):
        assert word in text.lower()
    # One box only: for the error without NoMessageBoxOnError.
    assert [d.kind for d in session.dialogs] == ["error", "error"]
    assert not session.variables.defined("angles") and session.variables.defined("reportRuns")
    assert session.options.user_settings["DriftProtection"] == 0.0
    assert session.camera.exposure_s("R") == 1.0


def test_client_from_outside(simulation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["external_client.py", "--count", "4"])
    with external_python(simulation.session, all_commands()):
        runpy.run_path(str(FOLDER / "external_client.py"), run_name="__main__")
    rows = json.loads((tmp_path / "watch.json").read_text(encoding="utf-8"))
    assert [row["x"] for row in rows] == pytest.approx([0, 5, 10, 15], abs=0.05)
    for row in rows:
        assert row["mean"] == pytest.approx(row["counts"], rel=1e-6) and row["spread"] > 0
    assert len(simulation.exposures) == 4
    assert "EXTERNAL CONTROL" in simulation.log
