"""The simulated program at a port, and the module `serialem` at the other end of the line."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from space.simulator import Script
from space.simulator.column.errors import SEMerror, SEMexited, SEMmoduleError
from space.simulator.program.drive import Drive
from space.simulator.serving import AFTER, BEFORE, Cut, Server, client_module, write_module


@contextmanager
def calling(simulation, work, **options):
    """Serve in this thread while `work` calls from another one; what it raises is raised here."""
    server, raised = Server(simulation, **options), []

    def call():
        try:
            work(server.port)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        server.serve(until=lambda: not thread.is_alive())
    finally:
        server.close()
        thread.join(20)
    if raised:
        raise raised[0]
    yield server


def connected(port):
    sem = client_module()
    sem.ConnectToSEM(port, "127.0.0.1")
    return sem


def test_commands_answer_as_in_a_script(make_simulation):
    simulation = make_simulation()
    found = {}

    def work(port):
        sem = connected(port)
        found["tilt"] = sem.ReportTiltAngle()
        found["stage"] = sem.ReportStageXYZ()
        sem.NoMessageBoxOnError(1)
        with pytest.raises(SEMerror, match="binning"):
            sem.SetBinning("V", 3)
        with pytest.raises(TypeError):
            sem.SetBinning("V")
        with pytest.raises(SystemError) as caught:
            sem.bufferImage("A")
        assert isinstance(caught.value.__cause__, SEMmoduleError)
        sem.V()
        found["picture"] = np.array(sem.bufferImage("A"))
        with pytest.raises(SEMexited, match="Normal exit"):
            sem.Exit()

    with calling(simulation, work) as server:
        session = simulation.session
        assert found["tilt"] == session.scope.stage.tilt_deg and len(found["stage"]) == 3
        kept = session.buffers.require("A").data
        assert found["picture"].dtype == kept.dtype and np.array_equal(found["picture"], kept)
        assert server.names[-1] == "Exit" and session.log[0] == "EXTERNAL CONTROL"


def test_a_picture_has_the_time_at_which_it_was_taken(make_simulation):
    def work(port):
        sem = connected(port)
        ticks = []
        for _ in range(2):
            sem.V()
            for _ in range(2):
                sem.Delay(5, "s")
                sem.ImageProperties("A")
                ticks.append(sem.GetVariable("imageTickTime"))
        assert ticks[0] == ticks[1] < ticks[2] == ticks[3]

    with calling(make_simulation(), work):
        pass


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_line_is_cut_before_or_after_a_command(make_simulation, when):
    simulation = make_simulation()

    def work(port):
        sem = connected(port)
        sem.SetUserSetting("DriftProtection", 1)
        with pytest.raises(SEMmoduleError, match="lost"):
            sem.V()
        with pytest.raises(SEMmoduleError, match="Not connected"):
            sem.ReportTiltAngle()
        sem.ConnectToSEM(port, "127.0.0.1")
        assert sem.ReportUserSetting("DriftProtection") == 0.0

    with calling(simulation, work, cuts=[Cut(2, when)]):
        assert len(simulation.exposures) == (when == AFTER)


def test_nobody_gets_control_while_another_has_it_or_items_are_acquired(make_simulation):
    simulation = make_simulation()
    waits = "import serialem as sem\nsem.Delay(1, 's')\n"
    simulation.session.clock.time_scale = 1.0
    simulation.scripts[1] = Script("waits", f"#!Python\n{waits}")
    simulation.acquire_params(primary=1)

    def work(port):
        sem, other = connected(port), connected(port)
        sem.OpenNavigator()
        with pytest.raises(SEMmoduleError, match="busy"):
            other.ReportTiltAngle()
        sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(1, 2, 0)), 1)
        sem.StartNavAcquireAtEnd()
        with pytest.raises(SEMexited):
            sem.Exit()
        with pytest.raises(SEMmoduleError, match="busy"):
            other.ReportTiltAngle()

    with calling(simulation, work):
        assert any("ended after 1 items" in line for line in simulation.log)


def test_folders_can_have_the_names_of_another_computer(make_simulation):
    simulation = make_simulation()
    session = simulation.session
    session.drive = Drive("C:\\data", session.directory)

    def work(port):
        sem = connected(port)
        assert sem.ReportDirectory() == "C:\\data"
        sem.OpenNavigator()
        sem.OpenNewFile("c:\\DATA\\view.mrc")
        sem.V()
        sem.S()
        sem.NewMap(0, "a map")
        sem.SaveNavigator("C:/data/G1.nav")
        assert sem.ReportNavFile() == "C:\\data\\G1.nav"
        assert sem.ReportNavFile(1) == ("C:\\data\\G1", ".nav", "C:\\data\\", "G1")
        sem.CloseNavigator()
        sem.ReadNavFile("C:\\data\\G1.nav")
        sem.LoadOtherMap(1, "B")

    with calling(simulation, work):
        text = (session.directory / "G1.nav").read_text(encoding="utf-8")
        assert "MapFile = C:\\data\\view.mrc" in text and "LastSavedAs = C:\\data\\G1.nav" in text
        assert not any(line.startswith("[message]") for line in session.log)


def test_another_process_finds_the_module(make_simulation, tmp_path, monkeypatch):
    write_module(tmp_path / "PythonModules")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import serialem as sem;"
        "sem.ConnectToSEM(int(sys.argv[2]), '127.0.0.1'); print(sem.ReportTiltAngle())"
    )

    def work(port):
        command = [sys.executable, "-c", code, str(tmp_path / "PythonModules"), str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.strip() == "0.0", done.stderr

    with calling(make_simulation(), work):
        pass
