"""SerialEM at the end of a line that is lost: nothing is done twice, nothing is left out."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from space.errors import SpaceError
from space.microscope import repeating
from space.microscope.line import Address, Line
from space.microscope.requirements import COMMANDS
from space.microscope.sem import LineLostError
from space.simulator import Simulation
from space.simulator.serving import AFTER, BEFORE, Cut, Server, client_module
from tests.simulator.fakes import SpotGrid, without_frame_files


@pytest.fixture
def make_simulation(tmp_path):
    """Sessions on a grid of spots, each in a folder of its own."""
    count = itertools.count()

    def make():
        folder = tmp_path / str(next(count))
        simulation = Simulation(
            folder, grids={1: SpotGrid()}, noise=False, stage_error_um=0.0, time_scale=0.0
        )
        without_frame_files(simulation.session)
        simulation.session.scope.set_low_dose(True)
        return simulation

    return make


BOTH = pytest.mark.parametrize("when", [BEFORE, AFTER])


@contextmanager
def serving(simulation, work, **options):
    """Serve in this thread while `work` gives commands through a line from another one."""
    server, raised = Server(simulation, **options), []
    line = Line(client_module(), Address(port=server.port), patience_s=5.0)

    def call():
        try:
            line.begin()
            work(line)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        server.serve(until=lambda: not thread.is_alive())
    finally:
        server.close()
        thread.join(30)
    if raised:
        raise raised[0]
    yield server


def both_ways(make_simulation, work, name, when):
    """Run work once with no cut and once with a command cut; return both simulations."""
    whole, answer, names = run_through(make_simulation, work)
    at = name(names) if callable(name) else [Cut(names.index(name) + 1, when)]
    cut, cut_answer, _ = run_through(make_simulation, work, at)
    return (whole, answer), (cut, cut_answer)


def run_through(make_simulation, work, cuts=()):
    """Run work through a line; return the simulation, what work returned and what came in."""
    simulation, answers = make_simulation(), []
    with serving(simulation, lambda sem: answers.append(work(sem)), cuts=cuts) as server:
        assert all(server.count > cut.at for cut in cuts)
    return simulation, answers[0], server.names


def unattended(sem):
    sem.NoMessageBoxOnError(1)
    sem.SuppressReports(1)


@BOTH
@pytest.mark.parametrize("name", ["V", "R"])
def test_a_picture_is_taken_once(make_simulation, name, when):
    def work(sem):
        unattended(sem)
        sem.V()
        first = np.array(sem.bufferImage("A"))
        getattr(sem, name)()
        return first, np.array(sem.bufferImage("A"))

    (whole, a), (cut, b) = both_ways(make_simulation, work, name, when)
    assert len(whole.exposures) == len(cut.exposures) == 2
    assert all(np.array_equal(x, y) for x, y in zip(a, b))


@BOTH
def test_a_loss_while_the_witness_is_asked_leaves_no_picture_out(make_simulation, when):
    def work(sem):
        unattended(sem)
        sem.V()
        sem.V()

    def cut_the_second(commands):
        return [
            Cut([n for n, name in enumerate(commands) if name == "ImageProperties"][1] + 1, when)
        ]

    (whole, _), (cut, _) = both_ways(make_simulation, work, cut_the_second, when)
    assert len(whole.exposures) == len(cut.exposures) == 2


@BOTH
@pytest.mark.parametrize(
    "name",
    ["OpenNewFile", "S", "NewMap", "CloseFile", "AddStagePosAsNavPoint", "DeleteNavigatorItem"],
)
def test_files_and_items_are_made_once(make_simulation, name, when):
    def work(sem):
        unattended(sem)
        sem.OpenNavigator()
        sem.OpenNewFile("view.mrc")
        sem.V()
        sem.S()
        made = [sem.NewMap(0, "map"), sem.AddStagePosAsNavPoint(1, 2, 3)]
        sem.DeleteNavigatorItem(1)
        sections = sem.ReportFileZsize()
        sem.CloseFile()
        return made, sections, sem.ReportNumTableItems(), sem.ReportFileNumber()

    (_, whole), (_, cut) = both_ways(make_simulation, work, name, when)
    assert whole == cut


@BOTH
def test_image_shift_is_moved_once(make_simulation, when):
    def work(sem):
        unattended(sem)
        return sem.ImageShiftByMicrons(1.0, 0.5), sem.ReportSpecimenShift()

    (_, whole), (_, cut) = both_ways(make_simulation, work, "ImageShiftByMicrons", when)
    assert whole == cut


@BOTH
@pytest.mark.parametrize("name", ["ReportOtherItem", "GetVariable"])
def test_variables_of_a_question_are_there_after_a_loss(make_simulation, name, when):
    def work(sem):
        sem.OpenNavigator()
        index = int(sem.AddStagePosAsNavPoint(1, 2, 3))
        sem.ChangeItemNote(index, "a note")
        sem.ReportOtherItem(index)
        return sem.GetVariable("navNote")

    (_, whole), (_, cut) = both_ways(make_simulation, work, name, when)
    assert whole == cut == "a note"


def test_what_a_script_has_set_holds_after_a_loss(make_simulation):
    def work(sem):
        unattended(sem)
        sem.SetUserSetting("DriftProtection", 1)
        sem.SetVariable("mine", "text")
        sem.ReportTiltAngle()
        with pytest.raises(sem.SEMerror, match="binning"):  # no message box
            sem.SetBinning("V", 3)
        return sem.ReportUserSetting("DriftProtection"), sem.GetVariable("mine")

    (_, whole), (_, cut) = both_ways(make_simulation, work, "ReportTiltAngle", AFTER)
    assert whole == cut == (1.0, "text")


def test_a_mail_is_never_sent_twice(make_simulation):
    def work(sem):
        unattended(sem)
        sem.SendEmail("text")

    (_, _), (cut, _) = both_ways(make_simulation, work, "SendEmail", AFTER)
    assert sum("text" in line for line in cut.log) == 1


def test_an_order_without_a_witness_ends_the_run(make_simulation):
    def work(sem):
        with pytest.raises(LineLostError, match="TiltBy"):
            sem.TiltBy(3.0)
        assert sem.ReportTiltAngle() is not None

    simulation = make_simulation()
    with serving(simulation, work, cuts=[Cut(3, AFTER)]):
        pass


def test_an_error_that_is_none_of_the_line_is_raised(make_simulation):
    def work(sem):
        with pytest.raises((sem.SEMmoduleError, SystemError)):
            sem.bufferImage("A")

    with serving(make_simulation(), work):
        pass


def test_a_serialem_that_was_started_anew_ends_the_run(make_simulation):
    def work(sem):
        sem.V()
        sem.module.ClearPersistentVars()
        with pytest.raises(LineLostError, match="started anew"):
            sem.V()

    simulation = make_simulation()
    with serving(simulation, work, cuts=[Cut(8, BEFORE)]) as server:
        assert server.names[7] == "V"
    assert len(simulation.exposures) == 1


def test_a_silent_serialem_is_waited_for_and_then_given_up(make_simulation):
    def work(sem):
        sem.ReportTiltAngle()
        assert sem.losses == 1
        sem.patience_s = 0.3
        with pytest.raises(LineLostError, match="not reached again"):
            sem.ReportTiltAngle()

    cuts = [Cut(3, BEFORE, 0.4), Cut(8, BEFORE, 30.0)]
    with serving(make_simulation(), work, cuts=cuts):
        pass


@BOTH
def test_the_end_of_the_control_starts_the_acquisition_once(make_simulation, when):
    from space.simulator import Script

    def work(sem):
        unattended(sem)
        sem.OpenNavigator()
        sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(1, 2, 0)), 1)
        sem.StartNavAcquireAtEnd()
        assert sem.starts_acquisition
        sem.give_up()
        left = None
        while left is None:
            left = sem.left_after_acquisition()
        return left

    def make():
        simulation = make_simulation()
        simulation.scripts[1] = Script("one", "#!Python\nimport serialem as sem\nsem.R()\n")
        simulation.acquire_params(primary=1)
        return simulation

    (whole, a), (cut, b) = both_ways(make, work, "Exit", when)
    assert a == b == 0 and len(whole.exposures) == len(cut.exposures) == 1


def test_stop_is_an_exit(make_simulation):
    def work(sem):
        with pytest.raises(sem.SEMexited):
            sem.Exit()

    with serving(make_simulation(), work):
        pass


def test_every_command_is_repeated_or_has_a_witness():
    known = {"CloseNavigator", "Exit", "LoadCartridge", "SendEmail"}
    for name in set(COMMANDS) - known:
        ways = [repeating.is_repeated(name), repeating.witness_of(name) is not None]
        assert sum(ways) == 1, name
    assert repeating.PICTURES <= set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "address"),
    [("k2", Address("k2", 48888)), ("10.0.0.5:50000", Address("10.0.0.5", 50000))],
)
def test_addresses(text, address):
    assert Address.read(text) == address and Address.read(str(address)) == address


@pytest.mark.parametrize("text", ["", "k2:", ":1", "k2:port", "k2:70000", "k 2"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SpaceError, match="no address"):
        Address.read(text)


def test_nobody_listening_is_told():
    line = Line(client_module(), Address(port=1))
    with pytest.raises(SpaceError, match="EnableExternalPython"):
        line.begin()
